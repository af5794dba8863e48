"""What a worker is asked to look at later, between two messages.

Offered to decorators as :attr:`Message.worker_timers
<channels.message.Message.worker_timers>`.  There is no thread behind it: an idle worker
looks when its take returns, every few seconds; a busy one behind the message in hand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable

from django.db import close_old_connections

logger = logging.getLogger("django.channels")

#: Pause before what failed is tried again, in seconds.
RETRY_PAUSE = 5.0

#: Most of what is due that is done between two messages: these must not wait for long.
BATCH = 20

#: Called with whether the worker is about to stop.
Call = Callable[[bool], object]


class ScheduledCalls:
    """Calls of one worker, each under a key; used by its thread only.

    Attributes:
        calls: What there is to call, by key, and when; empty most of the time.

    Args:
        clock: Wall-clock time, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.calls: dict[Hashable, tuple[float, Call]] = {}
        self._next = float("inf")

    def set(self, key: Hashable, due: float, call: Call) -> None:
        """Have something called at a time or soon after it; the first under a key counts."""
        self.calls.setdefault(key, (due, call))
        self._next = min(self._next, due)

    @property
    def pending(self) -> bool:
        """Whether anything is due."""
        return self._next <= self._clock()

    def run(self) -> None:
        """Call what is due; what raises is logged, and tried again after a pause."""
        now = self._clock()
        due = [key for key, (when, _) in self.calls.items() if when <= now][:BATCH]
        close_old_connections()
        for key in due:
            _, call = self.calls.pop(key)
            try:
                call(False)
            except Exception:
                logger.exception("What was due failed; trying again in %d s", RETRY_PAUSE)
                self.set(key, now + RETRY_PAUSE, call)
        self._next = min((when for when, _ in self.calls.values()), default=float("inf"))
        close_old_connections()

    def close(self) -> None:
        """Call everything, due or not, for the last time; it is told that the worker stops.

        Raises:
            Exception: What the first call that failed has raised; the rest is left out.
        """
        calls, self.calls, self._next = self.calls, {}, float("inf")
        if calls:
            close_old_connections()
        for _, call in calls.values():
            call(True)
        if calls:
            close_old_connections()
