"""Many connections under one epoll object."""

from __future__ import annotations

import base64
import os
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from benchmarks.load.content import Counts, Inbox, Script, total

#: Longest wait for an answer, in seconds: what has not come by then is lost.
PATIENCE = 10.0

#: How long to look for messages that come twice after everything has come, in seconds.
AFTERMATH = 0.1


class Client:
    """One WebSocket: what it asks, what it gets, and when it last asked.

    ``script`` is what it asks with; ``inbox`` checks what comes, against that script unless
    the measurement says otherwise.
    """

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.script = Script(number)
        self.inbox = Inbox(self.script)
        self.asked_at = 0.0

    def ask(self) -> None:
        """Send the next message."""
        self.asked_at = time.perf_counter()
        self.sock.send(self.script.ask())

    def feed(self, data: bytes) -> int:
        """Take what has arrived; return how many messages are new."""
        new = self.inbox.feed(data)
        while self.inbox.pinged:
            self.sock.send(self.inbox.pinged.pop())
        return new


class Sockets:
    """Connections to one or more ports of 127.0.0.1, in turn."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self.poll = select.epoll()
        self.by_fd: dict[int, Client] = {}
        self._made = 0

    def connect(self) -> Client:
        """Open one connection, without waiting for an answer to anything."""
        port = self._ports[self._made % len(self._ports)]
        sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        client = self.by_fd[sock.fileno()] = Client(sock, self._made)
        self.poll.register(sock.fileno(), select.EPOLLIN)
        self._made += 1
        return client

    def drop(self, client: Client) -> None:
        """Close one connection."""
        del self.by_fd[client.sock.fileno()]
        client.sock.close()  # which also takes it out of the epoll object

    def ready(self, patience: float) -> Iterator[tuple[Client, bytes]]:
        """Yield what has arrived, once; empty bytes are a hangup.

        Raises:
            TimeoutError: Nothing has, for so many seconds.
        """
        events = self.poll.poll(max(0.0, patience))
        if not events:
            raise TimeoutError(f"nothing was answered for {patience:.1f} s")
        for fd, _ in events:
            client = self.by_fd[fd]
            yield client, client.sock.recv(65536)

    def arrivals(self, patience: float) -> Iterator[tuple[Client, int]]:
        """Yield who got something, and how many new messages.

        Raises:
            ConnectionError: The server hung up on a socket.
            TimeoutError: Nothing has arrived for so many seconds.
        """
        for client, data in self.ready(patience):
            if not data:
                raise ConnectionError("the server closed a WebSocket")
            yield client, client.feed(data)

    def open_websockets(
        self, count: int, path: str, *, cookie: str = "", greeting: bytes = b"", at_once: int = 100
    ) -> list[Client]:
        """Open sockets, keeping ``at_once`` handshakes in flight.

        One is open when its handshake is accepted and the frame ``greeting`` has come.
        """
        opened: list[Client] = []
        waiting: dict[Client, bytes] = {}
        request = handshake(path, cookie)
        begun = 0
        while len(opened) < count:
            while begun < count and len(waiting) < at_once:
                client = self.connect()
                client.sock.send(request)
                waiting[client] = b""
                begun += 1
            for client, data in self.ready(PATIENCE):
                if not data:
                    raise ConnectionError("the server closed a connection in its handshake")
                if client not in waiting:
                    client.feed(data)
                    continue
                waiting[client] += data
                head, end, rest = waiting[client].partition(b"\r\n\r\n")
                if end and b" 101 " not in head.split(b"\r\n", 1)[0]:
                    raise ConnectionError(f"a handshake was refused: {head[:40].decode()}")
                if end and rest.startswith(greeting):
                    del waiting[client]
                    opened.append(client)
                    client.feed(rest[len(greeting) :])
        return opened

    def settle(self) -> Counts:
        """Wait for what is still to come, then for what should not; return what went wrong."""
        until = time.perf_counter() + PATIENCE
        left = self.counts().lost
        with suppress(TimeoutError):
            while left > 0:
                left -= sum(new for _, new in self.arrivals(until - time.perf_counter()))
        until = time.perf_counter() + AFTERMATH
        with suppress(TimeoutError):
            while True:
                list(self.arrivals(until - time.perf_counter()))
        return self.counts()

    def counts(self) -> Counts:
        """Return what has gone wrong, if nothing arrives any more."""
        return total(client.inbox for client in self.by_fd.values())


def handshake(path: str, cookie: str = "") -> bytes:
    """Return an upgrade request."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Origin: http://127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        *([f"Cookie: {cookie}"] if cookie else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def sockets(ports: Sequence[int]) -> Iterator[Sockets]:
    """Provide connections and close them all at the end."""
    pool = Sockets(ports)
    try:
        yield pool
    finally:
        for client in pool.by_fd.values():
            client.sock.close()
        pool.poll.close()
