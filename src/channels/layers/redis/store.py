"""What every part of the Redis layer works with: names, bytes, commands, and a way to the hosts.

Made once by the layer and given to all that read or write for it: groups, statistics, the
plain ``receive``, and the clients of workers and interface servers.  None of them
knows the layer itself.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from channels.layers.base import BaseChannelLayer
from channels.layers.redis.agreement import Agreement, shown_limits
from channels.layers.redis.net.address import Target
from channels.layers.redis.net.blocking import Connection
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.net.hosts import Host
from channels.layers.redis.net.ring import Ring
from channels.layers.redis.wire import reading
from channels.layers.redis.wire.codec import Codec
from channels.layers.redis.wire.commands import Commands
from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.wire.scripts import Command

#: Mailboxes that are remembered as known to the statistics; past it, all are told again.
_REMEMBERED = 10_000

#: Ends of keys that processes write of themselves and would not write again.
_SPARED = (":entry", ":sockets")


class Store:
    """Where a layer keeps what, and one user's connections to it.  Safe in threads.

    Args:
        limits: Whose capacities and lifetimes count: the layer.
        keys: Names of keys.
        codec: Turns messages to payloads and back.
        make_hosts: Returns new hosts, in the order of the ring.
        timeout: Seconds that an answer may take; None for what the hosts say.

    Attributes:
        commands: Builds commands with these limits and keys.
        ring: The hosts of this user.
    """

    def __init__(
        self,
        limits: BaseChannelLayer,
        keys: Keys,
        codec: Codec,
        make_hosts: Callable[[], Sequence[Host]],
        timeout: float | None,
    ) -> None:
        self.limits = limits
        self.keys = keys
        self.codec = codec
        self.make_hosts = make_hosts
        self.timeout = timeout
        self.commands = Commands(limits, keys)
        self.ring = Ring(make_hosts())
        self._known: set[str] = set()

    def apart(self) -> Store:
        """Return the same store with connections of its own."""
        other = copy.copy(self)
        other.ring = Ring(self.make_hosts())
        return other

    def agreement(self, name: str, kind: str) -> Agreement:
        """Return what compares the settings of a process with those of the others.

        Args:
            name: The process.
            kind: ``"server"`` or ``"worker"``.
        """
        size = len(self.ring.hosts)
        limits = shown_limits(self.limits)
        return Agreement(name, kind, self.keys.prefix, self.codec, size, limits)

    def first_use(self, mailbox: str) -> list[Command]:
        """Return the command that makes a mailbox known to the statistics, once."""
        if mailbox in self._known:
            return []
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add(mailbox)
        return [("SADD", self.keys.mailboxes, mailbox)]

    def answer_all(self, receipts: Iterable[bytes | None], cause: str = "") -> None:
        """Answer receipts of frames that have run, or were dropped for ``cause``.

        Raises:
            LayerUnavailable: Some may not have been answered.
        """
        for receipt in receipts:
            answer = reading.answer(self.commands, receipt, cause)
            if answer is not None:
                mailbox, command = answer
                self.ring.run(self.ring.index(mailbox), [command])

    # -- flush -----------------------------------------------------------------------

    def flush(self) -> None:
        """Delete all messages, groups and statistics; done when it returns.

        What running processes say of themselves stays.

        Raises:
            LayerUnavailable: Some of it may be left.
        """
        self._known.clear()
        for index, host in enumerate(self.ring.hosts):
            for target in host.masters():
                self._flush_server(index, target)

    def _flush_server(self, index: int, target: Target) -> None:
        keys = self.keys
        spared = {keys.epoch, keys.processes}
        connection = Connection(lambda: target, timeout=self.timeout)
        try:
            for prefix in {keys.prefix, keys.stats_prefix}:
                for found in _scan(connection, _escape_glob(prefix) + "*"):
                    self._delete(
                        index,
                        [key for key in found if not key.endswith(_SPARED) and key not in spared],
                    )
        finally:
            connection.close()

    def _delete(self, index: int, keys: Sequence[str]) -> None:
        """Delete keys, but leave what interface servers said their mailboxes may hold."""
        metas = [key for key in keys if key.endswith(":meta")]
        told = self.ring.run(index, [("HMGET", key, "cap", "capb") for key in metas])
        commands: list[Command] = [("DEL", key) for key in keys]
        for key, (capacity, size) in zip(metas, told, strict=True):
            if capacity is not None and size is not None:
                commands.append(("HSET", key, "cap", capacity, "capb", size))
        self.ring.run(index, commands)


def _scan(connection: Connection, pattern: str) -> Iterator[list[str]]:
    """Yield every key of one server that matches, some at a time, and some maybe twice."""
    cursor: bytes | int = 0
    while True:
        (answer,) = connection.execute([("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)])
        if isinstance(answer, Exception):
            raise refusal(answer) from answer
        cursor, found = answer
        if found:
            yield [key.decode() for key in found]
        if int(cursor) == 0:
            return


def _escape_glob(text: str) -> str:
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", text)
