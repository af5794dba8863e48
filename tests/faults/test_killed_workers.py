"""What fifty SIGKILLs of a pool's workers cost: frames counted one by one."""

import asyncio
import itertools
import os
import random
import re
import signal
import time

import pytest
from websockets.asyncio.client import connect

from tests.faults.site_stack import SiteStack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

KILLS = 50
PAUSE = 0.8

#: So many that each lives well before its turn comes, and is replaced at once.
PROCESSES = 14
SOCKETS = 60

#: Seconds between two frames of a socket; all send at once, so workers find many.
BEAT = 0.1

#: What one death may cost: the frame in hand, and what had run and not left.
WORST = 1 + 8

#: Seconds that a socket hears nothing for when the pool tells of the death: well under the TTL of a
#: heartbeat; and longest until a frame is found to be lost that nobody tells of.
GAP = 6.0
FOUND_LOST = 40


def test_each_costs_what_ran_and_had_not_left_and_nothing_runs_twice(redis_server, tmp_path):
    site = SiteStack(tmp_path, {"REDIS_URL": redis_server.url}, [redis_server.url])
    try:
        pool = site.start_worker("--processes", str(PROCESSES))
        site.server.wait_for_port(site.port)
        wait_until(lambda: len(children(pool)) == PROCESSES, "every worker has started")

        heard, gaps, sent = asyncio.run(asyncio.wait_for(talk(site.url, pool), 150))

        ran = [line.split()[1] for line in site.notes("frame")]
        assert len(ran) == len(set(ran))
        for numbers in heard:
            assert all(before < after for before, after in itertools.pairwise(numbers))
        lost = sum(len(frames) - len(numbers) for frames, numbers in zip(sent, heard, strict=True))
        assert lost <= WORST * KILLS
        # A frame that Redis was giving to a worker that waited stands nowhere: it is looked for.
        assert sum(gap > GAP for gap in gaps) <= KILLS / 4
        assert max(gaps) < FOUND_LOST
        # What had not begun has all run since: only what had begun is lost.
        assert "was killed: " in pool.output
        unrun = {f"{at}:{n}" for at, frames in enumerate(sent) for n in frames} - set(ran)
        assert len(unrun) <= lost
    finally:
        site.close()


async def talk(url, pool):
    """Send, while workers are killed; return what each socket heard, its longest gap, and what
    it sent."""
    sockets = await asyncio.gather(*[connect(url, ping_interval=None) for _ in range(SOCKETS)])
    over = asyncio.Event()
    sent = [[] for _ in sockets]
    heard = [[] for _ in sockets]
    gaps = [0.0] * SOCKETS

    async def send_all():
        for number in itertools.count():
            last = over.is_set()
            for at, socket in enumerate(sockets):
                sent[at].append(number)
                await socket.send(f"quick {at}:{number}")
            if last:
                return
            await asyncio.sleep(BEAT)

    async def listen(at, socket):
        before = time.monotonic()
        while not over.is_set() or heard[at][-1] != sent[at][-1]:
            text = await socket.recv()
            now = time.monotonic()
            gaps[at], before = max(gaps[at], now - before), now
            heard[at].append(int(text.partition(":")[2]))

    listening = [asyncio.create_task(listen(at, socket)) for at, socket in enumerate(sockets)]
    sending = asyncio.create_task(send_all())
    for _ in range(KILLS):
        await asyncio.sleep(PAUSE)
        victims = await asyncio.to_thread(children, pool)
        os.kill(random.choice(victims[: len(victims) // 2 + 1]), signal.SIGKILL)
    await asyncio.sleep(PAUSE)
    over.set()
    await sending
    await asyncio.gather(*listening)
    await asyncio.gather(*[socket.close() for socket in sockets])
    return heard, gaps, sent


def children(pool):
    """The pool's processes that take messages, the oldest first."""
    started = re.findall(r"Started worker process \d+ \(pid (\d+)\)", pool.output)
    ready = re.findall(r"worker\[(\d+)\] django.channels: Listening on channels", pool.output)
    return [int(pid) for pid in started if pid in ready and os.path.exists(f"/proc/{pid}")]
