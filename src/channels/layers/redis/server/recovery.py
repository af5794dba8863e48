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
from typing import Any, Protocol

from channels.exceptions import LayerUnavailable
from channels.layers.redis.server.memberships import GroupRegistry, Membership
from channels.layers.redis.wire import scripts
from channels.layers.redis.wire.commands import Commands
from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.wire.scripts import Argument, Command

#: Memberships, or sockets, that one command writes: a millisecond or two for Redis.
AT_ONCE = 1000


class Ask(Protocol):
    """Sends one command to where something lives, in order with everything else."""

    def __call__(self, command: Command, name: str = "", key: str = "") -> Awaitable[Any]:
        """Return its answer, an exception if Redis refused it; by default for the mailbox.

        Raises:
            LayerUnavailable: There is no answer.
        """
        ...


class Recovery:
    """Writes what belongs to one process.

    Args:
        mailbox: Name of the process.
        keys: Names of keys.
        commands: Builds commands.
        registry: Its memberships.
        now_ms: Redis time.
        ask: Sends a command.
        mark: Returns when the mailbox was read up to now.

    Attributes:
        due: Whether memberships must be written back; set when Redis lost its memory,
            and until it is done.
        running: Whether that is being done.
    """

    def __init__(
        self,
        mailbox: str,
        keys: Keys,
        commands: Commands,
        registry: GroupRegistry,
        *,
        now_ms: Callable[[], int],
        ask: Ask,
        mark: Callable[[], Awaitable[None]],
    ) -> None:
        self.due = False
        self.running = False
        self._mailbox = mailbox
        self._keys = keys
        self._commands = commands
        self._registry = registry
        self._now_ms = now_ms
        self._ask = ask
        self._mark = mark

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
        key, ttl_ms = self._keys.sockets(self._mailbox), self._commands.control_ttl_ms
        written: list[Command] = [self._commands.announce(self._mailbox), ("DEL", key)]
        fields: list[Argument] = [part for pair in sockets.items() for part in pair]
        for first in range(0, len(fields), 2 * AT_ONCE):
            written.append(("HSET", key, *fields[first : first + 2 * AT_ONCE]))
        written.append(("PEXPIRE", key, ttl_ms))
        left = list(forgotten)
        written += [self._commands.leave(self._mailbox, local, group) for group, local in left]
        # Asked for in one turn: nothing that is sent meanwhile comes in between.
        for answer in await asyncio.gather(*(self._ask(command) for command in written)):
            _check(answer)
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
        memberships = self._registry.all_memberships(self._now_ms() / 1000)
        for first in range(0, len(memberships), AT_ONCE):
            _check(await self._ask(self._restore(memberships[first : first + AT_ONCE])))
        await self._mark()
        if self.due:
            return
        self._registry.written_back()
        for group, local, _ in memberships:
            if group not in self._registry.memberships(local):
                _check(await self._ask(self._commands.leave(self._mailbox, local, group)))

    def _restore(self, part: list[Membership]) -> Command:
        keys, mailbox = self._keys, self._mailbox
        flat: list[Argument] = []
        for group, local, expiry in part:
            flat += (group, local, round(expiry * 1000))
        return scripts.RESTORE.call(
            (keys.groups(mailbox), keys.members(mailbox, "")), self._commands.group_ttl_ms, *flat
        )

    async def _write_groups(self) -> None:
        """List this process in its groups again."""
        now_ms = self._now_ms()
        latest: dict[str, float] = {}
        for group, _, expiry in self._registry.all_memberships(now_ms / 1000):
            latest[group] = max(expiry, latest.get(group, 0.0))
        for group, expiry in latest.items():
            key = self._keys.group(group)
            score = round(expiry * 1000)
            _check(await self._ask(("ZADD", key, "GT", score, self._mailbox), group, key))
            _check(await self._ask(("PEXPIRE", key, self._commands.group_ttl_ms), group, key))


def _check(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise LayerUnavailable(f"Redis refused what was to be written back: {answer}") from answer
    return answer
