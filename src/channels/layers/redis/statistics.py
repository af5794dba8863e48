"""Counters of channels, in the shapes of docs/channels1.md#redis-layer.

Queues are counted inside the push script; mailboxes by their own counters, which only
say something of the mailbox as a whole: pass its name, up to the ``!``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from channels import names
from channels.layers.clients import EXPIRED
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items
from channels.layers.redis.wire.items import Undecodable

#: Items at the head of a mailbox that are looked at for its oldest message.
_LOOKED_AT = 100

#: Counters of a mailbox for what it had no room for.
_FULL = ("full", "skipped", "dropped")


class Statistics:
    """The statistics of a layer.  Safe in threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys
        self._ring = store.ring

    def of_all(self) -> dict[str, int]:
        """Return the counters of all channels on all hosts together."""
        total = {"messages_count": 0, "channel_full_count": 0}
        for index in range(len(self._ring.hosts)):
            counters, mailboxes = self._ring.run(
                index,
                [
                    ("HMGET", self._keys.global_statistics, *total),
                    ("SMEMBERS", self._keys.mailboxes),
                ],
            )
            found = [counters, *self._of_mailboxes(index, mailboxes)]
            for messages, *full in found:
                total["messages_count"] += int(messages or 0)
                total["channel_full_count"] += sum(int(count or 0) for count in full)
        return total

    def _of_mailboxes(self, index: int, listed: Collection[bytes]) -> list[list[bytes | None]]:
        """Return the counters of mailboxes, and forget those that are gone for good."""
        mailboxes = list(listed)
        if not mailboxes:
            return []
        metas = [self._keys.meta(mailbox.decode()) for mailbox in mailboxes]
        found: list[list[bytes | None]] = []
        gone = []
        for mailbox, (announced, *counters) in zip(
            mailboxes,
            self._ring.run(index, [("HMGET", meta, "cap", "pm", *_FULL) for meta in metas]),
            strict=True,
        ):
            if announced is None and not any(counters):
                gone.append(mailbox)
            else:
                found.append(counters)
        if gone:
            # Every start of a server makes a new one, and this list has no end of its own.
            self._ring.run(index, [("SREM", self._keys.mailboxes, *gone)])
        return found

    def of_channel(self, channel: str) -> dict[str, Any]:
        """Return the counters of a channel, summed over its hosts, or of a mailbox."""
        names.check_channel_name(channel)
        if names.is_process_local(channel):
            return self._of_mailbox(names.non_local_name(channel))
        total: dict[str, Any] = {
            "messages_count": 0,
            "messages_pending": 0,
            "messages_max_age": 0,
            "channel_full_count": 0,
        }
        for index in range(len(self._ring.hosts)):
            counters, queue = self._keys.statistics(channel), self._keys.queue(channel)
            (_, *expired), (messages, full), pending, head = self._ring.run(
                index,
                [
                    self._store.commands.trim(channel),  # what has expired does not wait
                    ("HMGET", counters, "messages_count", "channel_full_count"),
                    ("LLEN", queue),
                    ("LINDEX", queue, 0),
                ],
            )
            total["messages_count"] += int(messages or 0)
            total["messages_pending"] += pending
            self._store.answer_all(expired, EXPIRED)
            total["channel_full_count"] += int(full or 0)
            age = self._age_of_frame(head, self._ring.now_ms(index))
            total["messages_max_age"] = max(total["messages_max_age"], age)
        return total

    @staticmethod
    def _age_of_frame(raw: bytes | None, now_ms: int) -> int:
        if raw is None:
            return 0
        try:
            head = items.read_frame_head(raw)
        except Undecodable:
            return 0
        return max(0, now_ms - (head.expiry_ms - head.ttl_ms)) // 1000

    def _of_mailbox(self, mailbox: str) -> dict[str, Any]:
        index = self._ring.index(mailbox)
        counters, length, first = self._ring.run(
            index,
            [
                ("HMGET", self._keys.meta(mailbox), "pm", "tm", *_FULL),
                ("LLEN", self._keys.mail(mailbox)),
                ("LRANGE", self._keys.mail(mailbox), 0, _LOOKED_AT - 1),
            ],
        )
        pushed, taken, *full = (int(value or 0) for value in counters)
        return {
            "messages_count": pushed,
            "messages_pending": max(0, min(length, pushed - taken)),
            "messages_max_age": self._age_of_items(first, self._ring.now_ms(index)),
            "channel_full_count": sum(full),
        }

    def _age_of_items(self, raws: list[bytes], now_ms: int) -> int:
        for raw in raws:
            try:
                item = items.read_item(raw)
            except Undecodable:
                continue
            if item.kind in "RG":
                # Items carry no lifetime; messages live for the layer's expiry.
                return max(0, now_ms - (item.expiry_ms - self._store.commands.ttl_ms)) // 1000
        return 0
