"""Getting what was sent to its layer: full mailboxes, refused messages, deadlines.

No flush waits for full mailboxes longer than its ``retry_time``
(docs/channels1.md#replies-that-find-no-room).  What is given up is logged and counted.
"""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from channels.backoff import Backoff
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.clients import Answer, GiveBack, GroupSend, Operation, Send, WorkerClient
from channels.layers.plain import PlainWorkerClient
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")

#: How long one flush tries again for all that found its mailbox full, in seconds.
RETRY_TIME = 2.0

#: An operation that was not carried out, and why.
Refused = tuple[Operation, Exception]

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
    client: WorkerClient,
    operations: Sequence[Operation],
    outcomes: Sequence[Exception | None],
    consumer: object,
    *,
    retry_time: float = RETRY_TIME,
    backoff: Backoff | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Refused]:
    """Try again what found its mailbox full; return what was refused for good, logged and counted.

    Args:
        client: What carries operations out.
        operations: What was to be done.
        outcomes: What came of the first try.
        consumer: Whose operations they are, for the log; ``None`` outside of a worker.
        retry_time: Seconds in which full mailboxes are tried again, in all.
        backoff: Pauses between two tries.
        clock: Monotonic.
        sleep: Waits for so many seconds.

    Raises:
        LayerUnavailable: It is not known which of them happened.
    """
    refused: list[Refused] = []

    def sort(tried: Sequence[Operation], outcomes: Sequence[Exception | None]) -> list[Operation]:
        """Return what found its mailbox full; refuse what no second try can help."""
        full = []
        for operation, error in zip(tried, outcomes, strict=True):
            if isinstance(error, ChannelFull):
                full.append(operation)
            elif error is not None:
                refused.append((operation, error))
                _report(operation, error, consumer)
        return full

    full = sort(operations, outcomes)
    backoff = backoff or Backoff(0.05, 0.4, growth=1.5, spread=0)
    deadline = clock() + retry_time
    while full and (left := deadline - clock()) > 0:
        sleep(min(backoff.pause(), left))
        full = sort(full, client.exchange(full, take=False)[0])
    # Receipts and frames leave in any case: alone, nothing that is full is in their way.
    control: list[Operation] = [one for one in full if isinstance(one, Answer | GiveBack)]
    messages: list[Operation] = [one for one in full if not isinstance(one, Answer | GiveBack)]
    if control:
        messages += sort(control, client.exchange(control, take=False)[0])
    for operation in messages:
        error = ChannelFull(f"{_target(operation)} was full for {retry_time:g} seconds")
        refused.append((operation, error))
        _report(operation, error, consumer)
    return refused


def deliver(
    items: Iterable[tuple[Any, Operation]],
    consumer: object = None,
    **options: Any,
) -> list[Exception]:
    """Send messages one by one, in order, each through its layer's ``send`` or ``send_group``.

    With the options of :func:`settle`.

    Returns:
        What the layers raised, other than ChannelFull; those messages are lost.
    """
    by_layer: dict[int, tuple[Any, list[Operation]]] = {}
    for layer, operation in items:
        by_layer.setdefault(id(layer), (layer, []))[1].append(operation)
    errors: list[Exception] = []
    for layer, operations in by_layer.values():
        client = PlainWorkerClient(layer)
        try:
            outcomes, _ = client.exchange(operations, take=False)
            refused = settle(client, operations, outcomes, consumer, **options)
        except LayerUnavailable as error:
            report_unknown(operations, consumer, error)
            errors.append(error)
        else:
            errors += [error for _, error in refused if not isinstance(error, ChannelFull)]
    return errors


def report_unknown(operations: Sequence[Operation], consumer: object, error: Exception) -> None:
    """Log that it is unknown what became of these; they are not repeated (at most once)."""
    sends = sum(not isinstance(operation, Answer) for operation in operations)
    count_dropped("error", sends)
    logger.error(
        "The channel layer did not answer while %d message(s)%s were on their way: they may or may"
        " not have arrived and are not repeated (%s)",
        sends,
        _sender(consumer),
        error,
    )


def _report(operation: Operation, error: Exception, consumer: object) -> None:
    if isinstance(operation, Answer) and isinstance(error, LayerUnavailable):
        return  # nothing is lost: it is answered again
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
    """Return where the operation leads, for the log, without its content."""
    if isinstance(operation, Send):
        return f"channel {operation.channel!r}"
    if isinstance(operation, GroupSend):
        return f"group {operation.group!r}"
    if isinstance(operation, GiveBack):
        return f"{len(operation.frame.messages)} message(s) put back on {operation.frame.channel!r}"
    return "a receipt"


def _sender(consumer: object) -> str:
    return "" if consumer is None else f" from consumer {name_that_thing(consumer)}"
