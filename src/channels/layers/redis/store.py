"""What every part of the Redis layer works with: names, bytes, commands, and a way to the hosts.

The layer makes it; what reads or writes for the layer gets it, and never the layer itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from channels import names
from channels.layers.base import BaseChannelLayer
from channels.layers.redis.net.barrier import BARRIER
from channels.layers.redis.net.hosts import Host
from channels.layers.redis.net.protocol import Packable
from channels.layers.redis.net.ring import Ring
from channels.layers.redis.wire import items
from channels.layers.redis.wire.codec import Codec
from channels.layers.redis.wire.commands import Commands
from channels.layers.redis.wire.items import Unfit
from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.wire.scripts import Command

#: Mailboxes that are remembered as known to the statistics; past it, all are told again.
_REMEMBERED = 10_000


class Store:
    """Where a layer keeps what, and one user's connections to it.  Safe in threads.

    Attributes:
        limits: Whose capacities and lifetimes count: the layer.
        make_hosts: Returns new hosts, in the order of the ring.
        timeout: Seconds that an answer may take; None for what the hosts say.
        ring: The hosts of this user.
        known: Mailboxes that the statistics know of; shared by all users.
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
        self.ring = Ring(make_hosts(), BARRIER)
        self.known: set[str] = set()

    def apart(self) -> Store:
        """Return the same store with connections of its own, which wait for no barrier."""
        other = copy.copy(self)
        other.ring = Ring(self.make_hosts())
        return other

    def hosts_of(self, channel: str) -> Sequence[int]:
        """Return which hosts may hold messages of a channel: one, or all of a shared one."""
        if names.is_on_one_host(channel):
            return (self.ring.index(channel),)
        return range(len(self.ring.hosts))

    def frame(self, payload: bytes) -> bytes:
        """Return a frame of one message, to be pushed."""
        return items.frame(payload, self.commands.ttl_ms, flags=self.codec.flags)

    def make_known(self, mailbox: str) -> Command:
        """Return the command that makes a mailbox known to the statistics."""
        if len(self.known) >= _REMEMBERED:
            self.known.clear()
        self.known.add(mailbox)
        return ("SADD", self.keys.mailboxes, mailbox)

    def answer_all(self, receipts: Iterable[bytes | None], cause: str = "") -> None:
        """Answer receipts of frames that have run, or were dropped for ``cause``.

        After ``LayerUnavailable`` some may not have been answered.
        """
        for receipt in receipts:
            answer = self.commands.answer(receipt, cause)
            if answer is not None:
                self.ring.ask(*answer)

    def refuse(self, host: int, channel: str, frame: Unfit, *then: Packable) -> list[Any]:
        """Count and answer a frame that must not run; return the answers to ``then``."""
        self.answer_all([frame.receipt], frame.cause)
        counting = self.commands.count(channel, frame.cause)
        return self.ring.run(host, [*counting, *then])[len(counting) :]
