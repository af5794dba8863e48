"""The worker: takes messages, runs their consumers, flushes what these sent.

By docs/channels1.md#worker.  The loop owns nothing but the message in hand: taking and giving
back is the *source*, running is the *dispatcher*.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from types import FrameType
from typing import Any

from django.db import connections

from channels.backoff import Backoff
from channels.layers.clients import TakeRecord
from channels.outbox import deliver, pending_message_store
from channels.process_signals import SignalHandlers
from channels.signals import worker_ready
from channels.worker.contexts import CleanContexts, program_loop
from channels.worker.dispatch import Callback, Dispatcher
from channels.worker.hand import WINDOW
from channels.worker.record import SharedRecords
from channels.worker.source import Source

logger = logging.getLogger("django.channels")

#: How long a response may still be streamed once its worker was told to stop, in seconds: less
#: than the 30 s after which most service managers kill.
DEFAULT_DRAIN = 20.0

#: Longest time for which a pause doesn't notice that the worker is to stop, in seconds.
PAUSE_SLICE = 0.1


class Worker:
    """Runs consumers for one channel layer, in the thread that calls :meth:`run`.

    Args:
        channel_layer: A :class:`~channels.asgi.ChannelLayerWrapper`.
        callback: Called with channel name and message before each consumer.
        message_retries: How often ``ConsumeLater`` may put one message back.
        signal_handlers: Whether :meth:`run` takes SIGTERM, SIGINT and SIGHUP, which
            only the main thread can.
        only_channels: Globs; listen only on channels that match one of them.
        exclude_channels: Globs; don't listen on channels that match one of them.

    Attributes:
        termed: Set to end the loop after the message in hand.  It is read once
            for each turn of the loop and nowhere else: tests count on it.
        in_job: Whether a message is in hand.
        drain: Longest time for which the message in hand may still stream its response once
            the worker was told to stop, in seconds; then it is cut off.
        take_ahead: Seconds within which frames that are taken together must begin; 0 for one
            frame at a time.
    """

    def __init__(
        self,
        channel_layer: Any,
        callback: Callback | None = None,
        message_retries: int = 10,
        signal_handlers: bool = True,
        only_channels: Iterable[str] | None = None,
        exclude_channels: Iterable[str] | None = None,
    ) -> None:
        self.channel_layer = channel_layer
        self.callback = callback
        self.message_retries = message_retries
        self.signal_handlers = signal_handlers
        self.only_channels = only_channels
        self.exclude_channels = exclude_channels
        self.drain = DEFAULT_DRAIN
        self.take_ahead = WINDOW
        self._record: TakeRecord | None = None
        self.termed = False
        self.in_job = False
        #: Called, if set, once the worker has reached the layer and takes messages.
        self.listening: Callable[[], object] | None = None
        #: Whether another thread of this process says what they all listen on, and that the
        #: layer is away.
        self.told_elsewhere = False
        self._source: Source | None = None
        self._stopping = False
        self._leave_at = math.inf
        self._signals = SignalHandlers()

    # -- signals -------------------------------------------------------------------

    def install_signal_handler(self) -> None:
        """Let SIGTERM, SIGINT and SIGHUP call :meth:`sigterm_handler`."""
        self._signals.install(self.sigterm_handler)

    def sigterm_handler(self, signo: int | None, frame: FrameType | None) -> None:
        """Stop: after the message in hand, or at once if there is none.

        A worker that takes frames stops its take in progress, so that no frame is lost on its way.

        Raises:
            SystemExit: Nothing is in hand, and the layer is received from one by one.
        """
        self.request_stop()
        if self.in_job:
            logger.info("Shutdown signal received while busy, waiting for loop termination")
        elif self._source is not None and self._source.interruptible:
            logger.info("Shutdown signal received while idle")
        else:
            logger.info("Shutdown signal received while idle, terminating immediately")
            sys.exit(0)

    def request_stop(self) -> None:
        """End the loop after the message in hand; may be called from anywhere."""
        self.termed = True
        if not self._stopping:
            self._leave_at = time.monotonic() + self.drain
        self._stopping = True
        if (source := self._source) is not None:
            source.stop()

    def record_in(self, records: SharedRecords) -> None:
        """Keep in this memory what is in hand, for the parent of a pool to see."""
        self._record = records.record(0)

    # -- what it listens on -----------------------------------------------------------

    def apply_channel_filters(self, channels: Collection[str]) -> Collection[str]:
        """Return the channels that some ``only`` glob matches and no ``exclude`` glob does.

        In the order of ``channels``; without any glob, the same object.
        """
        only, exclude = list(self.only_channels or ()), list(self.exclude_channels or ())
        if not only and not exclude:
            return channels
        if only:
            channels = [one for one in channels if any(fnmatchcase(one, glob) for glob in only)]
        return [one for one in channels if not any(fnmatchcase(one, glob) for glob in exclude)]

    def ready(self) -> None:
        """Send ``worker_ready``."""
        worker_ready.send(sender=self)

    # -- the loop --------------------------------------------------------------------

    def run(self) -> None:
        """Run consumers until told to stop; then give back what has not run.

        Nothing that consumers, messages or routes do ends it, and neither does a
        layer that stops answering: it is tried again until it does.

        Raises:
            SystemExit: Stopped by a signal while waiting on a layer that is not
                taken from by the frame.
            KeyboardInterrupt: Ctrl-C, if signals were left alone.
        """
        if self.signal_handlers:
            self.install_signal_handler()
        channels = self.apply_channel_filters(self.channel_layer.router.channels)
        if not self.told_elsewhere:
            logger.info("Listening on channels %s", ", ".join(sorted(channels)))
        if not channels:
            logger.warning("Listening on no channel: none is routed and passes the filters")
        source = self._source = Source(
            self.channel_layer,
            channels,
            listening=self.listening,
            backoff=Backoff(),
            pause=self.pause,
            quiet=self.told_elsewhere,
            window=self.take_ahead,
            record=self._record,
        )
        dispatcher = Dispatcher(
            self.channel_layer,
            self.__class__,
            self.callback,
            self.message_retries,
            lambda: time.monotonic() >= self._leave_at,
            source.begins,
        )
        contexts, scheduled = CleanContexts(), dispatcher.scheduled
        try:
            with (
                program_loop(),
                self._closing(scheduled, source),
                pending_message_store.collecting(dispatcher.sent.extend),
            ):
                while not self.termed:
                    self.in_job = False
                    self._run_next(source, contexts, dispatcher)
                    if scheduled.calls and scheduled.pending:
                        self.in_job = True
                        source.flush()
                        scheduled.run()
        finally:
            # Not before: a first signal that comes meanwhile must not cut this short.
            self._source = None
            self._signals.restore()

    @contextlib.contextmanager
    def _closing(self, *parts: Any) -> Iterator[None]:
        try:
            yield
        finally:
            self.in_job = False
            for part in parts:
                try:
                    part.close()
                except Exception:
                    logger.exception("The worker could not end cleanly")

    def _run_next(self, source: Source, contexts: CleanContexts, dispatcher: Dispatcher) -> None:
        """Run the next message if one comes, flush what that left, and be done with it."""
        delivery = source.next()
        if delivery is None:
            return
        self.in_job = True
        ran = contexts.make().run(dispatcher.run, *delivery)
        try:
            if ran.others:  # first, as the receipt leaves with the rest
                source.flush()
                deliver(ran.others, ran.consumer)
            if ran.later:
                source.later(ran.sends, ran.consumer, delivery.content)
            else:
                source.done(ran.sends, ran.consumer)
        except Exception:
            logger.exception("Flushing what a consumer sent failed; the worker goes on")
        if ran.interrupt is not None:
            raise ran.interrupt

    def pause(self, seconds: float) -> bool:
        """Wait so many seconds; False, at once, if the worker was told to stop.

        In slices: a signal handler can't wake a sleep, only be noticed after it.
        """
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, PAUSE_SLICE))
        return not self._stopping


class _LeaveLoop(BaseException):
    """Raised by the signal handler to leave a receive that waits and can't be unblocked."""


