"""``runworker --processes N``: a parent that keeps N worker processes alive.

Each process is the same command line run again, so a rolling restart picks up new code, and
nothing that must not be shared, such as database connections, ever is.

=======  ====================================================================
signal   what the parent does
=======  ====================================================================
SIGTERM  forwards it, waits until every worker process has finished the message in
SIGINT   hand and left, and ends with status 0
SIGHUP   rolling restart: one at a time a new process is started, and once it takes
         messages the old one is stopped; if it ends instead, the old ones stay
SIGKILL  the worker processes notice (:class:`Lifeline`) and stop gracefully
=======  ====================================================================

A process that ends unasked is replaced: at once if it had lived for a while, else after a pause.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from channels.backoff import Backoff
from channels.process_signals import SignalHandlers, reopen_log_files
from channels.worker.record import ENVIRONMENT as RECORDS
from channels.worker.record import InHand, SharedRecords

logger = logging.getLogger("django.channels")

#: A process that lived so long is replaced at once, in seconds.
LIVED_WELL = 10.0

#: First and longest pause before a process that did not is replaced, in seconds.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


class _Slot:
    """One worker process of the pool, and the one that is to follow it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.child: ChildProcess | None = None
        self.follower: ChildProcess | None = None
        #: Whether ``child`` was asked to leave, in favour of ``follower``; it is asked once:
        #: a second time would end it in the middle of its message.
        self.retiring = False
        self.started = 0.0
        self.due = 0.0
        self.backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)


class ProcessPool:
    """Decides which worker processes to start and to stop; no waiting and no signals in here.

    Call :meth:`look` whenever something may have happened, and at the time that it returned.
    """

    def __init__(
        self, size: int, start: Callable[[], ChildProcess], clock: Callable[[], float]
    ) -> None:
        self._start = start
        self._clock = clock
        self._slots: list[_Slot] = [_Slot(number) for number in range(1, size + 1)]
        self._rolling: list[_Slot] = []
        self._stopping = False

    @property
    def finished(self) -> bool:
        """Whether it was told to stop and every process has ended."""
        return self._stopping and not self.children()

    def children(self) -> list[ChildProcess]:
        """Return the processes that have not been seen to end."""
        both = [child for slot in self._slots for child in (slot.child, slot.follower)]
        return [child for child in both if child is not None]

    def stop(self) -> None:
        """Stop every process, and start no more."""
        self._stopping = True
        self._rolling.clear()
        for slot in self._slots:
            if slot.child is not None and not slot.retiring:
                slot.child.stop()
            if slot.follower is not None:
                slot.follower.stop()

    def reload(self) -> None:
        """Replace every process, one after the other; a reload in progress begins anew."""
        if not self._stopping:
            logger.info("Restarting %d worker processes, one at a time", len(self._slots))
            self._rolling = list(self._slots)

    def look(self) -> float:
        """Do what is due; return the time by which to look again (``math.inf`` for never)."""
        for slot in self._slots:
            self._reap(slot)
        if self._stopping:
            return math.inf
        self._roll()
        due = math.inf
        for slot in self._slots:
            if slot.child is None and slot.follower is None:
                if slot.due <= self._clock():
                    slot.child = self._begin(slot)
                else:
                    due = min(due, slot.due)
        return due

    def _begin(self, slot: _Slot) -> ChildProcess:
        slot.started = self._clock()
        child = self._start()
        logger.info("Started worker process %d (pid %d)", slot.number, child.pid)
        return child

    def _reap(self, slot: _Slot) -> None:
        if slot.follower is not None and (status := slot.follower.ended()) is not None:
            slot.follower = None
            if not self._stopping:
                self._rolling.clear()
                logger.error(
                    "The new worker process %d ended with status %s before it took messages:"
                    " the restart is called off and the old processes stay",
                    slot.number,
                    status,
                )
        if slot.child is not None and (status := slot.child.ended()) is not None:
            slot.retiring = False
            slot.child, slot.follower = slot.follower, None
            if slot.child is None and not self._stopping:
                self._plan_replacement(slot, status)

    def _plan_replacement(self, slot: _Slot, status: int) -> None:
        now = self._clock()
        if now - slot.started >= LIVED_WELL:
            slot.backoff.reset()
            slot.due = now
        else:
            slot.due = now + slot.backoff.pause()
        logger.error(
            "Worker process %d ended with status %s; starting another in %.1f s",
            slot.number,
            status,
            slot.due - now,
        )

    def _roll(self) -> None:
        """Take the next step of a rolling restart."""
        while self._rolling:
            slot = self._rolling[0]
            if slot.retiring:
                return  # an earlier restart; its follower is replaced in its turn
            if slot.child is None:
                slot.due = self._clock()  # nothing to replace: what is started next is new anyway
            else:
                if slot.follower is None:
                    slot.follower = self._begin(slot)
                if not slot.follower.listens():
                    return
                slot.retiring = True
                slot.child.stop()
            self._rolling.pop(0)


