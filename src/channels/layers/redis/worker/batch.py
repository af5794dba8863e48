"""A worker's operations turned to as few commands as their order allows.

All operations on one queue or mailbox become one script call, in their order, so that
nothing can overtake one that found it full.  Groups are expanded first: their
processes are read in one more round trip, and an item takes its place in the order of
each mailbox.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from channels import names
from channels.exceptions import ChannelFull, LayerError, LayerUnavailable
from channels.layers.base import check_message
from channels.layers.clients import Answer, GiveBack, GroupSend, Operation, Send
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items
from channels.layers.redis.wire.scripts import CONTROL, GROUP, MESSAGE, Argument, Command

Outcomes = list["Exception | None"]

#: What packing and checking an operation may raise: its own outcome, nobody else's.
_FAULTS = (TypeError, ValueError, AssertionError, LayerError)


class Call(ABC):
    """One command of a flush, and what its answer means for the operations in it.

    Args:
        store: Commands and capacities.
        name: Queue or mailbox.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        #: Index of the operation for each part; -1 for one that is never reported.
        self._indexes: list[int] = []
        self._parts: list[Argument] = []

    @abstractmethod
    def command(self) -> Command:
        """Return the command."""

    def answered(self, outcomes: Outcomes, answer: Any, counters: Counter[str]) -> list[bytes]:
        """Write outcomes down; return receipts of expired frames that must be answered."""
        if isinstance(answer, Exception):
            error = refusal(answer)
            error.__cause__ = answer
            self.failed(outcomes, error)
            return []
        return self._read(outcomes, answer, counters)

    def failed(self, outcomes: Outcomes, error: LayerUnavailable) -> None:
        """Report everything in it as failed."""
        for index in self._indexes:
            if index >= 0:
                outcomes[index] = error

    def _read(self, outcomes: Outcomes, answer: Any, counters: Counter[str]) -> list[bytes]:
        return []

    def _full(self, outcomes: Outcomes, done: int) -> None:
        """Report all but the first ``done`` parts as refused."""
        for index in self._indexes[done:]:
            if index >= 0:
                outcomes[index] = ChannelFull(
                    self._name, self._store.limits.get_capacity(self._name)
                )


class Post(Call):
    """Items for a mailbox."""

    channel: str | None = None

    def add(self, index: int, kind: bytes, item: bytes) -> None:
        """Append an item."""
        self._indexes.append(index)
        self._parts += (kind, item)

    def command(self) -> Command:
        """See :class:`Call`."""
        return self._store.commands.post(self._name, self._parts, self.channel)

    def _read(self, outcomes: Outcomes, answer: Any, counters: Counter[str]) -> list[bytes]:
        done, skipped, dropped = answer
        if done < len(self._indexes):
            self._full(outcomes, done)
        if skipped:
            counters["skipped"] += skipped
        if dropped:
            counters["dropped"] += dropped
        return []


class Push(Call):
    """Frames for a queue."""

    def add(self, index: int, frame: bytes) -> None:
        """Append a frame."""
        self._indexes.append(index)
        self._parts.append(frame)

    def command(self) -> Command:
        """See :class:`Call`."""
        return self._store.commands.push(self._name, self._parts)  # type: ignore[arg-type]  # bytes

    def _read(self, outcomes: Outcomes, answer: Any, counters: Counter[str]) -> list[bytes]:
        done: int = answer[0]
        expired: list[bytes] = answer[1:]
        if done < len(self._indexes):
            self._full(outcomes, done)
        return expired


class Return(Call):
    """A frame that goes back to its queue, with the expiry that it had."""

    def __init__(self, store: Store, index: int, frame: bytes, back: GiveBack) -> None:
        super().__init__(store, back.frame.channel)
        self._indexes.append(index)
        self._frame = frame
        self._at_head = back.at_head

    def command(self) -> Command:
        """See :class:`Call`."""
        return self._store.commands.give_back(self._name, [self._frame], at_head=self._at_head)


class Known(Call):
    """A mailbox made known to the statistics."""

    def command(self) -> Command:
        """See :class:`Call`."""
        return ("SADD", self._store.keys.mailboxes, self._name)


