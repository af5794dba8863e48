"""The commands of a layer: its capacities, lifetimes and keys put into script calls.  No I/O."""

from __future__ import annotations

import functools
from typing import Any, Protocol

from channels.layers.clients import EXPIRED, UNREADABLE
from channels.layers.redis.wire import items, scripts
from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.wire.scripts import Command

#: Bytes that may wait in one mailbox, of any reader.
MAILBOX_BYTES = 32 * 1024 * 1024

#: Messages that may wait in the mailbox of an interface server, unless
#: ``channel_capacity`` names it: it is shared by all its sockets.
SERVER_CAPACITY = 10_000

#: Bytes of response chunks that may wait for one channel.
BODY_BYTES = 8 * 1024 * 1024

#: How long response chunks wait at least, in seconds: the server takes them as its
#: client drains them.
BODY_EXPIRY = 300

#: What is counted of frames that must not run, by their cause.
COUNTERS = {EXPIRED: "expired_count", UNREADABLE: "undecodable_count"}

#: Names whose commands are remembered.
_REMEMBERED = 1000


class Limits(Protocol):
    """Capacities, in messages, and lifetimes, in seconds: a layer has them."""

    capacity: int
    channel_capacity: Any
    expiry: float
    group_expiry: float

    def get_capacity(self, channel: str) -> int: ...

    def configured_capacity(self, channel: str) -> int | None: ...


