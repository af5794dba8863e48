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
from dataclasses import dataclass

from channels import names
from channels.layers.clients import Frame, Message
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items, reading
from channels.layers.redis.wire.items import Undecodable
from channels.layers.redis.wire.scripts import Command

logger = logging.getLogger("channels.layers.redis")

#: How often the other places are looked at while one is waited for, in seconds.
SLICE = 0.1

Found = tuple[str, Message]


@dataclass(slots=True)
class _Place:
    """What one command can take from: queues of one host, or one mailbox."""

    index: int
    queues: list[str]
    mailbox: str = ""


class Receiver:
    """Takes messages for the synchronous interface of a layer.  Safe in threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys
        self._commands = store.commands
        self._ring = store.ring

    def next(self, wanted: Sequence[str]) -> Found | None:
        """Return a message that waits in one of the channels, if any does."""
        places = self._split(wanted)
        random.shuffle(places)
        for place in places:
            found = self._look(place)
            if found is not None:
                return found
        return None

    def wait(self, wanted: Sequence[str], seconds: float) -> Found | None:
        """Return the next message, or None after so many seconds."""
        deadline = time.monotonic() + seconds
        places = self._split(wanted)
        groups = self._waitable(places)
        while (left := deadline - time.monotonic()) > 0:
            for group in groups:
                found = self._block(group, left if len(groups) == 1 else min(SLICE, left))
                if found is not None:
                    return found
        return None

    # -- where to look -----------------------------------------------------------------

    def _split(self, wanted: Sequence[str]) -> list[_Place]:
        """Return every place that the channels may be in."""
        size = len(self._ring.hosts)
        queues: list[list[str]] = [[] for _ in range(size)]
        places = []
        for name in wanted:
            if names.is_process_local(name):
                places.append(_Place(self._ring.index(name), [], name))
            elif names.is_on_one_host(name):
                queues[self._ring.index(name)].append(name)
            else:
                for found in queues:
                    found.append(name)
        places += [_Place(index, found) for index, found in enumerate(queues) if found]
        return places

    def _waitable(self, places: Sequence[_Place]) -> list[list[_Place]]:
        """Group places whose keys one server has: one command can wait for them all."""
        groups: dict[tuple[int, str], list[_Place]] = {}
        for place in places:
            target = self._ring.hosts[place.index].target(self._key_of(place))
            # A Cluster refuses a command whose keys have different tags.
            tag = place.mailbox if self._ring.hosts[place.index].clustered else ""
            groups.setdefault((place.index, f"{target}{tag}"), []).append(place)
        return list(groups.values())

    def _key_of(self, place: _Place) -> str:
        return self._keys.mail(place.mailbox) if place.mailbox else self._keys.queue("")

    # -- looking -----------------------------------------------------------------------

    def _look(self, place: _Place) -> Found | None:
        if place.mailbox:
            return self._pop(place)
        random.shuffle(place.queues)
        queues = [self._keys.queue(channel) for channel in place.queues]
        while True:
            (answer,) = self._ring.run(place.index, [("LMPOP", len(queues), *queues, "LEFT")])
            if answer is None:
                return None
            found = self._open(place.index, self._keys.channel(answer[0].decode()), answer[1][0])
            if found is not None:
                return found

    def _block(self, group: Sequence[_Place], seconds: float) -> Found | None:
        """Wait for any of some places; None also for something that was no message."""
        mailboxes = {self._keys.mail(place.mailbox): place for place in group if place.mailbox}
        queues = [self._keys.queue(name) for place in group for name in place.queues]
        keys = [*queues, *mailboxes]
        random.shuffle(keys)
        index = group[0].index
        with self._ring.waiting(index, keys[0]) as link:
            command: Command = ("BLMPOP", f"{seconds:.3f}", len(keys), *keys, "LEFT")
            (answer,) = link.execute([command])
        if isinstance(answer, Exception):
            raise refusal(answer) from answer
        if answer is None:
            return None
        key, (raw,) = answer[0].decode(), answer[1]
        if key in mailboxes:
            return self._pop(mailboxes[key], raw)
        return self._open(index, self._keys.channel(key), raw)

    # -- what was found ------------------------------------------------------------------

    def _open(self, index: int, channel: str, raw: bytes) -> Found | None:
        store = self._store
        frame = reading.open_frame(channel, raw, store.codec, self._ring.now_ms(index))
        if not isinstance(frame, Frame):
            self._ring.run(index, self._commands.count(channel, frame.counter))
            store.answer_all([frame.receipt], frame.cause)
            return None
        message = frame.messages.pop(0)
        if frame.messages:
            rest = items.frame_with_expiry(frame, store.codec, self._ring.now_ms(index))
            self._ring.run(index, [self._commands.give_back(channel, [rest], at_head=True)])
        else:
            store.answer_all([frame.receipt])
        return channel, message

    def _pop(self, place: _Place, *given: bytes) -> Found | None:
        while True:
            (raw,) = self._ring.run(place.index, [self._commands.pop(place.mailbox, *given)])
            if raw is None:
                return None
            given = ()
            try:
                item = items.read_item(raw)
                # A control item's lifetime bounds them all; chunks of a body live longest.
                messages = self._store.codec.messages(
                    item.payload, self._commands.control_ttl_ms / 1000
                )
            except Undecodable as error:
                logger.warning("dropped an unreadable item of %s: %s", place.mailbox, error)
                meta = self._keys.meta(place.mailbox)
                self._ring.run(place.index, [("HINCRBY", meta, "undecodable", 1)])
                continue
            return place.mailbox + item.local, messages[0]
