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


def hold_hangups() -> list[int]:
    """Let SIGHUP wait until there is something that heeds it: a process that starts lives on.

    For the main thread.

    Returns:
        One item for each that came; whoever handles the signal from then on looks there.
    """
    held: list[int] = []
    for signo in heeded("SIGHUP"):
        signal.signal(signo, lambda number, frame: held.append(number))
    return held


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
