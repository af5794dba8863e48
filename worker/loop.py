"""The worker: takes messages, runs their consumers, flushes what these sent.

By docs/channels1.md#worker.  The loop owns nothing but the message in hand: taking and
giving back is a *source* (:mod:`channels.worker.source` by the frame, or
:mod:`channels.worker.plain` one by one), running is the *dispatcher*
(:mod:`channels.worker.dispatch`).
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from itertools import groupby
from operator import itemgetter
from types import FrameType
from typing import Any

from channels.backoff import Backoff
from channels.layers.base import clients_may_replace
from channels.outbox import pending_message_store
from channels.process_signals import SignalHandlers
from channels.signals import worker_ready
from channels.worker.dispatch import Callback, Dispatcher, Ran
from channels.worker.flush import flush_plainly
from channels.worker.plain import PlainSource
from channels.worker.source import FrameSource

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
        self.termed = False
        self.in_job = False
        #: Called, if set, once the worker has reached the layer and takes messages.
        self.listening: Callable[[], object] | None = None
        #: Whether another thread of this process says what they all listen on, and that the
        #: layer is away.
        self.told_elsewhere = False
        self._source: FrameSource | PlainSource | None = None
        self._stopping = False
        self._leave_at = math.inf
        self._signals = SignalHandlers()

    # -- signals -------------------------------------------------------------------

    def install_signal_handler(self) -> None:
        """Let SIGTERM, SIGINT and SIGHUP call :meth:`sigterm_handler`."""
        self._signals.install(self.sigterm_handler)

    def sigterm_handler(self, signo: int | None, frame: FrameType | None) -> None:
        """Stop: after the message in hand, or at once if there is none.

        A worker that takes frames stops its take in progress and lets the loop
        end, so that no frame is lost on its way; one that receives one by one
        leaves the process from here.

        Raises:
            SystemExit: Nothing is in hand.
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
        source = self._source
        if source is not None:
            source.stop()

    # -- what it listens on -----------------------------------------------------------

    def apply_channel_filters(self, channels: Collection[str]) -> Collection[str]:
        """Return the channels that some ``only`` glob matches and no ``exclude`` glob does.

        Keeps the order of ``channels``.  Without any glob they are returned as they
        came, the same object.
        """
        only, exclude = list(self.only_channels or ()), list(self.exclude_channels or ())
        if not only and not exclude:
            return channels
        return [
            channel
            for channel in channels
            if (not only or _any_matches(only, channel)) and not _any_matches(exclude, channel)
        ]

    def ready(self) -> None:
        """Tell that this worker is about to run."""
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
        dispatcher = Dispatcher(
            self.channel_layer,
            self.__class__,
            self.callback,
            self.message_retries,
            lambda: time.monotonic() >= self._leave_at,
        )
        source = self._source = self._open_source(channels)
        try:
            with (
                pending_message_store.collecting(dispatcher.collect),
                dispatcher.coroutines.as_program_loop(),
            ):
                while not self.termed:
                    self.in_job = False
                    taken = source.next()
                    if taken is not None:
                        self.in_job = True
                        self._handle(source, dispatcher.run(*taken), taken[1])
                    if dispatcher.timers.pending:
                        self.in_job = True
                        dispatcher.timers.run()
        finally:
            self.in_job = False
            self._close(source, dispatcher)
            # Not before: a first signal that comes meanwhile must not cut this short.
            self._source = None
            self._signals.restore()

    def _handle(self, source: FrameSource | PlainSource, ran: Ran, content: dict[str, Any]) -> None:
        """Flush what running a message left, and give the message back or be done with it."""
        try:
            if ran.others:
                self._flush_others(ran)
            if ran.later:
                source.later(ran.sends, ran.consumer, content)
            else:
                source.done(ran.sends, ran.consumer)
        except Exception:
            logger.exception("Flushing what a consumer sent failed; the worker goes on")
        if ran.interrupt is not None:
            raise ran.interrupt

    def _flush_others(self, ran: Ran) -> None:
        """Send what is meant for other layers than the worker's, first and one by one."""
        for layer, group in groupby(ran.others, key=itemgetter(0)):
            flush_plainly(layer, [operation for _, operation in group], ran.consumer)

    def _close(self, source: FrameSource | PlainSource, dispatcher: Dispatcher) -> None:
        for close in (dispatcher.timers.close, source.close, dispatcher.close):
            try:
                close()
            except Exception:
                logger.exception("The worker could not end cleanly")

    # -- the layer -------------------------------------------------------------------

    def _open_source(self, channels: Collection[str]) -> FrameSource | PlainSource:
        layer = self.channel_layer
        common: dict[str, Any] = {
            "listening": self._tell_listening,
            "backoff": Backoff(),
            "clock": time.monotonic,
            "sleep": time.sleep,
            "pause": self._pause,
        }
        if channels and _has_client(layer):
            raw = layer.channel_layer
            source = FrameSource(layer, lambda held: raw.open_worker(channels, held=held), **common)
            source.quiet = self.told_elsewhere
            return source
        return PlainSource(layer, channels, **common)

    def _tell_listening(self) -> None:
        if self.listening is not None:
            self.listening()

    def wait_to_restart(self, seconds: float) -> bool:
        """Wait so many seconds; False, at once, if the worker was told to stop."""
        self._pause(seconds)
        return not self._stopping

    def _pause(self, seconds: float) -> None:
        """Wait, in slices: a signal handler can't wake a sleep, only be noticed after it."""
        end = time.monotonic() + seconds
        while not self._stopping:
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, PAUSE_SLICE))


def _has_client(wrapper: Any) -> bool:
    """Whether messages can be taken by the frame, and nobody wants to see each one."""
    return clients_may_replace(wrapper.channel_layer) and not wrapper.replaced_methods()


def _any_matches(globs: list[str], channel: str) -> bool:
    return any(fnmatchcase(channel, glob) for glob in globs)
