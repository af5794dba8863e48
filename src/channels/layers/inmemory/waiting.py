"""How threads sleep until a channel of the in-memory layer has something for them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection
from typing import TypeVar

T = TypeVar("T")


class Waiter:
    """One thread's sleep.

    Built on :class:`queue.SimpleQueue`, whose ``put`` may interrupt itself: so
    :meth:`stop` is safe in a signal handler, whatever the thread was doing.
    """

    def __init__(self) -> None:
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopped = False

    def wake(self) -> None:
        """Let the thread look again."""
        self._tokens.put(None)

    def stop(self) -> None:
        """Let the thread end its waiting; if it is not waiting, its next."""
        self._stopped = True
        self._tokens.put(None)

    def take_stop(self) -> bool:
        """Tell whether :meth:`stop` was called since this was last asked."""
        stopped, self._stopped = self._stopped, False
        return stopped

    def sleep(self, timeout: float) -> None:
        """Wait for :meth:`wake` or :meth:`stop`, at most ``timeout`` real seconds."""
        try:
            self._tokens.get(timeout=timeout)
            while True:  # many may have come; one look serves them all
                self._tokens.get_nowait()
        except queue.Empty:
            pass


class Waiters:
    """Who waits for which channel.  Thread-safe."""

    def __init__(self) -> None:
        # Re-entrant: a signal handler may send while its thread is in here.
        self._lock = threading.RLock()
        self._waiting: dict[str, frozenset[Waiter]] = {}

    def wake(self, channel: str) -> None:
        """Let everybody who waits for a channel look again."""
        for waiter in self._waiting.get(channel, ()):
            waiter.wake()

    def has(self, channel: str) -> bool:
        """Whether anybody waits for a channel."""
        return channel in self._waiting

    def wait(
        self,
        channels: Collection[str],
        take: Callable[[], T | None],
        waiter: Waiter,
        timeout: float,
    ) -> T | None:
        """Call ``take`` until it returns something; sleep until there may be.

        Returns:
            ``None`` after ``timeout`` real seconds (never mind the layer's clock: a thread
            sleeps in real time), or when the waiter was told to stop.
        """
        deadline = time.monotonic() + timeout
        # Before the first look, so that nothing slips in between look and sleep.
        self._add(channels, waiter)
        try:
            while not waiter.take_stop():
                found = take()
                left = deadline - time.monotonic()
                if found is not None or left <= 0:
                    return found
                waiter.sleep(left)
            return None
        finally:
            self._remove(channels, waiter)

    def _add(self, channels: Collection[str], waiter: Waiter) -> None:
        with self._lock:
            for name in channels:
                self._waiting[name] = self._waiting.get(name, frozenset()) | {waiter}

    def _remove(self, channels: Collection[str], waiter: Waiter) -> None:
        with self._lock:
            for name in channels:
                others = self._waiting.get(name, frozenset()) - {waiter}
                if others:
                    self._waiting[name] = others
                else:
                    self._waiting.pop(name, None)
