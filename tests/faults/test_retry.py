"""What a killed or frozen worker held: lost, or run again, and what is still heard of it."""

import asyncio
import itertools
import signal
import sys
import time
from contextlib import ExitStack, closing

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from channels.layers.clients import LOST
from channels.layers.redis import RedisChannelLayer
from tests.faults.site_stack import SiteStack
from tests.support.echo_worker import EchoWorker
from tests.support.processes import BIN, fetch, free_port
from tests.support.redis_clients import registered
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

#: Longest that a frame may be looked for before it counts as lost: two heartbeat TTLs and some.
FOUND_LOST = 40

#: Seconds; by heartbeats alone it takes three times as long, and more.
AT_ONCE = 3

RETRY = ("--on-lost-message", "retry")
SOCKETS = 20
FRAMES = 60


@pytest.fixture
def start(redis_server, tmp_path):
    """Call it with the options of an interface server on this Redis."""
    with ExitStack() as stacks:

        def make(*options):
            env = {"REDIS_URL": redis_server.url}
            made = SiteStack(tmp_path, env, [*options, redis_server.url])
            stacks.callback(made.close)
            made.server.wait_for_port(made.port)
            return made

        yield make


async def heard(socket, last):
    """Return the texts that come, up to the last one; how it was closed, if it was."""
    texts = []
    try:
        while not texts or texts[-1] != last:
            texts.append((await asyncio.wait_for(socket.recv(), FOUND_LOST)).partition(" ")[0])
    except ConnectionClosed as closed:
        texts.append(closed.rcvd.code)
    return texts


def test_what_a_killed_worker_held_is_lost_or_ends_the_socket_or_runs_again(start):
    """Three servers that differ in their option, and a worker for each of their sockets."""
    running = start(*RETRY)
    urls = [running.url]
    for option in ("skip", "close"):
        port = free_port()
        command = (BIN / "interface-server", "-b", "127.0.0.1", "-p", str(port))
        server = running.start(*command, "--on-lost-message", option, running.env["REDIS_URL"])
        server.wait_for_port(port)
        urls.append(f"ws://127.0.0.1:{port}/")
    workers = [running.start_worker() for _ in urls]

    async def test():
        sockets = [await connect(url) for url in urls]
        for socket in sockets:
            await socket.send("before")
            await socket.send("hold")
        held = asyncio.to_thread(wait_until, lambda: len(running.notes("held")) == 3, "all hold")
        await held
        for socket in sockets:
            await socket.send("after")
        for worker in workers:
            worker.signal(signal.SIGKILL)
        await asyncio.to_thread(running.start_worker)
        texts = await asyncio.gather(*[heard(socket, "after") for socket in sockets])
        await asyncio.gather(*[socket.close() for socket in sockets])
        return texts

    retried, skipped, closed = asyncio.run(asyncio.wait_for(test(), 2 * FOUND_LOST))

    assert retried == ["before", "hold", "after"]
    assert skipped == ["before", "after"]
    assert closed == ["before", 1011]
    assert running.notes("held") == 3 * ["held first"] + ["held again"]
    wait_until(lambda: len(running.notes("disconnect")) == 3, "every disconnect was handled")
    assert "websocket.receive of a socket on / is sent again" in running.server.output


def test_nothing_that_clients_said_is_lost_with_two_workers_and_order_is_kept(start):
    running = start(*RETRY)
    workers = [running.start_worker() for _ in range(4)]
    fetch(f"http://127.0.0.1:{running.port}/hello/")

    async def send_all(socket):
        for number in range(FRAMES):
            await socket.send(str(number))

    async def test():
        sockets = [await connect(running.url) for _ in range(SOCKETS)]
        sending = asyncio.gather(*[send_all(socket) for socket in sockets])
        first = [await heard(socket, "0") for socket in sockets[:2]]  # in the middle
        for worker in workers[:2]:
            worker.signal(signal.SIGKILL)
        await sending
        rest = await asyncio.gather(*[heard(socket, str(FRAMES - 1)) for socket in sockets])
        await asyncio.gather(*[socket.close() for socket in sockets])
        return [a + b for a, b in zip(first, rest, strict=False)] + rest[len(first) :]

    results = asyncio.run(asyncio.wait_for(test(), 2 * FOUND_LOST))

    for texts in results:
        numbers = [int(text) for text in texts]
        assert sorted(set(numbers)) == list(range(FRAMES))
        # One after the other, or once more from the beginning of a frame.
        assert all(after <= before + 1 for before, after in itertools.pairwise(numbers))
    wait_until(lambda: len(running.notes("disconnect")) == SOCKETS, "every disconnect was handled")


@pytest.mark.parametrize(("options", "expected"), [((), ["behind"]), (RETRY, ["hold", "behind"])])
def test_who_saw_a_worker_die_can_tell_the_server_at_once(start, redis_server, options, expected):
    running = start(*options)
    killed = running.start(sys.executable, "-m", "tests.support.echo_worker", redis_server.url)
    killed.wait_for_output("ready")

    def held():
        entry = registered(redis_server.client, "worker")
        return entry is not None and entry.unanswered

    async def test():
        async with connect(running.url) as socket:
            await socket.send("hold")
            await asyncio.to_thread(killed.wait_for_output, "holding")
            await asyncio.to_thread(wait_until, held, "the heartbeat shows what it holds")
            await socket.send("behind")
            receipts = held()
            killed.signal(signal.SIGKILL)
            killed.wait()
            again.release.set()
            again.start()
            started = time.monotonic()
            await asyncio.to_thread(layer.store.answer_all, receipts, LOST)
            assert await heard(socket, "behind") == expected
            assert time.monotonic() - started < AT_ONCE

    with closing(RedisChannelLayer(hosts=[redis_server.url])) as layer:
        again = EchoWorker(layer)
        try:
            asyncio.run(asyncio.wait_for(test(), FOUND_LOST))
        finally:
            again.stop()


def test_a_frozen_workers_replies_are_not_heard_beside_those_of_the_second_run(start, redis_server):
    running = start(*RETRY)
    frozen = running.start(sys.executable, "-m", "tests.support.echo_worker", redis_server.url)
    frozen.wait_for_output("ready")

    async def test():
        async with connect(running.url) as socket:
            await socket.send("hold")
            await socket.send("behind")
            await asyncio.to_thread(frozen.wait_for_output, "holding")
            frozen.signal(signal.SIGSTOP)
            again.release.set()
            again.start()
            assert await heard(socket, "behind") == ["hold", "behind"]
            frozen.signal(signal.SIGCONT)
            frozen.signal(signal.SIGUSR1)

            def counted():
                counters = registered(redis_server.client, "server").info
                return counters["fenced"], counters["late_receipts"]

            late = asyncio.to_thread(
                wait_until, lambda: counted() == (1, 1), "the frozen worker's reply was dropped"
            )
            await late
            await socket.send("next")
            assert await heard(socket, "next") == ["next"]

    with closing(RedisChannelLayer(hosts=[redis_server.url])) as layer:
        again = EchoWorker(layer)
        try:
            asyncio.run(asyncio.wait_for(test(), 2 * FOUND_LOST))
        finally:
            again.stop()
    assert [message["text"] for message in again.redelivered] == ["hold"]
    assert "a worker that stood still has sent replies" in running.server.output
