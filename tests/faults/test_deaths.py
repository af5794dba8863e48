"""What each death costs: real processes, really killed, with clients connected."""

import asyncio
import signal
import time
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.faults.site_stack import SiteStack
from tests.support.processes import fetch
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

SOCKETS = 20
FRAMES = 60

#: Longest that a frame may be looked for before it counts as lost, and the socket goes on: two
#: heartbeat TTLs and some.
FOUND_LOST = 40


class Stack(SiteStack):
    """With some workers, on one Redis."""

    def __init__(self, redis_url, folder, workers, *options):
        super().__init__(folder, {"REDIS_URL": redis_url}, [*options, redis_url])
        self.workers = [self.start_worker() for _ in range(workers)]
        self.server.wait_for_port(self.port)
        fetch(f"http://127.0.0.1:{self.port}/hello/")


@pytest.fixture
def stack(redis_server, tmp_path):
    """Call it with the number of workers and options of the server."""
    with ExitStack() as stacks:

        def make(workers, *options, redis_url=redis_server.url):
            made = Stack(redis_url, tmp_path, workers, *options)
            stacks.callback(made.close)
            return made

        yield make


async def open_sockets(url, count):
    return await asyncio.gather(*[connect(url) for _ in range(count)])


async def close_sockets(sockets):
    await asyncio.gather(*[socket.close() for socket in sockets])


async def read_until(socket, last):
    """Return the numbers that came back, up to and including the last one."""
    numbers, workers = [], set()
    while not numbers or numbers[-1] != last:
        number, _, worker = (await socket.recv()).partition(" ")
        numbers.append(int(number))
        workers.add(worker)
    return numbers, workers


async def send_all(socket, frames=FRAMES):
    for number in range(frames):
        await socket.send(str(number))


def test_every_sockets_frames_are_handled_in_order_by_four_workers(stack):
    running = stack(4)

    async def test():
        sockets = await open_sockets(running.url, SOCKETS)
        await asyncio.gather(*[send_all(socket) for socket in sockets])
        results = await asyncio.gather(*[read_until(socket, FRAMES - 1) for socket in sockets])
        await close_sockets(sockets)
        return results

    results = asyncio.run(asyncio.wait_for(test(), 60))

    assert [numbers for numbers, _ in results] == [list(range(FRAMES))] * SOCKETS
    assert len(set.union(*[workers for _, workers in results])) == 4


def test_a_killed_worker_leaves_every_socket_open_and_working(stack):
    running = stack(4)

    async def test():
        sockets = await open_sockets(running.url, SOCKETS)
        sending = asyncio.gather(*[send_all(socket) for socket in sockets])
        for socket in sockets[:3]:
            await socket.recv()  # in the middle
        running.workers[0].signal(signal.SIGKILL)
        await sending
        for socket in sockets:
            await socket.send("1000")
        results = await asyncio.gather(*[read_until(socket, 1000) for socket in sockets])
        await close_sockets(sockets)
        return results

    results = asyncio.run(asyncio.wait_for(test(), FOUND_LOST + 30))

    short = 0
    for numbers, _ in results:
        assert numbers == sorted(set(numbers))
        # The first frames of three sockets were read above.
        short += len(numbers) < FRAMES
    assert short <= 3 + 1  # at most the one frame that the worker held
    wait_until(lambda: len(running.notes("disconnect")) == SOCKETS, "every disconnect was handled")


def test_workers_that_are_replaced_lose_nothing(stack):
    running = stack(2)

    async def replace_workers():
        for worker in running.workers:
            await asyncio.to_thread(running.start_worker)
            worker.signal(signal.SIGTERM)
            assert await asyncio.to_thread(worker.wait) == 0

    async def test():
        sockets = await open_sockets(running.url, SOCKETS)
        replacing = asyncio.create_task(replace_workers())
        frames = 0
        while not replacing.done():
            await asyncio.gather(*[socket.send(str(frames)) for socket in sockets])
            frames += 1
            await asyncio.sleep(0.01)
        await replacing
        results = await asyncio.gather(*[read_until(socket, frames - 1) for socket in sockets])
        await close_sockets(sockets)
        return frames, results

    frames, results = asyncio.run(asyncio.wait_for(test(), 90))

    assert [numbers for numbers, _ in results] == [list(range(frames))] * SOCKETS
    assert len(set.union(*[workers for _, workers in results])) == 4


def test_a_stopped_server_closes_its_sockets_one_after_the_other(stack):
    running = stack(1, "--drain", "3")

    async def closed_at(socket):
        try:
            await socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code, time.monotonic()
        raise AssertionError("the socket got a message instead of its end")

    async def test():
        sockets = await open_sockets(running.url, SOCKETS)
        slow = asyncio.create_task(
            asyncio.to_thread(fetch, f"http://127.0.0.1:{running.port}/slow/")
        )
        await asyncio.to_thread(wait_until, lambda: running.notes("slow"), "the slow view runs")
        running.server.signal(signal.SIGTERM)
        ends = await asyncio.gather(*[closed_at(socket) for socket in sockets])
        return ends, await slow

    ends, page = asyncio.run(asyncio.wait_for(test(), 60))

    assert {code for code, _ in ends} == {1012}
    times = sorted(at for _, at in ends)
    assert times[-1] - times[0] > 1.0
    assert page == "done"
    assert running.server.wait() == 0
    wait_until(lambda: len(running.notes("disconnect")) == SOCKETS, "every disconnect was handled")


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_sockets_stay_open_while_redis_is_away_and_groups_heal(stack):
    redis = RedisServer()
    try:
        running = stack(2, redis_url=redis.url)

        async def test():
            sockets = await open_sockets(running.url, SOCKETS)
            await asyncio.gather(*[socket.send("1") for socket in sockets])
            await asyncio.gather(*[read_until(socket, 1) for socket in sockets])
            redis.kill()
            status = f"http://127.0.0.1:{running.port}/hello/"
            await asyncio.to_thread(
                wait_until, lambda: status_of(status) == 503, "requests are refused"
            )
            redis.start()
            await asyncio.to_thread(
                wait_until, lambda: status_of(status) == 200, "requests are served"
            )
            await asyncio.gather(*[socket.send("2") for socket in sockets])
            await asyncio.gather(*[read_until(socket, 2) for socket in sockets])
            await sockets[0].send("all: back")
            heard = await asyncio.gather(*[socket.recv() for socket in sockets])
            await close_sockets(sockets)
            return heard

        heard = asyncio.run(asyncio.wait_for(test(), 90))

        assert heard == ["all: back"] * SOCKETS
    finally:
        redis.close()