class Commands:
    """Builds commands for one layer."""

    def __init__(self, limits: Limits, keys: Keys) -> None:
        self.keys = keys
        self._limits = limits
        self.ttl_ms = max(1, round(limits.expiry * 1000))
        self.group_ttl_ms = max(1, round(limits.group_expiry * 1000))
        self.control_ttl_ms = max(self.ttl_ms, self.group_ttl_ms)
        self.body_ttl_ms = max(self.ttl_ms, BODY_EXPIRY * 1000)
        self._queue_head = functools.lru_cache(_REMEMBERED)(self._make_queue_head)
        self._mailbox_head = functools.lru_cache(_REMEMBERED)(self._make_mailbox_head)

    def push(self, channel: str, past_capacity: bool = False, ttl_ms: int = 0) -> Command:
        """Return the call of ``PUSH_QUEUE`` for a channel, up to its frames, which follow.

        ``ttl_ms`` is that of the frames; 0 for the layer's expiry.
        """
        return self._queue_head(channel, past_capacity, ttl_ms or self.ttl_ms)

    def _make_queue_head(self, channel: str, past_capacity: bool, ttl_ms: int) -> Command:
        keys = self.keys
        return scripts.PUSH_QUEUE.call(
            (keys.queue(channel), keys.statistics(channel), keys.global_statistics),
            -1 if past_capacity else self._limits.get_capacity(channel),
            ttl_ms,
        )

    def trim(self, channel: str) -> Command:
        """Return what drops the expired at the head of a channel; answered like :meth:`push`."""
        return (*self._queue_head(channel, False, self.ttl_ms)[:-2], 0, self.ttl_ms)

    def give_back(self, channel: str, *, at_head: bool, hand: str = "") -> Command:
        """Return the call of ``GIVE_BACK`` for a channel, up to the frames with their expiry.

        ``hand`` is the key of the list of what its taker has, if these are all of them.
        """
        keys = (self.keys.queue(channel), hand) if hand else (self.keys.queue(channel),)
        return scripts.GIVE_BACK.call(keys, "head" if at_head else "tail")

    def claim_hand(self, worker: str, take: int, begun: int) -> Command:
        """Return the command that gives back what a dead worker had taken and not begun."""
        return scripts.CLAIM_HAND.call((self.keys.hand(worker),), take, begun, scripts.GRACE_MS)

    def count(self, channel: str, cause: str) -> list[Command]:
        """Return the commands that count a frame that was taken and must not run."""
        key = self.keys.statistics(channel)
        return [
            ("HINCRBY", key, COUNTERS[cause], 1),
            ("EXPIRE", key, scripts.CHANNEL_STATISTICS_EXPIRY),
        ]

    def post(self, mailbox: str, channel: str = "") -> Command:
        """Return the call of ``PUSH_MAILBOX`` for a mailbox, which ends in ``!``, up to its items.

        Class and item follow in turn: ``MESSAGE, item, GROUP, item ...``.

        Args:
            mailbox: Its name.
            channel: Full name of the first message's channel, if one is among them:
                ``channel_capacity`` may name it more closely than its mailbox.
        """
        named = channel if self._limits.channel_capacity else ""
        return self._mailbox_head(mailbox, named or mailbox)

    def _make_mailbox_head(self, mailbox: str, named: str) -> Command:
        keys = self.keys
        configured = self._limits.configured_capacity(named)
        return scripts.PUSH_MAILBOX.call(
            (keys.mail(mailbox), keys.meta(mailbox), keys.entry(mailbox)),
            self._limits.capacity if configured is None else configured,
            MAILBOX_BYTES,
            "0" if configured is None else "1",
            self.ttl_ms,
            self.control_ttl_ms,
        )

    def answer(self, receipt: bytes | None, cause: str = "") -> tuple[str, Command] | None:
        """Return the mailbox that waits for a receipt and the command that answers it.

        ``cause`` is why the frame was dropped; nothing if it has run.  None if there is no
        receipt, or it names no mailbox.
        """
        try:
            mailbox, item = items.answer_for(receipt or b"", cause)
        except ValueError:
            return None
        return mailbox, (*self.post(mailbox), scripts.CONTROL, item)

    def announce(self, mailbox: str) -> Command:
        """Return the command by which an interface server tells what its mailbox may hold."""
        return ("HSET", self.keys.meta(mailbox), "cap", SERVER_CAPACITY, "capb", MAILBOX_BYTES)

    def pop(self, mailbox: str, *given: bytes) -> Command:
        """Return the command that takes one message, for the plain ``receive``."""
        keys = self.keys
        prefixes = keys.members(mailbox, ""), keys.body(mailbox, "")
        return scripts.POP_MAILBOX.call((keys.mail(mailbox), keys.meta(mailbox), *prefixes), *given)

    def send_body(
        self, mailbox: str, local: str, payload: bytes, *, encrypted: bool = False
    ) -> Command:
        """Return the command that appends a response chunk to the list of a channel."""
        keys = self.keys
        # What is encrypted takes four bytes for three.
        limit = BODY_BYTES * 4 // 3 if encrypted else BODY_BYTES
        body = keys.body(mailbox, local)
        return scripts.SEND_BODY.call(
            (keys.mail(mailbox), keys.meta(mailbox), body, keys.entry(mailbox)),
            limit,
            self.body_ttl_ms,
            self.control_ttl_ms,
            items.body_item(local),
            payload,
        )

    def enlist(self, group: str, member: str, now_ms: int) -> list[Command]:
        """Return the commands that list a process, or a member that is not local, in a group."""
        key, ttl_ms = self.keys.group(group), self.group_ttl_ms
        return [
            ("ZADD", key, "GT", now_ms + ttl_ms, member),
            ("PEXPIRE", key, ttl_ms),
            ("ZREMRANGEBYSCORE", key, "-inf", now_ms),
        ]

    def listed(self, group: str, now_ms: int) -> Command:
        """Return the command that lists the processes and other members of a group."""
        return ("ZRANGEBYSCORE", self.keys.group(group), f"({now_ms}", "+inf")

    def join(self, mailbox: str, local: str, group: str) -> Command:
        """Return the command that adds a channel of a process to a group."""
        return scripts.JOIN.call(self._membership(mailbox, group), local, group, self.group_ttl_ms)

    def leave(self, mailbox: str, local: str, group: str) -> Command:
        """Return the command that takes a channel of a process out of a group."""
        return scripts.LEAVE.call(
            self._membership(mailbox, group), local, group, self.control_ttl_ms
        )

    def _membership(self, mailbox: str, group: str) -> tuple[str, ...]:
        keys = self.keys
        return (
            keys.mail(mailbox),
            keys.meta(mailbox),
            keys.members(mailbox, group),
            keys.groups(mailbox),
        )

    def members(self, mailbox: str, group: str, now_ms: int) -> Command:
        """Return the command that lists the local parts of a group in one process."""
        return ("ZRANGEBYSCORE", self.keys.members(mailbox, group), f"({now_ms}", "+inf")
