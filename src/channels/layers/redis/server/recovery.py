"""Putting Redis right: what an interface server writes when it connects.

Always: the capacity of its mailbox, the sockets that are open, and memberships that
were discarded while Redis did not answer.  After Redis lost its memory also all
memberships, with the expiry that they had.  Those must not undo what applications
change meanwhile, so everything in the mailbox is applied first; and what turns out to
have been discarded on its way, once the mailbox was read again, is discarded once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from channels.exceptions import LayerUnavailable
from channels.layers.redis.server.connections import Connections
from channels.layers.redis.server.memberships import Membership, Memberships
from channels.layers.redis.store import Store
from channels.layers.redis.wire import scripts
from channels.layers.redis.wire.scripts import Argument, Command

#: Memberships, or sockets, that one command writes: a millisecond or two for Redis.
AT_ONCE = 1000


class Recovery:
    """Writes what belongs to one process.

    Args:
        name: Mailbox of the process.
        store: Names of keys, and commands.
        memberships: Of the process.
        connections: Send the commands.
        now_ms: Redis time.
        mark: Returns when the mailbox was read up to now.

    Attributes:
        due: Whether memberships must be written back; set when Redis lost its memory,
            and until it is done.
        running: Whether that is being done.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        memberships: Memberships,
        connections: Connections,
        now_ms: Callable[[], int],
        mark: Callable[[], Awaitable[None]],
    ) -> None:
        self.due = False
        self.running = False
        self._name = name
        self._keys = store.keys
        self._commands = store.commands
        self._memberships = memberships
        self._connections = connections
        self._now_ms = now_ms
        self._mark = mark

    async def _write(self, command: Command, name: str = "", key: str = "") -> None:
        answer = await self._connections.ask(command, name, key)
        if isinstance(answer, Exception):
            raise LayerUnavailable(
                f"Redis refused what was to be written back: {answer}"
            ) from answer

    async def announce(
        self, sockets: Mapping[str, bytes], forgotten: dict[tuple[str, str], None]
    ) -> None:
        """Write capacity and sockets, and discard what was forgotten.

        Args:
            sockets: Entry of each open socket.
            forgotten: Memberships ``(group, local)``; those discarded are removed.

        Raises:
            LayerUnavailable: It may have been done in part; it is safe to repeat.
        """
        key, ttl_ms = self._keys.sockets(self._name), self._commands.control_ttl_ms
        written: list[Command] = [self._commands.announce(self._name), ("DEL", key)]
        fields: list[Argument] = [part for pair in sockets.items() for part in pair]
        for first in range(0, len(fields), 2 * AT_ONCE):
            written.append(("HSET", key, *fields[first : first + 2 * AT_ONCE]))
        written.append(("PEXPIRE", key, ttl_ms))
        left = list(forgotten)
        written += [self._commands.leave(self._name, local, group) for group, local in left]
        # Asked for in one turn: nothing that is sent meanwhile comes in between.
        await asyncio.gather(*(self._write(command) for command in written))
        for membership in left:
            forgotten.pop(membership, None)

    async def write_back(self) -> None:
        """Write all memberships back after Redis lost its memory; once more if it did meanwhile.

        Raises:
            LayerUnavailable: It may have been done in part; it is safe to repeat.
        """
        self.running = True
        try:
            while self.due:
                self.due = False
                try:
                    await self._write_members()
                    await self._write_groups()
                except BaseException:
                    self.due = True
                    raise
        finally:
            self.running = False

    async def _write_members(self) -> None:
        """Write the memberships of this process."""
        await self._mark()
        memberships = self._memberships.all_memberships(self._now_ms() / 1000)
        for first in range(0, len(memberships), AT_ONCE):
            await self._write(self._restore(memberships[first : first + AT_ONCE]))
        await self._mark()
        if self.due:
            return
        self._memberships.written_back()
        for group, local, _ in memberships:
            if group not in self._memberships.memberships(local):
                await self._write(self._commands.leave(self._name, local, group))

    def _restore(self, part: list[Membership]) -> Command:
        keys, name = self._keys, self._name
        flat: list[Argument] = []
        for group, local, expiry in part:
            flat += (group, local, round(expiry * 1000))
        return scripts.RESTORE.call(
            (keys.groups(name), keys.members(name, "")), self._commands.group_ttl_ms, *flat
        )

    async def _write_groups(self) -> None:
        """List this process in its groups again."""
        now_ms = self._now_ms()
        latest: dict[str, float] = {}
        for group, _, expiry in self._memberships.all_memberships(now_ms / 1000):
            latest[group] = max(expiry, latest.get(group, 0.0))
        for group, expiry in latest.items():
            key = self._keys.group(group)
            score = round(expiry * 1000)
            await self._write(("ZADD", key, "GT", score, self._name), group, key)
            await self._write(("PEXPIRE", key, self._commands.group_ttl_ms), group, key)
