"""A TCP proxy that loses answers on purpose: "did it, then the reply was lost"."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Proxy:
    """Passes connections on to a server on 127.0.0.1.

    Args:
        port: Where the server listens.

    Attributes:
        port: Where the proxy listens.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._swallow: Callable[[bytes], bool] | None = None
        self._sockets: list[socket.socket] = []
        self.swallowed = threading.Event()
        self._start(self._accept)

    def swallow_answer_to(self, part: bytes) -> None:
        """Lose the answer to the next request that holds ``part``, and hang up instead."""
        self.swallowed.clear()
        self._swallow = lambda request: part in request

    def close(self) -> None:
        """Hang up everywhere."""
        # A thread that waits in accept() is only woken by a shutdown.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                _hang_up(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                with self._lock:
                    self._sockets += [client, server]
                link = _Link(client, server)
                self._start(lambda link=link: self._pass_requests(link))
                self._start(lambda link=link: self._pass_answers(link))

    def _pass_requests(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while request := link.client.recv(1 << 20):
                swallow = self._swallow
                if swallow is not None and swallow(request):
                    self._swallow = None
                    link.doomed = True
                link.server.sendall(request)
        link.close()

    def _pass_answers(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while answer := link.server.recv(1 << 20):
                if link.doomed:
                    self.swallowed.set()
                    break
                link.client.sendall(answer)
        link.close()

    @staticmethod
    def _start(target: Callable[[], None]) -> None:
        threading.Thread(target=target, daemon=True).start()


class _Link:
    """A client's connection and the server's."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.doomed = False

    def close(self) -> None:
        _hang_up(self.client)
        _hang_up(self.server)


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
