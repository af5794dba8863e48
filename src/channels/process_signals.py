"""Signals to our processes: which are heeded, how one stops, and what SIGHUP means.

SIGHUP means three things.  A terminal that closes sends it: what runs in it is to end.
``nohup``, and shells for what they run in the background, start processes with signals ignored:
then that is how it stays.  Log rotation and service managers send it to what has no terminal:
log files are to be opened anew.  What a worker runs can't be loaded anew, so it stops a worker.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

#: The signals that ask a worker to stop.
STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")

#: A signal that follows another within this many seconds is the same wish: service
#: managers send it to the whole group of processes, whose parent then forwards it.
SAME_WISH = 1.0

Handler = Callable[["int | None", "FrameType | None"], None]


def heeded(*names: str) -> list[signal.Signals]:
    """Return these signals, without those that this platform lacks or that were made ignored.

    SIGTERM is always among them: a process that cannot be stopped is of no use.
    """
    known = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    return [
        signo
        for signo in known
        if signo == signal.SIGTERM or signal.getsignal(signo) is not signal.SIG_IGN
    ]


class SignalHandlers:
    """Handlers for SIGTERM, SIGINT and SIGHUP, and what was there before.

    Those that the process was started to ignore (``nohup``) stay ignored.  The first
    signal calls the handler.  A later one, sent without patience for the
    message in hand, ends the process at once, by that signal.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: dict[int, Any] = {}
        self._first: float | None = None
        self._handler: Handler | None = None

    def install(self, handler: Handler, names: Sequence[str] = STOP_SIGNALS) -> None:
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


def has_terminal() -> bool:
    """Whether this process belongs to a terminal, which is not closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def hold_hangups() -> list[int]:
    """Let SIGHUP wait until there is something that heeds it: a process that starts lives on.

    For the main thread.

    Returns:
        One item for each that came, for what handles the signal from then on.
    """
    arrived: list[int] = []
    for signo in heeded("SIGHUP"):
        signal.signal(signo, lambda number, frame: arrived.append(number))
    return arrived


def reopen_log_files() -> None:
    """Let log files of ``logging`` that were moved be opened anew as they are next written to.

    Where the name still leads to the same file it stays open: to open it anew would empty it if
    its mode is ``w``.
    """
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):  # a placeholder has none
            if isinstance(handler, logging.FileHandler):
                _let_go(handler)


def _let_go(handler: logging.FileHandler) -> None:
    handler.acquire()
    try:
        stream: Any = handler.stream  # None if nothing was written so far
        if stream is not None:
            if _is_at(stream, handler.baseFilename):
                return
            stream.close()
            setattr(handler, "stream", None)  # noqa: B010 (not by its type); emit() opens it again
    finally:
        handler.release()


def _is_at(stream: Any, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.stat(path))
    except OSError:
        return False  # nothing has that name
