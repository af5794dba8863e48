"""The factory of all connections: HTTP first, upgraded to WebSocket where asked for."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.web import http
from zope.interface import implementer

from channels.interface_server.net.context import Context
from channels.interface_server.net.http import HttpChannel, RequestMaker
from channels.interface_server.net.upgrade import WebSocketUpgrade


@implementer(IProtocolNegotiationFactory)
class ServerFactory(http.HTTPFactory):
    """Makes a protocol for each connection.

    Args:
        context: What the connections share.
        reactor: The reactor, for Twisted's time-outs between requests.
    """

    def __init__(self, context: Context, reactor: Any) -> None:
        super().__init__(reactor=reactor)
        self.context = context
        self._requests = RequestMaker(context)
        context.upgrade = WebSocketUpgrade(context, reactor)

    def protocol(self) -> Any:
        """Return what reads a connection until TLS has negotiated something else."""
        negotiating: Any = http._GenericHTTPChannelProtocol
        return negotiating(HttpChannel())

    def buildProtocol(self, addr: Any) -> Any:
        """Return what reads a new connection: HTTP/1.1, or HTTP/2 if TLS negotiated it."""
        protocol: Any = super().buildProtocol(addr)
        protocol.requestFactory = self._requests
        return protocol

    def acceptableProtocols(self) -> list[bytes]:
        """Return what TLS may negotiate, the best first."""
        return [b"h2", b"http/1.1"] if http.H2_ENABLED else [b"http/1.1"]

    def startFactory(self) -> None:
        """Do nothing: Twisted would keep a timer of one second for its access log."""

    def stopFactory(self) -> None:
        """Do nothing; see :meth:`startFactory`."""

    def log(self, request: http.Request) -> None:
        """Do nothing: the access log is :mod:`channels.interface_server.access`."""
