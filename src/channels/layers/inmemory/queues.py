"""Parts of the in-memory layer: queues, groups, response bodies and statistics.

Nothing here locks: :class:`~channels.layers.inmemory.store.MemoryStore` calls all of it under its
one lock.  Times are seconds on the layer's clock.
"""

from __future__ import annotations

import math
from asyncio import Future
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from channels import names
from channels.exceptions import ChannelFull
from channels.layers.clients import (
    Frame,
    GroupMessage,
    Joined,
    Message,
    MoreBody,
    NotRun,
    Receipt,
    Reply,
)
from channels.layers.values import copy_message

#: Messages and bytes that may wait in the mailbox of an interface server.
SERVER_CAPACITY = 10_000
SERVER_SIZE = 32 * 1024 * 1024

#: Bytes of one response body that may wait for the server to read them.
BODY_SIZE = 8 * 1024 * 1024

#: How long counters of a channel are kept after their last change, in seconds.
STATISTICS_EXPIRY = 3600.0

#: Counters are looked through for old ones when there are more channels than this.
_STATISTICS_SWEEP = 1000


@dataclass(slots=True)
class Mark:
    """An item that no one sees: resolves its future when it comes out of the mailbox."""

    passed: Future[None]


Control = Receipt | NotRun | Joined | MoreBody | Mark
Content = Frame | Reply | GroupMessage | Control


@dataclass(slots=True)
class Entry:
    """One place in a queue.

    Attributes:
        content: What waits.
        expires: When it is dropped.
        since: When it was stored.
        size: Bytes of its packed messages; 0 for control items.
    """

    content: Content
    expires: float
    since: float
    size: int = 0

    @property
    def is_control(self) -> bool:
        """Whether it takes no room."""
        return isinstance(self.content, Control)

    @property
    def messages(self) -> int:
        """Number of messages in it, a group message counting once."""
        if isinstance(self.content, Frame):
            return len(self.content.messages)
        return 0 if self.is_control else 1


def as_entries(frame: Frame, now: float, size: int, run: int = 0) -> list[Entry]:
    """Return what a frame is stored as: in a mailbox every message stands alone.

    ``run`` is the number of the frame in whose run it was sent.
    """
    _, mark, local = frame.channel.partition("!")
    if not mark:
        return [Entry(frame, frame.expires, now, size)]
    share = size // len(frame.messages)
    return [
        Entry(Reply(local, message, run), frame.expires, now, share) for message in frame.messages
    ]


def as_frame(name: str, entry: Entry) -> tuple[Frame | None, Entry | None]:
    """Return what a reader who is no server takes for an entry.

    Returns:
        The frame, ``None`` for control items; and what stays in the queue: a group message
        is taken by one member after the other.
    """
    content = entry.content
    if isinstance(content, Frame):
        return content, None
    if isinstance(content, Reply):
        return Frame(name + content.local, [content.message], expires=entry.expires), None
    if not isinstance(content, GroupMessage):
        return None, None
    first, *others = content.members
    frame = Frame(name + first, [content.message], expires=entry.expires)
    if not others:
        return frame, None
    rest = GroupMessage(content.group, others, copy_message(content.message))
    return frame, replace(entry, content=rest)


class MailboxReader(Protocol):
    """Who reads a mailbox from its event loop."""

    def wake(self) -> None:
        """Called under the lock when the mailbox has something; must not block."""
        ...


def channels_of(name: str, entry: Entry) -> list[str]:
    """Return the channels that the messages of an entry are for."""
    content = entry.content
    if isinstance(content, Frame):
        return [content.channel]
    if isinstance(content, Reply):
        return [name + content.local]
    if isinstance(content, GroupMessage):
        return [name + local for local in content.members]
    return []


class Queue:
    """What waits on one channel or in one mailbox.

    Attributes:
        entries: All of it, in order.
        taken: Places that count towards the capacity.
        size: Bytes of the messages.
    """

    __slots__ = ("entries", "size", "taken")

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.taken = 0
        self.size = 0

    def append(self, entry: Entry) -> None:
        """Add at the tail."""
        self.entries.append(entry)
        self._count(entry, 1)

    def appendleft(self, entry: Entry) -> None:
        """Add at the head."""
        self.entries.appendleft(entry)
        self._count(entry, 1)

    def popleft(self) -> Entry:
        """Take the head; there must be one."""
        entry = self.entries.popleft()
        self._count(entry, -1)
        return entry

    def take_expired(self, now: float) -> list[Entry]:
        """Remove and return everything that has expired, in order."""
        expired = [entry for entry in self.entries if entry.expires <= now]
        if expired:
            self.entries = deque(entry for entry in self.entries if entry.expires > now)
            for entry in expired:
                self._count(entry, -1)
        return expired

    def receipts(self) -> set[bytes]:
        """Return the receipts of the frames that wait."""
        frames = [entry.content for entry in self.entries if isinstance(entry.content, Frame)]
        return {frame.receipt for frame in frames if frame.receipt is not None}

    def contents(self, name: str) -> list[tuple[float, Message]]:
        """Return copies of the messages that wait, and when each expires; ``name`` is its own."""
        found = []
        for entry in self.entries:
            rest: Entry | None = entry
            while rest is not None:
                frame, rest = as_frame(name, rest)
                if frame is not None:
                    found += [(frame.expires, copy_message(one)) for one in frame.messages]
        return found

    def pending(self) -> tuple[int, float]:
        """Return how many messages wait, and since when the oldest of them does."""
        waiting = [entry for entry in self.entries if not entry.is_control]
        oldest = min((entry.since for entry in waiting), default=math.inf)
        return sum(entry.messages for entry in waiting), oldest

    def _count(self, entry: Entry, sign: int) -> None:
        if not entry.is_control:
            self.taken += sign
            self.size += sign * entry.size


