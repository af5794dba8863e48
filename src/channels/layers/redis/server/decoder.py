"""What an interface server's mailbox holds, turned to items for its listener.  No I/O.

Items are fed in as they were taken and read in order.  Joins and leaves go to the
registry, group items get their members from it; if the registry misses something,
reading stops in front of the item that showed it, and goes on there once the
registry was rebuilt.  Nothing here trusts what it reads: what does not decode is
counted, logged and dropped.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Sequence
from typing import Any

from channels.layers.clients import (
    EXPIRED,
    UNREADABLE,
    GroupMessage,
    Item,
    Joined,
    MoreBody,
    NotRun,
    Receipt,
    Reply,
    Unread,
)
from channels.layers.redis.net.protocol import RedisClock
from channels.layers.redis.server.memberships import Drift, GroupRegistry
from channels.layers.redis.wire.codec import Codec, Undecodable
from channels.layers.redis.wire.items import STAMP_SIZE, read_item

logger = logging.getLogger("channels.layers.redis")

#: Receipts from here on are marks of our own: they come back in order like any item.
FIRST_MARK = 1 << 63

_NUMBER_AT = struct.Struct(">Q").unpack_from
_COUNTS_AT = struct.Struct(">8xQQ").unpack_from

_ANSWER, _REPLY = ord("A"), ord("R")

#: Kinds that count as messages of the mailbox.
_COUNTED = frozenset(b"RG")


class Intake:
    """Reads one mailbox.

    Args:
        registry: Copy of the process's memberships.
        codec: Decodes payloads.
        clock: Redis time.
        lifetime: Seconds that a message lives; older encrypted ones are refused.
        marked: Called with the number of each mark that comes by.

    Attributes:
        taken: Messages ever pushed to the mailbox, up to the last item that was fed.
        taken_bytes: The same in bytes.
        awaited: Receipts that may still come; the sender of frames adds to it.
        missed: Messages that were pushed and never came: they expired, or were lost on
            their way.
        expired: Replies that were taken too late and dropped.
        undecodable: Items that were dropped because they do not decode.
    """

    def __init__(
        self,
        registry: GroupRegistry,
        codec: Codec,
        clock: RedisClock,
        *,
        lifetime: float,
        marked: Callable[[int], None],
    ) -> None:
        self.taken = 0
        self.taken_bytes = 0
        self.awaited: set[int] = set()
        self.missed = 0
        self.expired = 0
        self.undecodable = 0
        self._registry = registry
        self._codec = codec
        self._clock = clock
        self._lifetime = lifetime
        self._marked = marked
        self._raw: Sequence[bytes] = ()
        self._at = 0

    @property
    def waiting(self) -> bool:
        """Whether something was fed that has not been read."""
        return self._at < len(self._raw)

    def counters(self) -> dict[str, int]:
        """Return what is worth knowing about the mailbox."""
        return {
            "taken": self.taken,
            "expired": self.expired,
            "missed": self.missed,
            "undecodable": self.undecodable,
        }

    def feed(self, raw: list[bytes]) -> None:
        """Take items as they are stored, in order; at least one."""
        self._raw = [*self._raw[self._at :], *raw] if self.waiting else raw
        self._at = 0
        try:
            pushed, pushed_bytes = _COUNTS_AT(raw[-1])
        except struct.error:
            return  # it is dropped, and counted, when it is read
        counted = sum(1 for item in raw if len(item) > STAMP_SIZE and item[STAMP_SIZE] in _COUNTED)
        if pushed >= self.taken:  # else the counters were lost with Redis's memory
            self.missed += max(0, pushed - self.taken - counted)
        self.taken, self.taken_bytes = pushed, pushed_bytes

    def read(self) -> tuple[list[Item], Drift]:
        """Return the next items for the listener, and whether all could be read.

        If the drift is not ``Drift.NONE``, the registry must be put right before the
        next call, which goes on with the item that showed it.
        """
        items: list[Item] = []
        now_ms = self._clock.now_ms()
        messages = self._codec.messages
        lifetime = self._lifetime
        raws = self._raw
        local = ""  # of the reply that is being read
        for at in range(self._at, len(raws)):
            raw = raws[at]
            try:
                kind = raw[32]
                if kind == _ANSWER:
                    (number,) = _NUMBER_AT(raw, 33)
                    if number < FIRST_MARK:
                        self.awaited.discard(number)
                        items.append(Receipt(number))
                    else:
                        self._marked(number)
                elif kind == _REPLY:
                    start = 34 + raw[33]
                    local = raw[34:start].decode("ascii")
                    if _NUMBER_AT(raw)[0] <= now_ms:
                        self.expired += 1
                        items.append(Unread(local, EXPIRED))
                    else:
                        for message in messages(raw[start:], lifetime):
                            items.append(Reply(local, message))
                else:
                    drift = self._read_rare(raw, now_ms, items)
                    if drift is not Drift.NONE:
                        self._at = at
                        return items, drift
            except (Undecodable, struct.error, IndexError, UnicodeDecodeError) as error:
                self._drop(error)
                if raw[STAMP_SIZE : STAMP_SIZE + 1] == b"R" and isinstance(error, Undecodable):
                    items.append(Unread(local, UNREADABLE))
        self._raw = ()
        self._at = 0
        return items, Drift.NONE

    def _read_rare(self, raw: bytes, now_ms: int, items: list[Any]) -> Drift:
        item = read_item(raw)
        registry = self._registry
        if item.kind == "G":
            drift = registry.check(item.number)
            if drift is Drift.NONE and item.expiry_ms > now_ms:
                members = registry.members(item.group, now_ms / 1000)
                if members:
                    for message in self._codec.messages(item.payload, self._lifetime):
                        items.append(GroupMessage(item.group, members, message))
            return drift
        if item.kind == "J":
            expiry = item.member_expiry_ms / 1000
            drift = registry.join(item.number, item.group, item.local, expiry)
            if drift is Drift.NONE:
                items.append(Joined(item.group, item.local))
            return drift
        if item.kind == "L":
            return registry.leave(item.number, item.group, item.local)
        if item.kind == "N":
            self.awaited.discard(item.receipt)
            items.append(NotRun(item.receipt, item.cause))
            return Drift.NONE
        items.append(MoreBody(item.local))
        return Drift.NONE

    def _drop(self, error: Exception) -> None:
        self.undecodable += 1
        if self.undecodable & (self.undecodable - 1) == 0:  # 1, 2, 4, 8 …: no flood
            logger.warning(
                "dropped an item of the mailbox that cannot be read (%d so far): %s",
                self.undecodable,
                error,
            )
