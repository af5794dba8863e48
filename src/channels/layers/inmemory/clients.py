"""The in-memory layer's two clients: what workers and interface servers take and send with.

The same promises as of the Redis layer (:mod:`channels.layers.clients`), so that what
works in development works in production.  There is nothing that could fail on its
way, so nothing here raises ``LayerUnavailable``, and what a server sends is there at once.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from channels import names
from channels.exceptions import ChannelFull
from channels.layers.clients import (
    ONE_EACH,
    PLAIN,
    Answer,
    Counts,
    Done,
    Frame,
    GiveBack,
    GroupSend,
    Item,
    MailboxHandler,
    Message,
    Operation,
    ProcessEntry,
    Send,
    SendOptions,
)
from channels.layers.inmemory.queues import Mark
from channels.layers.inmemory.store import MemoryStore
from channels.layers.inmemory.waiting import Waiter
from channels.layers.values import packed_copies, packed_copy

logger = logging.getLogger(__name__)

#: Longest wait of one ``take``, in real seconds: a loop that counts its turns ends soon.
TAKE_TIMEOUT = 1.0

#: Items that a server is given at once, so that a flood doesn't stop its event loop.
BATCH = 100


class InMemoryWorkerClient:
    """One worker thread's side; see :class:`~channels.layers.clients.WorkerClient`."""

    def __init__(
        self, store: MemoryStore, channels: Collection[str], held: Callable[[], Collection[bytes]]
    ) -> None:
        self.name = f"worker-{names.random_part(12)}"
        self._store = store
        self._channels = frozenset(channels)
        # Each take starts one further on, so that a busy channel can't starve another.
        self._order = deque(sorted(self._channels))
        self._held = held
        self._waiter = Waiter()

    def start(self) -> None:
        self._store.processes.add(
            self.name, "worker", channels=self._channels, held=self._held, info={}
        )

    def take(self, longest: float | None = None, counts: Counts = ONE_EACH) -> list[Frame]:
        patience = TAKE_TIMEOUT if longest is None else min(longest, TAKE_TIMEOUT)
        frame = self._store.waiters.wait(self._channels, self._pop, self._waiter, patience)
        return [] if frame is None else [frame]

    def open(self, frame: Frame) -> Frame | None:
        return frame

    def exchange(
        self, operations: Sequence[Operation], *, take: bool = True, counts: Counts = ONE_EACH
    ) -> tuple[list[Exception | None], list[Frame]]:
        full: dict[str, ChannelFull] = {}
        outcomes = [self._outcome(operation, full) for operation in operations]
        frame = self._pop() if take else None
        return outcomes, [] if frame is None else [frame]

    def unblock(self) -> None:
        self._waiter.stop()

    def close(self) -> None:
        self._store.processes.remove(self.name)

    def _pop(self) -> Frame | None:
        frame = self._store.pop(tuple(self._order))
        if frame is None:
            self._order.rotate(-1)
        else:
            served = self._order.index(names.non_local_name(frame.channel))
            self._order.rotate(-served - 1)
        return frame

    def _outcome(self, operation: Operation, full: dict[str, ChannelFull]) -> Exception | None:
        """Carry out one operation, unless it is behind something that was full."""
        try:
            target = _target(operation)
            if target in full:
                return ChannelFull(*full[target].args)
            self._carry_out(operation, full)
        except ChannelFull as error:
            full[names.non_local_name(error.channel)] = error
            return error
        # Whatever else is wrong with it is for the caller to judge; the others go on.
        except Exception as error:
            return error
        return None

    def _carry_out(self, operation: Operation, full: Collection[str]) -> None:
        store, limit = self._store, self._store.layer.max_message_size
        if isinstance(operation, Send):
            names.check_channel_name(operation.channel)
            message, size = packed_copy(operation.message, operation.channel, limit)
            run = _number_for(operation.channel, operation.receipt)
            store.push(operation.channel, [message], size, run=run)
        elif isinstance(operation, GroupSend):
            names.check_group_name(operation.group)
            message, size = packed_copy(operation.message, operation.group, limit)
            store.push_group(operation.group, message, size, skip=full)
        elif isinstance(operation, Answer):
            store.answer(operation.receipt)
        else:
            _give_back(store, operation)


def _target(operation: Operation) -> str | None:
    """Return the queue that an operation must not overtake, if there is one such."""
    if isinstance(operation, Send):
        return names.non_local_name(operation.channel)
    if isinstance(operation, Answer):
        return names.non_local_name(operation.receipt.decode())
    # Groups skip what is full, and what is given back takes no room.
    return None


def _number_for(channel: str, receipt: bytes | None) -> int:
    """Return the number of a receipt that the mailbox of a channel waits for, else 0."""
    mailbox, mark, number = (receipt or b"").decode().partition("!")
    return int(number) if mark and channel.startswith(mailbox + mark) else 0


