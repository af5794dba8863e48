"""What a worker's consumers sent and has not left: kept, written by the batch, read later.

At most one batch is on its way unread: before the next is written, the answer to the one before
it is read, which by then is there.  So what found a mailbox full is known before anything
else leaves, and nothing overtakes it.

Only with one host (a Sentinel's master is one) anything is on its way unread; with several, and
on a Cluster, every batch is waited for.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.batches import NotSent, Refused, receipts_of
from channels.layers.clients import EXPIRED, Answer, Operation
from channels.layers.redis.batch import Batch
from channels.layers.redis.net.barrier import BARRIER
from channels.layers.redis.net.blocking import Connection
from channels.layers.redis.net.protocol import Packable
from channels.layers.redis.store import Store

#: How many runs' operations are kept at most, in how many bytes, and for how many seconds.
MOST_KEPT = 8
KEPT_BYTES = 64 * 1024
KEPT_SECONDS = 0.001


def _is_full(error: Exception) -> bool:
    return isinstance(error, ChannelFull)


class Outgoing:
    """Safe in threads; a :class:`~channels.layers.redis.net.barrier.Backlog`.

    Args:
        store: Of the layer; what goes through its ring goes behind what is kept.
        own: The same with connections of the worker's own.
        counters: Counts what was skipped or dropped.
        lost: Called with a host that did not answer, and why; raises if that is an outage.

    Attributes:
        lock: See :class:`~channels.layers.batches.Batches`.
    """

    def __init__(
        self,
        store: Store,
        own: Store,
        counters: Counter[str],
        lost: Callable[[int, LayerUnavailable], None],
    ) -> None:
        self.lock = threading.RLock()
        self._ring = store.ring
        self._store = own
        self._counters = counters
        self._lost = lost
        hosts = own.ring.hosts
        single = len(hosts) == 1 and not hosts[0].clustered
        self._link: Connection | None = hosts[0].connection("") if single else None
        self._hand = ""
        self._kept = Batch(own)
        self._runs = 0
        self._since = 0.0
        self._sent: Batch | None = None
        self._refused: list[Refused] = []

    def keep_hand(self, key: str) -> None:
        """Give frames back only if nobody has done so in our place, by the list of this key."""
        self._hand = key
        self._begin_batch()

    # -- keeping ---------------------------------------------------------------------

    def keep(self, operations: Iterable[Operation], owner: Any = None) -> None:
        with self.lock:
            batch = self._kept
            if not self._runs:
                self._since = time.monotonic()
                BARRIER.waiting.add(self)
            self._runs += 1
            for operation in operations:
                batch.add(operation, owner)

    def keep_first(self, entries: Sequence[tuple[Operation, Any]]) -> None:
        """Keep operations with their owners, in front of all that is kept."""
        with self.lock:
            self._runs += 1
            BARRIER.waiting.add(self)
            self._kept = self._kept.behind(entries)

    def is_pending(self) -> bool:
        return self._runs > 0 or self._sent is not None

    def is_due(self) -> bool:
        return self._runs > 0 and (
            self._runs >= MOST_KEPT
            or self._kept.size >= KEPT_BYTES
            or time.monotonic() - self._since >= KEPT_SECONDS
        )

    def receipts(self) -> list[bytes]:
        batches = [batch for batch in (self._kept, self._sent) if batch is not None]
        return receipts_of([one for batch in batches for one, _ in tuple(batch.entries)])

    def is_refused(self) -> bool:
        return bool(self._refused)

    def refused(self) -> list[Refused]:
        with self.lock:
            refused, self._refused = self._refused, []
        return refused

    def drop(self) -> int:
        with self.lock:
            dropped = sum(not isinstance(one, Answer) for one, _ in self._kept.entries)
            self._begin_batch()
        return dropped

    # -- sending -----------------------------------------------------------------------

    def post(self) -> None:
        with self.lock:
            if self._link is None:
                self.run(())
                return
            self._read_sent()
            # What was refused is tried again first, by who asks for it.
            if not self._runs or self._refused:
                return
            batch = self._close_batch()
            commands = batch.commands(0)
            if not commands:
                self._note(batch, len(batch.entries))
                return
            try:
                self._link.write(commands)
            except LayerUnavailable as error:
                batch.fail(0, error)
                self._note(batch, len(batch.entries))
                raise
            self._sent = batch
            BARRIER.waiting.add(self)

    def run(
        self,
        operations: Iterable[Operation],
        host: int | None = None,
        then: Sequence[Packable] = (),
    ) -> tuple[list[Exception | None], list[Any]]:
        """Send what is kept, then ``operations``, then commands for a host; wait for all.

        Returns:
            What became of ``operations``, and the answers to ``then``; ``[]`` if its host, which
            is another than the worker's home, did not answer.

        Raises:
            NotSent: Nothing of it; what is kept stays.
            LayerUnavailable: It is not known what became of it; the kept counts as refused.
        """
        with self.lock:
            try:
                self._read_sent()
            except LayerUnavailable as error:
                raise NotSent(str(error)) from error
            self._keep_again()
            kept = len(self._kept.entries)
            for operation in operations:
                self._kept.add(operation)
            try:
                batch = self._close_batch(host)
            except LayerUnavailable as error:
                self._kept.cut(kept)
                raise NotSent(str(error)) from error
            try:
                answers = self._carry(batch, host, then)
            finally:
                self._note(batch, kept)
            return batch.outcomes[kept:], answers

    def _keep_again(self) -> None:
        """Try what found its mailbox full once more with what comes behind it, and before that."""
        full = [(one, owner) for one, error, owner in self._refused if _is_full(error)]
        if full:
            self._refused = [each for each in self._refused if not _is_full(each[1])]
            self.keep_first(full)

    def _close_batch(self, host: int | None = None) -> Batch:
        """Return what is kept, ready to leave, and begin anew; if that raises, nothing has left."""
        batch = self._kept
        batch.close()
        if self._link is not None:
            self._link.connect()
        self._begin_batch()
        return batch

    def _begin_batch(self) -> None:
        self._kept, self._runs = Batch(self._store, self._hand), 0
        if self._sent is None:
            BARRIER.waiting.discard(self)

    def _carry(self, batch: Batch, polled: int | None, then: Sequence[Packable]) -> list[Any]:
        """Send a batch to each host, last to the one that gets ``then``; return its answers."""
        found: list[Any] = []
        if polled is not None:
            batch.calls[polled] = batch.calls.pop(polled, [])
        left = list(batch.calls)
        while left:
            index = left.pop(0)
            more = then if index == polled else ()
            try:
                if self._link is None:
                    answers = batch.run(index, *more)
                else:
                    answers = self._run_link(self._link, batch, more)
                found = answers or found
            except LayerUnavailable as error:
                try:
                    self._lost(index, error)
                except LayerUnavailable:
                    for other in left:
                        batch.fail(other, error)
                    raise
        return found

    def _run_link(self, link: Connection, batch: Batch, then: Sequence[Packable]) -> list[Any]:
        commands = batch.commands(0)
        try:
            link.write([*commands, *then])
            answers = link.read()
        except LayerUnavailable as error:
            batch.fail(0, error)
            raise
        batch.read(0, answers)
        return answers[len(commands) :]

    def _read_sent(self) -> None:
        """Read what became of the batch that was posted last."""
        batch, link = self._sent, self._link
        if batch is None or link is None:
            return
        self._sent = None
        try:
            batch.read(0, link.read())
        except LayerUnavailable as error:
            batch.fail(0, error)
            raise
        finally:
            self._note(batch, len(batch.entries))
            if not self._runs:
                BARRIER.waiting.discard(self)

    def _note(self, batch: Batch, kept: int) -> None:
        """Remember what was refused of the first ``kept`` operations, and count the rest."""
        if batch.outcomes.count(None) != len(batch.outcomes):
            self._refused += batch.refused(kept)
        if batch.skipped or batch.dropped:
            self._counters.update(skipped=batch.skipped, dropped=batch.dropped)
        if batch.expired:
            self._store.answer_all(batch.expired, EXPIRED)

    # -- the barrier ---------------------------------------------------------------------

    def is_mine(self) -> bool:
        # As threading.Condition asks it.  A signal handler, or what the garbage collector ends,
        # may send in the middle of our own sending.
        return bool(self.lock._is_owned())  # type: ignore[attr-defined]  # of every RLock

    def flush(self) -> None:
        self.run(())

    def behind(self, ring: object, index: int, commands: Sequence[Packable]) -> list[Any] | None:
        if ring is not self._ring or self._link is None:
            self.flush()
            return None
        return self.run((), index, commands)[1]

    def forget(self) -> None:
        self.lock = threading.RLock()
        self._sent = None
        self._begin_batch()

    def close(self) -> None:
        BARRIER.leave(self)
        if self._link is not None:
            self._link.close()
