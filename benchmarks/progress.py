"""A progress bar for a terminal; plain lines for anything else."""

from __future__ import annotations

import sys
import time

WIDTH = 24


class Progress:
    """Shows how far a run is, and how long the rest may take."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._began = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def step(self, text: str) -> None:
        """Say what begins now."""
        share = self._done / self._steps
        left = ""
        if self._done:
            seconds = (time.monotonic() - self._began) * (1 - share) / share
            left = f", {seconds / 60:.0f} min left" if seconds > 90 else f", {seconds:.0f} s left"
        self._done += 1
        line = f"{self._done}/{self._steps}{left}: {text}"
        if self._terminal:
            filled = round(WIDTH * share)
            bar = "█" * filled + "░" * (WIDTH - filled)
            print(f"\r\x1b[K{bar} {line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        print(("\r\x1b[K" if self._terminal else "") + text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the bar."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
