"""How long to wait before the next try, for everything here that tries again."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Pauses that double up to a limit, spread so that many processes don't return as one.

    Args:
        first: Longest first pause, in seconds.
        most: Longest of all, in seconds.
        rand: Returns a number from 0 up to 1.
    """

    def __init__(
        self,
        first: float = 0.1,
        most: float = 5.0,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._most = most
        self._rand = rand
        self._next = first

    def pause(self) -> float:
        """Return the next pause, in seconds: between half and all of the current length."""
        length = self._next
        self._next = min(2 * length, self._most)
        return length * (0.5 + self._rand() / 2)

    def reset(self) -> None:
        """Begin anew: what failed works again."""
        self._next = self._first
