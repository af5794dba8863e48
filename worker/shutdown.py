"""Signals that ask a worker to stop: once politely, a second time at once.

SIGHUP is one of them: what a worker runs can't be loaded anew, and its terminal may be closed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from channels.hangup import heeded

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")

#: A signal that follows another within this many seconds is the same wish: service
#: managers send it to the whole group of processes, whose parent then forwards it.
SAME_WISH = 1.0

Handler = Callable[["int | None", "FrameType | None"], None]


class SignalHandlers:
    """Handlers for SIGTERM, SIGINT and SIGHUP, and what was there before.

    Those that the process was started to ignore (``nohup``) stay ignored.  The first
    signal calls the handler.  A later one, by whoever has no patience
    for the message in hand, ends the process at once, by that signal.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: dict[int, Any] = {}
        self._first: float | None = None
        self._handler: Handler | None = None

    def install(self, handler: Handler, names: Sequence[str] = SIGNALS) -> None:
        """Call ``handler`` at the first of these signals.

        Raises:
            ValueError: This is not the main thread.
        """
        self._handler = handler
        self._first = None
        for signo in heeded(*names):
            before = signal.signal(signo, self._arrived)
            self._before.setdefault(signo, before)

    def restore(self) -> None:
        """Put back what handled the signals before, unless the process is being stopped.

        Then a signal repeated for the same wish must not end it before it has
        left by itself.
        """
        if self._first is not None:
            return
        for signo, before in self._before.items():
            if signal.getsignal(signo) == self._arrived and before is not None:
                signal.signal(signo, before)
        self._before.clear()

    def _arrived(self, signo: int, frame: FrameType | None) -> None:
        now = self._clock()
        if self._first is None:
            self._first = now
            if self._handler is not None:
                self._handler(signo, frame)
        elif now - self._first > SAME_WISH:
            die_by(signo)


def die_by(signo: int) -> None:
    """End the process as if the signal had never been handled."""
    signal.signal(signo, signal.SIG_DFL)
    os.kill(os.getpid(), signo)
