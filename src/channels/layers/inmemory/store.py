"""What the in-memory layer holds, and every change to it, under one lock.

The layer (:mod:`channels.layers.inmemory`) and its two clients
(:mod:`channels.layers.inmemory.clients`) are thin shells around this.  Every public method
may be called from any thread and leaves nothing half done; none waits.

Messages are copied on their way in, so what a queue holds belongs to nobody else and
is handed out as it is.  Times are seconds on the layer's clock.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Collection, Iterable

from channels import names
from channels.exceptions import ChannelFull
from channels.layers.base import BaseChannelLayer
from channels.layers.clients import (
    EXPIRED,
    Frame,
    GroupMessage,
    Item,
    Joined,
    Message,
    MoreBody,
    NotRun,
    Receipt,
)
from channels.layers.inmemory.processes import Processes
from channels.layers.inmemory.queues import (
    SERVER_CAPACITY,
    SERVER_SIZE,
    Bodies,
    Control,
    Entry,
    Groups,
    MailboxReader,
    Mark,
    Queue,
    Statistics,
    as_entries,
    as_frame,
    channels_of,
)
from channels.layers.inmemory.waiting import Waiters
from channels.layers.values import copy_message


class MemoryStore:
    """Queues, groups and bodies of one layer.

    Args:
        layer: Whose settings apply, as they are at each call.
        clock: Returns the time in seconds.

    Attributes:
        waiters: Threads that wait for channels.
        processes: Servers, workers and sockets.
    """

    def __init__(self, layer: BaseChannelLayer, clock: Callable[[], float]) -> None:
        self.layer = layer
        self.now = clock
        # Re-entrant: a signal handler may send while its thread is in here.
        self._lock = threading.RLock()
        self.waiters = Waiters()
        self.processes = Processes(clock)
        self._servers: dict[str, MailboxReader] = {}
        self.flush()

    def flush(self) -> None:
        """Drop all messages, groups and counters; processes and sockets are still there."""
        with self._lock:
            marks = [
                (name, entry)
                for name, queue in getattr(self, "_queues", {}).items()
                for entry in queue.entries
                if isinstance(entry.content, Mark)
            ]
            self._queues: dict[str, Queue] = {}
            self._groups = Groups()
            self._bodies = Bodies()
            self._statistics = Statistics()
            #: Nothing expires before this; may be too early, never too late.
            self._next_expiry = math.inf
            for name, entry in marks:  # they are awaited
                self._append(name, entry)

    # -- sending -----------------------------------------------------------------

    def push(
        self,
        channel: str,
        messages: list[Message],
        size: int,
        *,
        receipt: bytes | None = None,
        expiry: float | None = None,
        past_capacity: bool = False,
        run: int = 0,
        redelivered: bool = False,
    ) -> None:
        """Store messages as one frame, ordered if it wants a receipt.

        Args:
            channel: Where to; on a process-local name each message stands alone.
            messages: Copies that nobody else holds.
            size: Bytes that they pack to.
            receipt: To be answered once all have run.
            expiry: Seconds that they live, ``None`` for the layer's.
            past_capacity: Whether to store them on a full channel too.
            run: Number of the frame of the same process in whose run they were sent.
            redelivered: Whether they were sent before and count as lost.

        Raises:
            ChannelFull: Nothing was stored.
        """
        with self._lock:
            now = self._expire()
            name = names.non_local_name(channel)
            if not past_capacity:
                self._check_room(channel, name, size, now)
            expires = now + (self.layer.expiry if expiry is None else expiry)
            ordered = receipt is not None
            frame = Frame(channel, messages, receipt, ordered, expires, redelivered)
            for entry in as_entries(frame, now, size, run):
                self._append(name, entry)
            self._statistics.count(name, now, stored=len(messages))

    def push_group(
        self, group: str, message: Message, size: int, skip: Collection[str] = ()
    ) -> None:
        """Store a message for every member; one item for each mailbox, skipping the full.

        Args:
            group: Whose members get it.
            message: A copy that nobody else holds.
            size: Bytes that it packs to.
            skip: Channels and mailboxes that count as full.
        """
        with self._lock:
            now = self._expire()
            mailboxes: dict[str, list[str]] = {}
            for channel in self._groups.members(group, now):
                name = names.non_local_name(channel)
                if "!" in channel:
                    mailboxes.setdefault(name, []).append(channel[len(name) :])
                elif name in skip:
                    self._statistics.count(name, now, refused=1)
                else:
                    with contextlib.suppress(ChannelFull):  # counted where it was raised
                        self.push(name, [copy_message(message)], size)
            for mailbox, members in mailboxes.items():
                if mailbox in skip:
                    self._statistics.count(mailbox, now, refused=1)
                    continue
                with contextlib.suppress(ChannelFull):
                    self._check_room(mailbox, mailbox, size, now)
                    item = GroupMessage(group, members, copy_message(message))
                    self._append(mailbox, Entry(item, now + self.layer.expiry, now, size))
                    self._statistics.count(mailbox, now, stored=1)

    def _check_room(self, channel: str, name: str, size: int, now: float) -> None:
        queue = self._queues.get(name)
        if name in self._servers:
            configured = self.layer.configured_capacity(channel)
            capacity = SERVER_CAPACITY if configured is None else configured
            # An empty mailbox takes a message of any size, or it could never be sent.
            is_full = queue is not None and queue.taken > 0 and queue.size + size > SERVER_SIZE
        else:
            capacity = self.layer.get_capacity(channel)
            is_full = False
        if is_full or (queue.taken if queue else 0) >= capacity:
            self._statistics.count(name, now, refused=1)
            raise ChannelFull(channel, capacity)

    def give_back(self, frame: Frame, size: int, *, at_head: bool) -> None:
        """Store what is left of a frame as it was, past the capacity."""
        with self._lock:
            now = self._expire()
            name = names.non_local_name(frame.channel)
            entries = as_entries(frame, now, size)
            for entry in reversed(entries) if at_head else entries:
                self._append(name, entry, at_head=at_head)

    def answer(self, receipt: bytes, cause: str = "") -> None:
        """Put a receipt into its mailbox; if nobody reads that any more it is dropped.

        Args:
            receipt: Of a frame that has run.
            cause: If it has not: why.
        """
        mailbox, mark, number = receipt.decode().partition("!")
        content = NotRun(int(number), cause) if cause else Receipt(int(number))
        self.push_control(mailbox + mark, content)

    def push_control(self, mailbox: str, content: Control) -> None:
        """Put what takes no room at the end of a mailbox, if a server reads it."""
        with self._lock:
            if mailbox in self._servers:
                now = self._expire()
                expires = math.inf if isinstance(content, Mark) else now + self.layer.group_expiry
                self._append(mailbox, Entry(content, expires, now))

    def _append(self, name: str, entry: Entry, *, at_head: bool = False) -> None:
        queue = self._queues.setdefault(name, Queue())
        if at_head:
            queue.appendleft(entry)
        else:
            queue.append(entry)
        self._next_expiry = min(self._next_expiry, entry.expires)
        self.waiters.wake(name)
        server = self._servers.get(name)
        if server is not None:
            server.wake()

    # -- receiving ---------------------------------------------------------------

    def pop(self, channels: Iterable[str]) -> Frame | None:
        """Take the first frame of the first channel that has one."""
        with self._lock:
            self._expire()
            for name in channels:
                while (queue := self._queues.get(name)) is not None:
                    frame, rest = as_frame(name, self._popleft(name, queue))
                    if rest is not None:
                        self._append(name, rest, at_head=True)
                    if frame is not None:
                        return frame
            return None

    def pop_message(self, channels: Iterable[str]) -> tuple[str, Message] | None:
        """Take one message; the rest of its frame stays at the head, its last is answered."""
        with self._lock:
            frame = self.pop(channels)
            if frame is None:
                return None
            message = frame.messages.pop(0)
            if frame.messages:
                # Sizes count in mailboxes only, and frames there hold one message.
                self.give_back(frame, 0, at_head=True)
            elif frame.receipt is not None:
                self.answer(frame.receipt)
            return frame.channel, message

    def pop_items(self, mailbox: str, limit: int) -> list[Item | Mark]:
        """Take up to ``limit`` items of a server's mailbox, in order."""
        with self._lock:
            self._expire()
            items: list[Item | Mark] = []
            while len(items) < limit and (queue := self._queues.get(mailbox)) is not None:
                content = self._popleft(mailbox, queue).content
                if not isinstance(content, Frame):
                    items.append(content)
            return items

    def _popleft(self, name: str, queue: Queue) -> Entry:
        entry = queue.popleft()
        if not queue.entries:
            del self._queues[name]
        return entry

    def contents(self) -> dict[str, list[tuple[float, Message]]]:
        """Return copies of all messages that wait, by channel or mailbox, and when each expires."""
        with self._lock:
            self._expire()
            return {name: queue.contents(name) for name, queue in self._queues.items()}

    def group_contents(self) -> dict[str, dict[str, float]]:
        """Return for each group its members, and when each expires."""
        with self._lock:
            return self._groups.contents()

    def is_used(self, name: str) -> bool:
        """Whether anything waits on a channel, or is waited for."""
        with self._lock:
            return name in self._queues or self.waiters.has(name)

    def queued_receipts(self, channel: str) -> set[bytes]:
        """Return the receipts of the frames that wait on a channel."""
        with self._lock:
            self._expire()
            return self._queues.get(channel, Queue()).receipts()

    # -- expiry ------------------------------------------------------------------

    def _expire(self) -> float:
        """Drop what has expired, and return the time."""
        now = self.now()
        if now < self._next_expiry:
            return now
        expired: list[tuple[str, Entry]] = []
        for name, queue in list(self._queues.items()):
            expired += [(name, entry) for entry in queue.take_expired(now)]
            if not queue.entries:
                del self._queues[name]
        waiting = (entry.expires for queue in self._queues.values() for entry in queue.entries)
        self._next_expiry = min(min(waiting, default=math.inf), self._bodies.drop_expired(now))
        for name, entry in expired:
            self._has_expired(name, entry)
        return now

    def _has_expired(self, name: str, entry: Entry) -> None:
        """Evict the channel from its groups (nobody reads it), and answer its frame."""
        for channel in channels_of(name, entry):
            self._groups.evict(channel)
        if isinstance(entry.content, Frame) and entry.content.receipt is not None:
            self.answer(entry.content.receipt, EXPIRED)

    # -- groups ------------------------------------------------------------------

    def join(self, group: str, channel: str) -> None:
        """Add a channel to a group, or renew its membership."""
        with self._lock:
            now = self._expire()
            # What has expired must not pass for a renewal.
            self._groups.members(group, now)
            mailbox, mark, local = channel.partition("!")
            if self._groups.add(group, channel, now + self.layer.group_expiry) and mark:
                self.push_control(mailbox + mark, Joined(group, local))

    def leave(self, group: str, channel: str) -> None:
        """Remove a channel from a group, if it is in it."""
        with self._lock:
            self._groups.discard(group, channel)

    def members(self, group: str) -> list[str]:
        """Return the members of a group in the order in which they joined."""
        with self._lock:
            return self._groups.members(group, self._expire())

    def groups_of(self, channel: str) -> set[str]:
        """Return the groups that a channel is in."""
        with self._lock:
            return self._groups.groups_of(channel, self._expire())

    def keep(self, channels: Iterable[str]) -> None:
        """Renew the memberships that channels have now."""
        with self._lock:
            now = self._expire()
            self._groups.keep(channels, now, now + self.layer.group_expiry)

    # -- response bodies ---------------------------------------------------------

    def push_body(self, channel: str, message: Message, size: int) -> bool:
        """Append a chunk to a response body, if a server reads the channel's mailbox.

        Returns:
            Whether one does; if not, nothing was stored.

        Raises:
            ChannelFull: Too many bytes wait already.  Nothing was stored.
        """
        with self._lock:
            now = self._expire()
            mailbox = names.non_local_name(channel)
            if mailbox not in self._servers:
                return False
            expires = now + self.layer.group_expiry
            try:
                is_first = self._bodies.append(channel, message, size, expires)
            except ChannelFull:
                self._statistics.count(mailbox, now, refused=1)
                raise
            self._next_expiry = min(self._next_expiry, expires)
            self._statistics.count(mailbox, now, stored=1)
            if is_first:
                self.push_control(mailbox, MoreBody(channel[len(mailbox) :]))
            return True

    def pop_body(self, channel: str, limit: int) -> list[Message]:
        """Take up to ``limit`` chunks of a response body, in order."""
        with self._lock:
            self._expire()
            return self._bodies.take(channel, limit)

    def drop_body(self, channel: str) -> None:
        """Forget what nobody will take of a response body."""
        with self._lock:
            self._bodies.drop(channel)

    # -- servers -----------------------------------------------------------------

    def open_server(self, mailbox: str, server: MailboxReader) -> None:
        """Let a server read a mailbox from now on.

        Raises:
            RuntimeError: Another one does.
        """
        with self._lock:
            if mailbox in self._servers:
                raise RuntimeError(f"an interface server reads {mailbox!r} already")
            self._servers[mailbox] = server
            server.wake()

    def close_server(self, mailbox: str) -> list[Item | Mark]:
        """End a server: return what waited, forget its bodies and memberships."""
        with self._lock:
            items = self.pop_items(mailbox, limit=len(self._queues.get(mailbox, Queue()).entries))
            self._servers.pop(mailbox, None)
            self._groups.evict_mailbox(mailbox)
            self._bodies.drop_mailbox(mailbox)
            return items

    # -- statistics --------------------------------------------------------------

    def total_statistics(self) -> dict[str, int]:
        """Return the counters of the whole layer."""
        with self._lock:
            return self._statistics.total()

    def channel_statistics(self, channel: str) -> dict[str, int]:
        """Return the counters of a channel or mailbox, and what waits there."""
        with self._lock:
            now = self._expire()
            name = names.non_local_name(channel)
            stored, refused = self._statistics.channel(name)
            pending, oldest = self._queues.get(name, Queue()).pending()
            return {
                "messages_count": stored,
                "messages_pending": pending,
                "messages_max_age": int(now - oldest) if pending else 0,
                "channel_full_count": refused,
            }