class Flush:
    """Some operations as commands for each host.

    Args:
        store: With the worker's connections; used at once if there is a group among the operations.
        operations: In order.

    Attributes:
        outcomes: One for each operation; None for what is to be carried out.

    Raises:
        LayerUnavailable: The processes of a group cannot be read.  Nothing was sent.
    """

    def __init__(self, store: Store, operations: Sequence[Operation]) -> None:
        self.outcomes: Outcomes = [None] * len(operations)
        self._store = store
        self._calls: dict[int, list[Call]] = {}
        self._posts: dict[str, Post] = {}
        self._pushes: dict[tuple[int, str], Push] = {}
        self._members: dict[str, list[str]] = {}
        if any(type(operation) is GroupSend for operation in operations):
            self._read_groups(operations)
        for index, operation in enumerate(operations):
            try:
                _ADD[type(operation)](self, index, operation)
            except _FAULTS as error:
                self.outcomes[index] = error

    def by_host(self, last: int | None) -> Iterable[tuple[int, list[Call]]]:
        """Return the commands of each host, those of ``last`` last, even if there are none."""
        calls = self._calls
        if last is None:
            return list(calls.items())
        mine = calls.pop(last, [])
        return [*calls.items(), (last, mine)]

    # -- one operation -------------------------------------------------------------------

    def _send(self, index: int, operation: Send) -> None:
        channel, message = operation.channel, operation.message
        names.check_channel_name(channel)
        check_message(message)
        payload = self._store.codec.payload(channel, message)
        if "!" in channel:
            mailbox, _, local = channel.partition("!")
            post = self._post(mailbox + "!")
            if post.channel is None:
                post.channel = channel
            post.add(index, MESSAGE, items.reply_item(local, payload))
        else:
            self._push(index, channel, payload)

    def _answer(self, index: int, operation: Answer) -> None:
        mailbox, item = items.answer_for(operation.receipt)
        self._post(mailbox).add(index, CONTROL, item)

    def _give_back(self, index: int, operation: GiveBack) -> None:
        channel = operation.frame.channel
        # Where it came from is not noted; one host is as good as the other.
        host = self._store.ring.index_for(channel)
        frame = items.frame_with_expiry(
            operation.frame, self._store.codec, self._store.ring.now_ms(host)
        )
        self._calls.setdefault(host, []).append(Return(self._store, index, frame, operation))
        # What is sent to the same channel later must not come before it.
        self._pushes.pop((host, channel), None)

    def _send_group(self, index: int, operation: GroupSend) -> None:
        group, message = operation.group, operation.message
        names.check_group_name(group)
        check_message(message)
        payload = self._store.codec.payload(group, message)
        item = items.group_item(group, payload)
        for member in self._members[group]:
            if names.is_process_local(member):
                self._post(member).add(-1, GROUP, item)
            else:
                self._push(-1, member, payload)

    # -- where it goes -------------------------------------------------------------------

    def _post(self, mailbox: str) -> Post:
        post = self._posts.get(mailbox)
        if post is None:
            post = self._posts[mailbox] = Post(self._store, mailbox)
            calls = self._calls.setdefault(self._store.ring.index(mailbox), [])
            if self._store.first_use(mailbox):
                calls.append(Known(self._store, mailbox))
            calls.append(post)
        return post

    def _push(self, index: int, channel: str, payload: bytes) -> None:
        store = self._store
        host = store.ring.index_for(channel)
        push = self._pushes.get((host, channel))
        if push is None:
            push = self._pushes[host, channel] = Push(store, channel)
            self._calls.setdefault(host, []).append(push)
        push.add(index, items.frame(payload, store.commands.ttl_ms, flags=store.codec.flags))

    def _read_groups(self, operations: Sequence[Operation]) -> None:
        """Read the processes of all groups, before anything is pushed."""
        wanted: dict[int, list[str]] = {}
        for operation in operations:
            if isinstance(operation, GroupSend):
                group = operation.group
                try:
                    names.check_group_name(group)
                except TypeError:
                    continue  # reported in its turn
                if group not in self._members:
                    self._members[group] = []
                    wanted.setdefault(self._store.ring.index(group), []).append(group)
        for host, groups in wanted.items():
            now_ms = self._store.ring.now_ms(host)
            commands = [self._store.commands.listed(group, now_ms) for group in groups]
            for group, found in zip(groups, self._store.ring.run(host, commands), strict=True):
                self._members[group] = [member.decode() for member in found]


_ADD: dict[type, Callable[[Flush, int, Any], None]] = {
    Send: Flush._send,
    Answer: Flush._answer,
    GiveBack: Flush._give_back,
    GroupSend: Flush._send_group,
}
