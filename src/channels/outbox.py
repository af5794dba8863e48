"""What a consumer sends is kept here until the consumer ends, then carried to its layer.

``Channel.send`` and ``Group.send`` ask :meth:`PendingMessageStore.keep`.  Inside a consumer it
keeps the message; elsewhere it declines and the message goes at once.
``consumer_started`` begins a run and ``consumer_finished`` ends it, also if the consumer
raised (docs/channels1.md#message).

A run belongs to a context (:mod:`contextvars`), not to a thread.  So it is shared by all
that asgiref and asyncio run on the consumer's behalf.  A ``threading.Thread`` starts with an
empty context: what it sends goes at once, and so does what a task sends that outlives its
consumer.

At the end of a run its messages go to the *sink* of the worker thread, which sends them along
with its receipt in one round trip.  Without a sink (test client, signals sent by hand) they are
sent one by one by :func:`deliver`.  No flush waits for full mailboxes longer than its
``retry_time`` (docs/channels1.md#replies-that-find-no-room);
what is given up is logged and counted.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, NamedTuple

from channels.backoff import Backoff
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.batches import Batches, Refused, Unbatched
from channels.layers.clients import Answer, GiveBack, GroupSend, Operation, Send
from channels.layers.plain import PlainWorkerClient
from channels.signals import consumer_finished, consumer_started
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")

#: What a consumer sent: the layer that it goes to, and what is to be done there.
Item = tuple[Any, Operation]

#: Takes the items of one consumer run, in the order in which they were sent.
Sink = Callable[[list[Item]], object]

#: How long one flush tries again for all that found its mailbox full, in seconds.
RETRY_TIME = 2.0


class SentBy(NamedTuple):
    """Whose run sent something, so that it is told and nobody else: consumer and message."""

    consumer: object = None
    channel: str = ""
    content: Mapping[str, Any] = MappingProxyType({})


_lock = threading.Lock()
_dropped: collections.Counter[str] = collections.Counter()


def dropped() -> dict[str, int]:
    """Return how many messages of this process were given up, by cause: ``full``, ``error``."""
    with _lock:
        return dict(_dropped)


def count_dropped(cause: str, messages: int = 1) -> None:
    """Count messages that were given up."""
    with _lock:
        _dropped[cause] += messages


def settle(
    batches: Batches,
    send: Callable[[], object],
    *,
    at_once: bool = False,
    retry_time: float = RETRY_TIME,
    backoff: Backoff | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Refused]:
    """Try again what found its mailbox full, in front of all that is kept.

    ``send`` sends all that is kept; the first time after a pause unless ``at_once``.  Each that was
    refused has an :class:`SentBy` for owner.  ``retry_time`` is for all tries together, in seconds.

    Returns:
        What was refused for good, logged and counted.
    """
    refused: list[Refused] = []

    def sort(again: bool) -> list[Refused]:
        """Return what found its mailbox full, kept once more; refuse what no try can help."""
        with batches.lock:  # nothing else leaves between the two
            found = batches.refused()
            full = [one for one in found if isinstance(one[1], ChannelFull)]
            if again:
                batches.keep_first([(operation, origin) for operation, _, origin in full])
        others = [one for one in found if not isinstance(one[1], ChannelFull)]
        _report_all(others)
        refused.extend(others)
        return full

    backoff = backoff or Backoff(0.05, 0.4, growth=1.5, spread=0)
    deadline = clock() + retry_time
    left = retry_time
    while full := sort(left > 0):
        if left <= 0:
            break
        if not at_once:
            sleep(min(backoff.pause(), left))
        at_once = False
        with contextlib.suppress(LayerUnavailable):  # told by the next exchange, too
            send()
        left = deadline - clock()
    # Receipts and frames leave in any case: alone, nothing that is full is in their way.
    control = [one for one in full if isinstance(one[0], Answer | GiveBack)]
    full = [one for one in full if not isinstance(one[0], Answer | GiveBack)]
    if control:
        batches.keep_first([(operation, origin) for operation, _, origin in control])
        with contextlib.suppress(LayerUnavailable):
            send()
        full += sort(False)
    given_up: list[Refused] = [
        (one, ChannelFull(f"{_target(one)} was full for {retry_time:g} seconds"), origin)
        for one, _, origin in full
    ]
    _report_all(given_up)
    return refused + given_up


def deliver(items: Iterable[Item], consumer: object = None, **options: Any) -> list[Exception]:
    """Send messages one by one, in order, each through its layer's ``send`` or ``send_group``.

    With the options of :func:`settle`; returns what the layers raised, other than ChannelFull.
    """
    by_layer: dict[int, tuple[Any, list[Operation]]] = {}
    for layer, operation in items:
        by_layer.setdefault(id(layer), (layer, []))[1].append(operation)
    errors: list[Exception] = []
    for layer, operations in by_layer.values():
        batches = Unbatched(PlainWorkerClient(layer))
        batches.keep(operations, SentBy(consumer))
        with contextlib.suppress(LayerUnavailable):  # which is among the refused then
            batches.post()
        refused = settle(batches, batches.post, **options)
        found = {id(error): error for _, error, _ in refused}  # an outage is one for all
        errors += [error for error in found.values() if not isinstance(error, ChannelFull)]
    return errors


def _report_all(refused: Sequence[Refused]) -> None:
    """Log and count what is lost; what may have left by one line for each consumer."""
    unknown: dict[int, tuple[object, list[Operation], Exception]] = {}
    for operation, error, origin in refused:
        if isinstance(error, LayerUnavailable):
            key = id(origin.consumer)
            unknown.setdefault(key, (origin.consumer, [], error))[1].append(operation)
        else:
            _report(operation, error, origin.consumer)
    for consumer, operations, error in unknown.values():
        report_unknown(operations, consumer, error)


def report_unknown(operations: Sequence[Operation], consumer: object, error: Exception) -> None:
    """Log that it is unknown what became of these; they are not repeated (at most once)."""
    sends = sum(not isinstance(operation, Answer) for operation in operations)
    if not sends:
        return  # receipts are answered again
    count_dropped("error", sends)
    logger.error(
        "The channel layer did not answer while %d message(s)%s were on their way: they may or may"
        " not have arrived and are not repeated (%s)",
        sends,
        _sender(consumer),
        error,
    )


def _report(operation: Operation, error: Exception, consumer: object) -> None:
    full = isinstance(error, ChannelFull)
    count_dropped("full" if full else "error")
    what = _target(operation)
    if consumer is None and not full:
        logger.error("Could not send to %s; the message is lost", what, exc_info=error)
        return
    if isinstance(operation, Send | GroupSend):
        what = f"a message for {what}"
    logger.error("Dropped %s%s: %s: %s", what, _sender(consumer), type(error).__name__, error)


def _target(operation: Operation) -> str:
    if isinstance(operation, Send):
        return f"channel {operation.channel!r}"
    if isinstance(operation, GroupSend):
        return f"group {operation.group!r}"
    if isinstance(operation, GiveBack):
        return f"{len(operation.frame.messages)} message(s) put back on {operation.frame.channel!r}"
    return "a receipt"


def _sender(consumer: object) -> str:
    return "" if consumer is None else f" from consumer {name_that_thing(consumer)}"


class _Run:
    """One consumer run; ``items`` is None once it has ended."""

    __slots__ = ("items",)

    items: list[Item] | None


class Appended:
    """Stands for the layer of a sender that was appended; a worker sends by the sender's name."""

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self.channel_layer = sender.channel_layer
        self.ChannelFull = getattr(self.channel_layer, "ChannelFull", ChannelFull)

    def send(self, name: str, message: dict[str, Any]) -> None:
        """Have the sender send the message by its own method."""
        self._sender.send(message, immediately=True)

    send_group = send


