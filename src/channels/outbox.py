"""What a consumer sends is kept here until the consumer ends.

``Channel.send`` and ``Group.send`` ask :meth:`PendingMessageStore.keep`.  Inside a consumer it
keeps the message; elsewhere it declines and the message goes at once.
``consumer_started`` begins a run and ``consumer_finished`` ends it, also if the consumer
raised (docs/channels1.md#message).

A run belongs to a context (:mod:`contextvars`), not to a thread.  So it is shared by all
that asgiref and asyncio run on the consumer's behalf: the body of an ``async def``
consumer, which asgiref moves to a thread with an event loop, the tasks that it
starts, and what it calls through ``sync_to_async`` or ``asyncio.to_thread``.  A
``threading.Thread`` starts with an empty context: what it sends goes at once, and so
does what a task sends that outlives its consumer.

At the end of a run its messages go to the *sink* of the worker thread, which
sends them along with its receipt in one round trip.  Without a sink (test
client, signals sent by hand) they are sent here, one by one, by :func:`~channels.flush.deliver`.

This is on the path of every message: no locks, no imports, one small object for
each consumer run.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from channels.backoff import Backoff
from channels.exceptions import ChannelFull
from channels.flush import count_dropped, deliver
from channels.layers.clients import GroupSend, Operation, Send
from channels.signals import consumer_finished, consumer_started

logger = logging.getLogger("django.channels")

#: What a consumer sent: the layer that it goes to, and what is to be done there.
Item = tuple[Any, Operation]

#: Takes the items of one consumer run, in the order in which they were sent.
Sink = Callable[[list[Item]], object]


class _Run:
    """One consumer run; ``items`` is None once it has ended."""

    __slots__ = ("items",)

    items: list[Item] | None


class Appended:
    """Stands for the layer of a sender that was appended.

    Without a worker the sender's own ``send`` is called; a worker sends by its name.
    """

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self.channel_layer = sender.channel_layer
        self.ChannelFull = getattr(self.channel_layer, "ChannelFull", ChannelFull)

    def send(self, name: str, message: dict[str, Any]) -> None:
        """Have the sender send the message."""
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

        With ``first`` it goes in front of all that was kept so far.  For the response of a view: it
        is complete when the view's own sends have been kept, and must not wait behind them.
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
        everything that the consumer sends afterwards.  A full channel is tried again for
        ``retry_time`` seconds; then its messages are logged, counted and dropped
        (docs/channels1.md#replies-that-find-no-room).

        Raises:
            Exception: What sending one of the messages raised, other than
                ChannelFull; the first, after all others were sent.  Only
                without a sink.
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
        """Hand the messages of the runs that end in this thread to ``sink``, while this is open.

        The sink is called within ``consumer_finished``, once for each run that
        kept anything, and owns the list from then on.
        """
        token = self._sink.set(sink)
        try:
            yield
        finally:
            self._sink.reset(token)


pending_message_store = PendingMessageStore()

consumer_started.connect(pending_message_store.prepare)
consumer_finished.connect(pending_message_store.send_and_flush)
