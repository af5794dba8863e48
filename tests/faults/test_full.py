"""What happens when something is full: real processes, real Redis, real clients."""

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from channels.layers.redis import RedisChannelLayer
from tests.faults.site_stack import SiteStack
from tests.support.redis_clients import registered
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis


class Stack(SiteStack):
    """On a layer with small capacities."""

    def __init__(self, redis, folder, *options, **config):
        self.redis = redis
        self.config = {"hosts": [redis.url], **config}
        entry = {"BACKEND": "channels.layers.redis.RedisChannelLayer", "CONFIG": self.config}
        super().__init__(
            folder, {"LAYER": json.dumps(entry)}, [*options, "tests.faults.site.layer:layer"]
        )
        self.server.wait_for_port(self.port)

    def stop(self, worker):
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    def layer(self):
        return RedisChannelLayer(**self.config)

    def entry(self, kind):
        """What the register shows of the one process of that kind."""
        entry = registered(self.redis.client, kind)
        return {} if entry is None else entry.info

    def get(self, path):
        """Return status, Retry-After and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as page:
                return page.status, None, page.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Retry-After"], error.read()


@pytest.fixture
def stack(redis_server, tmp_path):
    """Call it with options of the server and of the layer."""
    with ExitStack() as stacks:

        def make(*options, **config):
            made = Stack(redis_server, tmp_path, *options, **config)
            stacks.callback(made.close)
            return made

        yield make


async def opened(url):
    return await connect(url)


def run(test):
    return asyncio.run(asyncio.wait_for(test, 60))


async def read_all(socket):
    while True:
        await socket.recv()


async def soon(condition, what):
    await asyncio.to_thread(wait_until, condition, what)


def test_full_queues_of_requests_and_connects_are_503_at_once(stack, redis_server):
    running = stack(channel_capacity={"http.request": 2, "websocket.connect": 2})

    async def test():
        pages = [asyncio.create_task(asyncio.to_thread(running.get, "/hello/")) for _ in range(2)]
        sockets = [asyncio.create_task(opened(running.url)) for _ in range(2)]
        for channel in ("http.request", "websocket.connect"):
            key = "asgi:{q}:" + channel
            await soon(lambda key=key: redis_server.client.llen(key) == 2, f"{channel} is full")

        started = time.monotonic()
        status, retry_after, _ = await asyncio.to_thread(running.get, "/hello/")
        with pytest.raises(InvalidStatus) as refused:
            await connect(running.url)
        took = time.monotonic() - started

        worker = asyncio.to_thread(running.start_worker)
        await worker
        answers = await asyncio.gather(*pages)
        for socket in await asyncio.gather(*sockets):
            await socket.send("1")
            assert (await socket.recv()).startswith("1 ")
            await socket.close()
        return status, retry_after, refused.value.response, took, answers

    status, retry_after, response, took, answers = run(test())

    assert (status, retry_after) == (503, "5")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert took < 2
    assert [answer[0] for answer in answers] == [200, 200]
    # Who was never announced is never told of, either.
    wait_until(lambda: len(running.notes("disconnect")) == 2, "both ends are told")


async def receive(socket, count):
    return [await socket.recv() for _ in range(count)]


def test_what_finds_no_room_waits_in_line_and_ends_are_told_all_the_same(stack, redis_server):
    running = stack(channel_capacity={"websocket.receive": 3, "websocket.disconnect": 2})
    worker = running.start_worker()
    count, frames = 12, 20

    async def test():
        sockets = [await connect(running.url) for _ in range(count)]
        await asyncio.to_thread(running.stop, worker)
        for number, socket in enumerate(sockets):
            for frame in range(frames):
                await socket.send(f"{number}:{frame}")
        key = "asgi:{q}:websocket.receive"
        await soon(lambda: redis_server.client.llen(key) == 3, "the queue is full")
        await asyncio.to_thread(running.start_worker)
        echoes = [await receive(socket, frames) for socket in sockets]
        for running_worker in running.processes[2:]:
            await asyncio.to_thread(running.stop, running_worker)
        await asyncio.gather(*[socket.close() for socket in sockets])
        key = "asgi:{q}:websocket.disconnect"
        await soon(lambda: redis_server.client.llen(key) == count, "they go past the capacity")
        await asyncio.to_thread(running.start_worker)
        return echoes

    echoes = run(test())

    for number, echoed in enumerate(echoes):
        assert [echo.split(" ")[0] for echo in echoed] == [f"{number}:{n}" for n in range(frames)]
    wait_until(lambda: len(running.notes("disconnect")) == count, "every end is told")
    wait_until(lambda: running.entry("server").get("held_back"), "it is counted")
    assert len(running.notes("frame")) == count * frames  # none twice


def slow_readers(running):
    return running.entry("server").get("connections", {}).get("slow_readers")


def test_a_client_that_does_not_read_is_closed_and_others_do_not_notice(stack):
    running = stack("--send-buffer", "200000")
    running.start_worker()

    async def test():
        slow, other = await connect(running.url, max_queue=1), await connect(running.url)
        slow.transport.pause_reading()
        await slow.send("flood 400")  # 40 MB
        delays = []
        for n in range(50):
            started = time.monotonic()
            await other.send(f"a:{n}")
            assert (await other.recv()).startswith(f"a:{n} ")
            delays.append(time.monotonic() - started)
        await soon(lambda: slow_readers(running), "it is counted")
        slow.transport.resume_reading()
        with pytest.raises(ConnectionClosed) as ended:
            await read_all(slow)
        await other.close()
        return ended.value, delays

    ended, delays = run(test())

    assert ended.rcvd is None or ended.rcvd.code == 1008
    assert max(delays) < 5
    wait_until(lambda: len(running.notes("disconnect")) == 2, "both ends are told")
    assert sorted(note.split()[-1] for note in running.notes("disconnect")) == ["1000", "1008"]


def test_a_reply_too_large_to_travel_ends_its_request_or_socket(stack):
    running = stack("--http-timeout", "60", max_message_size=10_000)
    worker = running.start_worker()

    async def test():
        large, small = await connect(running.url), await connect(running.url)
        await large.send("large 20000")
        with pytest.raises(ConnectionClosed) as ended:
            await large.recv()
        await small.send("1")
        assert (await small.recv()).startswith("1 ")
        await small.close()
        return ended.value.rcvd.code

    assert run(test()) == 1011
    assert running.get("/hello/")[0] == 200
    assert running.get("/raw/?size=20000")[0] == 500
    assert worker.output.count("MessageTooLarge") == 2
    assert "Traceback" not in worker.output


def test_a_full_mailbox_keeps_a_worker_two_seconds_and_a_dead_one_not_at_all(stack, redis_server):
    running = stack(channel_capacity={"daphne.response.*": 5})
    worker = running.start_worker()
    layer, client = running.layer(), redis_server.client
    meta = next(iter(client.scan_iter("*!}:meta"))).decode()
    mailbox = meta[len("asgi:{") : -len("}:meta")]
    entry = f"asgi:{{{mailbox}}}:entry"

    def flush(count):
        """Let the worker flush so many replies, and return how long that kept it."""
        before = len(running.notes("task"))
        layer.send("task", {"to": mailbox + "x", "count": count})
        layer.send("task", {"to": mailbox + "x", "count": 0})
        wait_until(lambda: len(running.notes("task")) > before, "the first runs")
        started = time.monotonic()
        wait_until(lambda: len(running.notes("task")) == before + 2, "the second runs")
        return time.monotonic() - started

    os.kill(running.server.pid, signal.SIGSTOP)
    try:
        waited = flush(20)
        assert 1.8 < waited < 4
        # A first lot may go to the take that the server was waiting in.
        dropped = worker.output.count("Dropped a message for channel")
        assert dropped in (10, 15)
        with pytest.raises(layer.ChannelFull):
            layer.send(mailbox + "x", {"text": "no room"})

        client.delete(entry)  # as if its heartbeats had stopped ten seconds ago
        assert flush(20) < 1
        layer.send(mailbox + "x", {"text": "to nobody"})  # as to any other that is gone
        layer.send_group("everyone", {"text": "to nobody"})
    finally:
        os.kill(running.server.pid, signal.SIGCONT)
        layer.close()

    assert int(client.hget(meta, "dropped")) == 21
    assert worker.output.count("Dropped") == dropped
