"""What the Redis layer does beside sending and receiving: groups, statistics, flush, old names.

A group is listed by process: ``group -> processes`` says which mailboxes get one item,
and who the members in a process are, the process knows.  A member that is not
process-local is listed itself and gets ordinary sends.

Queues are counted inside the push script; mailboxes by their own counters, which only
say something of the mailbox as a whole: pass its name, up to the ``!``.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from channels import names
from channels.layers.clients import EXPIRED, GroupSend, Send
from channels.layers.redis.batch import Batch
from channels.layers.redis.net.address import Target
from channels.layers.redis.net.hosts import Host
from channels.layers.redis.net.ring import Ring
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items
from channels.layers.redis.wire.codec import Undecodable
from channels.layers.redis.wire.scripts import Command

#: Items at the head of a mailbox that are looked at for its oldest message.
_LOOKED_AT = 100

#: Counters of a mailbox for what it had no room for.
_FULL = ("full", "skipped", "dropped")

#: Ends of keys that processes write of themselves and would not write again.
_SPARED = (":entry", ":sockets")


class Extensions:
    """What the layer does beside sending and receiving (docs/channels1.md#redis-layer)."""

    extensions = ["groups", "flush", "statistics"]

    store: Store

    # -- groups ------------------------------------------------------------------------

    def group_add(self, group: str, channel: str) -> None:
        """Add a channel to a group, or renew its membership."""
        names.check_group_name(group)
        names.check_channel_name(channel)
        ring, commands = self.store.ring, self.store.commands
        mailbox, mark, local = channel.partition("!")
        mailbox += mark
        index = ring.index(group)
        # Written first, so that no send can miss a member that has joined.
        listing = commands.enlist(group, mailbox, ring.now_ms(index))
        if not mark:
            ring.run(index, listing)
            return
        joining = [commands.join(mailbox, local, group)]
        home = ring.index(mailbox)
        if home == index and not ring.hosts[index].clustered:
            ring.run(index, listing + joining)
        else:
            ring.run(index, listing)
            ring.run(home, joining)

    def group_discard(self, group: str, channel: str) -> None:
        """Take a channel out of a group; no error if it is not in it."""
        names.check_group_name(group)
        names.check_channel_name(channel)
        ring = self.store.ring
        mailbox, mark, local = channel.partition("!")
        mailbox += mark
        if mark:
            # The process stays listed: one without members costs nothing.
            ring.ask(mailbox, self.store.commands.leave(mailbox, local, group))
        else:
            ring.ask(group, ("ZREM", self.store.keys.group(group), channel))

    def group_channels(self, group: str) -> list[str]:
        """Return the names of the channels in a group."""
        names.check_group_name(group)
        ring, commands = self.store.ring, self.store.commands
        now_ms = ring.now_ms(ring.index(group))
        (listed,) = ring.ask(group, commands.listed(group, now_ms))
        found = []
        for member in map(bytes.decode, listed):
            if not names.is_process_local(member):
                found.append(member)
                continue
            now_ms = ring.now_ms(ring.index(member))
            (locals_,) = ring.ask(member, commands.members(member, group, now_ms))
            found += [member + local.decode() for local in locals_]
        return found

    def send_group(self, group: str, message: Mapping[str, Any]) -> None:
        """Send a message to every channel of a group; full ones are skipped and counted.

        Raises:
            MessageTooLarge: Nothing was sent.
        """
        self._carry_out(GroupSend(group, message))

    def _carry_out(self, operation: Send | GroupSend) -> None:
        batch = Batch(self.store)
        batch.add(operation)
        batch.close()
        for host in batch.calls:
            batch.run(host)
        if batch.expired:
            self.store.answer_all(batch.expired, EXPIRED)
        error = batch.outcomes[0] or batch.refusal
        if error is not None:
            raise error

    # -- statistics ----------------------------------------------------------------------

    def global_statistics(self) -> dict[str, int]:
        """Return ``messages_count`` and ``channel_full_count`` of all channels together."""
        ring, keys = self.store.ring, self.store.keys
        total = {"messages_count": 0, "channel_full_count": 0}
        for index in range(len(ring.hosts)):
            counting = ("HMGET", keys.global_statistics, *total)
            counters, mailboxes = ring.run(index, [counting, ("SMEMBERS", keys.mailboxes)])
            for messages, *full in [counters, *self._counters_of(index, mailboxes)]:
                total["messages_count"] += int(messages or 0)
                total["channel_full_count"] += sum(int(count or 0) for count in full)
        return total

    def _counters_of(self, index: int, mailboxes: Collection[bytes]) -> list[list[bytes | None]]:
        """Return the counters of mailboxes, and forget those that are gone for good."""
        ring, keys = self.store.ring, self.store.keys
        if not mailboxes:
            return []
        metas = [keys.meta(mailbox.decode()) for mailbox in mailboxes]
        answers = ring.run(index, [("HMGET", meta, "cap", "pm", *_FULL) for meta in metas])
        found: list[list[bytes | None]] = []
        gone = []
        for mailbox, (announced, *counters) in zip(mailboxes, answers, strict=True):
            if announced is None and not any(counters):
                gone.append(mailbox)
            else:
                found.append(counters)
        if gone:
            # Every start of a server makes a new one, and this list has no end of its own.
            ring.run(index, [("SREM", keys.mailboxes, *gone)])
        return found

    def channel_statistics(self, channel: str) -> dict[str, Any]:
        """Return the counters of a channel, or of a mailbox given its name.

        Keys: ``messages_count``, ``messages_pending``, ``messages_max_age`` (of the oldest
        one waiting, in whole seconds) and ``channel_full_count``.
        """
        names.check_channel_name(channel)
        if names.is_process_local(channel):
            return self._mailbox_statistics(names.non_local_name(channel))
        store, ring = self.store, self.store.ring
        counters, queue = store.keys.statistics(channel), store.keys.queue(channel)
        total = _statistics(0, 0, 0, 0)
        for index in range(len(ring.hosts)):
            (_, *expired), (messages, full), pending, head = ring.run(
                index,
                [
                    store.commands.trim(channel),  # what has expired does not wait
                    ("HMGET", counters, "messages_count", "channel_full_count"),
                    ("LLEN", queue),
                    ("LINDEX", queue, 0),
                ],
            )
            total["messages_count"] += int(messages or 0)
            total["messages_pending"] += pending
            store.answer_all(expired, EXPIRED)
            total["channel_full_count"] += int(full or 0)
            age = items.age_of_frame(head or b"", ring.now_ms(index))
            total["messages_max_age"] = max(total["messages_max_age"], age)
        return total

    def _mailbox_statistics(self, mailbox: str) -> dict[str, Any]:
        ring, keys = self.store.ring, self.store.keys
        counters, length, first = ring.ask(
            mailbox,
            ("HMGET", keys.meta(mailbox), "pm", "tm", *_FULL),
            ("LLEN", keys.mail(mailbox)),
            ("LRANGE", keys.mail(mailbox), 0, _LOOKED_AT - 1),
        )
        pushed, popped, *full = (int(value or 0) for value in counters)
        pending = max(0, min(length, pushed - popped))
        now_ms = ring.now_ms(ring.index(mailbox))
        age = _age_of_items(first, now_ms, self.store.commands.ttl_ms)
        return _statistics(pushed, pending, age, sum(full))

    # -- flush ---------------------------------------------------------------------------

    def flush(self) -> None:
        """Remove all messages, groups and statistics; they are gone when it returns.

        Running processes stay in the registry, and their sockets remain known.

        Raises:
            LayerUnavailable: Some of it may be left.
        """
        self.store.known.clear()
        for index, host in enumerate(self.store.ring.hosts):
            for target in host.masters():
                self._flush_server(index, target)

    def _flush_server(self, index: int, target: Target) -> None:
        keys = self.store.keys
        spared = {keys.epoch, keys.processes}
        with contextlib.closing(Ring([Host(target, self.store.timeout)])) as server:
            for prefix in {keys.prefix, keys.stats_prefix}:
                for found in _scan(server, re.sub(r"([\\*?\[\]^-])", r"\\\1", prefix) + "*"):
                    self._delete(
                        index,
                        [key for key in found if not key.endswith(_SPARED) and key not in spared],
                    )

    def _delete(self, index: int, keys: Sequence[str]) -> None:
        """Delete keys, but leave what interface servers said their mailboxes may hold."""
        metas = [key for key in keys if key.endswith(":meta")]
        told = self.store.ring.run(index, [("HMGET", key, "cap", "capb") for key in metas])
        commands: list[Command] = [("DEL", key) for key in keys]
        for key, (capacity, size) in zip(metas, told, strict=True):
            if capacity is not None and size is not None:
                commands.append(("HSET", key, "cap", capacity, "capb", size))
        self.store.ring.run(index, commands)

    # -- legacy names --------------------------------------------------------------------

    # Private names that tools for asgi_redis touch; what they return fits this layer, not that one.

    def serialize(self, message: Mapping[str, Any]) -> bytes:
        """Legacy: return the payload of a message: packed, and encrypted if there are keys."""
        _warn("serialize(message)", "codec.payload(channel, message)")
        return self.store.codec.payload("", message)

    def deserialize(self, message: bytes) -> dict[str, Any]:
        """Legacy: return the message in a payload."""
        _warn("deserialize(payload)", "codec.messages(payload, lifetime)")
        return self.store.codec.messages(message, self.store.limits.group_expiry)[0]

    def consistent_hash(self, value: str | bytes) -> int:
        """Legacy: return which host has a single-reader channel, a mailbox or a group."""
        _warn(
            "consistent_hash(name)",
            "channels.layers.redis.net.ring.ring_index(name, layer.ring_size)",
        )
        return self.store.ring.index(value if isinstance(value, str) else value.decode())

    def _receive_list_names(self, channels: Iterable[str]) -> dict[int, list[str]]:
        """Legacy: return for each host the keys that a receive from the channels looks at."""
        _warn("_receive_list_names(channels)", "receive(channels) to take what waits")
        found: dict[int, list[str]] = {}
        for name in channels:
            local = names.is_process_local(name)
            key = self.store.keys.mail(name) if local else self.store.keys.queue(name)
            for index in self.store.hosts_of(name):
                found.setdefault(index, []).append(key)
        return found


def _warn(old: str, new: str) -> None:
    warnings.warn(
        f"{old} of the Redis layer is a private name of asgi_redis that will go; use {new}",
        DeprecationWarning,
        stacklevel=3,
    )


def _statistics(count: int, pending: int, age: int, full: int) -> dict[str, int]:
    return {
        "messages_count": count,
        "messages_pending": pending,
        "messages_max_age": age,
        "channel_full_count": full,
    }


def _age_of_items(raws: list[bytes], now_ms: int, ttl_ms: int) -> int:
    for raw in raws:
        try:
            item = items.read_item(raw)
        except Undecodable:
            continue
        if item.kind in "RFG":
            # Items carry no lifetime; messages live for the layer's expiry.
            return max(0, now_ms - (item.expiry_ms - ttl_ms)) // 1000
    return 0


def _scan(server: Ring, pattern: str) -> Iterator[list[str]]:
    """Yield every key of one server that matches, some at a time, and some maybe twice."""
    cursor = b"0"
    while True:
        ((cursor, found),) = server.run(0, [("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)])
        if found:
            yield [key.decode() for key in found]
        if cursor == b"0":
            return
