"""What one ``Group.send`` costs the worker that calls it, by the size of the group."""

from __future__ import annotations

import os
import statistics
import time

from benchmarks import stacks
from channels.layers.redis import RedisChannelLayer

#: Seconds between two sends, long enough for a fan-out to 10,000 members.  The same
#: for any size: what has been idle for longer is slower to wake.
PAUSE = 0.25

#: Longest time for all members to be in the group or out of it, in seconds.
TIMEOUT = 60.0


def cost(port: int, sends: int) -> dict[str, float]:
    """Return the median milliseconds of so many sends to 10 and to 10,000 members.

    Each send waits until the one before must have been delivered, so that the server's
    fan-out, which has its own figure, does not compete with what is timed.

    Raises:
        ConnectionError: The sockets could not be opened.
        TimeoutError: They did not become members.
    """
    layer = RedisChannelLayer(hosts=[os.environ["REDIS_URL"]])
    figures = {}
    for members in (10, 10_000):
        with stacks.holding(port, members, "/group/"):
            _wait_for(members, layer)
            took = []
            for _ in range(sends):
                started = time.perf_counter()
                layer.send_group("bench", {"text": "x" * 32})
                took.append(time.perf_counter() - started)
                time.sleep(PAUSE)
            figures[f"ms_{members}"] = 1000 * statistics.median(took)
        _wait_for(0, layer)
    return figures


def _wait_for(members: int, layer: RedisChannelLayer) -> None:
    deadline = time.monotonic() + TIMEOUT
    while len(set(layer.group_channels("bench"))) != members:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the group did not get to {members:,} members in {TIMEOUT:.0f} s")
        time.sleep(0.2)
