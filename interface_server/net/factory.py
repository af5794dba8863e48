"""The factory of all connections: HTTP first, upgraded to WebSocket where asked for."""

from __future__ import annotations

import functools
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocolNegotiationFactory
from twisted.web import http
from twisted.web.iweb import INonQueuedRequestFactory
from zope.interface import directlyProvides, implementer

from channels.interface_server.net.connection import HttpConnection
from channels.interface_server.net.context import Context
from channels.interface_server.net.http import HttpRequest
from channels.interface_server.net.upgrade import WebSocketUpgrade

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
    """Makes a protocol for each connection.

    Args:
        context: What the connections share.
        reactor: The reactor, for Twisted's time-outs between requests.
    """

    def __init__(self, context: Context, reactor: Any) -> None:
        never: Any = None  # Twisted takes it, whatever it says; 0 would be at once
        super().__init__(timeout=context.settings.keep_alive_timeout or never, reactor=reactor)
        self.context = context
        self._requests = functools.partial(HttpRequest, context=context)
        directlyProvides(self._requests, INonQueuedRequestFactory)
        context.upgrade = WebSocketUpgrade(context, reactor)

    def protocol(self) -> Any:
        """Return what reads a connection until TLS has negotiated something else."""
        return _Negotiating(HttpConnection())

    def buildProtocol(self, addr: Any) -> Any:
        """Return what reads a new connection: HTTP/1.1, or HTTP/2 if TLS negotiated it."""
        protocol: Any = super().buildProtocol(addr)
        protocol.requestFactory = self._requests
        return protocol

    def acceptableProtocols(self) -> list[bytes]:
        """Return what TLS may negotiate, the best first."""
        return [b"h2", b"http/1.1"] if http.H2_ENABLED else [b"http/1.1"]

    def startFactory(self) -> None:
        pass  # Twisted would keep a timer of one second for an access log of its own

    def stopFactory(self) -> None:
        pass

    def log(self, request: http.Request) -> None:
        pass
