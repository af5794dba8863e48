"""One WebSocket between network and layer.

Puts together the state machine (what replies do), the in-flight rule (what leaves
when) and the layer.  There are many of these and most are idle, so one is small:
no timer, no buffer, no closure of its own until something waits.

A socket that was announced with ``websocket.connect`` gets exactly one
``websocket.disconnect``; one that was refused for a full queue gets none, as the
application was never told (docs/channels1.md#disconnect-events).
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Mapping
from typing import Any

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.interface_server.bridge.disconnect import Disconnect
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
    Malformed,
    Reject,
    Send,
    Socket,
)
from channels.layers.clients import SocketEntry, Unread
from channels.replies import payload_of

log = logging.getLogger(__name__)

CONNECT = "websocket.connect"
RECEIVE = "websocket.receive"

#: Close codes of our own making (RFC 6455 section 7.4, and its registry).
TOO_LARGE = 1009
TRY_AGAIN_LATER = 1013


class Stage(enum.Enum):
    """How far the application knows of a socket."""

    ANNOUNCED = "announced"
    REFUSED = "refused"
    LEFT = "left"


class BridgedWebSocket:
    """What ``net`` calls, and what messages from the layer act on.

    Attributes:
        reply_channel: Where workers send to.
        channel: Where the frame in flight went.
        machine: State of the socket.
        port: The network's side.
    """

    __slots__ = (
        "_buffer",
        "_frame",
        "_muted",
        "_paused",
        "_receipt",
        "_spoilt",
        "_stage",
        "_state",
        "channel",
        "local",
        "machine",
        "port",
        "reply_channel",
    )

    def __init__(self, state: BridgeState, port: WebSocketPort, local: str, path: str) -> None:
        self.reply_channel = state.layer.mailbox + local
        self.local = local
        self.port = port
        self.machine = Socket()
        self.channel = CONNECT
        self._state = state
        self._buffer = InboundBuffer(self.reply_channel, path)
        self._frame: list[Message] | None = None
        self._receipt = 0
        self._paused = False
        self._muted = False
        self._spoilt = False
        self._stage = Stage.ANNOUNCED

    # -- from the network --------------------------------------------------------------

    def announce(self, details: Mapping[str, Any]) -> None:
        """Send ``websocket.connect``."""
        state = self._state
        state.recipients[self.local] = self
        state.unfinished += 1
        state.sockets += 1
        self._receipt = receipt = state.new_receipt(self)
        state.layer.send(
            CONNECT,
            [self._buffer.connect(details)],
            receipt=receipt,
            done=self._announced,
            opens=SocketEntry(self.local, self._buffer.path, time.time()),
        )

    def received(self, payload: str | bytes) -> None:
        """Take one complete message from the client."""
        if self.machine.state is not OPEN:
            return  # said while we close
        state = self._state
        if state.up and not state.waitlists.by_channel:
            frame = self._buffer.take(payload)
            if frame is not None:
                self._transmit(frame)
                return
        else:
            self._buffer.hold(payload)
            self.advance()
        if not self._paused and self._crowded(1.0):
            self._paused = True
            self.port.pause_reading()
            state.stalls.add(self)

    def gone(self, code: int) -> None:
        """Take note that the connection ended with this close code."""
        state = self._state
        self.machine.gone()
        self._buffer.end = code
        state.sockets -= 1
        state.recipients.pop(self.local, None)
        state.stalls.discard(self)
        self._paused = False
        del self.port  # what the network keeps of a socket is large; nothing acts on it any more
        groups = state.layer.memberships(self.local)
        if groups:
            state.layer.forget([(group, self.local) for group in groups])
        if self._stage is Stage.REFUSED:
            state.finished()
            return
        self.advance()
        if self._stage is Stage.ANNOUNCED:
            state.overdue.add(self)

    def timed_out(self) -> None:
        """Give up waiting for the application to accept, and say what it lacks."""
        state, path = self._state, self._buffer.path
        if self.machine.state is not CONNECTING:
            return
        if state.listeners.missing(CONNECT):
            state.counters.unattended += 1
            status, why = 503, WHY[NO_WORKER]
        elif self._buffer.busy:
            status, why = 403, "its consumer has not finished: is it slow, or are workers busy?"
        else:
            status = 403
            why = (
                "its websocket.connect consumer has run, and sent no"
                ' {"accept": True} to message.reply_channel'
            )
        if state.seldom.due((CONNECT, why, path)):
            log.warning("nobody accepted a socket on %s in time, hence %d: %s", path, status, why)
        self._act(self.machine.close(INTERNAL_ERROR, status))

    # -- from the layer ----------------------------------------------------------------

    def reply(self, message: Mapping[str, Any]) -> None:
        """Carry out a message on the reply channel."""
        if self.machine.state is OPEN:
            payload = payload_of(message)
            if payload is not None:
                self.port.send(payload)
                return
        actions = self.machine.reply(message)
        self._act(actions)
        if actions and isinstance(actions[-1], Malformed):
            what = f"reply to a socket on {self._buffer.path}"
            self._state.malformed(what, actions[-1].problem, message)
            if self.machine.state is CONNECTING:
                self._spoilt = True  # a correct one may follow, until the consumer has run

    def reply_of_group(self, message: Mapping[str, Any]) -> None:
        """Carry out what can be of a malformed message to a group, which has been logged."""
        self._act(self.machine.reply(message))

    def broken(self) -> None:
        """End the socket: carrying out a reply raised."""
        if self.machine.state is CLOSING:
            self._act([Close(INTERNAL_ERROR)])  # the reply raised before its own close was sent
        else:
            self._act(self.machine.close(INTERNAL_ERROR, 500))

    def answered(self, receipt: int) -> None:
        """Take note that every message of the frame in flight has run.

        A connect consumer that has run and whose reply was malformed has failed: the
        handshake is refused now and not when its time is up (docs/channels1.md#handshakes).
        """
        if self._spoilt and self.machine.state is CONNECTING:
            self._act(self.machine.close(INTERNAL_ERROR, 500))
        self._frame = None
        self._buffer.answered()
        self.advance()
        if self._paused:
            self._relax()

    def lost(self, receipt: int, cause: str) -> None:
        """Take note that the frame in flight never ran, or not whole."""
        state, path = self._state, self._buffer.path
        if state.seldom.due((self.channel, cause, path)):
            log.warning("%s of a socket on %s given up: %s", self.channel, path, WHY[cause])
        if self.channel == CONNECT:
            self._reject(503)  # nobody will accept it
        if state.settings.on_lost_message == "close":
            self._act(self.machine.close(INTERNAL_ERROR, 500))
        self.answered(receipt)

    def unread(self, cause: str) -> None:
        """Take note that a reply was dropped; who waits for the first one waits no longer."""
        path = self._buffer.path
        if self._state.seldom.due((Unread, cause, path)):
            log.error("reply to a socket on %s is %s: %s", path, cause, DROPPED[cause])
        self._reject(500)

    # -- what leaves when --------------------------------------------------------------

    def advance(self) -> None:
        """Send what comes next, if nothing is in flight and the layer can be tried."""
        state, buffer = self._state, self._buffer
        if buffer.busy:
            return
        if not buffer.waiting:
            if buffer.end is not None and self._stage is Stage.ANNOUNCED:
                self._stage = Stage.LEFT
                state.overdue.discard(self)
                Disconnect(state, self.local, buffer.disconnect()).advance()
        elif not state.up:
            state.postponed[self] = None
        elif RECEIVE in state.waitlists.by_channel:
            state.waitlists.join(RECEIVE, self)
        else:
            self.attempt()

    def attempt(self) -> None:
        """Send all that waits (also called by the line)."""
        state = self._state
        frame = self._buffer.next(state.frame_messages, state.settings.buffer_size)
        assert frame is not None  # whoever has nothing to say has left the line
        self._transmit(frame)

    def overdue(self) -> None:
        """Send the disconnect without the receipt of the frame in flight."""
        state, buffer = self._state, self._buffer
        if not state.up:
            state.overdue.add(self)  # nothing is given up while the layer is away
            return
        state.counters.unanswered += 1
        dropped = buffer.discard()
        state.counters.undelivered += dropped
        # While the server stops, one line tells of all of them.
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
        self._frame = None
        buffer.answered()
        self.advance()

    def stalled(self) -> None:
        """Close a socket that was not read for too long."""
        self._state.counters.stalled += 1
        path = self._buffer.path
        if self._state.seldom.due(("stalled", path)):
            log.warning(
                "closed a socket on %s with 1013: its frames waited too long, as the workers"
                " don't keep up with it",
                path,
            )
        self._act(self.machine.close(TRY_AGAIN_LATER))

    def close(self, code: int) -> None:
        """Close the socket for the server's own reasons; what the client said still counts."""
        self._act(self.machine.close(code), discard=False)

    def _transmit(self, frame: list[Message]) -> None:
        state = self._state
        self._frame = frame
        self.channel = RECEIVE
        self._receipt = receipt = state.new_receipt(self)
        state.layer.send(RECEIVE, frame, receipt=receipt, done=self._stored)

    def _stored(self, error: Exception | None) -> None:
        state = self._state
        if error is None:
            if state.waitlists.by_channel:
                state.waitlists.stored(RECEIVE, self)
            if self._paused:
                self._relax()
        elif isinstance(error, LayerUnavailable):
            # It may have been stored: its receipt may come, or it is found to be lost.
            state.waitlists.leave(RECEIVE, self)
        elif isinstance(error, ChannelFull):
            self._refused()
        else:
            self._not_carried(error)

    def _refused(self) -> None:
        state, frame = self._state, self._frame
        if frame is None or state.in_flight.pop(self._receipt, None) is None:
            return  # given up meanwhile
        state.counters.held_back += 1
        self._frame = None
        self._buffer.put_back(frame)
        if self._muted:
            self._discard()
            return
        state.waitlists.wait(RECEIVE, self)

    def _not_carried(self, error: Exception) -> None:
        """Close the socket: what it said can never be carried."""
        state = self._state
        if state.in_flight.pop(self._receipt, None) is None:
            return
        state.waitlists.leave(RECEIVE, self)
        log.error(
            "closing a socket on %s: a message cannot be carried: %s", self._buffer.path, error
        )
        self._frame = None
        self._buffer.answered()
        if isinstance(error, MessageTooLarge):
            state.counters.too_large += 1
            self._act(self.machine.close(TOO_LARGE))
        else:
            self._act(self.machine.close(INTERNAL_ERROR))
        self._discard()

    def _announced(self, error: Exception | None) -> None:
        state = self._state
        if error is None:
            return
        if isinstance(error, LayerUnavailable):
            # The application may know of it, so it is told of its end, too.
            state.counters.connects_refused += 1
            self._reject(503)
            return
        state.in_flight.pop(self._receipt, None)
        self._stage = Stage.REFUSED
        if self._buffer.end is not None:  # gone already, and waiting for its receipt
            state.overdue.discard(self)
            state.finished()
        elif isinstance(error, ChannelFull):
            state.counters.connects_refused += 1
            self._reject(503)
        else:
            log.error("a socket on %s cannot be announced: %s", self._buffer.path, error)
            self._reject(500)

    def _reject(self, status: int) -> None:
        """Refuse the handshake; if a worker has accepted already, only its messages count."""
        if self.machine.state is CONNECTING:
            self._act(self.machine.close(INTERNAL_ERROR, status))

    # -- small things ------------------------------------------------------------------

    def _act(self, actions: list[Action], discard: bool = True) -> None:
        if not actions:
            return  # nothing can be done to a socket that is gone
        port = self.port
        for action in actions:
            if isinstance(action, Send):
                port.send(action.payload)
            elif isinstance(action, Accept):
                port.accept()
            elif not isinstance(action, Malformed):
                self._end(action, port, discard)

    def _end(self, action: Close | Reject, port: WebSocketPort, discard: bool) -> None:
        if discard:
            self._muted = True
            self._discard()
        if self._paused:
            # The peer's answer to our close frame must be read.
            self._paused = False
            self._state.stalls.discard(self)
            port.resume_reading()
        if isinstance(action, Close):
            port.close(action.code)
        else:
            retry_after = self._state.settings.retry_after if action.status == 503 else None
            port.reject(action.status, retry_after)

    def _discard(self) -> None:
        state = self._state
        state.counters.discarded += self._buffer.discard()
        state.waitlists.leave(RECEIVE, self)
        self.advance()

    def _crowded(self, share: float) -> bool:
        """Whether more waits than this share of what may wait."""
        buffer, settings = self._buffer, self._state.settings
        return (
            buffer.size >= settings.buffer_size * share
            or buffer.waiting >= settings.buffer_messages * share
        )

    def _relax(self) -> None:
        """Read on, if there is room again."""
        if not self._crowded(0.5):
            self._paused = False
            self._state.stalls.discard(self)
            self.port.resume_reading()
