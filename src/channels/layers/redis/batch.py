"""Operations turned to as few commands as their order allows.

All operations on one queue or mailbox become one script call, in their order, so that
nothing can overtake one that found it full.  Groups are expanded: their processes are
read in one more round trip, and an item takes its place in the order of each mailbox.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from channels import names
from channels.exceptions import ChannelFull, LayerError, LayerUnavailable
from channels.layers.batches import Refused
from channels.layers.clients import Answer, Frame, GiveBack, GroupSend, Operation, Send
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.net.protocol import Packable
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items
from channels.layers.redis.wire.scripts import CONTROL, GROUP, MESSAGE, Argument, Command
from channels.layers.values import check_message

#: What packing and checking an operation may raise: its own outcome, no other's.
_FAULTS = (TypeError, ValueError, AssertionError, LayerError)

#: Stands for an operation whose outcome is not reported.
_UNREPORTED = -1


@dataclass(slots=True)
class _Call:
    """One command for a queue or mailbox, and the operations that it carries out."""

    name: str
    #: As far as it is known; None for a mailbox, whose first message decides.
    head: Command | None
    #: Frames for a queue; for a mailbox class and item in turn.
    parts: list[Argument]
    #: The operation of each frame or item.
    indexes: list[int]
    #: Of the first message for a mailbox.
    channel: str = ""


class Batch:
    """Operations as commands for each host, and what became of them.

    ``hand`` is the key of the list of what a worker has in hand, if it keeps one.

    First all are added, which packs them; then it is closed; then it is run host by host, or what
    :meth:`commands` returns is carried elsewhere and the answers are brought to :meth:`read`.

    Attributes:
        entries: Each operation, and the owner that was given with it.
        size: Bytes of all messages.
        calls: By the index of their host, once closed.
        outcomes: One for each operation; None for what was, or is to be, carried out.
        refusal: Why Redis refused an item for a group, if it did; a full member is none.
        expired: Receipts of frames that had expired in a full queue, to be answered.
        skipped: Items for groups that mailboxes had no room for.
        dropped: Items for full mailboxes whose process is dead.
    """

    def __init__(self, store: Store, hand: str = "") -> None:
        self.entries: list[tuple[Operation, Any]] = []
        self.size = 0
        self.calls: dict[int, list[_Call]] = {}
        self.outcomes: list[Exception | None] = []
        self.refusal: LayerUnavailable | None = None
        self.expired: list[bytes] = []
        self.skipped = self.dropped = 0
        self._store = store
        self._hand = hand
        #: What was packed: index of the operation; channel, mailbox or group; bytes; operation.
        self._steps: list[tuple[int, str, bytes, Operation]] = []
        self._growing: dict[tuple[int, str], _Call] = {}
        self._members: dict[str, list[str]] = {}

    def add(self, operation: Operation, owner: Any = None) -> None:
        """Pack an operation as it is now; if it can't be carried out, that is its outcome."""
        store, index = self._store, len(self.entries)
        self.entries.append((operation, owner))
        self.outcomes.append(None)
        try:
            if isinstance(operation, Send):
                name = operation.channel
                names.check_channel_name(name)
                check_message(operation.message)
                packed = store.codec.payload(name, operation.message)
                mailbox, mark, local = name.partition("!")
                if mark:
                    name = mailbox + mark
                    number = items.number_for(name, operation.receipt)
                    packed = items.reply_item(local, packed, number)
                else:
                    packed = store.frame(packed)
            elif isinstance(operation, Answer):
                name, packed = items.answer_for(operation.receipt)
            elif isinstance(operation, GroupSend):
                name = operation.group
                names.check_group_name(name)
                check_message(operation.message)
                packed = store.codec.payload(name, operation.message)
            else:
                name, packed = operation.frame.channel, self._as_stored(operation.frame)
        except _FAULTS as error:
            self.outcomes[index] = error
        else:
            self.size += len(packed)
            self._steps.append((index, name, packed, operation))

    def _as_stored(self, frame: Frame) -> bytes:
        """Return a frame for its queue, with its expiry."""
        store = self._store
        now_ms = store.ring.hosts[0].clock.now_ms()
        return frame.stored or items.frame_with_expiry(frame, store.codec, now_ms)

    def behind(self, entries: Sequence[tuple[Operation, Any]]) -> Batch:
        """Return a batch of other operations, with their owners, and then these."""
        batch = Batch(self._store, self._hand)
        for operation, owner in entries:
            batch.add(operation, owner)
        shift = len(batch.entries)
        batch.entries += self.entries
        batch.outcomes += self.outcomes
        batch.size += self.size
        batch._steps += [
            (index + shift, name, packed, operation)
            for index, name, packed, operation in self._steps
        ]
        return batch

    def cut(self, length: int) -> None:
        """Forget all but so many operations."""
        del self.entries[length:], self.outcomes[length:]
        self._steps = [step for step in self._steps if step[0] < length]

    # -- where to ----------------------------------------------------------------------

    def close(self) -> None:
        """Turn what was added to calls; when more was added, close it again.

        Raises:
            LayerUnavailable: The members of groups can't be read.
        """
        self.calls, self._growing = {}, {}
        groups = dict.fromkeys(name for _, name, _, to in self._steps if isinstance(to, GroupSend))
        if groups:
            self._read_members(groups)
        index_for, growing = self._store.ring.index_for, self._growing
        for index, name, packed, operation in self._steps:
            if isinstance(operation, Send):
                host = index_for(name)
                call = growing.get((host, name)) or self._begin_call(host, name)
                call.indexes.append(index)
                if name.endswith("!"):
                    call.parts += (MESSAGE, packed)
                    call.channel = call.channel or operation.channel
                else:
                    call.parts.append(packed)
            elif isinstance(operation, Answer):
                host = index_for(name)
                call = growing.get((host, name)) or self._begin_call(host, name)
                call.parts += (CONTROL, packed)
                call.indexes.append(index)
            elif isinstance(operation, GroupSend):
                self._send_group(name, packed)
            else:
                self._give_back(index, packed, operation)

    def _begin_call(self, host: int, name: str) -> _Call:
        """Return the only call for a queue or mailbox, which has nothing to carry yet."""
        store, is_mailbox = self._store, name.endswith("!")
        head = None if is_mailbox else store.commands.push(name)
        call = self._growing[host, name] = _Call(name, head, [], [])
        calls = self.calls.setdefault(host, [])
        if is_mailbox and name not in store.known:
            calls.append(_Call(name, store.make_known(name), [], []))
        calls.append(call)
        return call

    def _send_group(self, group: str, payload: bytes) -> None:
        item = items.group_item(group, payload)
        for member in self._members[group]:
            host = self._store.ring.index_for(member)
            call = self._growing.get((host, member)) or self._begin_call(host, member)
            call.indexes.append(_UNREPORTED)
            if names.is_process_local(member):
                call.parts += (GROUP, item)
            else:
                call.parts.append(self._store.frame(payload))

    def _give_back(self, index: int, packed: bytes, operation: GiveBack) -> None:
        store, channel, host = self._store, operation.frame.channel, operation.frame.host
        if host is None:  # it does not know where it came from; one is as good as the other
            host = store.ring.index_for(channel)
        begun = not operation.frame.stored
        key = (host, f"{channel} {operation.at_head} {begun}")  # of its own: no channel has a space
        call = self._growing.get(key)
        if call is None:
            # What was opened has begun, so it is not one of those that are listed there.
            hand = self._hand if operation.frame.stored else ""
            head = store.commands.give_back(channel, at_head=operation.at_head, hand=hand)
            call = self._growing[key] = _Call(channel, head, [], [])
            self.calls.setdefault(host, []).append(call)
        call.parts.append(packed)
        call.indexes.append(index)
        # What is sent to the same channel later must not come before it.
        self._growing.pop((host, channel), None)

    def _read_members(self, groups: dict[str, None]) -> None:
        """Read who is listed in each of the groups, before anything is pushed."""
        ring, commands = self._store.ring, self._store.commands
        by_host: dict[int, list[str]] = {}
        for group in groups:
            by_host.setdefault(ring.index(group), []).append(group)
        for host, found in by_host.items():
            now_ms = ring.now_ms(host)
            listings = [commands.listed(group, now_ms) for group in found]
            for group, listed in zip(found, ring.run(host, listings), strict=True):
                self._members[group] = [member.decode() for member in listed]

    # -- on its way ----------------------------------------------------------------------

    def commands(self, host: int) -> list[Packable]:
        """Return what carries out the operations on a host; its answers are for :meth:`read`."""
        post = self._store.commands.post
        return [
            (*(post(call.name, call.channel) if call.head is None else call.head), *call.parts)
            for call in self.calls.get(host, ())
        ]

    def read(self, host: int, answers: Sequence[Any]) -> None:
        """Sort what Redis answered to :meth:`commands`; there may be more behind it."""
        for call, answer in zip(self.calls.get(host, ()), answers, strict=False):
            if isinstance(answer, Exception):
                self._report(call.indexes, refusal(answer))
            elif isinstance(answer, list):  # of a push
                done, *rest = answer
                if done < len(call.indexes):
                    full = ChannelFull(call.name, self._store.limits.get_capacity(call.name))
                    self._report(call.indexes[done:], full)
                if not call.name.endswith("!"):
                    self.expired += rest
                else:
                    self.skipped += rest[0]
                    self.dropped += rest[1]

    def fail(self, host: int, error: LayerUnavailable) -> None:
        """Let the error be the outcome of all operations on a host."""
        for call in self.calls.get(host, ()):
            self._report(call.indexes, error)

    def run(self, host: int, *then: Packable) -> list[Any]:
        """Carry out what there is for a host, and ``then``; return the answers to that.

        After ``LayerUnavailable`` that is the outcome of what was for this host.
        """
        commands = self.commands(host)
        try:
            answers = self._store.ring.execute(host, [*commands, *then])
        except LayerUnavailable as error:
            self.fail(host, error)
            raise
        self.read(host, answers)
        return answers[len(commands) :]

    def refused(self, first: int) -> Iterator[Refused]:
        """Return what of the first operations was not carried out, in order, with its owner."""
        for (operation, owner), error in zip(self.entries[:first], self.outcomes, strict=False):
            if error is not None:
                yield operation, error, owner

    def _report(self, indexes: Sequence[int], outcome: Exception) -> None:
        for index in indexes:
            if index != _UNREPORTED:
                self.outcomes[index] = outcome
            elif isinstance(outcome, LayerUnavailable):
                self.refusal = self.refusal or outcome
