"""Many deadlines, one timer.

A server with thousands of idle sockets must not keep a reactor timer for each of
them, nor walk over all of them every few seconds.  A :class:`Wheel` sorts its
entries into buckets of :data:`TICK` seconds and keeps one timer for the first
bucket that is not empty; without entries there is no timer at all.

Deadlines that are moved on by every message are not moved in the wheel: an
entry looks at its own clock when it is called, and asks to be called again.

Times are seconds on the caller's clock.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

log = logging.getLogger(__name__)

#: Width of a bucket, in seconds: an entry is called at most this much too late.
TICK = 0.1


class Entry(Protocol):
    """Something that waits in a wheel; one object waits at most once."""

    #: Where it waits; the wheel's own, 0 while it does not wait.
    wheel_slot: int

    def expired(self, now: float) -> float | None:
        """Do what is due; return in how many seconds to be called again, ``None`` for never."""
        ...


class Timer(Protocol):
    """What ``call_later`` returns."""

    def cancel(self) -> Any:
        """Do not call."""
        ...


class Wheel:
    """Calls entries at their time.

    Args:
        clock: Returns the time, never going backwards.
        call_later: Calls a function after so many seconds, once.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Timer],
    ) -> None:
        self.clock = clock
        self._call_later = call_later
        # Ordered by arrival (a dict), so that what is due together runs in order.
        self._buckets: dict[int, dict[Entry, None]] = {}
        self._heap: list[int] = []
        self._timer: Timer | None = None
        self._timer_slot = 0

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def add(self, entry: Entry, delay: float) -> None:
        """Call ``entry`` in ``delay`` seconds, instead of when it would have been called."""
        self.discard(entry)
        self._put(entry, delay)
        self._arm()

    def discard(self, entry: Entry) -> None:
        """Do not call ``entry``; harmless if it does not wait."""
        slot = entry.wheel_slot
        if slot:
            entry.wheel_slot = 0
            bucket = self._buckets[slot]
            del bucket[entry]
            # An empty bucket stays until its time: cheaper than a search in the heap.

    def _put(self, entry: Entry, delay: float) -> None:
        slot = max(1, math.ceil((self.clock() + max(delay, 0.0)) / TICK))
        bucket = self._buckets.get(slot)
        if bucket is None:
            bucket = self._buckets[slot] = {}
            heapq.heappush(self._heap, slot)
        bucket[entry] = None
        entry.wheel_slot = slot

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
        self._timer = self._call_later(max(0.0, first * TICK - self.clock()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self.clock()
        # A timer may come a little early by another clock's reckoning; what is
        # due within this tick is taken now instead of spinning.
        last = math.floor(now / TICK + 0.5)
        due: list[Entry] = []
        while self._heap and self._heap[0] <= last:
            due.extend(self._buckets[self._heap[0]])
            for entry in self._buckets.pop(heapq.heappop(self._heap)):
                entry.wheel_slot = 0
        for entry in due:
            if entry.wheel_slot:
                continue  # an entry before it has put it elsewhere
            try:
                again = entry.expired(now)
            except Exception:
                # One bad entry must not end every other deadline (docs/channels1.md#deadlines).
                log.exception("%r failed at its deadline", entry)
                continue
            if again is not None and not entry.wheel_slot:
                self._put(entry, max(again, TICK / 2))
        self._arm()


class Alarm:
    """An entry that calls a function once.

    Args:
        wheel: Where it waits.
        delay: Seconds from now.
        function: Called without arguments; must not raise.
    """

    __slots__ = ("_function", "_wheel", "wheel_slot")

    def __init__(self, wheel: Wheel, delay: float, function: Callable[[], None]) -> None:
        self.wheel_slot = 0
        self._wheel = wheel
        self._function: Callable[[], None] | None = function
        wheel.add(self, delay)

    def expired(self, now: float) -> None:
        """Call the function."""
        function, self._function = self._function, None
        if function is not None:
            function()

    def cancel(self) -> None:
        """Do not call it; harmless afterwards."""
        self._function = None
        self._wheel.discard(self)
