"""The same delay for many: one timer however many wait, and none while nobody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from channels.interface_server.bridge.clock import Clock, Timer

T = TypeVar("T")


class DelayQueue(Generic[T]):
    """Calls ``fire`` with each thing that was added and not discarded within ``seconds``.

    As the delay is the same for all, the order of adding is the order of firing.
    """

    def __init__(self, clock: Clock, seconds: float, fire: Callable[[T], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._fire = fire
        self._due: dict[T, float] = {}
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._due)

    def add(self, thing: T) -> None:
        """Start the delay of a thing; one that waits already keeps its time."""
        if thing not in self._due:
            self._due[thing] = self._clock.monotonic() + self._seconds
            if self._timer is None:
                self._timer = self._clock.call_later(self._seconds, self._tick)

    def discard(self, thing: T) -> None:
        """Forget a thing; no harm if it does not wait."""
        self._due.pop(thing, None)

    def hasten(self, seconds: float) -> None:
        """Fire everything that waits now, and what is added later after so many seconds."""
        self._seconds = seconds
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._due = self._due, {}
        for thing in waiting:
            self._fire(thing)

    def _tick(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        # 1 ms early is early enough: timers of the loop may fire just before their time.
        due = []
        for thing, when in self._due.items():
            if when > now + 0.001:
                self._timer = self._clock.call_later(when - now, self._tick)
                break
            due.append(thing)
        for thing in due:
            if self._due.pop(thing, None) is not None:
                self._fire(thing)
