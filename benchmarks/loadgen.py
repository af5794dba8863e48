"""A cheap load generator: one thread, epoll, no protocol library.

It shares two cores with what it measures, so it must cost next to nothing: it
sends prepared bytes and counts bytes.  That is enough because both sides of a
measurement are ours: frames are short, unfragmented and of a known size.

Run as ``python -m benchmarks.loadgen MEASURE HOST PORT …``; prints one JSON object.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import select
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Longest wait for anything that should happen at once, in seconds.
PATIENCE = 30.0


def frame(payload: bytes) -> bytes:
    """Return a masked text frame.  The mask is zero: legal, and no work for us."""
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


def handshake(host: str, port: int, path: str) -> bytes:
    """Return an upgrade request."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Origin: http://{host}:{port}\r\n\r\n"
    ).encode()


class Sockets:
    """Many connections under one epoll object."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.poll = select.epoll()
        self.by_fd: dict[int, socket.socket] = {}

    def connect(self) -> socket.socket:
        """Open one connection, without waiting for an answer to anything."""
        sock = socket.create_connection(self.address, timeout=PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.by_fd[sock.fileno()] = sock
        self.poll.register(sock.fileno(), select.EPOLLIN)
        return sock

    def ready(self, deadline: float) -> Iterator[tuple[socket.socket, bytes]]:
        """Yield what has arrived, once; fail at the deadline or when a peer hangs up."""
        events = self.poll.poll(max(0.0, deadline - time.perf_counter()))
        if not events and time.perf_counter() >= deadline:
            raise TimeoutError("the server did not answer in time")
        for fd, _ in events:
            sock = self.by_fd[fd]
            data = sock.recv(65536)
            if not data:
                raise ConnectionError("the server closed a connection")
            yield sock, data

    def open_websockets(self, count: int, path: str, at_once: int = 100) -> float:
        """Open sockets, keeping ``at_once`` handshakes in flight; return the seconds it took."""
        started = time.perf_counter()
        request = handshake(*self.address, path)
        begun = done = 0
        answers: dict[socket.socket, bytes] = {}
        while done < count:
            while begun < count and begun - done < at_once:
                self.connect().send(request)
                begun += 1
            for sock, data in self.ready(started + PATIENCE + count / 50):
                answers[sock] = answers.get(sock, b"") + data
                if b"\r\n\r\n" in answers[sock]:
                    status = answers.pop(sock).split(b"\r\n", 1)[0]
                    if b" 101 " not in status:
                        raise ConnectionError(f"handshake refused: {status.decode()}")
                    done += 1
        return time.perf_counter() - started


@contextmanager
def sockets(host: str, port: int) -> Iterator[Sockets]:
    """Provide connections and close them all at the end."""
    pool = Sockets(host, port)
    try:
        yield pool
    finally:
        for sock in pool.by_fd.values():
            sock.close()
        pool.poll.close()


def echo(host: str, port: int, connections: int, seconds: float) -> dict[str, float]:
    """Every connection sends 32 bytes, waits for them to come back, and sends again."""
    message = frame(b"x" * 32)
    answer = 2 + 32
    with sockets(host, port) as pool:
        pool.open_websockets(connections, "/echo/")
        sent: dict[socket.socket, float] = {}
        missing: dict[socket.socket, int] = {}
        took: list[float] = []
        now = time.perf_counter()
        begin, end = now + seconds * 0.2, now + seconds * 1.2
        for sock in pool.by_fd.values():
            sock.send(message)
            sent[sock], missing[sock] = time.perf_counter(), answer
        while now < end:
            for sock, data in pool.ready(end + PATIENCE):
                missing[sock] -= len(data)
                if missing[sock]:
                    continue
                now = time.perf_counter()
                if now > begin:
                    took.append(now - sent[sock])
                sock.send(message)
                sent[sock], missing[sock] = now, answer
        took.sort()
        return {
            "per_second": len(took) / seconds,
            "p50_ms": 1000 * took[len(took) // 2],
            "p99_ms": 1000 * took[int(len(took) * 0.99)],
        }


def broadcast(host: str, port: int, members: int, seconds: float) -> dict[str, float]:
    """One member asks for a broadcast; the next is asked for when all have it."""
    ask = frame(b"x" * 32)
    with sockets(host, port) as pool:
        pool.open_websockets(members, "/group/")
        time.sleep(1.0)  # memberships are written after the handshake in some stacks
        asker = next(iter(pool.by_fd.values()))

        def round_trip(patience: float) -> int:
            asker.send(ask)
            left = members * (2 + 32)
            deadline = time.perf_counter() + patience
            while left > 0:
                try:
                    for _, data in pool.ready(deadline):
                        left -= len(data)
                except TimeoutError:
                    break
            return left // (2 + 32)

        round_trip(PATIENCE)  # warm up
        rounds = lost = 0
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            lost += round_trip(5.0)
            rounds += 1
        elapsed = time.perf_counter() - started
        return {
            "per_second": (rounds * members - lost) / elapsed,
            "lost_percent": 100 * lost / (rounds * members),
        }


def storm(host: str, port: int, count: int) -> dict[str, float]:
    """Open sockets as fast as the server accepts them."""
    with sockets(host, port) as pool:
        return {"per_second": count / pool.open_websockets(count, "/echo/")}


def http(host: str, port: int, connections: int, seconds: float) -> dict[str, float]:
    """Keep-alive connections, one request in flight on each."""
    request = f"GET /hello/ HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    with sockets(host, port) as pool:
        for _ in range(connections):
            pool.connect().send(request)
        begun = {sock: time.perf_counter() for sock in pool.by_fd.values()}
        buffers: dict[socket.socket, bytes] = dict.fromkeys(pool.by_fd.values(), b"")
        took: list[float] = []
        now = time.perf_counter()
        begin, end = now + seconds * 0.2, now + seconds * 1.2
        while now < end:
            for sock, data in pool.ready(end + PATIENCE):
                buffers[sock] += data
                # The body is the same for every stack, and nothing else holds it.
                if b"hello, world" not in buffers[sock]:
                    continue
                if not buffers[sock].startswith(b"HTTP/1.1 200"):
                    raise ConnectionError(f"unexpected answer: {buffers[sock][:80]!r}")
                if b"chunked" in buffers[sock] and not buffers[sock].endswith(b"0\r\n\r\n"):
                    continue
                buffers[sock] = b""
                now = time.perf_counter()
                if now > begin:
                    took.append(now - begun[sock])
                begun[sock] = now
                sock.send(request)
        took.sort()
        return {
            "per_second": len(took) / seconds,
            "p50_ms": 1000 * statistics.median(took),
            "p99_ms": 1000 * took[int(len(took) * 0.99)],
        }


def hold(host: str, port: int, count: int, path: str) -> dict[str, float]:
    """Open sockets and keep them until standard input closes; says ``open`` when they are.

    Broadcasts that arrive are read and counted.
    """
    with sockets(host, port) as pool:
        pool.open_websockets(count, path)
        print("open", flush=True)
        pool.poll.register(sys.stdin.fileno(), select.EPOLLIN)
        received = 0
        while True:
            for fd, _ in pool.poll.poll():
                if fd == sys.stdin.fileno():
                    return {"received": float(received)}
                received += len(pool.by_fd[fd].recv(65536))


MEASURES: dict[str, Callable[..., dict[str, float]]] = {
    "echo": echo,
    "broadcast": broadcast,
    "storm": storm,
    "http": http,
    "hold": hold,
}


def main() -> None:
    """Run one measure from the command line."""
    parser = argparse.ArgumentParser(description="Measure one running server.")
    parser.add_argument("measure", choices=sorted(MEASURES))
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("arguments", nargs="*", help="numbers and paths the measure takes")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    values = [value if value.startswith("/") else float(value) for value in args.arguments]
    numbers = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    print(json.dumps(MEASURES[args.measure](args.host, args.port, *numbers)))


if __name__ == "__main__":
    main()