class Groups:
    """Which channels are in which group, until when."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, float]] = {}
        self._groups: dict[str, set[str]] = {}

    def add(self, group: str, channel: str, expires: float) -> bool:
        """Add a channel or renew its membership; tell whether it is new."""
        members = self._members.setdefault(group, {})
        is_new = channel not in members
        members[channel] = expires
        self._groups.setdefault(channel, set()).add(group)
        return is_new

    def discard(self, group: str, channel: str) -> None:
        """Remove a channel from a group, if it is in it."""
        members = self._members.get(group, {})
        if members.pop(channel, None) is None:
            return
        if not members:
            del self._members[group]
        groups = self._groups[channel]
        groups.discard(group)
        if not groups:
            del self._groups[channel]

    def members(self, group: str, now: float) -> list[str]:
        """Return the members in the order in which they joined, none of them expired."""
        members = self._members.get(group, {})
        for channel in [name for name, expires in members.items() if expires <= now]:
            self.discard(group, channel)
        return list(members)

    def contents(self) -> dict[str, dict[str, float]]:
        """Return a copy: for each group its members, and when each expires."""
        return {group: dict(members) for group, members in self._members.items()}

    def groups_of(self, channel: str, now: float) -> set[str]:
        """Return the groups that a channel is in."""
        groups = self._groups.get(channel, ())
        return {group for group in groups if self._members[group][channel] > now}

    def evict(self, channel: str) -> None:
        """Remove a channel from all its groups."""
        for group in list(self._groups.get(channel, ())):
            self.discard(group, channel)

    def evict_mailbox(self, mailbox: str) -> None:
        """Remove every channel of a mailbox from its groups."""
        for channel in [name for name in self._groups if names.non_local_name(name) == mailbox]:
            self.evict(channel)

    def keep(self, channels: Iterable[str], now: float, expires: float) -> None:
        """Renew the memberships that channels have now."""
        for channel in channels:
            for group in self.groups_of(channel, now):
                self._members[group][channel] = expires


class Statistics:
    """How many messages were stored and how many refused, in all and for each channel."""

    def __init__(self) -> None:
        self._total = [0, 0]
        self._channels: dict[str, tuple[int, int, float]] = {}

    def count(self, name: str, now: float, *, stored: int = 0, refused: int = 0) -> None:
        """Add to the counters of a channel and of the whole layer."""
        before = self._channels.get(name, (0, 0, 0.0))
        self._channels[name] = (before[0] + stored, before[1] + refused, now)
        self._total[0] += stored
        self._total[1] += refused
        if len(self._channels) > _STATISTICS_SWEEP:
            self._forget_old(now)

    def total(self) -> dict[str, int]:
        """Return the counters of the whole layer."""
        return {"messages_count": self._total[0], "channel_full_count": self._total[1]}

    def channel(self, name: str) -> tuple[int, int]:
        """Return how many messages a channel stored and how many it refused."""
        stored, refused, _ = self._channels.get(name, (0, 0, 0.0))
        return stored, refused

    def _forget_old(self, now: float) -> None:
        # Single-reader channels have random names: kept for ever they would be a leak.
        kept = {
            name: counters
            for name, counters in self._channels.items()
            if counters[2] > now - STATISTICS_EXPIRY
        }
        while len(kept) > _STATISTICS_SWEEP:
            del kept[min(kept, key=lambda name: kept[name][2])]
        self._channels = kept


@dataclass(slots=True)
class Body:
    """Chunks of a response body that its server has not read yet.

    Attributes:
        chunks: Messages with their packed size in bytes.
        size: Bytes in all.
        expires: When all of it is dropped.
    """

    chunks: deque[tuple[Message, int]]
    size: int = 0
    expires: float = math.inf


class Bodies:
    """Response bodies that their servers have not read to the end."""

    def __init__(self) -> None:
        self._bodies: dict[str, Body] = {}

    def append(self, channel: str, message: Message, size: int, expires: float) -> bool:
        """Add a chunk; tell whether it is the first that waits.

        Raises:
            ChannelFull: More than :data:`BODY_SIZE` bytes would wait.  Nothing was stored.
        """
        body = self._bodies.setdefault(channel, Body(deque()))
        is_first = not body.chunks
        if not is_first and body.size + size > BODY_SIZE:
            raise ChannelFull(channel, len(body.chunks))
        body.chunks.append((message, size))
        body.size += size
        body.expires = expires
        return is_first

    def take(self, channel: str, limit: int) -> list[Message]:
        """Take up to ``limit`` chunks, in order."""
        body = self._bodies.get(channel)
        if body is None:
            return []
        count = min(limit, len(body.chunks))
        taken = [body.chunks.popleft() for _ in range(count)]
        body.size -= sum(size for _, size in taken)
        if not body.chunks:
            del self._bodies[channel]
        return [message for message, _ in taken]

    def drop_expired(self, now: float) -> float:
        """Forget bodies that nobody reads any more; return when the next one expires."""
        self._bodies = {name: body for name, body in self._bodies.items() if body.expires > now}
        return min((body.expires for body in self._bodies.values()), default=math.inf)

    def drop(self, channel: str) -> None:
        """Forget one body."""
        self._bodies.pop(channel, None)

    def drop_mailbox(self, mailbox: str) -> None:
        """Forget the bodies of one server."""
        for channel in [name for name in self._bodies if name.startswith(mailbox)]:
            del self._bodies[channel]
