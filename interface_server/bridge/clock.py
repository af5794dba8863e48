"""Time as the bridge sees it: an argument, so that tests move it themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    """Something that will be called later."""

    def cancel(self) -> None:
        """See to it that it is not."""
        ...


class Clock(Protocol):
    """What the bridge needs of an event loop's clock; all times are seconds."""

    def monotonic(self) -> float:
        """Return the time since some moment; it never goes back."""
        ...

    def call_later(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Call ``call`` once, in the event loop, after ``seconds``."""
        ...


class LoopClock:
    """The clock of the running asyncio loop (Twisted's, with its asyncio reactor)."""

    def monotonic(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()

    def call_later(self, seconds: float, call: Callable[[], Any]) -> Timer:
        """Call ``call`` once after ``seconds``; must be used inside the loop."""
        return asyncio.get_running_loop().call_later(seconds, call)