def _give_back(store: MemoryStore, operation: GiveBack) -> None:
    frame = operation.frame
    # The consumer may have changed the messages and hold them still.
    messages, size = packed_copies(frame.messages, frame.channel, store.layer.max_message_size)
    store.give_back(replace(frame, messages=messages), size, at_head=operation.at_head)


class InMemoryServerClient:
    """An interface server's side; see :class:`~channels.layers.clients.ServerClient`."""

    def __init__(self, store: MemoryStore, mailbox: str) -> None:
        names.check_channel_name(mailbox)
        if not mailbox.endswith("!"):
            raise TypeError(f"the name of a mailbox must end in '!': {mailbox!r}")
        self.mailbox = mailbox
        self.settled_since = math.inf
        self._store = store
        self._scheduled = False
        self._stopped = False

    def now(self) -> float:
        return self._store.now()

    async def start(self, handler: MailboxHandler, info: Mapping[str, Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._handler = handler
        self._store.open_server(self.mailbox, self)
        self._store.processes.add(self.mailbox, "server", info=info)
        self.settled_since = self.now()

    def wake(self) -> None:
        if self._scheduled:
            return
        self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:
            # The loop was closed without stop(); the sender is not to blame.
            logger.warning("the event loop that reads %s is gone", self.mailbox)

    def _drain(self) -> None:
        # Before looking, so that what comes in meanwhile schedules another turn.
        self._scheduled = False
        if self._stopped:
            return
        items = self._store.pop_items(self.mailbox, BATCH)
        self._deliver(items)
        if len(items) == BATCH:
            self.wake()

    def _deliver(self, items: Sequence[Item | Mark]) -> None:
        batch: list[Item] = []
        for item in items:
            if isinstance(item, Mark):
                self._tell(batch)
                batch = []
                if not item.passed.done():
                    item.passed.set_result(None)
            else:
                batch.append(item)
        self._tell(batch)

    def _tell(self, batch: Sequence[Item]) -> None:
        if not batch:
            return
        try:
            self._handler.deliver(batch)
        except Exception:
            logger.exception("the interface server could not deliver %d items", len(batch))

    def send(
        self,
        channel: str,
        messages: Sequence[Mapping[str, Any]],
        receipt: int = 0,
        done: Done | None = None,
        options: SendOptions = PLAIN,
    ) -> None:
        error: Exception | None = None
        try:
            names.check_channel_name(channel)
            copies, size = packed_copies(messages, channel, self._store.layer.max_message_size)
            self._store.push(
                channel,
                copies,
                size,
                receipt=self.receipt_bytes(receipt) if receipt else None,
                expiry=options.expiry,
                past_capacity=options.past_capacity,
                redelivered=options.redelivered,
            )
        except Exception as caught:  # reported below
            error = caught
        if error is None and options.opens is not None:
            self._store.processes.socket_opened(self.mailbox, options.opens)
        if error is None and options.closes is not None:
            self._store.processes.socket_closed(self.mailbox, options.closes)
        if done is not None:
            self._loop.call_soon(done, error)
        elif error is not None:
            logger.warning("a frame for %s was not sent: %s", channel, error)

    def forget(self, memberships: Sequence[tuple[str, str]]) -> None:
        for group, local in memberships:
            self._store.leave(group, self.mailbox + local)

    def memberships(self, local: str) -> Collection[str]:
        return self._store.groups_of(self.mailbox + local)

    def keep(self, locals_: Collection[str]) -> None:
        self._store.keep(self.mailbox + local for local in locals_)

    def gone(self, local: str) -> None:
        self._store.processes.mark_gone(self.mailbox + local)
        self._store.drop_body(self.mailbox + local)

    async def read_body(self, local: str, limit: int) -> list[Message]:
        return self._store.pop_body(self.mailbox + local, limit)

    async def processes(self) -> list[ProcessEntry]:
        return self._store.processes.entries()

    async def queued(self, channel: str, receipts: Collection[int]) -> set[int]:
        waiting = self._store.queued_receipts(channel)
        return {receipt for receipt in receipts if self.receipt_bytes(receipt) in waiting}

    def receipt_bytes(self, receipt: int) -> bytes:
        return f"{self.mailbox}{receipt}".encode()

    async def mark(self) -> None:
        if self._stopped:
            return
        mark = Mark(self._loop.create_future())
        self._store.push_control(self.mailbox, mark)
        await mark.passed

    async def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self._store.processes.remove(self.mailbox)
        self._deliver(self._store.close_server(self.mailbox))
        self.settled_since = math.inf
        await asyncio.sleep(0)  # what send() scheduled is called first
