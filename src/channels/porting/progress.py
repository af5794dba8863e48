"""How far a long task is, for whoever waits for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TextIO

#: Nothing is said of a task that takes no longer, in seconds.
PATIENCE = 2.0

#: How often a terminal's line is written anew, and how often another stream gets a line.
ON_TERMINAL = 0.5
ELSEWHERE = 10.0


class Progress:
    """Says how many files were looked at: on one line of a terminal, or line by line elsewhere.

    Args:
        out: Where to, stderr as a rule.
        clock: Monotonic time, in seconds.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float]) -> None:
        self._out = out
        self._clock = clock
        self._terminal = out.isatty()
        self._due = clock() + PATIENCE
        self._shown = 0

    def tell(self, done: int, total: int) -> None:
        """Take note of how far it is, and say so if it is time."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + (ON_TERMINAL if self._terminal else ELSEWHERE)
        text = f"Looked at {done} of {total} files"
        self._write(f"\r{text}" if self._terminal else f"{text}\n")
        self._shown = len(text)

    def end(self) -> None:
        """Leave nothing of it on a terminal."""
        if self._shown and self._terminal:
            self._write(f"\r{' ' * self._shown}\r")
        self._shown, self._due = 0, math.inf

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
