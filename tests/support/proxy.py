"""A TCP proxy that loses answers on purpose, goes silent, or leads elsewhere from now on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Proxy:
    """Passes connections on to a server on 127.0.0.1.

    Args:
        port: Where the server listens.
        at: Where the proxy is to listen; 0 for any free port.

    Attributes:
        port: Where the proxy listens.
        accepted: How many connections it has accepted so far.
    """

    def __init__(self, port: int, at: int = 0) -> None:
        self._server = port
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", at))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._swallow: Callable[[bytes], bool] | None = None
        self._links: list[_Link] = []
        self.swallowed = threading.Event()
        self._start(self._accept)

    def swallow_answer_to(self, part: bytes) -> None:
        """Lose the answer to the next request that holds ``part``, and hang up instead."""
        self.swallowed.clear()
        self._swallow = lambda request: part in request

    @property
    def url(self) -> str:
        """Where it listens, as a Redis."""
        return f"redis://127.0.0.1:{self.port}/0"

    def stall(self) -> None:
        """Lose what is sent on the connections that are open, and end none; new ones work.

        What a NAT does that forgot a connection: packets vanish.
        """
        with self._lock:
            for link in self._links:
                link.stalled = True

    def lead_to(self, port: int) -> None:
        """Pass new connections on to another server: the name has moved."""
        self._server = port

    def hang_up(self, keep: int | None = None) -> None:
        """End the connections that are open, but that whose client has the port ``keep``."""
        with self._lock:
            for link in self._links:
                if link.client_port != keep:
                    link.close()

    def close(self) -> None:
        """Hang up everywhere."""
        # A thread that waits in accept() is only woken by a shutdown.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                link = _Link(client, server)
                with self._lock:
                    self._links.append(link)
                    self.accepted += 1
                self._start(lambda link=link: self._pass_requests(link))
                self._start(lambda link=link: self._pass_answers(link))

    def _pass_requests(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while request := link.client.recv(1 << 20):
                swallow = self._swallow
                if swallow is not None and swallow(request):
                    self._swallow = None
                    link.doomed = True
                if not link.stalled:
                    link.server.sendall(request)
        link.ended()

    def _pass_answers(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while answer := link.server.recv(1 << 20):
                if link.doomed:
                    self.swallowed.set()
                    break
                if not link.stalled:
                    link.client.sendall(answer)
        link.ended()

    @staticmethod
    def _start(target: Callable[[], None]) -> None:
        threading.Thread(target=target, daemon=True).start()


class _Link:
    """A client's connection and the server's."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.client_port = client.getpeername()[1]
        self.doomed = False
        self.stalled = False

    def ended(self) -> None:
        """One side has hung up; the other hears of it unless nothing is passed on."""
        if not self.stalled:
            self.close()

    def close(self) -> None:
        _hang_up(self.client)
        _hang_up(self.server)


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
