"""One HTTP request between network and layer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import IO, Any

from channels import names
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.interface_server.bridge.bodies import RequestBody, Spool
from channels.interface_server.bridge.interfaces import HttpPort
from channels.interface_server.bridge.state import DROPPED, NO_WORKER, WHY, BridgeState
from channels.interface_server.protocol.http import Fail, Response, ResponseState, Start, Write
from channels.layers.clients import EXPIRED, LOST, Unread
from channels.replies import Malformed

log = logging.getLogger(__name__)

REQUEST = "http.request"
DISCONNECT = "http.disconnect"
BODY = "http.request.body?"

#: Chunks that are taken from the body list of a response at once.
READ_AHEAD = 8

#: Reasons on error pages.  They never show what the layer or a worker said
#: (docs/channels1.md#refusals).
QUEUE_FULL = "Request queue full."
NO_LAYER = "The service is not available at the moment."
UNATTENDED = "No worker is there to answer."
TOO_BUSY = "No worker was free in time."
TOO_SLOW = "Worker server failed to respond within time limit."
WORKER_LOST = "The worker that held this request is gone."
BAD_REPLY = "The application sent an invalid response."
PROCESSING = "HTTP processing error"


class HttpExchange:
    """What ``net`` calls, and what messages from the layer act on.

    A request that was announced ends once, and ``http.disconnect`` tells of it,
    unless it is known that no worker listens for that (docs/channels1.md#http-disconnect).

    What the client's transport cannot take of its response is spooled, in order.  A large one
    continues on a list of its own in the layer, which is read on while the spool is
    below its limit: a worker does not wait for a slow client before that.
    """

    def __init__(self, state: BridgeState, port: HttpPort, local: str, path: str) -> None:
        self.reply_channel = state.layer.mailbox + local
        self.channel = REQUEST
        self.local = local
        self._state = state
        self._port: HttpPort | None = port
        self._path = path
        self._machine = Response()
        self._body: RequestBody | None = None
        self._receipt = 0
        self._spoilt = False
        self._spool: Spool | None = None
        self._complete = False
        self._more = False
        self._reading = False

    # -- from the network --------------------------------------------------------------

    def announce(self, request: Mapping[str, Any], rest: IO[bytes] | None) -> None:
        """Send ``http.request``, and the rest of the body after it."""
        state = self._state
        state.recipients[self.local] = self
        message = {**request, "reply_channel": self.reply_channel}
        if rest is not None:
            message["body_channel"] = channel = BODY + names.random_part(16)
            self._body = RequestBody(state, channel, rest, self._body_broken)
        self._receipt = state.new_receipt(self)
        state.layer.send(REQUEST, [message], self._receipt, self._announced)

    def gone(self) -> None:
        if self._port is not None:
            if self._body is not None:
                self._body.abandon()
            # The last reply may have come, and its client be slow to take it.
            self._ended(unfinished=self._machine.state is not ResponseState.COMPLETE)

    def drained(self) -> None:
        ahead = self._state.settings.write_ahead
        while self._spool is not None and self._port is not None and self._port.unsent <= ahead:
            data = self._spool.read(ahead)
            if not len(self._spool):
                self._close_spool()
            self._port.write(data)
        if self._complete:
            self._finish()
        else:
            self._read_on()

    def timed_out(self) -> None:
        self._fail(503, TOO_SLOW)

    # -- from the layer ----------------------------------------------------------------

    def reply(self, message: Mapping[str, Any]) -> None:
        for action in self._machine.reply(message):
            if self._port is None:
                return  # one of the actions was its end
            if isinstance(action, Write):
                self._write(action.data)
            elif isinstance(action, Start):
                self._port.start(action.status, action.headers)
            elif isinstance(action, Malformed):
                self._spoilt = True
                what = f"reply to a request for {self._path}"
                self._state.malformed(what, action.problem, message)
            elif isinstance(action, Fail):
                self._fail(action.status, BAD_REPLY)
            else:
                self._finish()

    def broken(self) -> None:
        self._fail(500, PROCESSING)

    def answered(self, receipt: int) -> None:
        # The consumer has run; if what it sent was malformed, no response is to come.
        if self._spoilt and self._machine.state is ResponseState.WAITING:
            self._fail(500, BAD_REPLY)

    def lost(self, receipt: int, cause: str) -> None:
        state = self._state
        if state.seldom.due((cause, self._path)):
            log.warning("request for %s given up: %s", self._path, WHY[cause])
        if cause == LOST:
            self._fail(502, WORKER_LOST)
        else:
            reason = {EXPIRED: TOO_BUSY, NO_WORKER: UNATTENDED}.get(cause, NO_LAYER)
            self._fail(503, reason, known=False)

    def unread(self, cause: str) -> None:
        if self._state.seldom.due((Unread, cause, self._path)):
            log.error("response to a request for %s is %s: %s", self._path, cause, DROPPED[cause])
        self._fail(502, PROCESSING)

    # -- the body of the response ------------------------------------------------------

    def more(self) -> None:
        """There is something in the body list: read it when there is room."""
        self._more = True
        self._read_on()

    def _write(self, data: bytes) -> None:
        """Write, or spool what the client cannot take yet."""
        assert self._port is not None
        if self._spool is None:
            if self._port.unsent <= self._state.settings.write_ahead:
                self._port.write(data)
                return
            self._spool = Spool()
        # The body list is not read past the limit, but a sender that does not use it cannot
        # be held back.
        limit = 2 * self._state.settings.spool_limit
        if not self._reading and len(self._spool) + len(data) > limit:
            self._cut_short("the client reads too slowly, and the spool is full")
        else:
            self._spool.write(data)

    def _finish(self) -> None:
        """Complete the response as soon as everything is written."""
        self._complete = True
        if self._spool is None and self._port is not None:
            port, self._port = self._port, None
            port.finish()
            self._ended()

    def _read_on(self) -> None:
        if self._more and not self._reading and self._has_room():
            self._reading = True
            self._state.spawn(self._read())

    def _has_room(self) -> bool:
        if self._port is None:
            return False
        return self._spool is None or len(self._spool) < self._state.settings.spool_limit

    async def _read(self) -> None:
        try:
            while self._more and self._has_room():
                self._more = False
                for message in await self._state.layer.read_body(self.local, READ_AHEAD):
                    self._more = True  # until it was found empty
                    self.reply(message)
        except Exception as error:  # whatever the layer raises, the response cannot go on
            log.exception("%s: the response body cannot be read", self.local)
            self._cut_short(str(error))
        finally:
            self._reading = False

    def _close_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    # -- ends --------------------------------------------------------------------------

    def _announced(self, error: Exception | None) -> None:
        state = self._state
        if error is None:
            if self._body is not None and self._port is not None:
                self._body.attempt()
            return
        if isinstance(error, LayerUnavailable):
            state.counters.requests_refused += 1
            self._fail(503, NO_LAYER)
            return
        state.in_flight.pop(self._receipt, None)
        if isinstance(error, ChannelFull):
            state.counters.requests_refused += 1
            self._fail(503, QUEUE_FULL, known=False)
        else:
            log.error("a request for %s cannot be carried: %s", self._path, error)
            self._fail(500, PROCESSING, known=False)

    def _body_broken(self, error: Exception) -> None:
        log.error("the body of a request for %s cannot be carried: %s", self._path, error)
        self._fail(503, NO_LAYER)

    def _cut_short(self, reason: str) -> None:
        self._state.counters.responses_broken += 1
        log.error("the response to a request for %s is cut short: %s", self._path, reason)
        self._fail(502, PROCESSING)

    def _fail(self, status: int, reason: str, *, known: bool = True) -> None:
        """End it without a response; ``known`` says whether some worker may go on replying."""
        port = self._port
        if port is not None:
            self._ended(unfinished=known)
            port.fail(status, reason)

    def _ended(self, unfinished: bool = False) -> None:
        state = self._state
        if unfinished:
            state.layer.gone(self.local)
        self._port = None
        self._machine.end()
        self._close_spool()
        if self._body is not None:
            self._body.stop()
        state.forget(self.local)
        if state.up and state.listening.may_listen(DISCONNECT):
            state.layer.send(
                DISCONNECT, [{"reply_channel": self.reply_channel, "path": self._path}]
            )
