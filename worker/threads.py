"""Several workers in one process, each in a thread with a connection of its own."""

from __future__ import annotations

import logging
import os
import sys
import threading
from types import FrameType
from typing import Any

from django.db import connections

from channels.backoff import Backoff
from channels.worker.loop import Worker

logger = logging.getLogger("django.channels")


class _LeaveLoop(BaseException):
    """Raised by the signal handler to leave a receive that waits and can't be unblocked."""


class KeptThread(threading.Thread):
    """Runs a worker in a daemon thread; starts it again, after a pause, if it ends unexpectedly.

    Args:
        worker: The worker.
        log: Where its death is told.
        backoff: The pauses.
    """

    def __init__(
        self, worker: Worker, log: logging.Logger = logger, backoff: Backoff | None = None
    ) -> None:
        super().__init__(name="channels-worker", daemon=True)
        self.worker = worker
        self.logger = log
        self._backoff = backoff or Backoff()

    def run(self) -> None:
        """Run the worker until it ends as asked (docs/channels1.md#nothing-ends-a-worker)."""
        try:
            while True:
                try:
                    self.run_worker()
                    return
                except BaseException:
                    self.logger.exception("A worker's thread died and is started again")
                if not self.worker.pause(self._backoff.pause()):
                    return
        finally:
            connections.close_all()  # those of this thread: no other can

    def run_worker(self) -> None:
        """Run the worker once."""
        self.worker.run()


class WorkerGroup(Worker):
    """Itself a worker in the calling thread, and ``n_threads - 1`` more in daemon threads.

    Args:
        args: As of :class:`Worker`, for each of them.
        n_threads: Threads in all; by default one for each processor.
        stop_gracefully: On a signal, let each thread finish the message in hand.
            Otherwise the process ends at once and those messages with it.
        kwargs: As of :class:`Worker`, for each of them.

    Attributes:
        workers: The other workers.
        threads: Their threads, once :meth:`run` was called.
    """

    def __init__(
        self,
        *args: Any,
        n_threads: int | None = None,
        stop_gracefully: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.stop_gracefully = stop_gracefully
        self.workers: list[Worker] = []
        self.threads: list[KeptThread] = []
        self._running = False
        for _ in range((n_threads or os.cpu_count() or 1) - 1):
            worker = Worker(*args, **kwargs)
            worker.signal_handlers = False
            worker.told_elsewhere = True
            self.workers.append(worker)

    def sigterm_handler(self, signo: int | None, frame: FrameType | None) -> None:
        """Stop all threads: each after its message in hand, or all of them at once.

        Raises:
            SystemExit: Not to be stopped gracefully, or not running.
        """
        if not self.stop_gracefully or not self._running:
            logger.info("Shutdown signal received by WorkerGroup, terminating immediately")
            sys.exit(0)
        logger.info("Shutdown signal received by WorkerGroup, waiting for its threads")
        self.request_stop()
        source = self._source
        if source is not None and not source.interruptible and not self.in_job:
            raise _LeaveLoop

    def request_stop(self) -> None:
        """End all loops after the messages in hand."""
        super().request_stop()
        for worker in self.workers:
            worker.drain = self.drain
            worker.request_stop()

    def ready(self) -> None:
        """Tell of each worker that it is about to run."""
        super().ready()
        for worker in self.workers:
            worker.ready()

    def run(self) -> None:
        """Run all of them until told to stop; see :meth:`Worker.run`."""
        self.threads = [KeptThread(worker) for worker in self.workers]
        self._running = True
        for thread in self.threads:
            thread.start()
        try:
            super().run()
        except _LeaveLoop:
            pass
        except SystemExit:
            raise  # at once, whatever the threads do
        except BaseException:
            self._end_threads()
            raise
        self._end_threads()

    def _end_threads(self) -> None:
        for worker in self.workers:
            worker.request_stop()
        for thread in self.threads:
            thread.join()
