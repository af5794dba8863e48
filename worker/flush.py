"""Getting what a consumer left to the layer: full mailboxes, refused messages, deadlines.

A flush never ends the worker's loop and never waits for a full mailbox longer
than :data:`RETRY_TIME` (docs/channels1.md#replies-that-find-no-room).
Two carriers do the transport: the layer's own
``exchange`` and, for layers without one, :func:`plain_exchange`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from channels import names
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.clients import Answer, Frame, GiveBack, GroupSend, Operation, Send
from channels.outbox import count_dropped
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")

#: How long one flush tries again for all that found its mailbox full, in seconds.
RETRY_TIME = 2.0

#: First pause between two tries and the longest, in seconds; each is half as long again.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.4

Outcomes = tuple[list[Exception | None], list[Frame]]

#: An operation that was not carried out, and why.
Refused = tuple[Operation, Exception]


class Exchange(Protocol):
    """Carries out operations; see :meth:`channels.layers.clients.WorkerClient.exchange`."""

    def __call__(self, operations: Sequence[Operation], *, take: bool = True) -> Outcomes:
        """Return an outcome for each operation, and the frames taken."""
        ...


class Flush:
    """Carries out operations with patience, and reports what could not be.

    Args:
        exchange: The carrier.
        accept: Called with the frames that came with the first try, at once:
            what goes wrong later must not lose them.
        clock: Monotonic time, in seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        exchange: Exchange,
        accept: Callable[[list[Frame]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._exchange = exchange
        self._accept = accept
        self._clock = clock
        self._sleep = sleep

    def __call__(
        self, operations: Sequence[Operation], consumer: object, *, take: bool
    ) -> list[Refused]:
        """Carry out the operations in order; return those that were refused for good.

        Args:
            operations: What to do.
            consumer: Whose they are; its name goes into the log.
            take: Whether a frame may be taken in the same round trip.

        Raises:
            LayerUnavailable: It is not known which of them happened.
        """
        outcomes, frames = self._exchange(operations, take=take)
        if frames:
            self._accept(frames)
        if outcomes.count(None) == len(outcomes):
            return []
        return self._settle(operations, outcomes, consumer)

    def _settle(
        self,
        operations: Sequence[Operation],
        outcomes: Sequence[Exception | None],
        consumer: object,
    ) -> list[Refused]:
        refused: list[Refused] = []
        full = self._sort(operations, outcomes, consumer, refused)
        deadline = self._clock() + RETRY_TIME
        pause = FIRST_PAUSE
        while full:
            left = deadline - self._clock()
            if left <= 0:
                break
            self._sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE)
            outcomes, _ = self._exchange(full, take=False)
            full = self._sort(full, outcomes, consumer, refused)
        if full:
            self._give_up(full, consumer, refused)
        return refused

    def _sort(
        self,
        operations: Sequence[Operation],
        outcomes: Sequence[Exception | None],
        consumer: object,
        refused: list[Refused],
    ) -> list[Operation]:
        """Return what found its mailbox full; log and note what no second try can help."""
        full = []
        for operation, error in zip(operations, outcomes, strict=True):
            if isinstance(error, ChannelFull):
                full.append(operation)
            elif error is not None:
                self._refuse(operation, error, consumer, refused)
        return full

    def _give_up(self, full: Sequence[Operation], consumer: object, refused: list[Refused]) -> None:
        """Drop what still finds no room; receipts and frames leave in any case."""
        control: list[Operation] = []
        for operation in full:
            if isinstance(operation, Answer | GiveBack):
                control.append(operation)
            else:
                self._refuse(operation, None, consumer, refused)
        if control:
            outcomes, _ = self._exchange(control, take=False)
            for operation, error in zip(control, outcomes, strict=True):
                if error is not None:
                    self._refuse(operation, error, consumer, refused)

    def _refuse(
        self,
        operation: Operation,
        error: Exception | None,
        consumer: object,
        refused: list[Refused],
    ) -> None:
        cause = "error"
        if error is None:
            cause, error = "full", ChannelFull(f"no room there for {RETRY_TIME:g} s")
        refused.append((operation, error))
        if isinstance(operation, Answer) and isinstance(error, LayerUnavailable):
            return  # nothing is lost: whoever owes it answers again
        count_dropped(cause)
        logger.error(
            "Dropped %s from consumer %s: %s: %s",
            describe(operation),
            name_that_thing(consumer),
            type(error).__name__,
            error,
        )


def describe(operation: Operation) -> str:
    """Return what the operation is, for the log, without its content."""
    if isinstance(operation, Send):
        return f"a message for channel {operation.channel!r}"
    if isinstance(operation, GroupSend):
        return f"a message for group {operation.group!r}"
    if isinstance(operation, GiveBack):
        return f"{len(operation.frame.messages)} message(s) put back on {operation.frame.channel!r}"
    return "a receipt"


def plain_exchange(layer: Any) -> Exchange:
    """Return a carrier that calls ``layer.send`` and ``layer.send_group`` for each item.

    Both are looked up at each call: tests put their own onto the wrapper.  What
    follows a message that found its channel full, for the same channel or
    mailbox, is reported full and not sent, so that nothing overtakes.
    """

    def exchange(operations: Sequence[Operation], *, take: bool = True) -> Outcomes:
        outcomes: list[Exception | None] = []
        full: dict[str, Exception] = {}
        for operation in operations:
            outcomes.append(_carry(layer, operation, full))
        return outcomes, []

    return exchange


def _carry(layer: Any, operation: Operation, full: dict[str, Exception]) -> Exception | None:
    try:
        if isinstance(operation, Send):
            place = names.non_local_name(operation.channel)
            if place in full:
                return full[place]
            try:
                layer.send(operation.channel, operation.message)
            except (ChannelFull, layer.ChannelFull):
                full[place] = error = ChannelFull(operation.channel)
                return error
        elif isinstance(operation, GroupSend):
            layer.send_group(operation.group, operation.message)
    except LayerUnavailable:
        raise  # what follows would wait for the same answer that does not come
    except Exception as error:
        return error
    return None


def flush_plainly(
    layer: Any,
    operations: Sequence[Operation],
    consumer: object,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Flush through ``layer.send`` and ``layer.send_group``; never raises for the layer's sake."""
    flush = Flush(plain_exchange(layer), lambda frames: None, clock=clock, sleep=sleep)
    try:
        flush(operations, consumer, take=False)
    except LayerUnavailable as error:
        report_unknown(operations, consumer, error)


def report_unknown(operations: Sequence[Operation], consumer: object, error: Exception) -> None:
    """Log that nobody knows what became of these; they are not repeated (at most once)."""
    sends = sum(not isinstance(operation, Answer) for operation in operations)
    count_dropped("error", sends)
    logger.error(
        "The channel layer did not answer while %d message(s) from consumer %s were on their"
        " way: they may or may not have arrived and are not repeated (%s)",
        sends,
        name_that_thing(consumer),
        error,
    )
