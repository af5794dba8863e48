"""A worker's operations turned to as few commands as their order allows.

All operations on one queue or mailbox become one script call, in their order, so that
nothing can overtake one that found it full.  Groups are expanded first: their
processes are read in one more round trip, and an item takes its place in the order of
each mailbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from channels import names
from channels.exceptions import ChannelFull, LayerError, LayerUnavailable
from channels.layers.clients import Answer, GiveBack, GroupSend, Operation
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items
from channels.layers.redis.wire.scripts import CONTROL, GROUP, MESSAGE, Argument, Command
from channels.layers.values import check_message

#: What packing and checking an operation may raise: its own outcome, nobody else's.
_FAULTS = (TypeError, ValueError, AssertionError, LayerError)

#: Stands for an operation whose outcome is not reported.
_UNREPORTED = -1


@dataclass(slots=True)
class _Call:
    """One command, and the operations that it carries out.

    Attributes:
        name: Queue or mailbox.
        command: As it is; None if it is made of the parts.
        parts: Frames for a queue; for a mailbox class and item in turn.
        indexes: The operation of each frame or item.
        channel: Of the first message for a mailbox.
    """

    name: str
    command: Command | None = None
    parts: list[Any] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)
    channel: str | None = None


class Batch:
    """Some operations as commands for each host, and what the answers say of them.

    Args:
        store: With the worker's connections; used at once if there is a group among the
            operations.
        operations: In order.

    Attributes:
        outcomes: One for each operation; None for what was, or is to be, carried out.
        calls: By the index of their host.

    Raises:
        LayerUnavailable: The processes of a group cannot be read.  Nothing was sent.
    """

    def __init__(self, store: Store, operations: Sequence[Operation]) -> None:
        self.outcomes: list[Exception | None] = [None] * len(operations)
        self.calls: dict[int, list[_Call]] = {}
        self._store = store
        self._growing: dict[tuple[int, str], _Call] = {}
        groups = [one.group for one in operations if isinstance(one, GroupSend)]
        self._members = self._read_groups(groups) if groups else {}
        for index, operation in enumerate(operations):
            try:
                self._add(index, operation)
            except _FAULTS as error:
                self.outcomes[index] = error

    def _read_groups(self, groups: Sequence[str]) -> dict[str, list[str]]:
        """Return who is listed in each group, before anything is pushed."""
        store = self._store
        wanted: dict[int, dict[str, None]] = {}
        for group in groups:
            try:
                names.check_group_name(group)
            except TypeError:
                continue  # reported in its turn
            wanted.setdefault(store.ring.index(group), {})[group] = None
        members = {}
        for host, found in wanted.items():
            now_ms = store.ring.now_ms(host)
            listings = [store.commands.listed(group, now_ms) for group in found]
            for group, listed in zip(found, store.ring.run(host, listings), strict=True):
                members[group] = [member.decode() for member in listed]
        return members

    # -- operations to commands ------------------------------------------------------------

    def _add(self, index: int, operation: Operation) -> None:
        store = self._store
        if isinstance(operation, Answer):
            mailbox, item = items.answer_for(operation.receipt)
            self._append(store.ring.index(mailbox), mailbox, index, CONTROL, item)
        elif isinstance(operation, GiveBack):
            self._give_back(index, operation)
        elif isinstance(operation, GroupSend):
            self._send_group(operation)
        else:
            channel = operation.channel
            names.check_channel_name(channel)
            check_message(operation.message)
            payload = store.codec.payload(channel, operation.message)
            mailbox, mark, local = channel.partition("!")
            if mark:
                mailbox += mark
                item = items.reply_item(local, payload)
                call = self._append(store.ring.index(mailbox), mailbox, index, MESSAGE, item)
                call.channel = call.channel or channel
            else:
                self._append(store.ring.index_for(channel), channel, index, store.frame(payload))

    def _append(self, host: int, name: str, index: int, *parts: Argument) -> _Call:
        """Append a frame, or class and item, to the only call for a queue or mailbox."""
        call = self._growing.get((host, name))
        if call is None:
            call = self._growing[host, name] = _Call(name)
            calls = self.calls.setdefault(host, [])
            if name.endswith("!"):
                calls += [_Call(name, command) for command in self._store.first_use(name)]
            calls.append(call)
        call.parts += parts
        call.indexes.append(index)
        return call

    def _give_back(self, index: int, operation: GiveBack) -> None:
        store, channel = self._store, operation.frame.channel
        # Where it came from is not noted; one host is as good as the other.
        host = store.ring.index_for(channel)
        frame = items.frame_with_expiry(operation.frame, store.codec, store.ring.now_ms(host))
        command = store.commands.give_back(channel, [frame], at_head=operation.at_head)
        self.calls.setdefault(host, []).append(_Call(channel, command, indexes=[index]))
        # What is sent to the same channel later must not come before it.
        self._growing.pop((host, channel), None)

    def _send_group(self, operation: GroupSend) -> None:
        store, group = self._store, operation.group
        names.check_group_name(group)
        check_message(operation.message)
        payload = store.codec.payload(group, operation.message)
        item = items.group_item(group, payload)
        for member in self._members[group]:
            if names.is_process_local(member):
                self._append(store.ring.index(member), member, _UNREPORTED, GROUP, item)
            else:
                self._append(
                    store.ring.index_for(member), member, _UNREPORTED, store.frame(payload)
                )

    def commands(self, host: int) -> list[Command | bytes]:
        """Return the commands for a host; their answers are for :meth:`answered`."""
        commands = self._store.commands
        found: list[Command | bytes] = []
        for call in self.calls.get(host, ()):
            if call.command is not None:
                found.append(call.command)
            elif call.name.endswith("!"):
                found.append(commands.post(call.name, call.parts, call.channel))
            else:
                found.append(commands.push(call.name, call.parts))
        return found

    # -- answers to outcomes ---------------------------------------------------------------

    def answered(self, host: int, answers: Sequence[Any], counters: Counter[str]) -> list[bytes]:
        """Write outcomes down, and count what mailboxes had no room for.

        Returns:
            Receipts of frames that had expired in a full queue, to be answered.
        """
        expired: list[bytes] = []
        for call, answer in zip(self.calls.get(host, ()), answers, strict=True):
            if isinstance(answer, Exception):
                error = refusal(answer)
                error.__cause__ = answer
                self._report(call.indexes, error)
            elif call.command is None:
                done, *rest = answer
                if done < len(call.indexes):
                    capacity = self._store.limits.get_capacity(call.name)
                    self._report(call.indexes[done:], ChannelFull(call.name, capacity))
                if not call.name.endswith("!"):
                    expired += rest
                elif any(rest):
                    counters["skipped"] += rest[0]
                    counters["dropped"] += rest[1]
        return expired

    def failed(self, host: int, error: LayerUnavailable) -> None:
        """Report everything for a host as failed."""
        for call in self.calls.get(host, ()):
            self._report(call.indexes, error)

    def _report(self, indexes: Sequence[int], outcome: Exception) -> None:
        for index in indexes:
            if index != _UNREPORTED:
                self.outcomes[index] = outcome
