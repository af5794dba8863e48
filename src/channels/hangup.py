"""SIGHUP, which means three things, and signals that a process was started to ignore.

A terminal that closes sends it: who runs in it is to end.  ``nohup``, and shells for what they
run in the background, start processes with signals ignored: then that is how it stays.  Log
rotation and service managers send it to what has no terminal: log files are to be opened anew.
"""

from __future__ import annotations

import logging
import os
import signal
from typing import Any


def heeded(*names: str) -> list[signal.Signals]:
    """Return these signals, without those that this platform lacks or that were made ignored.

    SIGTERM is always among them: a process that nobody can stop is of no use.
    """
    known = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    return [
        signo
        for signo in known
        if signo == signal.SIGTERM or signal.getsignal(signo) is not signal.SIG_IGN
    ]


class Terminal:
    """The terminal that this process was started from, if any."""

    def __init__(self) -> None:
        self._had_one = _has_terminal()

    def is_gone(self) -> bool:
        """Whether there was one that is closed now."""
        return self._had_one and not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def reopen_log_files() -> None:
    """Let every log file of ``logging`` be opened anew, by its name, as it is next written to."""
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
            stream.close()
            setattr(handler, "stream", None)  # noqa: B010 (not by its type); emit() opens it again
    finally:
        handler.release()
