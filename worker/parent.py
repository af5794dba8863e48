"""The parent process of a pool: waits for signals, ends of processes and due times."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from channels.hangup import reopen_log_files
from channels.worker.lifeline import ChildProcess
from channels.worker.pool import ProcessPool
from channels.worker.shutdown import SignalHandlers


def run_processes(size: int, start: Callable[[], ChildProcess]) -> None:
    """Keep ``size`` worker processes until SIGTERM or SIGINT; return when all have ended.

    For the main thread.
    """
    pool = ProcessPool(size, start, time.monotonic)
    stop = SignalHandlers()
    hangups: list[int] = []
    with _waking_pipe() as wake, _handling(signal.SIGHUP, lambda: hangups.append(1)):
        stop.install(lambda signo, frame: pool.stop(), ("SIGTERM", "SIGINT"))
        try:
            while True:
                if hangups:
                    hangups.clear()
                    reopen_log_files()  # ours; the new processes open theirs
                    pool.reload()
                due = pool.look()
                if pool.finished:
                    return
                _wait(wake, pool, due)
        finally:
            pool.stop()  # an error in here must not leave them without a parent's care


def _wait(wake: int, pool: ProcessPool[ChildProcess], due: float) -> None:
    """Wait for a signal (SIGCHLD included), a word from a child that starts, or the time."""
    timeout = None if due == math.inf else max(0.0, due - time.monotonic())
    starting = {child.line: child for child in pool.children() if child.line is not None}
    watched: list[int | socket.socket] = [wake, *starting]
    for ready in select.select(watched, [], [], timeout)[0]:
        if isinstance(ready, socket.socket):
            starting[ready].listens()
        else:
            with contextlib.suppress(BlockingIOError):
                os.read(ready, 4096)


@contextlib.contextmanager
def _waking_pipe() -> Iterator[int]:
    """Yield a file descriptor that becomes readable with each signal that has a handler."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        with _handling(signal.SIGCHLD, lambda: None):
            yield reading
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)


@contextlib.contextmanager
def _handling(signo: signal.Signals, action: Callable[[], Any]) -> Iterator[None]:
    def handler(number: int, frame: FrameType | None) -> None:
        action()

    before = signal.signal(signo, handler)
    try:
        yield
    finally:
        signal.signal(signo, before)
