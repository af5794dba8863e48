"""Many deadlines, one timer.

A server with thousands of idle sockets must not keep a timer of the event loop for each
of them, nor walk over all of them every few seconds.  A :class:`TimerWheel` sorts what has
a deadline into buckets of :data:`TICK` seconds and keeps one timer for the first bucket
that is not empty.

Deadlines that are moved on by every message are not moved in the wheel: what is called
looks at its own times, and asks to be called again.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import time
from collections.abc import Callable
from typing import Any, Protocol

log = logging.getLogger(__name__)

#: Width of a bucket, in seconds: a deadline is met at most this much too late.
TICK = 0.1

#: Slot of what is being called.
DUE = -1


class Timed(Protocol):
    """Something with a deadline; one object has at most one at a time."""

    #: Bucket that it is in; the wheel's own, 0 while it has no deadline.
    wheel_slot: int

    def expired(self, now: float) -> float | None:
        """Do what is due; return in how many seconds to be called again, ``None`` for never."""
        ...


class Timer(Protocol):
    """What ``call_later`` returns."""

    def cancel(self) -> Any: ...


CallLater = Callable[[float, Callable[[], Any]], Timer]


def _call_in_loop(delay: float, function: Callable[[], Any]) -> Timer:
    return asyncio.get_running_loop().call_later(delay, function)


class TimerWheel:
    """Calls each :class:`Timed` at its deadline.

    ``call_later`` is there for what a server has few of, and for what must be on time.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, call_later: CallLater = _call_in_loop
    ) -> None:
        self.clock = clock
        self.call_later = call_later
        # Ordered by arrival (a dict), so that what is due together runs in order.
        self._buckets: dict[int, dict[Timed, None]] = {}
        self._heap: list[int] = []
        self._timer: Timer | None = None
        self._timer_slot = 0

    def add(self, timed: Timed, delay: float) -> None:
        """Call ``timed`` in ``delay`` seconds, instead of when it would have been called."""
        self.discard(timed)
        self._put(timed, delay)
        self._arm()

    def discard(self, timed: Timed) -> None:
        """Do not call ``timed``; without effect if it has no deadline."""
        slot = timed.wheel_slot
        if slot:
            timed.wheel_slot = 0
            bucket = self._buckets[slot]
            del bucket[timed]
            # An empty bucket stays until its time: cheaper than a search in the heap.

    def _put(self, timed: Timed, delay: float) -> None:
        slot = max(1, math.ceil((self.clock() + max(delay, 0.0)) / TICK))
        bucket = self._buckets.get(slot)
        if bucket is None:
            bucket = self._buckets[slot] = {}
            heapq.heappush(self._heap, slot)
        bucket[timed] = None
        timed.wheel_slot = slot

    def _arm(self) -> None:
        while self._heap and not self._buckets[self._heap[0]]:
            del self._buckets[heapq.heappop(self._heap)]
        if not self._heap:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        first = self._heap[0]
        if self._timer is not None:
            if self._timer_slot <= first:
                return  # it fires early enough, finds nothing and is set anew
            self._timer.cancel()
        self._timer_slot = first
        self._timer = self.call_later(max(0.0, first * TICK - self.clock()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self.clock()
        # A timer may come a little early by another clock's reckoning; what is
        # due within this tick is taken now instead of spinning.
        last = math.floor(now / TICK + 0.5)
        due: dict[Timed, None] = {}
        while self._heap and self._heap[0] <= last:
            due.update(self._buckets.pop(heapq.heappop(self._heap)))
        self._buckets[DUE] = due
        for timed in due:
            timed.wheel_slot = DUE
        for timed in tuple(due):
            if timed.wheel_slot != DUE:
                continue  # one before it has discarded it or put it elsewhere
            timed.wheel_slot = 0
            try:
                again = timed.expired(now)
            except Exception:
                # One failure must not end every other deadline (docs/channels1.md#deadlines).
                log.exception("%r failed at its deadline", timed)
                continue
            if again is not None and not timed.wheel_slot:
                self._put(timed, max(again, TICK / 2))
        del self._buckets[DUE]
        self._arm()