def run_processes(size: int, start: Callable[[], ChildProcess]) -> None:
    """Keep ``size`` worker processes until SIGTERM or SIGINT; return when all have ended.

    For the main thread.
    """
    pool = ProcessPool(size, start, time.monotonic)
    hangups: list[int] = []
    with _waking_pipe() as wake, _handling(signal.SIGHUP, lambda: hangups.append(1)):
        SignalHandlers().install(lambda signo, frame: pool.stop(), ("SIGTERM", "SIGINT"))
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


def _wait(wake: int, pool: ProcessPool, due: float) -> None:
    """Wait for a signal (SIGCHLD included), a word from a child that starts, or the time."""
    timeout = None if due == math.inf else max(0.0, due - time.monotonic())
    starting = {child.lifeline: child for child in pool.children() if child.lifeline is not None}
    waited_for: list[int | socket.socket] = [wake, *starting]
    for ready in select.select(waited_for, [], [], timeout)[0]:
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


# -- the worker processes --------------------------------------------------------------

#: Holds the number of the file descriptor of the lifeline, in worker processes only.
ENVIRONMENT = "CHANNELS_WORKER_LIFELINE"

_LISTENING = b"L"


class Lifeline:
    """A worker process's end of the pair of sockets between it and its parent.

    It writes one byte once it takes messages, and reads only to notice that the parent is gone:
    then it stops gracefully, because nothing would replace it or forward a signal to it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @classmethod
    def from_environment(cls) -> Lifeline | None:
        """Return this process's end; ``None`` if no pool has started it.

        The variable is taken away: what a consumer starts is no child of the pool.
        """
        number = os.environ.pop(ENVIRONMENT, "")
        return cls(socket.socket(fileno=int(number))) if number else None

    def tell_listening(self) -> None:
        """Tell the parent that this process takes messages."""
        with contextlib.suppress(OSError):  # the parent is gone, which stop_with_parent() notices
            self._sock.sendall(_LISTENING)

    def stop_with_parent(self) -> None:
        """From now on, stop this process by SIGTERM when the parent is gone."""
        threading.Thread(target=self._wait_for_end, name="lifeline", daemon=True).start()

    def _wait_for_end(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)


class ChildProcess:
    """A worker process, from the parent's end.

    ``bury`` is called once it has ended, with its pid and what its ``threads`` had in hand.
    """

    def __init__(
        self,
        command: list[str],
        threads: int = 1,
        bury: Callable[[int, list[InHand]], object] = lambda pid, hands: None,
    ) -> None:
        self._sock, theirs = socket.socketpair()
        records = SharedRecords(threads)
        self._records: SharedRecords | None = records
        self._bury = bury
        with theirs:
            # In a session of its own: Ctrl-C in a terminal goes to the parent alone,
            # which forwards it once.
            self._popen = subprocess.Popen(
                command,
                env={
                    **os.environ,
                    ENVIRONMENT: str(theirs.fileno()),
                    RECORDS: str(records.fileno),
                },
                pass_fds=[theirs.fileno(), records.fileno],
                start_new_session=True,
            )
        self._sock.setblocking(False)
        self._listens = False
        self._settled = False
        self.pid = self._popen.pid

    def ended(self) -> int | None:
        """Return the exit status, ``None`` while it runs."""
        status = self._popen.poll()
        if status is not None:
            self._settled = True
            self._sock.close()
            if self._records is not None:
                hands = self._records.read()
                self._records.close()
                self._records = None
                self._bury(self.pid, hands)
        return status

    def listens(self) -> bool:
        """Whether it has told that it takes messages."""
        if self.lifeline is not None:
            with contextlib.suppress(BlockingIOError):
                self._listens = self.lifeline.recv(1) == _LISTENING
                self._settled = True
        return self._listens

    @property
    def lifeline(self) -> socket.socket | None:
        """What becomes readable when :meth:`listens` may have changed; ``None`` if it will not."""
        return None if self._settled else self._sock

    def stop(self) -> None:
        """Ask it to finish the message in hand and leave."""
        if self._popen.poll() is None:
            self._popen.terminate()


def same_command() -> list[str]:
    """Return the command line that this process was started with, interpreter options included."""
    return [sys.executable, *sys.orig_argv[1:]]
