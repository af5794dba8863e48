"""A real server process, a real Redis, real sockets, and a worker that echoes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from channels.layers.redis.layer import RedisChannelLayer
from tests.support.echo_worker import LARGE, EchoWorker
from tests.support.processes import Process, free_port, running
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

#: Longest wait for one message, in seconds.
PATIENCE = 20.0


class Site:
    """One server process and its Redis."""

    def __init__(self, redis: RedisServer, process: Process, port: int) -> None:
        self.redis = redis
        self.process = process
        self.port = port
        self.layer = RedisChannelLayer(hosts=[redis.url])

    def socket(self, path: str = "/") -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}{path}", open_timeout=PATIENCE, close_timeout=5)

    def get(self, path: str, body: bytes | None = None) -> tuple[int, bytes, str | None]:
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, body, timeout=PATIENCE) as answer:
                return answer.status, answer.read(), None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers["Retry-After"]

    @contextlib.contextmanager
    def worker(self) -> Iterator[EchoWorker]:
        worker = EchoWorker(RedisChannelLayer(hosts=[self.redis.url])).start()
        try:
            yield worker
        finally:
            worker.stop()


@contextlib.contextmanager
def serving(redis: RedisServer, layer: str, *options: str) -> Iterator[Site]:
    port = free_port()
    with running(
        sys.executable,
        *("-m", "channels.interface_server", "-p", str(port), "--http-timeout", "60"),
        *(*options, layer),
        env={"TEST_REDIS": redis.url},
    ) as process:
        process.wait_for_port(port)
        site = Site(redis, process, port)
        try:
            yield site
        finally:
            site.layer.close()


@pytest.fixture
def site(redis_server: RedisServer) -> Iterator[Site]:
    with serving(redis_server, redis_server.url) as site:
        yield site


def receive(socket: ClientConnection, count: int = 1) -> list[str]:
    return [str(socket.recv(PATIENCE)) for _ in range(count)]


def disconnects(worker: EchoWorker) -> list[int]:
    return [m["code"] for channel, m in list(worker.ran) if channel == "websocket.disconnect"]


def test_what_a_socket_says_comes_back(site: Site) -> None:
    with site.worker() as worker:
        with site.socket("/chat") as socket:
            socket.send("hello")
            assert receive(socket) == ["hello"]
        wait_until(lambda: disconnects(worker) == [1000], "the disconnect arrives")

    orders = [message["order"] for _, message in worker.ran]
    assert orders == [0, 1, 2]
    assert all(message["path"] == "/chat" for _, message in worker.ran)


def test_back_to_back_frames_keep_their_order_among_several_workers(site: Site) -> None:
    with site.worker(), site.worker(), site.worker(), site.socket() as socket:
        for n in range(500):
            socket.send(str(n))
        assert receive(socket, 500) == [str(n) for n in range(500)]


def test_many_sockets_do_not_mix(site: Site) -> None:
    with site.worker(), site.worker(), contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(site.socket()) for _ in range(30)]
        for n in range(10):
            for at, socket in enumerate(sockets):
                socket.send(f"{at}:{n}")
        for at, socket in enumerate(sockets):
            assert receive(socket, 10) == [f"{at}:{n}" for n in range(10)]


def test_a_group_message_reaches_every_member(site: Site) -> None:
    with site.worker(), contextlib.ExitStack() as stack:
        members = [stack.enter_context(site.socket("/group")) for _ in range(20)]
        outsider = stack.enter_context(site.socket())
        # Its echo shows that the member's connect, and so its join, has been run.
        for member in members:
            member.send("here")
            assert receive(member) == ["here"]

        members[0].send("all hello")

        assert [receive(member) for member in members] == [["hello"]] * 20
        outsider.send("still here")
        assert receive(outsider) == ["still here"]


def test_a_full_channel_holds_back_and_resumes(redis_server: RedisServer) -> None:
    with (
        serving(redis_server, "tests.support.small_layer:layer") as site,
        contextlib.ExitStack() as stack,
    ):
        with site.worker():
            sockets = [stack.enter_context(site.socket()) for _ in range(20)]
        for n in range(5):
            for at, socket in enumerate(sockets):
                socket.send(f"{at}:{n}")
        queue = "asgi:{q}:websocket.receive"
        wait_until(lambda: redis_server.client.llen(queue) == 2, "the channel is full")

        with site.worker() as worker:
            for at, socket in enumerate(sockets):
                assert receive(socket, 5) == [f"{at}:{n}" for n in range(5)]
        assert len(worker.ran) == 100


def test_a_malformed_reply_leaves_its_socket_open_and_ends_its_request(site: Site) -> None:
    with site.worker(), site.socket() as bad:
        bad.send("malformed")
        bad.send("fine")
        assert receive(bad) == ["fine"]
        assert site.get("/malformed")[0] == 500
    assert "malformed reply to a socket on /" in site.process.output
    assert "malformed reply to a request for /malformed" in site.process.output
    assert "unknown key 'txet'" in site.process.output


def test_killed_workers_cost_what_they_held_and_nothing_else(site: Site) -> None:
    command = (sys.executable, "-m", "tests.support.echo_worker", site.redis.url)
    with contextlib.ExitStack() as stack:
        answers: list[int] = []
        with running(*command) as first, running(*command) as second:
            workers = [first, second]
            for worker in workers:
                worker.wait_for_output("ready")
            victim = stack.enter_context(site.socket())
            other = stack.enter_context(site.socket())
            victim.send("hold this")
            wait_until(lambda: any("holding" in w.output for w in workers), "one holds a frame")
            request = threading.Thread(target=lambda: answers.append(site.get("/hold")[0]))
            request.start()
            for worker in workers:
                worker.wait_for_output("holding")
            victim.send("next")
            for worker in workers:
                worker.signal(signal.SIGKILL)
                worker.wait()

        with site.worker():
            other.send("alive")
            assert receive(other) == ["alive"]
            # Two heartbeats of the new worker, one TTL of the old ones'.
            assert str(victim.recv(40)) == "next"
            victim.send("and on")
            assert receive(victim) == ["and on"]
            request.join(40)
            assert answers == [502]
    assert "given up: the worker that held it is gone" in site.process.output


def test_sockets_survive_a_redis_that_goes_away_and_comes_back(site: Site) -> None:
    with site.worker() as worker:
        with site.socket() as socket, site.socket("/group") as member:
            socket.send("before")
            member.send("here")
            assert receive(socket) == ["before"]
            assert receive(member) == ["here"]

            site.redis.stop()
            site.process.wait_for_output("does not answer")
            socket.send("while it is away")
            assert site.get("/")[0] == 503
            assert site.get("/")[2] is not None
            with pytest.raises(InvalidStatus) as caught:
                site.socket()
            assert caught.value.response.status_code == 503
            threading.Event().wait(3.0)  # the length of the outage is what is tested
            site.redis.start()
            site.process.wait_for_output("is back")

            assert receive(socket) == ["while it is away"]
            member.send("all together")
            assert receive(member) == ["together"]
        wait_until(lambda: len(disconnects(worker)) == 2, "both disconnects arrive")


def test_a_large_request_body_arrives_whole(site: Site) -> None:
    body = os.urandom(3_000_000)
    with site.worker():
        status, answer, _ = site.get("/upload", body)
    assert status == 200
    assert answer == b"3000000 " + body[-20:]


def test_a_slow_client_gets_a_large_response_and_holds_up_no_worker(site: Site) -> None:
    with site.worker(), socket.create_connection(("127.0.0.1", site.port)) as slow:
        slow.sendall(b"GET /large HTTP/1.0\r\nHost: localhost\r\n\r\n")

        # The only worker is free while nobody reads what it sent.
        assert site.get("/", b"quick")[1] == b"5 quick"

        with slow.makefile("rb") as stream:
            assert b" 200 " in stream.readline()
            while stream.readline().strip():
                pass
            for n in range(LARGE):
                assert stream.read(65536) == b"%07d\n" % n * 8192
            assert stream.read() == b""


def test_a_stop_tells_of_every_socket(redis_server: RedisServer) -> None:
    with (
        serving(redis_server, redis_server.url, "--drain", "1") as site,
        site.worker() as worker,
        contextlib.ExitStack() as stack,
    ):
        sockets = [stack.enter_context(site.socket()) for _ in range(5)]
        site.process.signal(signal.SIGTERM)
        for socket in sockets:
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(PATIENCE)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1012
        assert site.process.wait() == 0
        wait_until(lambda: len(disconnects(worker)) == 5, "the disconnects arrive")
        assert set(disconnects(worker)) == {1012}


@pytest.mark.parametrize("gone", [False, True])
def test_a_frame_without_a_receipt_does_not_hold_the_stop(
    redis_server: RedisServer, gone: bool
) -> None:
    """The drain bounds it all, whether client and worker are there or gone; nothing is untold."""
    with (
        serving(redis_server, redis_server.url, "--drain", "0") as site,
        site.worker() as busy,
        site.socket() as socket,
    ):
        socket.send("hello")
        assert receive(socket) == ["hello"]
        if gone:
            busy.stop()
            socket.send("to nobody")
            socket.close()
        else:
            socket.send("hold")
            wait_until(lambda: busy.ran[-1][1].get("text") == "hold", "the frame is held")
        site.process.signal(signal.SIGTERM)
        began = time.monotonic()
        if not gone:
            with pytest.raises(ConnectionClosed):
                socket.recv(PATIENCE)

        assert site.process.wait() == 0
        assert time.monotonic() - began < 4
        busy.release.set()
        with site.worker() as other:
            wait_until(
                lambda: disconnects(busy) + disconnects(other) == [1000 if gone else 1012],
                "the disconnect arrives",
            )
