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
client, signals sent by hand) they are sent here, one by one, by :func:`deliver`.

This is on the path of every message: no locks, no imports, one small object for
each consumer run.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

from channels import exceptions
from channels.names import is_process_local, non_local_name
from channels.signals import consumer_finished, consumer_started

logger = logging.getLogger("django.channels")


class Sender(Protocol):
    """What a message is kept for: a ``Channel`` or a ``Group``."""

    name: Any
    channel_layer: Any

    def send(self, content: dict[str, Any], immediately: bool = False) -> None:
        """Send the message; at once if ``immediately``."""
        ...


Item = tuple[Sender, dict[str, Any]]

#: Takes the items of one consumer run, in the order in which they were sent.
Sink = Callable[[list[Item]], object]

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


class _Run:
    """One consumer run; ``items`` is None once it has ended."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Item] | None = []


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
        left = self.drain()
        if left:
            logger.error("A consumer run was never finished; its %d messages are lost", len(left))
            count_dropped("error", len(left))
        self._run.set(_Run())

    def keep(self, sender: Sender, content: dict[str, Any]) -> bool:
        """Keep a message until the run ends; False if there is none: send it yourself."""
        run = self._run.get()
        items = None if run is None else run.items
        if items is None:
            return False
        items.append((sender, content))
        return True

    def keep_first(self, sender: Sender, content: dict[str, Any]) -> bool:
        """Like :meth:`keep`, but in front of all that was kept so far.

        For the response of a view: it is complete when the view's own sends have
        been kept already, and must not wait behind them.
        """
        run = self._run.get()
        items = None if run is None else run.items
        if items is None:
            return False
        items.insert(0, (sender, content))
        return True

    def append(self, sender: Sender, message: dict[str, Any]) -> None:
        """Keep a message until the run ends; outside of a run, send it at once."""
        if not self.keep(sender, message):
            sender.send(message, immediately=True)

    def kept(self) -> Sequence[Item]:
        """Return what the current run has kept so far, in order; ``()`` if there is none."""
        run = self._run.get()
        return () if run is None else tuple(run.items or ())

    def drain(self) -> list[Item]:
        """End the run and return what it has kept, in order; ``[]`` if there is none.

        From here on, sends in this context go at once: also those of the
        receivers of ``consumer_finished`` that are called later.
        """
        run = self._run.get()
        if run is None:
            return []
        self._run.set(None)
        items, run.items = run.items, None
        return items or []

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
        items = self.drain()
        if not items:
            return
        sink = self._sink.get()
        if sink is not None and "signal" in kwargs:
            sink(items)
            return
        errors = deliver(items, retry_time=self.retry_time, retry_interval=self.retry_interval)
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


def deliver(
    items: Sequence[Item],
    *,
    retry_time: float = PendingMessageStore.retry_time,
    retry_interval: float = PendingMessageStore.retry_interval,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Exception]:
    """Send messages one by one, in order, each by ``sender.send(content, immediately=True)``.

    A message whose channel is full waits, and what follows it to the same
    place waits behind it; the others go on.  What still waits when
    ``retry_time`` seconds have passed is logged, counted and dropped.

    Args:
        items: What to send.
        retry_time: Seconds in which full channels are tried again, in all.
        retry_interval: Seconds between two tries.
        clock: Seconds.
        sleep: Waits that many seconds.

    Returns:
        What the layers raised, other than ChannelFull; those messages are
        logged, counted and lost.
    """
    errors: list[Exception] = []
    waiting = _send_pass(items, errors)
    deadline = clock() + retry_time if waiting else 0.0
    while waiting and clock() < deadline:
        sleep(retry_interval)
        waiting = _send_pass(waiting, errors)
    for sender, _ in waiting:
        logger.error("%s was full for %s seconds; dropped a message", _describe(sender), retry_time)
        count_dropped("full")
    return errors


def _send_pass(items: Sequence[Item], errors: list[Exception]) -> list[Item]:
    """Try each item once; return those that found their channel full, or wait behind one."""
    waiting: list[Item] = []
    blocked: set[str] = set()
    for sender, content in items:
        place = _place(sender)
        if blocked and _waits_behind(place, blocked):
            waiting.append((sender, content))
            blocked.add(place)
            continue
        try:
            sender.send(content, immediately=True)
        except Exception as error:  # any layer's: one bad message must not lose the others
            if isinstance(error, _full_errors(sender)):
                waiting.append((sender, content))
                blocked.add(place)
            else:
                logger.exception("Could not send to %s; the message is lost", _describe(sender))
                count_dropped("error")
                errors.append(error)
    return waiting


#: The place of all groups: their members are not known here.
_GROUPS = "*"


def _place(sender: Sender) -> str:
    """Return a name that is the same for messages that must not overtake each other."""
    # A group has methods that a channel lacks; the classes are above this module.
    if hasattr(sender, "discard"):
        return _GROUPS
    return non_local_name(str(sender.name))


def _waits_behind(place: str, blocked: set[str]) -> bool:
    """Whether a message must wait: a group may reach every process-local channel."""
    if place in blocked:
        return True
    if place == _GROUPS:
        return any(is_process_local(other) for other in blocked)
    return is_process_local(place) and _GROUPS in blocked


def _full_errors(sender: Sender) -> tuple[type[BaseException], ...]:
    own = getattr(sender.channel_layer, "ChannelFull", exceptions.ChannelFull)
    return (own, exceptions.ChannelFull)


def _describe(sender: Sender) -> str:
    return f"{type(sender).__name__.lower()} {sender.name!r}"


pending_message_store = PendingMessageStore()

consumer_started.connect(pending_message_store.prepare)
consumer_finished.connect(pending_message_store.send_and_flush)
