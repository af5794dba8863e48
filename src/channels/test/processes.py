"""Server and worker of a live test as processes of their own, seen from the test.

Each is a fresh interpreter that is told everything through a pipe: nothing is inherited by
forking and the project's main module is not run again, so it makes no difference how the
tests were started.  In particular the processes of ``manage.py test --parallel``, which may
have no children by :mod:`multiprocessing`, can have these.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import queue
import subprocess
import sys
import threading
import time
from typing import Any

#: What the fresh interpreter runs: where to import from comes first.
_BOOT = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    " from channels.test.child import main; main()"
)


class LiveProcess:
    """One process; started, awaited and ended by the test.

    Args:
        options: What it needs to know; must survive pickling.

    Attributes:
        target: Dotted path of what it runs; see :mod:`channels.test.child`.
        start_patience: Longest wait until it is ready, in seconds.
        stop_patience: Longest wait until it has ended by itself, in seconds; then it is
            killed.
    """

    target = ""
    start_patience = 60.0
    stop_patience = 10.0

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self._popen: subprocess.Popen[bytes] | None = None
        self._reports: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; ``None`` before the start."""
        return None if self._popen is None else self._popen.pid

    def start(self) -> None:
        """Start it; returns before it is ready."""
        # First, so that what can't be pickled leaves nothing behind.
        told = pickle.dumps(sys.path) + pickle.dumps((self.target, self.options))
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        # In a thread, as pipes can't be waited for with a time limit everywhere.
        self._reader = threading.Thread(target=self._read, args=(self._popen,), daemon=True)
        self._reader.start()
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is dead; wait_ready() tells
            self._popen.stdin.write(told)
            self._popen.stdin.flush()

    def _read(self, popen: subprocess.Popen[bytes]) -> None:
        assert popen.stdout is not None
        self._reports.put(popen.stdout.readline())

    def wait_ready(self) -> dict[str, Any]:
        """Wait until it serves, and return what it reports.

        Raises:
            RuntimeError: It ended instead, or is not ready in time.
        """
        assert self._popen is not None
        name = type(self).__name__
        try:
            line = self._reports.get(timeout=self.start_patience)
        except queue.Empty:
            raise RuntimeError(f"{name} is not ready after {self.start_patience:g} s") from None
        if not line:
            raise RuntimeError(
                f"{name} ended with status {self._popen.wait()} before it was ready; what it"
                " printed is among the error output of the tests"
            )
        report: dict[str, Any] = json.loads(line)
        if "error" in report:
            raise RuntimeError(f"{name} could not start:\n{report['error']}")
        return report

    def terminate(self) -> None:
        """Ask it to end; it finishes what it has in hand."""
        if self._popen is not None and self._popen.poll() is None:
            self._popen.terminate()

    def join(self) -> None:
        """Wait until it has ended, and make it end if it takes too long."""
        popen, self._popen = self._popen, None
        if popen is None:
            return
        # To a process that is still starting this is the sign to end.
        with contextlib.suppress(BrokenPipeError):
            if popen.stdin is not None:
                popen.stdin.close()
        deadline = time.monotonic() + self.stop_patience
        try:
            popen.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
        if self._reader is not None:
            self._reader.join()
        if popen.stdout is not None:
            popen.stdout.close()


class ServerProcess(LiveProcess):
    """An interface server; reports its ``port``."""

    target = "channels.test.child.serve"


class WorkerProcess(LiveProcess):
    """A worker; reports once it takes messages."""

    target = "channels.test.child.work"
