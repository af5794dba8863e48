"""One WebSocket between network and layer, until its end was told.

A socket that was announced with ``websocket.connect`` gets exactly one
``websocket.disconnect``; one that was refused for a full queue gets none, as the
application was never told (docs/channels1.md#disconnect-events).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.interface_server.bridge.disconnect import DISCONNECT, Disconnect
from channels.interface_server.bridge.inbound import InboundBuffer, Message
from channels.interface_server.bridge.interfaces import WebSocketPort
from channels.interface_server.bridge.state import DROPPED, NO_WORKER, WHY, BridgeState
from channels.interface_server.protocol.websocket import (
    CLOSING,
    CONNECTING,
    INTERNAL_ERROR,
    OPEN,
    Accept,
    Action,
    Close,
    SendPayload,
    Socket,
)
from channels.layers.clients import LOST, PLAIN, SendOptions, SocketEntry, Unread
from channels.replies import Malformed, payload_of

log = logging.getLogger(__name__)

CONNECT = "websocket.connect"
RECEIVE = "websocket.receive"

#: A frame that is lost so many times in a row may be what kills its workers.
MOST_LOSSES = 3

AGAIN = SendOptions(redelivered=True)

#: Why a handshake timed out although its consumer has run.
NOT_ACCEPTED = (
    'its websocket.connect consumer has run, and sent no {"accept": True} to message.reply_channel'
)

#: Close codes of our own making (RFC 6455 section 7.4, and its registry).
TOO_LARGE = 1009
TRY_AGAIN_LATER = 1013


class BridgedWebSocket:
    """What ``net`` calls, and what messages from the layer act on; small, as most are idle.

    It has a deadline while it is not read (then it is closed), and while its disconnect waits
    for the frame in flight (then it waits no longer).
    """

    __slots__ = (
        "_buffer",
        "_muted",
        "_paused",
        "_receipt",
        "_spoilt",
        "_state",
        "_told",
        "channel",
        "local",
        "machine",
        "port",
        "reply_channel",
        "wheel_slot",
    )

    def __init__(self, state: BridgeState, port: WebSocketPort, local: str, path: str) -> None:
        self.reply_channel = state.layer.mailbox + local
        self.local = local
        self.port = port
        self.machine = Socket()
        self.channel = CONNECT
        self.wheel_slot = 0
        self._state = state
        self._buffer = InboundBuffer(self.reply_channel, path)
        self._receipt = 0
        self._paused = False
        self._muted = False
        self._spoilt = False
        self._told = True  # the application has heard of it, and not of its end

    # -- from the network --------------------------------------------------------------

    def announce(self, details: Mapping[str, Any]) -> None:
        """Send ``websocket.connect``, with what the bridge adds to it."""
        state = self._state
        state.recipients[self.local] = self
        state.unfinished += 1
        state.sockets += 1
        self._receipt = receipt = state.new_receipt(self)
        options = SendOptions(opens=SocketEntry(self.local, self._buffer.path, time.time()))
        message = self._buffer.connect(details)
        state.layer.send(CONNECT, [message], receipt, self._announced, options)

    def received(self, payload: str | bytes) -> None:
        if self.machine.state is not OPEN:
            return  # said while we close
        state, buffer = self._state, self._buffer
        if state.up and not buffer.busy and RECEIVE not in state.waitlists.by_channel:
            self._transmit(buffer.take(payload))
            return
        buffer.hold(payload)
        self._advance()
        if not self._paused and self._crowded(1.0):
            self._paused = True
            self.port.pause_reading()
            state.wheel.add(self, state.settings.stall_timeout)

    def gone(self, code: int) -> None:
        state = self._state
        self.machine.gone()
        self._buffer.end = code
        state.sockets -= 1
        state.forget(self.local)
        state.wheel.discard(self)
        self._paused = False
        del self.port  # what the network keeps of a socket is large; nothing acts on it any more
        if not self._told:
            state.finished()
            return
        self._advance()
        if self._told:
            state.ending[self] = None
            state.wheel.add(self, state.disconnect_timeout)

    def timed_out(self) -> None:
        """Give up waiting for the application to accept, and say what it lacks."""
        state, path = self._state, self._buffer.path
        if self.machine.state is not CONNECTING:
            return
        status, why = 403, NOT_ACCEPTED
        if state.listening.missing(CONNECT):
            state.counters.unattended += 1
            status, why = 503, WHY[NO_WORKER]
        elif self._buffer.busy:
            why = "its consumer has not finished: is it slow, or are workers busy?"
        if state.seldom.due((CONNECT, why, path)):
            log.warning("nobody accepted a socket on %s in time, hence %d: %s", path, status, why)
        self._act(self.machine.close(INTERNAL_ERROR, status))

    # -- from the layer ----------------------------------------------------------------

    def reply(self, message: Mapping[str, Any]) -> None:
        if self.machine.state is OPEN:
            payload = payload_of(message)
            if payload is not None:
                port = self.port
                port.send(port.frame(payload))
                return
        actions = self.machine.reply(message)
        self._act(actions)
        if actions and isinstance(actions[-1], Malformed):
            what = f"reply to a socket on {self._buffer.path}"
            self._state.malformed(what, actions[-1].problem, message)
            if self.machine.state is CONNECTING:
                self._spoilt = True  # a correct one may follow, until the consumer has run

    def reply_of_group(self, message: Mapping[str, Any]) -> None:
        """Carry out what is right in a malformed message to a group, without a line in the log."""
        self._act(self.machine.reply(message))

    def broken(self) -> None:
        if self.machine.state is CLOSING:
            self._act([Close(INTERNAL_ERROR)])  # the reply raised before its own close was sent
        else:
            self._act(self.machine.close(INTERNAL_ERROR, 500))

    def answered(self, receipt: int) -> None:
        if self._spoilt:  # it has failed: docs/channels1.md#handshakes
            self._reject(500)
        if self._buffer.answered():
            self._advance()
        if self._paused and not self._crowded(0.5):
            self._resume()

    def lost(self, receipt: int, cause: str) -> None:
        state, path = self._state, self._buffer.path
        why = WHY[cause]
        if cause == LOST and state.settings.on_lost_message == "retry" and self._may_run_again():
            losses = self._buffer.lost()
            if losses < MOST_LOSSES:
                self._retry()
                return
            why = f"its workers died {losses} times in a row. It may be what kills them"
        if state.seldom.due((self.channel, why, path)):
            log.warning("%s of a socket on %s given up: %s", self.channel, path, why)
        if self.channel == CONNECT:
            self._reject(503)  # nobody will accept it
        if state.settings.on_lost_message == "close":
            self._act(self.machine.close(INTERNAL_ERROR, 500))
        self.answered(receipt)

    def _may_run_again(self) -> bool:
        """Whether what is in flight is a frame of a client's that the application still wants."""
        return self.channel == RECEIVE and not self._muted

    def _retry(self) -> None:
        state, path = self._state, self._buffer.path
        state.counters.retried += 1
        if state.seldom.due((AGAIN, path)):
            log.warning("%s of a socket on %s is sent again: %s", RECEIVE, path, WHY[LOST])
        state.waitlists.enter(RECEIVE, self)

    def unread(self, cause: str) -> None:
        path = self._buffer.path
        if self._state.seldom.due((Unread, cause, path)):
            log.error("reply to a socket on %s is %s: %s", path, cause, DROPPED[cause])
        self._reject(500)  # if it was the first one, there is none to wait for

    # -- what leaves when --------------------------------------------------------------

    def attempt(self) -> None:
        state = self._state
        frame = self._buffer.next(state.settings.frame_messages, state.settings.buffer_size)
        assert frame is not None  # without anything to say it would have left the waitlist
        self._transmit(frame)

    def expired(self, now: float) -> float | None:
        state, path = self._state, self._buffer.path
        if not self._paused:
            if not state.up:
                return state.disconnect_timeout  # nothing is given up while the layer is away
            self._give_up_frame()
            return None
        state.counters.stalled += 1
        if state.seldom.due(("stalled", path)):
            log.warning(
                "closed a socket on %s with 1013: its frames waited too long, as the workers"
                " don't keep up with it",
                path,
            )
        self._act(self.machine.close(TRY_AGAIN_LATER))
        return None

    def close(self, code: int) -> None:
        """Close the socket for the server's own reasons; what the client said still counts."""
        self._act(self.machine.close(code), discard=False)

    def _advance(self) -> None:
        """Send what comes next, if nothing is in flight and the layer can be tried."""
        state, buffer = self._state, self._buffer
        if buffer.busy:
            return
        if buffer.waiting:
            state.waitlists.enter(RECEIVE, self)
        elif buffer.end is not None and self._told:
            self._end_waiting()
            state.waitlists.enter(DISCONNECT, Disconnect(state, self.local, buffer.disconnect()))

    def _end_waiting(self) -> None:
        self._told = False
        self._state.ending.pop(self, None)
        self._state.wheel.discard(self)

    def _transmit(self, frame: list[Message]) -> None:
        state = self._state
        self.channel = RECEIVE
        self._receipt = receipt = state.new_receipt(self)
        options = AGAIN if self._buffer.losses else PLAIN
        state.layer.send(RECEIVE, frame, receipt, self._stored, options)

    def _stored(self, error: Exception | None) -> None:
        state = self._state
        if error is None:
            if state.waitlists.by_channel:
                state.waitlists.stored(RECEIVE, self)
                if not self._buffer.busy:  # what became of the frame was known before
                    self._advance()
            if self._paused and not self._crowded(0.5):
                self._resume()
        elif isinstance(error, LayerUnavailable):
            # It may have been stored: its receipt may come, or it is found to be lost.
            state.waitlists.leave(RECEIVE, self)
        elif state.in_flight.pop(self._receipt, None) is None:
            return  # given up meanwhile
        elif isinstance(error, ChannelFull):
            state.counters.held_back += 1
            self._buffer.put_back()
            if self._muted:
                self._discard()
            else:
                state.waitlists.wait(RECEIVE, self)
        else:
            self._not_carried(error)

    def _not_carried(self, error: Exception) -> None:
        path = self._buffer.path
        log.error("closing a socket on %s: a message cannot be carried: %s", path, error)
        self._state.waitlists.leave(RECEIVE, self)
        self._buffer.answered()
        too_large = isinstance(error, MessageTooLarge)
        self._state.counters.too_large += too_large
        self._act(self.machine.close(TOO_LARGE if too_large else INTERNAL_ERROR))
        self._discard()

    def _announced(self, error: Exception | None) -> None:
        state = self._state
        if error is None:
            return
        # When the layer did not answer, the application may know of it, and is told of its end.
        if not isinstance(error, LayerUnavailable):
            state.in_flight.pop(self._receipt, None)
            self._told = False
            if self._buffer.end is not None:  # gone already, and waiting for its receipt
                self._end_waiting()
                state.finished()
                return
        if isinstance(error, (LayerUnavailable, ChannelFull)):
            state.counters.connects_refused += 1
            self._reject(503)
        else:
            log.error("a socket on %s cannot be announced: %s", self._buffer.path, error)
            self._reject(500)

    def _give_up_frame(self) -> None:
        state, buffer = self._state, self._buffer
        state.counters.unanswered += 1
        dropped = buffer.discard()
        state.counters.undelivered += dropped
        # While the server stops, it tells of all of them at once.
        if not state.stopping and state.seldom.due(("overdue", buffer.path)):
            log.warning(
                "no worker has said within %s s of the end of a socket on %s that its last frame"
                " ran: its disconnect goes ahead; %d messages were dropped. Workers are away, or a"
                " consumer takes longer",
                state.settings.disconnect_timeout,
                buffer.path,
                dropped,
            )
        state.in_flight.pop(self._receipt, None)
        state.waitlists.leave(RECEIVE, self)
        buffer.answered()
        self._advance()

    # -- what is done to the socket ----------------------------------------------------

    def _reject(self, status: int) -> None:
        """Refuse the handshake; if a worker has accepted already, only its messages count."""
        if self.machine.state is CONNECTING:
            self._act(self.machine.close(INTERNAL_ERROR, status))

    def _act(self, actions: list[Action], discard: bool = True) -> None:
        if not actions:
            return  # nothing can be done to a socket that is gone
        port = self.port
        for action in actions:
            if isinstance(action, SendPayload):
                port.send(port.frame(action.payload))
            elif isinstance(action, Accept):
                port.accept()
            elif not isinstance(action, Malformed):
                if discard:
                    self._muted = True
                    self._discard()
                if self._paused:
                    self._resume()  # the peer's answer to our close frame must be read
                if isinstance(action, Close):
                    port.close(action.code)
                else:
                    port.reject(action.status)

    def _discard(self) -> None:
        state = self._state
        state.counters.discarded += self._buffer.discard()
        state.waitlists.leave(RECEIVE, self)
        self._advance()

    def _crowded(self, share: float) -> bool:
        """Whether more waits than this share of what may wait."""
        buffer, settings = self._buffer, self._state.settings
        return (
            buffer.size >= settings.buffer_size * share
            or buffer.waiting >= settings.buffer_messages * share
        )

    def _resume(self) -> None:
        self._paused = False
        self._state.wheel.discard(self)
        self.port.resume_reading()
