"""The application without Django, Redis or workers: Autobahn on Twisted alone.

On the same reactor as the interface server, so that it shows what the rest costs.  Run as
``python -m benchmarks.apps.floor PORT``.
"""

from __future__ import annotations

import sys
from typing import Any

from channels.interface_server.net.reactor import install_reactor

reactor, _ = install_reactor()

from autobahn.twisted.websocket import (  # noqa: E402 (the reactor first)
    WebSocketServerFactory,
    WebSocketServerProtocol,
)


class Floor(WebSocketServerProtocol):
    """One WebSocket."""

    factory: Any

    def onConnect(self, request: Any) -> None:
        self.in_group = request.path == "/group/"

    def onOpen(self) -> None:
        if self.in_group:
            self.factory.members.add(self)
            self.sendMessage(b"joined")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if not self.in_group:
            self.sendMessage(payload, isBinary)
            return
        prepared = self.factory.prepareMessage(payload, isBinary)
        for member in self.factory.members:
            member.sendPreparedMessage(prepared)

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:
        self.factory.members.discard(self)


def main() -> None:
    """Serve until stopped."""
    factory: Any = WebSocketServerFactory()
    factory.protocol = Floor
    factory.members = set()
    factory.setProtocolOptions(tcpNoDelay=True)
    reactor.listenTCP(int(sys.argv[1]), factory, backlog=1024, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
