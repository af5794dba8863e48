"""What one ``Group.send`` costs the worker that calls it, by the size of the group."""

from __future__ import annotations

import statistics
import time

from benchmarks import stacks
from channels.layers.redis import RedisChannelLayer

SENDS = 60

#: Seconds between two sends, long enough for a fan-out to 10,000 members.  The same
#: for any size: what has been idle for longer is slower to wake.
PAUSE = 0.25


def cost(port: int, redis_url: str) -> dict[str, float]:
    """Return the median milliseconds of a send to 10 and to 10,000 members.

    Each send waits until the one before must have been delivered, so that the server's
    fan-out, which has its own figure, does not compete with what is timed.
    """
    layer = RedisChannelLayer(hosts=[redis_url])
    figures = {}
    for members in (10, 10_000):
        with stacks.holding(port, members, "/group/"):
            while len(set(layer.group_channels("bench"))) != members:
                time.sleep(0.2)
            took = []
            for _ in range(SENDS):
                started = time.perf_counter()
                layer.send_group("bench", {"text": "x" * 32})
                took.append(time.perf_counter() - started)
                time.sleep(PAUSE)
            figures[f"ms_{members}"] = 1000 * statistics.median(took)
        while len(set(layer.group_channels("bench"))):
            time.sleep(0.2)
    figures["ratio"] = figures["ms_10000"] / figures["ms_10"]
    return figures
