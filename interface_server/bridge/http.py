"""One HTTP request between network and layer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import IO, Any

from channels import names
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.interface_server.bridge.bodies import RequestBody, ResponseBody
from channels.interface_server.bridge.interfaces import HttpPort
from channels.interface_server.bridge.state import DROPPED, LOST, NO_WORKER, WHY, BridgeState
from channels.interface_server.protocol.http import Fail, Response, ResponseState, Start, Write
from channels.layers.clients import EXPIRED, Unread
from channels.replies import Malformed

log = logging.getLogger(__name__)

REQUEST = "http.request"
DISCONNECT = "http.disconnect"
BODY = "http.request.body?"

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
    """

    __slots__ = (
        "_body",
        "_machine",
        "_path",
        "_port",
        "_receipt",
        "_spoilt",
        "_state",
        "channel",
        "local",
        "reply_channel",
        "response_body",
    )

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
        self.response_body = ResponseBody(
            state, port, local, reply=self.reply, finished=self._ended, broken=self._cut_short
        )

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
        self.response_body.drained()

    def timed_out(self) -> None:
        self._fail(503, TOO_SLOW)

    # -- from the layer ----------------------------------------------------------------

    def reply(self, message: Mapping[str, Any]) -> None:
        for action in self._machine.reply(message):
            if self._port is None:
                return  # one of the actions was its end
            if isinstance(action, Write):
                self.response_body.write(action.data)
            elif isinstance(action, Start):
                self._port.start(action.status, action.headers)
            elif isinstance(action, Malformed):
                self._spoilt = True
                what = f"reply to a request for {self._path}"
                self._state.malformed(what, action.problem, message)
            elif isinstance(action, Fail):
                self._fail(action.status, BAD_REPLY)
            else:
                self.response_body.finish()

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
        self.response_body.stop()
        if self._body is not None:
            self._body.stop()
        state.forget(self.local)
        if state.up and state.listening.may_listen(DISCONNECT):
            state.layer.send(
                DISCONNECT, [{"reply_channel": self.reply_channel, "path": self._path}]
            )
