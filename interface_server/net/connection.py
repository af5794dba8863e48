"""HTTP/1 connections: what Twisted would let pass, clients that close their half, the factory."""

from __future__ import annotations

import functools
import math
import socket
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocolNegotiationFactory
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.iweb import INonQueuedRequestFactory
from zope.interface import directlyProvides, implementer

from channels.backoff import Backoff
from channels.interface_server.net.context import Context, detect_dead_peer, unsent_bytes
from channels.interface_server.net.http import HttpRequest
from channels.interface_server.net.response import ClosingConnection
from channels.interface_server.net.upgrade import WebSocketUpgrade
from channels.interface_server.protocol.messages import find_origin
from channels.interface_server.timers import TimerWheel

#: How much of a malformed request line is shown in the access log, in bytes.
LONGEST_LOGGED = 500

#: When a client that closed its half is asked for the first time whether it still waits, and how
#: long its answer may take, in seconds.
FIRST_QUESTION = 1.0


class HttpConnection(http.HTTPChannel):
    """Reads the requests of one connection, and refuses more of them than Twisted does."""

    # Twisted's, whose types are wider than it says.
    factory: Any
    transport: Any
    requests: list[Any]

    _line = b""
    _bad = False
    _read_closed = False

    def lineReceived(self, line: bytes) -> None:
        if hasattr(self, "_command"):
            if line[:1] in (b" ", b"\t"):  # RFC 9112 section 5.2: a folded line
                self._respondToBadRequestAndDisconnect()
                return
        else:
            self._line = line
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        # Over 16 KiB; Twisted would just hang up.
        if not hasattr(self, "_command"):
            self._line = line
        self._respondToBadRequestAndDisconnect()

    def headerReceived(self, line: bytes) -> bool:
        # Chunked is the only transfer coding, and stands alone.
        name, _, value = line.partition(b":")
        if name.lower() == b"transfer-encoding" and value.strip(b" \t").lower() != b"chunked":
            self._respondToBadRequestAndDisconnect()
            return False
        return bool(super().headerReceived(line))

    def _respondToBadRequestAndDisconnect(self) -> None:
        if not self._bad:
            self._bad = True
            self._log_bad_request()
            super()._respondToBadRequestAndDisconnect()

    def _log_bad_request(self) -> None:
        context: Context = self.factory.context
        headers = self.requests[-1].requestHeaders.getAllRawHeaders() if self.requests else ()
        client = find_origin(context.settings, headers, self).describe()
        method, _, rest = self._line[:LONGEST_LOGGED].partition(b" ")
        context.log_response(method, rest.rpartition(b" ")[0] or rest, 400, client)

    # -- a client that sends nothing more ------------------------------------------

    def read_closed(self) -> None:
        """Called when the client has closed its half: it still gets what it has asked for.

        Unless a part of the answer was written already: a client that leaves in the middle of
        one has left for good, as browsers do, and its application should know.
        """
        response = self.requests[0].response if self.requests and self._handlingRequest else None
        if response is None:
            self.loseConnection()  # once everything is written
            if unsent_bytes(self.transport):
                ClosingConnection(self.factory.context.wheel, self.transport)
        elif self._read_closed:
            return  # Twisted reads on, and so comes here again, after each answer of a pipeline
        elif response.started:
            self.transport.connectionLost(Failure(ConnectionDone()))
        else:
            self._read_closed = True
            if not self._dataBuffer:
                response.close_afterwards()
            HalfClosedClient(self.factory.context.wheel, self)

    def requestDone(self, request: Any) -> None:
        super().requestDone(request)
        if self._read_closed and not self._handlingRequest:
            self.loseConnection()


class HalfClosedClient:
    """Looks whether a client that closed its half still waits, as its silence does not tell.

    Only what is sent to it does: one that is gone answers with a reset.  So it is told to
    go on waiting, with the interim response that every HTTP/1.1 client understands
    (RFC 9110 section 15.2).
    """

    __slots__ = ("_asked", "_channel", "_pauses", "wheel_slot")

    def __init__(self, wheel: TimerWheel, channel: HttpConnection) -> None:
        self.wheel_slot = 0
        self._channel = channel
        self._asked = False
        self._pauses = Backoff(FIRST_QUESTION, math.inf, spread=0)
        detect_dead_peer(channel.transport)
        wheel.add(self, self._pauses.pause())

    def expired(self, now: float) -> float | None:
        # It asks, and a second later looks for the answer; then again after twice the time.
        channel = self._channel
        request = channel.requests[0] if channel.requests else None
        if request is None or request.response is None or request.response.started:
            return None  # what is written tells
        if self._asked:
            handle = channel.transport.getHandle()
            if handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                channel.transport.abortConnection()
                return None
        elif request.clientproto == b"HTTP/1.1":
            channel.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._asked = not self._asked
        return FIRST_QUESTION if self._asked else self._pauses.pause()


_Generic: Any = http._GenericHTTPChannelProtocol


@implementer(IHalfCloseableProtocol)
class _Negotiating(_Generic):  # type: ignore[misc]  # Twisted makes its base at run time
    """Reads HTTP/1.1 until TLS has negotiated HTTP/2; hears of clients that close their half.

    Over TLS there is no such thing: Twisted answers the end of a client's half with its own.
    """

    def readConnectionLost(self) -> None:
        self._channel.read_closed()

    def writeConnectionLost(self) -> None:
        pass  # we never close our half of HTTP alone


@implementer(IProtocolNegotiationFactory)
class ServerFactory(http.HTTPFactory):
    """Makes a protocol for each connection; ``reactor`` times Twisted's pauses between requests."""

    def __init__(self, context: Context, reactor: Any) -> None:
        never: Any = None  # Twisted takes it, whatever it says; 0 would be at once
        super().__init__(timeout=context.settings.keep_alive_timeout or never, reactor=reactor)
        self.context = context
        self._requests = functools.partial(HttpRequest, context=context)
        directlyProvides(self._requests, INonQueuedRequestFactory)
        context.upgrade = WebSocketUpgrade(context, reactor)

    def protocol(self) -> Any:
        return _Negotiating(HttpConnection())

    def buildProtocol(self, addr: Any) -> Any:
        protocol: Any = super().buildProtocol(addr)
        protocol.requestFactory = self._requests
        return protocol

    def acceptableProtocols(self) -> list[bytes]:
        return [b"h2", b"http/1.1"] if http.H2_ENABLED else [b"http/1.1"]

    def startFactory(self) -> None:
        pass  # Twisted would keep a timer of one second for an access log of its own

    def stopFactory(self) -> None:
        pass

    def log(self, request: http.Request) -> None:
        pass
