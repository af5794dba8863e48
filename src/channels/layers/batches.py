"""How a worker answers by the batch: what its consumers sent is kept, and leaves together.

A layer whose worker's client does so itself says what it promises with :class:`Batches`; for the
others :class:`Unbatched` stands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, cast

from channels.exceptions import LayerUnavailable
from channels.layers.clients import (
    ONE_EACH,
    Answer,
    Counts,
    Frame,
    GiveBack,
    Operation,
    WorkerClient,
)

#: What was not carried out, why, and whose it was.
Refused = tuple[Operation, Exception, Any]


class NotSent(LayerUnavailable):
    """The layer does not answer, and nothing of what was asked for has left."""


class Batches(Protocol):
    """How a worker answers by the batch.  Safe in threads.

    What is kept leaves before anything else: with the next exchange, or in front of what any
    thread of the process asks of the layer itself, so nothing overtakes it.

    Attributes:
        lock: Held while what is kept or in hand moves; never while an application's code runs.
    """

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """See above."""
        ...

    def keep(self, operations: Sequence[Operation], owner: Any = None) -> None:
        """Pack operations as they are now, to leave later.

        ``owner`` comes back with those that are refused.
        """
        ...

    def keep_first(self, entries: Sequence[tuple[Operation, Any]]) -> None:
        """Keep operations with their owners, in front of all that is kept: they are older."""
        ...

    def receipts(self) -> list[bytes]:
        """Return those of what has not left for certain; from any thread."""
        ...

    def is_pending(self) -> bool:
        """Whether anything is kept, or it is not known what became of it."""
        ...

    def is_due(self) -> bool:
        """Whether so much is kept, or for so long, that it should be posted."""
        ...

    def post(self) -> None:
        """Write what is kept, and wait for no answer but that to what was posted before.

        What that one shows to be refused must be looked after first: then nothing is written.

        Raises:
            LayerUnavailable: What was on its way counts as refused for that reason; what was not
                is kept.
        """
        ...

    def exchange(
        self, operations: Sequence[Operation], *, take: bool = True, counts: Counts = ONE_EACH
    ) -> tuple[list[Exception | None], list[Frame]]:
        """Do as :meth:`WorkerClient.exchange`, behind what is kept.

        Raises:
            NotSent: What is kept stays.
            LayerUnavailable: What was kept counts as refused for that reason.
        """
        ...

    def is_refused(self) -> bool:
        """Whether :meth:`refused` has anything."""
        ...

    def refused(self) -> list[Refused]:
        """Return, once, what of the kept is known not to have been carried out, in order."""
        ...

    def drop(self) -> int:
        """Forget what is kept; return how many messages that was."""
        ...

    def given_up(self) -> bool:
        """Whether, since the last call, this process stood still for so long that others take
        its frames for lost.
        """
        ...


class Unbatched:
    """:class:`Batches` of a client that has none: what is kept leaves with the next exchange.

    For one thread.
    """

    lock: AbstractContextManager[Any] = nullcontext()

    def __init__(self, client: WorkerClient) -> None:
        self._client = client
        self._kept: list[tuple[Operation, Any]] = []
        self._refused: list[Refused] = []

    def keep(self, operations: Sequence[Operation], owner: Any = None) -> None:
        self._kept += [(operation, owner) for operation in operations]

    def keep_first(self, entries: Sequence[tuple[Operation, Any]]) -> None:
        self._kept[:0] = entries

    def receipts(self) -> list[bytes]:
        return receipts_of([operation for operation, _ in self._kept])

    def is_pending(self) -> bool:
        return bool(self._kept)

    is_due = is_pending

    def post(self) -> None:
        self.exchange((), take=False)

    def exchange(
        self, operations: Sequence[Operation], *, take: bool = True, counts: Counts = ONE_EACH
    ) -> tuple[list[Exception | None], list[Frame]]:
        kept, self._kept = self._kept, []
        both = [*(operation for operation, _ in kept), *operations]
        try:
            outcomes, frames = self._client.exchange(both, take=take)
        except Exception as error:
            # Whatever a layer raises: what became of it is not known.
            unknown = error
            if not isinstance(error, LayerUnavailable):
                unknown = LayerUnavailable(f"the layer raised {error!r}")
            self._refused += [(operation, unknown, owner) for operation, owner in kept]
            raise
        for (operation, owner), outcome in zip(kept, outcomes, strict=False):
            if outcome is not None:
                self._refused.append((operation, outcome, owner))
        return outcomes[len(kept) :], frames

    def is_refused(self) -> bool:
        return bool(self._refused)

    def refused(self) -> list[Refused]:
        refused, self._refused = self._refused, []
        return refused

    def drop(self) -> int:
        self._kept = []
        return 0

    def given_up(self) -> bool:
        return False


def receipts_of(operations: Iterable[Operation]) -> list[bytes]:
    """Return the receipts that operations answer, or give back."""
    found = []
    for operation in operations:
        if isinstance(operation, Answer):
            found.append(operation.receipt)
        elif isinstance(operation, GiveBack) and operation.frame.receipt is not None:
            found.append(operation.frame.receipt)
    return found


def batches_of(client: WorkerClient) -> Batches:
    """Return a client's own batches, or such as leave with each exchange."""
    if hasattr(client, "keep"):
        return cast(Batches, client)
    return Unbatched(client)
