"""How long to wait before the next try: one class for all that try again."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Pauses in seconds, each ``growth`` times longer than the one before, up to a limit.

    ``spread`` is the part of each that is left to chance, so that many processes don't return as
    one; ``rand`` returns a number from 0 up to 1.
    """

    __slots__ = ("_first", "_growth", "_most", "_next", "_rand", "_spread")

    def __init__(
        self,
        first: float = 0.1,
        most: float = 5.0,
        growth: float = 2.0,
        spread: float = 0.5,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._most = most
        self._growth = growth
        self._spread = spread
        self._rand = rand
        self._next = first

    def pause(self) -> float:
        """Return the next pause, in seconds."""
        length = self._next
        self._next = min(length * self._growth, self._most)
        return length * (1 - self._spread * (1 - self._rand()))

    def reset(self) -> None:
        """Begin anew: what failed works again."""
        self._next = self._first