class PendingMessageStore:
    """Keeps the messages of the consumer that runs in the current context.

    Attributes:
        retry_time: Seconds for which one flush tries again while a channel is full.
        retry_interval: Seconds between two tries.
    """

    retry_time: float = 2
    retry_interval: float = 0.2

    def __init__(self) -> None:
        self._run: ContextVar[_Run | None] = ContextVar("channels_run", default=None)
        self._sink: ContextVar[Sink | None] = ContextVar("channels_sink", default=None)

    @property
    def active(self) -> bool:
        """Whether a consumer is running, so that messages are kept."""
        run = self._run.get()
        return run is not None and run.items is not None

    def prepare(self, **kwargs: Any) -> None:
        """Begin a run, forgetting what an earlier one that never ended has kept."""
        before = self._run.get()
        if before is not None:
            left, before.items = before.items, None
            if left:
                logger.error(
                    "A consumer run was never finished; its %d messages are lost", len(left)
                )
                count_dropped("error", len(left))
        run = _Run()
        run.items = []
        self._run.set(run)

    def keep(self, layer: Any, operation: Operation, *, first: bool = False) -> bool:
        """Keep an operation until the run ends; False if there is none: carry it out yourself.

        With ``first`` it goes in front of what was kept: a view's response is complete after the
        view's own sends, and must not wait behind them.
        """
        run = self._run.get()
        if run is None or run.items is None:
            return False
        if first:
            run.items.insert(0, (layer, operation))
        else:
            run.items.append((layer, operation))
        return True

    def append(self, sender: Any, message: dict[str, Any]) -> None:
        """Keep a message for a channel or group of any class; outside of a run, send it at once."""
        # A group has methods that a channel lacks; the classes are above this module.
        make = GroupSend if hasattr(sender, "discard") else Send
        if not self.keep(Appended(sender), make(sender.name, message)):
            sender.send(message, immediately=True)

    def kept(self) -> Sequence[Item]:
        """Return what the current run has kept so far, in order; ``()`` if there is none."""
        run = self._run.get()
        return () if run is None else tuple(run.items or ())

    def send_and_flush(self, **kwargs: Any) -> None:
        """End the run and send what it has kept: through the sink, or else here and now.

        Called by a consumer itself and not by the signal, it sends now, and so goes
        everything that the consumer sends afterwards.

        Raises:
            Exception: Without a sink, after all others were sent: the first that sending one
                raised, other than ChannelFull.
        """
        run = self._run.get()
        if run is None:
            return
        # From here on, sends in this context go at once: also those of the receivers of
        # consumer_finished that are called later.
        self._run.set(None)
        items, run.items = run.items, None
        if not items:
            return
        sink = self._sink.get()
        if sink is not None and "signal" in kwargs:
            sink(items)
            return
        pauses = Backoff(self.retry_interval, self.retry_interval, growth=1, spread=0)
        errors = deliver(items, retry_time=self.retry_time, backoff=pauses)
        if errors:
            raise errors[0]

    @contextlib.contextmanager
    def collecting(self, sink: Sink) -> Iterator[None]:
        """Hand what the runs of this thread have kept to ``sink``, within ``consumer_finished``."""
        token = self._sink.set(sink)
        try:
            yield
        finally:
            self._sink.reset(token)


pending_message_store = PendingMessageStore()

consumer_started.connect(pending_message_store.prepare)
consumer_finished.connect(pending_message_store.send_and_flush)
