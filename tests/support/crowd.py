"""Many WebSockets of one server, read without a library: what each of them got, in order."""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
from types import TracebackType

#: Handshakes that are on their way at one time.
AT_ONCE = 100

#: Longest silence while something is expected, in seconds.
PATIENCE = 30.0

#: Descriptors that the test needs for other things.
SPARE = 500


class Crowd:
    """So many sockets on one path of a server; closed at the end of the block."""

    def __init__(self, port: int, count: int, path: str) -> None:
        self._address = ("127.0.0.1", port)
        self._count = count
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._data: dict[socket.socket, bytes] = {}
        self.sockets: list[socket.socket] = []

    def __enter__(self) -> Crowd:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, self._count + SPARE), hard))
        while len(self.sockets) < self._count:
            lot = [self._connect() for _ in range(min(AT_ONCE, self._count - len(self.sockets)))]
            for one in lot:
                while b"\r\n\r\n" not in self._data[one]:
                    self._read()
                head, _, self._data[one] = self._data[one].partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 101 "), head
            self.sockets += lot
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one in self._data:
            one.close()
        self._selector.close()

    def _connect(self) -> socket.socket:
        one = socket.create_connection(self._address, timeout=PATIENCE)
        one.sendall(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        self._data[one] = b""
        self._selector.register(one, selectors.EVENT_READ)
        return one

    def _read(self) -> None:
        events = self._selector.select(PATIENCE)
        assert events, "nothing came"
        for key, _ in events:
            one: socket.socket = key.fileobj  # type: ignore[assignment]  # what was registered
            data = one.recv(65536)
            assert data, "the server closed a socket"
            self._data[one] += data

    def readable(self) -> int:
        """Return how many sockets have got something that was not read yet."""
        return len(self._selector.select(0))

    def leave(self, one: socket.socket) -> None:
        """Close one socket without a word."""
        self._selector.unregister(one)
        del self._data[one]
        self.sockets.remove(one)
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()

    def texts(self, one: socket.socket, count: int) -> list[str]:
        """Return the next short texts that a socket gets."""
        texts: list[str] = []
        while len(texts) < count:
            data = self._data[one]
            if len(data) < 2 or len(data) < 2 + data[1]:
                self._read()
                continue
            assert data[0] == 0x81, "that is no text"
            texts.append(data[2 : 2 + data[1]].decode())
            self._data[one] = data[2 + data[1] :]
        return texts