class KeptThread(threading.Thread):
    """Runs a worker in a daemon thread; starts it again, after a pause, if it ends unexpectedly."""

    def __init__(
        self, worker: Worker, log: logging.Logger = logger, backoff: Backoff | None = None
    ) -> None:
        super().__init__(name="channels-worker", daemon=True)
        self.worker = worker
        self.logger = log
        self._backoff = backoff or Backoff()

    def run(self) -> None:
        """See docs/channels1.md#nothing-ends-a-worker."""
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
        """Run the worker once; subclasses prepare it."""
        self.worker.run()


class WorkerGroup(Worker):
    """Itself a worker in the calling thread, and ``n_threads - 1`` more in daemon threads.

    Args:
        args: As of :class:`Worker`, for each of them; so are ``kwargs``.
        n_threads: Threads in all; by default one for each processor.
        stop_gracefully: On a signal, let each thread finish the message in hand.
            Otherwise the process ends at once and those messages with it.

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

    def record_in(self, records: SharedRecords) -> None:
        super().record_in(records)
        for slot, worker in enumerate(self.workers, 1):
            worker._record = records.record(slot)

    def request_stop(self) -> None:
        super().request_stop()
        for worker in self.workers:
            worker.drain = self.drain
            worker.request_stop()

    def ready(self) -> None:
        super().ready()
        for worker in self.workers:
            worker.ready()

    def run(self) -> None:
        for worker in self.workers:
            worker.take_ahead = self.take_ahead
        self.threads = [KeptThread(worker) for worker in self.workers]
        self._running = True
        for thread in self.threads:
            thread.start()
        at_once = False
        try:
            super().run()
        except _LeaveLoop:
            pass
        except SystemExit:
            at_once = True  # whatever the threads do
            raise
        finally:
            if not at_once:
                for worker in self.workers:
                    worker.request_stop()
                for thread in self.threads:
                    thread.join()
