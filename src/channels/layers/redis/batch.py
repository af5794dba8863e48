"""Operations turned to as few commands as their order allows.

All operations on one queue or mailbox become one script call, in their order, so that
nothing can overtake one that found it full.  Groups are expanded: their processes are
read in one more round trip, and an item takes its place in the order of each mailbox.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from channels import names
from channels.exceptions import ChannelFull, LayerError, LayerUnavailable
from channels.layers.clients import Answer, GiveBack, GroupSend, Operation, Send
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
    #: As it is; None if it is made of the parts.
    command: Command | None
    #: Frames for a queue; for a mailbox class and item in turn.
    parts: list[Any]
    #: The operation of each frame or item.
    indexes: list[int]
    #: Of the first message for a mailbox.
    channel: str = ""


class Batch:
    """Operations as commands for each host, and what became of them.

    Args:
        store: Where to.
        groups: Names that will be sent to: their members are read together.

    Attributes:
        calls: By the index of their host.
        outcomes: One for each operation; None for what was, or is to be, carried out.
        refusal: Why Redis refused an item for a group, if it did; a full member is none.
        expired: Receipts of frames that had expired in a full queue, to be answered.
        skipped: Items for groups that mailboxes had no room for.
        dropped: Items for full mailboxes whose process is dead.
    """

    def __init__(self, store: Store, groups: Iterable[str] = ()) -> None:
        self.calls: dict[int, list[_Call]] = {}
        self.outcomes: list[Exception | None] = []
        self.refusal: LayerUnavailable | None = None
        self.expired: list[bytes] = []
        self.skipped = self.dropped = 0
        self._store = store
        self._groups = groups
        self._growing: dict[tuple[int, str], _Call] = {}
        self._members: dict[str, list[str]] = {}

    def add(self, operation: Operation) -> None:
        """Add an operation; if it can't be carried out, that is its outcome.

        Raises:
            LayerUnavailable: The members of groups can't be read.  Nothing was sent.
        """
        store, index = self._store, len(self.outcomes)
        self.outcomes.append(None)
        try:
            if isinstance(operation, Send):
                channel = operation.channel
                names.check_channel_name(channel)
                check_message(operation.message)
                payload = store.codec.payload(channel, operation.message)
                mailbox, mark, local = channel.partition("!")
                if mark:
                    number = items.number_for(mailbox + mark, operation.receipt)
                    item = items.reply_item(local, payload, number)
                    call = self._append(index, mailbox + mark, MESSAGE, item)
                    call.channel = call.channel or channel
                else:
                    self._append(index, channel, store.frame(payload))
            elif isinstance(operation, Answer):
                mailbox, item = items.answer_for(operation.receipt)
                self._append(index, mailbox, CONTROL, item)
            elif isinstance(operation, GroupSend):
                self._send_group(operation)
            else:
                self._give_back(index, operation)
        except LayerUnavailable:
            raise
        except _FAULTS as error:
            self.outcomes[index] = error

    def _append(self, index: int, name: str, *parts: Argument) -> _Call:
        """Append a frame, or class and item, to the only call for a queue or mailbox."""
        host = self._store.ring.index_for(name)
        call = self._growing.get((host, name))
        if call is not None:
            call.parts += parts
            call.indexes.append(index)
            return call
        call = self._growing[host, name] = _Call(name, None, [*parts], [index])
        calls = self.calls.setdefault(host, [])
        if name.endswith("!") and name not in self._store.known:
            calls.append(_Call(name, self._store.make_known(name), [], []))
        calls.append(call)
        return call

    def _give_back(self, index: int, operation: GiveBack) -> None:
        store, channel = self._store, operation.frame.channel
        # Where it came from is not noted; one host is as good as the other.
        host = store.ring.index_for(channel)
        now_ms = store.ring.hosts[host].clock.now_ms()
        frame = items.frame_with_expiry(operation.frame, store.codec, now_ms)
        command = store.commands.give_back(channel, [frame], at_head=operation.at_head)
        self.calls.setdefault(host, []).append(_Call(channel, command, [], [index]))
        # What is sent to the same channel later must not come before it.
        self._growing.pop((host, channel), None)

    def _send_group(self, operation: GroupSend) -> None:
        store, group = self._store, operation.group
        names.check_group_name(group)
        check_message(operation.message)
        payload = store.codec.payload(group, operation.message)
        if group not in self._members:
            self._read_members()
        item = items.group_item(group, payload)
        for member in self._members[group]:
            if names.is_process_local(member):
                self._append(_UNREPORTED, member, GROUP, item)
            else:
                self._append(_UNREPORTED, member, store.frame(payload))

    def _read_members(self) -> None:
        """Read who is listed in each of the groups, before anything is pushed."""
        ring, commands = self._store.ring, self._store.commands
        groups: dict[int, dict[str, None]] = {}
        for group in self._groups:
            with contextlib.suppress(TypeError):  # which is reported in its turn
                names.check_group_name(group)
                groups.setdefault(ring.index(group), {})[group] = None
        for host, found in groups.items():
            now_ms = ring.now_ms(host)
            listings = [commands.listed(group, now_ms) for group in found]
            for group, listed in zip(found, ring.run(host, listings), strict=True):
                self._members[group] = [member.decode() for member in listed]

    def run(self, host: int, *then: Packable) -> list[Any]:
        """Carry out what there is for a host, and ``then``; return the answers to that.

        After ``LayerUnavailable`` that is the outcome of what was for this host.
        """
        store, calls = self._store, self.calls.get(host, [])
        commands: list[Packable] = []
        for call in calls:
            if call.command is not None:
                commands.append(call.command)
            elif call.name.endswith("!"):
                commands.append((*store.commands.post(call.name, call.channel), *call.parts))
            else:
                commands.append((*store.commands.push(call.name), *call.parts))
        try:
            answers = store.ring.hosts[host].execute([*commands, *then])
        except LayerUnavailable as error:
            for call in calls:
                self._report(call.indexes, error)
            raise
        for call, answer in zip(calls, answers, strict=False):
            if isinstance(answer, Exception):
                self._report(call.indexes, refusal(answer))
            elif call.parts:
                done, *rest = answer
                if done < len(call.indexes):
                    full = ChannelFull(call.name, store.limits.get_capacity(call.name))
                    self._report(call.indexes[done:], full)
                if not call.name.endswith("!"):
                    self.expired += rest
                else:
                    self.skipped += rest[0]
                    self.dropped += rest[1]
        return answers[len(calls) :]

    def _report(self, indexes: Sequence[int], outcome: Exception) -> None:
        for index in indexes:
            if index != _UNREPORTED:
                self.outcomes[index] = outcome
            elif isinstance(outcome, LayerUnavailable):
                self.refusal = self.refusal or outcome
