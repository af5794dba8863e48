"""Echo: a socket asks, gets the same back, and asks again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from benchmarks.load.sockets import PATIENCE, Client, Sockets
from benchmarks.processes import Processor

Figures = dict[str, float]


def echo(
    pool: Sockets,
    processor: Processor,
    *,
    connections: int,
    seconds: float,
    in_flight: int = 0,
    path: str = "/echo/",
    cookie: str = "",
) -> Figures:
    """Keep ``in_flight`` messages under way; all sockets in turn if there are more of these.

    A fifth of ``seconds`` is warm-up, which comes before and counts in nothing but losses.
    """
    clients = pool.open_websockets(connections, path, cookie=cookie)
    turn: deque[Client] = deque(clients)
    took: list[float] = []
    now = time.perf_counter()
    begin, end = now + seconds * 0.2, now + seconds * 1.2
    for _ in range(in_flight or connections):
        turn.popleft().ask()
    while now < begin:
        for client, new in pool.arrivals(PATIENCE):
            if new:
                turn.append(client)
                turn.popleft().ask()
        now = time.perf_counter()
    processor.begin()
    while now < end:
        for client, new in pool.arrivals(PATIENCE):
            if new:
                now = time.perf_counter()
                took.append(now - client.asked_at)
                turn.append(client)
                turn.popleft().ask()
    return {**latency(took, now - begin), **processor.end(len(took))}


def mixed(
    pool: Sockets,
    processor: Processor,
    *,
    connections: int,
    seconds: float,
    slow: int,
    pause: float,
) -> Figures:
    """Let fast sockets echo as always beside ``slow`` ones, whose consumer takes 50 ms.

    A slow socket asks ``pause`` seconds after its answer.  The figures are of the fast ones.
    """
    fast = pool.open_websockets(connections, "/echo/")
    sluggish = pool.open_websockets(slow, "/slow/")
    now = time.perf_counter()
    begin, end = now + seconds * 0.2, now + seconds * 1.2
    due = deque((now + pause * number / slow, client) for number, client in enumerate(sluggish))
    took: list[float] = []
    slow_ones = set(sluggish)
    processor.begin()  # here with the warm-up
    for client in fast:
        client.ask()
    while now < end:
        patience = due[0][0] - now if due else PATIENCE
        try:
            for client, new in pool.arrivals(min(patience, PATIENCE)):
                now = time.perf_counter()
                if not new:
                    continue
                if client in slow_ones:
                    due.append((now + pause, client))
                    continue
                if now > begin:
                    took.append(now - client.asked_at)
                client.ask()
        except TimeoutError:
            if not due:
                raise
        now = time.perf_counter()
        while due and due[0][0] <= now:
            due.popleft()[1].ask()
    return {**latency(took, now - begin), **processor.end(len(took))}


def latency(took: Sequence[float], seconds: float) -> Figures:
    """Return the rate and the quantiles of so many seconds' answers.

    Raises:
        TimeoutError: There were none.
    """
    if not took:
        raise TimeoutError("nothing was answered in the time measured")
    order = sorted(took)
    return {
        "per_second": len(order) / seconds,
        "p50_ms": 1000 * order[len(order) // 2],
        "p99_ms": 1000 * order[int(len(order) * 0.99)],
    }
