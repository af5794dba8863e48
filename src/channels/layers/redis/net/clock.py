"""Redis time in our process: measured now and then, kept by our monotonic clock meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

#: How long a measurement of Redis time is good for, in seconds, where no heartbeat repeats
#: it.
CLOCK_SECONDS = 60.0


class RedisClock:
    """Redis time, kept between measurements by our monotonic clock."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset: float | None = None
        self._measured = 0.0

    @property
    def fresh(self) -> bool:
        """Whether Redis was asked within :data:`CLOCK_SECONDS`: clocks are set and drift."""
        return self._offset is not None and self._monotonic() - self._measured < CLOCK_SECONDS

    def monotonic(self) -> float:
        """Return our own clock, in seconds."""
        return self._monotonic()

    def measure(self, answer: Sequence[Any], asked: float) -> None:
        """Take the answer to ``TIME`` that was asked for at ``asked`` of :meth:`monotonic`."""
        self._measured = self._monotonic()
        middle = (asked + self._measured) / 2
        self._offset = int(answer[0]) * 1000 + int(answer[1]) / 1000 - middle * 1000

    def now_ms(self) -> int:
        """Return Redis time in milliseconds; before the first measurement our own."""
        if self._offset is None:
            return int(time.time() * 1000)
        return int(self._monotonic() * 1000 + self._offset)
