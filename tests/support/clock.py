"""Time that passes when a test says so."""

from __future__ import annotations


class Clock:
    """Seconds that pass by sleeping and by :meth:`advance`; each reading may take some as well.

    Attributes:
        now: The time; may be set.
        slept: The sleeps so far, in seconds.
    """

    def __init__(self, now: float = 1000.0, *, reading: float = 0.0) -> None:
        self.now = now
        self.slept: list[float] = []
        self._reading = reading

    def __call__(self) -> float:
        self.now += self._reading
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let so much pass, and note it."""
        self.slept.append(seconds)
        self.now += seconds

    def advance(self, seconds: float) -> None:
        """Let so much pass."""
        self.now += seconds
