"""Groups through the synchronous interface: one item per process, not one per member.

``group -> processes`` says which mailboxes get an item; who the members in a process
are, the process knows.  A member that is not process-local stands there itself and
gets ordinary sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels import names
from channels.layers.base import check_message
from channels.layers.clients import EXPIRED
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items
from channels.layers.redis.wire.scripts import GROUP, Command


class Groups:
    """The group operations of a layer.  Safe in threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commands = store.commands
        self._ring = store.ring

    def add(self, group: str, channel: str) -> None:
        """Write group -> process first, so that no send can miss a member that has joined."""
        names.check_group_name(group)
        names.check_channel_name(channel)
        mailbox, mark, local = channel.partition("!")
        mailbox += mark
        index = self._ring.index(group)
        listing = self._commands.enlist(group, mailbox, self._ring.now_ms(index))
        if not mark:
            self._ring.run(index, listing)
            return
        joining = [self._commands.join(mailbox, local, group)]
        home = self._ring.index(mailbox)
        if home == index and not self._ring.hosts[index].clustered:
            self._ring.run(index, listing + joining)
        else:
            self._ring.run(index, listing)
            self._ring.run(home, joining)

    def discard(self, group: str, channel: str) -> None:
        """Leave group -> process alone: a process without members costs nothing."""
        names.check_group_name(group)
        names.check_channel_name(channel)
        mailbox, mark, local = channel.partition("!")
        mailbox += mark
        if mark:
            self._ring.run(self._ring.index(mailbox), [self._commands.leave(mailbox, local, group)])
        else:
            command: Command = ("ZREM", self._store.keys.group(group), mailbox)
            self._ring.run(self._ring.index(group), [command])

    def channels(self, group: str) -> list[str]:
        """Return the full names of all members that have not expired."""
        names.check_group_name(group)
        found = []
        for member in self.listed(group):
            if not names.is_process_local(member):
                found.append(member)
                continue
            index = self._ring.index(member)
            command = self._commands.members(member, group, self._ring.now_ms(index))
            (locals_,) = self._ring.run(index, [command])
            found += [member + local.decode() for local in locals_]
        return found

    def listed(self, group: str) -> list[str]:
        """Return the processes and other members that are listed in a group."""
        index = self._ring.index(group)
        command = self._commands.listed(group, self._ring.now_ms(index))
        (found,) = self._ring.run(index, [command])
        return [member.decode() for member in found]

    def send(self, group: str, message: Mapping[str, Any]) -> None:
        """Push one item to each process, and a frame to each member that is not local."""
        names.check_group_name(group)
        check_message(message)
        store, commands = self._store, self._commands
        payload = store.codec.payload(group, message)
        item = items.group_item(group, payload)
        pushes: dict[int, list[Command]] = {}
        for member in self.listed(group):
            if names.is_process_local(member):
                batch = pushes.setdefault(self._ring.index(member), [])
                batch += [commands.post(member, (GROUP, item)), *store.first_use(member)]
            else:
                frame = items.frame(payload, commands.ttl_ms, flags=store.codec.flags)
                batch = pushes.setdefault(store.ring.index_for(member), [])
                batch.append(commands.push(member, (frame,)))
        for index, batch in pushes.items():
            for command, answer in zip(batch, self._ring.run(index, batch), strict=True):
                if commands.is_push(command):
                    store.answer_all(answer[1:], EXPIRED)
