"""Broadcasts, connections, and requests."""

from __future__ import annotations

import select
import sys
import time

from benchmarks.load.content import Inbox
from benchmarks.load.echo import Figures, latency
from benchmarks.load.sockets import PATIENCE, Client, Sockets
from benchmarks.processes import Processor

#: What a member of the group gets once it is one, as a frame.
JOINED = b"\x81\x06joined"


def broadcast(pool: Sockets, processor: Processor, *, members: int, seconds: float) -> Figures:
    """One member asks for broadcasts to all: with one, then with four under way."""
    clients = pool.open_websockets(members, "/group/", greeting=JOINED)
    asker = clients[0]
    for client in clients:
        client.inbox = Inbox(asker.script)
    asker.ask()
    delivered, asked = 0, 1

    def deliver() -> None:
        nonlocal delivered
        delivered += sum(new for _, new in pool.arrivals(PATIENCE))

    while delivered < members:  # warm up
        deliver()
    figures: Figures = {}
    for in_flight in (1, 4):
        begin = now = time.perf_counter()
        before = delivered
        processor.begin()
        while now < begin + seconds:
            while asked - delivered // members < in_flight:
                asker.ask()
                asked += 1
            deliver()
            now = time.perf_counter()
        found = processor.end(delivered - before)
        found["per_second"] = (delivered - before) / (now - begin)
        figures.update({f"x{in_flight}_{name}": figure for name, figure in found.items()})
    return figures


def storm(pool: Sockets, processor: Processor, *, connections: int) -> Figures:
    """Open sockets that a consumer accepts, 100 handshakes in flight; then each echoes once."""
    processor.begin()
    began = time.perf_counter()
    clients = pool.open_websockets(connections, "/accept/")
    seconds = time.perf_counter() - began
    figures = {"per_second": connections / seconds, **processor.end(connections)}
    for client in clients:
        client.ask()
    return figures


def http(pool: Sockets, processor: Processor, *, connections: int, seconds: float) -> Figures:
    """Ask for a page over connections that are kept if the server keeps them.

    Every request has a number, which the page must repeat.

    Raises:
        ConnectionError: A page was wrong or did not come.
    """
    took: list[float] = []
    parts: dict[Client, bytes] = {}  # what has come of an answer
    pages: dict[Client, bytes] = {}
    asked = 0

    def ask(client: Client) -> None:
        nonlocal asked
        asked += 1
        name = b"%08d" % asked
        parts[client], pages[client] = b"", b"hello, " + name
        client.asked_at = time.perf_counter()
        client.sock.send(b"GET /hello/%b/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % name)

    for _ in range(connections):
        ask(pool.connect())
    now = time.perf_counter()
    begin, end = now + seconds * 0.2, now + seconds * 1.2
    measuring = False
    while now < end:
        for client, data in pool.ready(PATIENCE):
            parts[client] += data
            keep = page_is_here(parts[client], pages[client], ended=not data)
            if keep is None:
                continue
            now = time.perf_counter()
            if measuring:
                took.append(now - client.asked_at)
            elif now > begin:
                measuring = True
                processor.begin()
            if not keep:
                del parts[client], pages[client]
                pool.drop(client)
                client = pool.connect()
            ask(client)
    return {**latency(took, now - begin), **processor.end(len(took))}


def page_is_here(answer: bytes, page: bytes, *, ended: bool) -> bool | None:
    """Look at what has come of an answer; None: not all, else whether its connection is kept.

    Raises:
        ConnectionError: It is not the page, or the connection ended before it.
    """
    head, _, body = answer.lower().partition(b"\r\n\r\n")
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(page), page)
    expected = chunks if b"chunked" in head else page
    if body == expected and head.startswith(b"http/1.1 200 "):
        return b"connection: close" not in head
    if ended or len(body) >= len(expected):
        raise ConnectionError(f"instead of the page {page!r} came {answer[:80]!r}")
    return None


def hold(pool: Sockets, processor: Processor, *, connections: int, path: str) -> Figures:
    """Open sockets and keep them until standard input closes; say ``open`` when they are.

    What arrives is read and forgotten.
    """
    greeting = JOINED if path == "/group/" else b""
    pool.open_websockets(connections, path, greeting=greeting)
    print("open", flush=True)
    pool.poll.register(sys.stdin.fileno(), select.EPOLLIN)
    while True:
        for fd, _ in pool.poll.poll():
            if fd == sys.stdin.fileno():
                return {}
            client = pool.by_fd[fd]
            client.feed(client.sock.recv(65536))
