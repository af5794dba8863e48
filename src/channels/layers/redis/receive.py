"""The plain ``receive``: one message from any of some channels.

A frame of several messages gives its first; the rest goes back to the head of the
queue with its receipt, which is answered as the last message leaves.  Frames that
have expired or cannot be read are counted, answered and left out.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence

from channels import names
from channels.layers.clients import Frame, Message
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items
from channels.layers.redis.wire.codec import Undecodable

logger = logging.getLogger("channels.layers.redis")

#: How long one host is waited for before the next is looked at, in seconds.
SLICE = 0.1

Found = tuple[str, Message]


class Receiver:
    """Takes messages for the synchronous interface of a layer.  Safe in threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys
        self._ring = store.ring

    def next(self, wanted: Sequence[str]) -> Found | None:
        """Return a message that waits in one of the channels, if any does."""
        sources = list(self._sources(wanted).items())
        random.shuffle(sources)
        for (host, mailbox), channels in sources:
            found = self._pop(host, mailbox) if mailbox else self._look(host, channels)
            if found is not None:
                return found
        return None

    def wait(self, wanted: Sequence[str], seconds: float) -> Found | None:
        """Return the next message, or None after so many seconds."""
        deadline = time.monotonic() + seconds
        waitable = self._waitable(wanted)
        while (left := deadline - time.monotonic()) > 0:
            for host, channels in waitable:
                longest = left if len(waitable) == 1 else min(SLICE, left)
                found = self._block(host, channels, longest)
                if found is not None:
                    return found
        return None

    def _sources(self, wanted: Sequence[str]) -> dict[tuple[int, str], list[str]]:
        """Return what one command can take from: a mailbox, or with ``""`` queues of one host."""
        sources: dict[tuple[int, str], list[str]] = {}
        for name in wanted:
            mailbox = name if names.is_process_local(name) else ""
            for host in self._store.hosts_of(name):
                sources.setdefault((host, mailbox), []).append(name)
        return sources

    def _waitable(self, wanted: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
        """Return channels by the keys that one command can wait for, each with their host."""
        groups: dict[tuple[int, str], dict[str, str]] = {}
        for (index, mailbox), channels in self._sources(wanted).items():
            key_of = self._keys.mail if mailbox else self._keys.queue
            host = self._ring.hosts[index]
            # A Cluster refuses a command whose keys have different tags.
            tag = mailbox if host.clustered else ""
            server = f"{host.target(key_of(channels[0]))}{tag}"
            keys = {key_of(channel): channel for channel in channels}
            groups.setdefault((index, server), {}).update(keys)
        return [(index, keys) for (index, _), keys in groups.items()]

    def _look(self, host: int, channels: list[str]) -> Found | None:
        random.shuffle(channels)
        queues = [self._keys.queue(channel) for channel in channels]
        while True:
            (answer,) = self._ring.run(host, [("LMPOP", len(queues), *queues, "LEFT")])
            if answer is None:
                return None
            found = self._open(host, self._keys.channel(answer[0].decode()), answer[1][0])
            if found is not None:
                return found

    def _block(self, host: int, channels: dict[str, str], seconds: float) -> Found | None:
        """Wait for any of some keys; None also for something that was no message."""
        keys = list(channels)
        random.shuffle(keys)
        with self._ring.hosts[host].waiting(keys[0]) as connection:
            connection.send([("BLMPOP", f"{seconds:.3f}", len(keys), *keys, "LEFT")])
            (answer,) = connection.read()
        if isinstance(answer, Exception):
            raise refusal(answer)
        if answer is None:
            return None
        channel, (raw,) = channels[answer[0].decode()], answer[1]
        if names.is_process_local(channel):
            return self._pop(host, channel, raw)
        return self._open(host, channel, raw)

    def _open(self, host: int, channel: str, raw: bytes) -> Found | None:
        store = self._store
        now_ms = self._ring.now_ms(host)
        frame = items.open_frame(channel, raw, store.codec, now_ms)
        if not isinstance(frame, Frame):
            store.refuse(host, channel, frame)
            return None
        message = frame.messages.pop(0)
        if frame.messages:
            rest = items.frame_with_expiry(frame, store.codec, now_ms)
            give_back = store.commands.give_back(channel, at_head=True)
            self._ring.run(host, [(*give_back, rest)])
        else:
            store.answer_all([frame.receipt])
        return channel, message

    def _pop(self, host: int, mailbox: str, *given: bytes) -> Found | None:
        """Take the next message of a mailbox; ``given`` is the first item, if it was taken."""
        commands = self._store.commands
        while True:
            (raw,) = self._ring.run(host, [commands.pop(mailbox, *given)])
            if raw is None:
                return None
            given = ()
            try:
                item = items.read_item(raw)
                # A control item's lifetime bounds them all; chunks of a body live longest.
                lifetime = commands.control_ttl_ms / 1000
                messages = self._store.codec.messages(item.payload, lifetime)
            except Undecodable as error:
                logger.warning("dropped an unreadable item of %s: %s", mailbox, error)
                undecodable = ("HINCRBY", self._keys.meta(mailbox), "undecodable", 1)
                self._ring.run(host, [undecodable])
                continue
            return mailbox + item.local, messages[0]
