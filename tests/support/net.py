"""Runs ``fake_bridge_server`` and talks to it over plain sockets."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]

#: Longest wait for anything, in seconds.
PATIENCE = 15.0

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class RunningServer:
    """A server in a process of its own, and what its bridge was told."""

    def __init__(self, endpoints: list[str] | None = None, **options: Any) -> None:
        pass_fds = options.pop("pass_fds", ())
        options["endpoints"] = endpoints or ["tcp:0:interface=127.0.0.1"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fake_bridge_server", json.dumps(options)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
        )
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._log: list[str] = []
        self._ready = threading.Event()
        self.port = 0
        self._threads = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        if not self._ready.wait(PATIENCE) or self.process.poll() is not None:
            self.stop()
            raise AssertionError(f"the server did not start:\n{self.log}")

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready "):
                port = line.split()[1]
                self.port = 0 if port == "-" else int(port)
                self._ready.set()
            else:
                self._events.put(json.loads(line))
        self._events.put(None)
        self._ready.set()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self._log.extend(self.process.stderr)

    @property
    def log(self) -> str:
        """What it has written to stderr."""
        return "".join(self._log)

    def forget(self) -> None:
        """Drop the events so far, also those that are still on their way here."""
        self.signal(signal.SIGUSR1)
        self.next("mark")

    def next(self, name: str) -> dict[str, Any]:
        """Return the next event of that name; earlier others are dropped."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the bridge was not told of {name!r}:\n{self.log}") from None
            assert event is not None, f"the server ended before {name!r}:\n{self.log}"
            if event["event"] == name:
                return event

    def logged(self, text: str) -> bool:
        """Wait until the log holds a text."""
        wait_until(lambda: text in self.log, f"the log has {text!r}", PATIENCE)
        return True

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Return its exit status."""
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        status = self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return status


@contextlib.contextmanager
def running(endpoints: list[str] | None = None, **options: Any) -> Iterator[RunningServer]:
    """Run a server for the length of a block."""
    server = RunningServer(endpoints, **options)
    try:
        yield server
    finally:
        server.stop()


class Peer:
    """A plain socket with enough HTTP and WebSocket to misbehave."""

    def __init__(self, port: int, sock: socket.socket | None = None) -> None:
        self.sock = sock or socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock.settimeout(PATIENCE)
        self.buffer = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def more(self) -> bool:
        """Read once; return False at the end of the stream."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def take(self, size: int) -> bytes:
        """Return exactly that many bytes."""
        while len(self.buffer) < size:
            assert self.more(), f"the connection ended after {self.buffer!r}"
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def until(self, mark: bytes) -> bytes:
        """Return everything up to and including a mark."""
        while mark not in self.buffer:
            assert self.more(), f"the connection ended after {self.buffer!r}"
        end = self.buffer.index(mark) + len(mark)
        return self.take(end)

    def rest(self) -> bytes:
        """Return everything until the other end closes."""
        while self.more():
            pass
        taken, self.buffer = self.buffer, b""
        return taken

    def response(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Read one HTTP response."""
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        headers = {}
        for line in head[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if method == "HEAD" or status in (204, 304, 101, 100):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.until(b"\r\n"), 16):
                body += self.take(size + 2)[:-2]
            self.take(2)
        elif "content-length" in headers:
            body = self.take(int(headers["content-length"]))
        else:
            body = self.rest()
        return status, headers, body

    def ask(self, target: str, method: str = "GET", headers: str = "", body: bytes = b""):
        """Send one request and read its response."""
        self.send(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode() + body)
        return self.response(method)

    def upgrade(
        self, target: str = "/", headers: str = "", version: str = "13", rest: bytes = b""
    ) -> None:
        """Send a handshake, and what follows in the same segment."""
        self.send(
            (
                f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\n"
                f"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
                f"Sec-WebSocket-Version: {version}\r\n{headers}\r\n"
            ).encode()
            + rest
        )

    def open(self, target: str = "/", headers: str = "") -> dict[str, str]:
        """Open a WebSocket; return the headers of the answer."""
        self.upgrade(target, headers)
        status, answer, _ = self.response()
        assert status == 101
        assert answer["sec-websocket-accept"].encode() == ACCEPT
        return answer

    def frame(self) -> tuple[int, bytes]:
        """Read one frame: its first byte and its payload."""
        first, size = self.take(2)
        if size == 126:
            size = int.from_bytes(self.take(2), "big")
        elif size == 127:
            size = int.from_bytes(self.take(8), "big")
        return first, self.take(size)


def masked(first: int, payload: bytes, mask: bytes = b"\x11\x22\x33\x44") -> bytes:
    """Return a frame as clients send it; ``first`` is FIN, RSV and opcode."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    key = (mask * (size // 4 + 1))[:size]
    xored = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return bytes([first]) + length + mask + xored


TEXT, BINARY, CLOSE, PING, PONG, CONTINUED = 0x81, 0x82, 0x88, 0x89, 0x8A, 0x80
