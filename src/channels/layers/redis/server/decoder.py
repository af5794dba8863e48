"""What an interface server's mailbox holds, turned to items for its handler.  No I/O.

Joins and leaves go to the memberships, group items get their members from there; if the
memberships miss something, reading stops in front of the item that showed it, and goes on
there once they were rebuilt.  Nothing here trusts what it reads: what does not decode is
counted, logged and dropped.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Sequence

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
from channels.layers.redis.server.memberships import Drift, Memberships
from channels.layers.redis.wire.codec import Codec, Undecodable
from channels.layers.redis.wire.items import STAMP_SIZE, read_item

logger = logging.getLogger("channels.layers.redis")

#: Receipts from here on are marks of our own: they come back in order like any item.
FIRST_MARK = 1 << 63

_NUMBER_AT = struct.Struct(">Q").unpack_from
_COUNTS_AT = struct.Struct(">8xQQ").unpack_from

_ANSWER, _REPLY, _FENCED = b"ARF"
_REPLIES = (_REPLY, _FENCED)

#: Kinds that count as messages of the mailbox.
_COUNTED = (b"R", b"F", b"G")


class MailboxDecoder:
    """Reads one mailbox.

    Args:
        memberships: Copy of those of the process.
        codec: Decodes payloads.
        clock: Redis time.
        lifetime: Seconds that a message lives; older encrypted ones are refused.
        marked: Called with the number of each mark that comes by.

    Attributes:
        taken: Messages ever pushed to the mailbox, up to the last item that was read.
        taken_bytes: The same in bytes.
        awaited: Receipts that may still come; the sender of frames adds to it.
        missed: Messages that were pushed and never came: they expired, or were lost on
            their way.
        expired: Replies that were taken too late and dropped.
        undecodable: Items that were dropped because they do not decode.
    """

    def __init__(
        self,
        memberships: Memberships,
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
        self._memberships = memberships
        self._codec = codec
        self._clock = clock
        self._lifetime = lifetime
        self._marked = marked
        #: Items behind one that showed a drift, with it.
        self._rest: Sequence[bytes] = ()

    @property
    def waiting(self) -> bool:
        """Whether something has come that has not been read."""
        return bool(self._rest)

    def counters(self) -> dict[str, int]:
        """Return what is worth knowing about the mailbox."""
        return {
            "taken": self.taken,
            "expired": self.expired,
            "missed": self.missed,
            "undecodable": self.undecodable,
        }

    def read(self, raw: Sequence[bytes] = ()) -> tuple[list[Item], Drift]:
        """Return the next items for the handler, and whether all could be read.

        If the drift is not ``Drift.NONE``, the memberships must be put right before the
        next call, which goes on with the item that showed it.

        Args:
            raw: Items as they are stored, in order, behind what was not read yet.
        """
        if raw:
            self._count(raw)
        if self._rest:
            raw, self._rest = [*self._rest, *raw], ()
        items: list[Item] = []
        now_ms = self._clock.now_ms()
        local = ""  # of the reply that is being read
        for at, item in enumerate(raw):
            try:
                kind = item[STAMP_SIZE]
                if kind == _ANSWER:
                    (number,) = _NUMBER_AT(item, STAMP_SIZE + 1)
                    if number < FIRST_MARK:
                        self.awaited.discard(number)
                        items.append(Receipt(number))
                    else:
                        self._marked(number)
                elif kind in _REPLIES:
                    start = STAMP_SIZE + 2 + item[STAMP_SIZE + 1]
                    local = item[STAMP_SIZE + 2 : start].decode("ascii")
                    number = 0
                    if kind == _FENCED:
                        (number,) = _NUMBER_AT(item, start)
                        start += 8
                    if _NUMBER_AT(item)[0] <= now_ms:
                        self.expired += 1
                        items.append(Unread(local, EXPIRED))
                    else:
                        for message in self._codec.messages(item[start:], self._lifetime):
                            items.append(Reply(local, message, number))
                else:
                    drift = self._read_rare(item, now_ms, items)
                    if drift is not Drift.NONE:
                        self._rest = raw[at:]
                        return items, drift
            except (Undecodable, struct.error, IndexError, UnicodeDecodeError) as error:
                self._drop(error)
                is_reply = item[STAMP_SIZE : STAMP_SIZE + 1] in (b"R", b"F")
                if is_reply and isinstance(error, Undecodable):
                    items.append(Unread(local, UNREADABLE))
        return items, Drift.NONE

    def _count(self, raw: Sequence[bytes]) -> None:
        """Compare what came with what Redis says was pushed."""
        try:
            pushed, pushed_bytes = _COUNTS_AT(raw[-1])
        except struct.error:
            return  # it is dropped, and counted, when it is read
        counted = sum(1 for item in raw if item[STAMP_SIZE : STAMP_SIZE + 1] in _COUNTED)
        if pushed >= self.taken:  # else the counters were lost with Redis's memory
            self.missed += max(0, pushed - self.taken - counted)
        self.taken, self.taken_bytes = pushed, pushed_bytes

    def _read_rare(self, raw: bytes, now_ms: int, items: list[Item]) -> Drift:
        item = read_item(raw)
        memberships = self._memberships
        drift = Drift.NONE
        if item.kind == "G":
            drift = memberships.check(item.number)
            if drift is Drift.NONE and item.expiry_ms > now_ms:
                members = memberships.members(item.group, now_ms / 1000)
                if members:
                    for message in self._codec.messages(item.payload, self._lifetime):
                        items.append(GroupMessage(item.group, members, message))
        elif item.kind == "J":
            expiry = item.member_expiry_ms / 1000
            drift = memberships.join(item.number, item.group, item.local, expiry)
            if drift is Drift.NONE:
                items.append(Joined(item.group, item.local))
        elif item.kind == "L":
            drift = memberships.leave(item.number, item.group, item.local)
        elif item.kind == "N":
            self.awaited.discard(item.receipt)
            items.append(NotRun(item.receipt, item.cause))
        else:
            items.append(MoreBody(item.local))
        return drift

    def _drop(self, error: Exception) -> None:
        self.undecodable += 1
        if self.undecodable & (self.undecodable - 1) == 0:  # 1, 2, 4, 8 …: no flood
            logger.warning(
                "dropped an item of the mailbox that cannot be read (%d so far): %s",
                self.undecodable,
                error,
            )
