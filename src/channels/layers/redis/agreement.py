"""Whether the processes that share a Redis have the settings that must agree.  No I/O.

A server that was started from a URL knows nothing of the project's ``CONFIG``: with another
prefix it talks to queues that nobody reads, and neither tier could tell, as their registers
are at different keys.  So every process also shows its settings at one key that no prefix
touches: a sorted set, scored by Redis time, on each host of its layer.

Sites may share a Redis on purpose.  Another prefix is told only to a process that meets none
of the other tier under its own: as a warning if that one meets none either, else once.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import quote

import msgpack

from channels.layers.base import BaseChannelLayer
from channels.layers.redis.store import Store
from channels.layers.redis.wire.keys import TIERS
from channels.layers.redis.wire.scripts import Command
from channels.seldom import Seldom

logger = logging.getLogger("channels.layers.redis")

#: Settings that were not written for so long are of a process that died.
FRESH_MS = 20_000

#: How old both sides must be before one misses the other, which may be starting.
SETTLED_MS = 4_000

#: What the tiers call each other.
_TIERS = {"server": "interface server", "worker": "worker"}

#: Whose capacities are compared; the last one stands for mailboxes of interface servers.
_CHANNELS = (
    "http.request",
    "websocket.connect",
    "websocket.receive",
    "websocket.disconnect",
    "daphne.response.any!",
)

_ADVICE = (
    "Give both tiers the same CONFIG: start the interface server with module.path:attribute of the"
    " project's layer"
)

#: What was logged when; of the process, as each of its threads has a heartbeat.
_SELDOM = Seldom()
_ONCE = Seldom(pause=math.inf)


class _Settings(NamedTuple):
    """What a process shows; packed in this order, so new fields go to the end.

    ``number`` is that of the host, of ``size``; ``digests`` are of the keys, under ``salt``.
    """

    name: str
    kind: str
    prefix: str
    host: str
    pid: int
    born_ms: int
    number: int
    size: int
    salt: bytes
    digests: list[bytes]
    limits: dict[str, str] = {}

    def __str__(self) -> str:
        return f"{_TIERS.get(self.kind, self.kind)} {self.pid} on {self.host}"


def _limits_of(layer: BaseChannelLayer) -> dict[str, str]:
    """Return what a layer stores, by the option's name.

    Patterns of ``channel_capacity`` are shown by what they do: their text differs between
    versions of Python.
    """
    shown = {
        "expiry": f"{layer.expiry:g}",
        "group_expiry": f"{layer.group_expiry:g}",
        "capacity": str(layer.capacity),
        "max_message_size": str(layer.max_message_size),
    }
    for channel in _CHANNELS:
        own = layer.configured_capacity(channel)
        shown[f"channel_capacity of {channel}"] = "the default" if own is None else str(own)
    return shown


class Agreement:
    """The settings of one process (``"server"`` or ``"worker"``), compared with the others'."""

    def __init__(self, store: Store, name: str, kind: str) -> None:
        self._codec = store.codec
        self._other = "worker" if kind == "server" else "server"
        salt = secrets.token_bytes(8)
        self._own = _Settings(
            name,
            kind,
            store.keys.prefix,
            socket.gethostname(),
            os.getpid(),
            born_ms=0,
            number=0,
            size=len(store.ring.hosts),
            salt=salt,
            digests=store.codec.digests(salt),
            limits=_limits_of(store.limits),
        )
        self._now_ms = 0
        self._times_alone = 0

    def commands(self, number: int, now_ms: int) -> list[Command]:
        """Return what to run on host ``number``; the last answer is for :meth:`compare`."""
        self._now_ms = now_ms
        if not self._own.born_ms:
            self._own = self._own._replace(born_ms=now_ms)
        return [
            ("ZADD", TIERS, now_ms, self._packed(number)),
            ("ZREMRANGEBYSCORE", TIERS, "-inf", now_ms - FRESH_MS),
            ("ZRANGE", TIERS, 0, -1),
        ]

    def leave(self, number: int) -> Command:
        """Return what takes the settings off host ``number``."""
        return ("ZREM", TIERS, self._packed(number))

    def _packed(self, number: int) -> bytes:
        return cast(bytes, msgpack.packb(self._own._replace(number=number)))

    def compare(self, answers: Sequence[Any]) -> None:
        """Log what does not agree with the answers of the hosts, in the order of the ring.

        An error, say because the user may touch keys of the prefix only, compares nothing.
        """
        own = self._own
        meets_other_tier = False
        elsewhere: list[_Settings] = []
        for number, answer in enumerate(answers):
            for theirs in _read(answer):
                if theirs.prefix != own.prefix:
                    elsewhere.append(theirs)
                elif theirs.name != own.name:
                    meets_other_tier |= theirs.kind == self._other
                    self._compare(theirs, number)
        if meets_other_tier:
            self._times_alone = 0
        elif self._has_settled(own):
            self._times_alone += 1
            self._look_elsewhere(elsewhere)

    def _compare(self, theirs: _Settings, number: int) -> None:
        own = self._own
        if (theirs.number, theirs.size) != (number, own.size) and self._due(_SELDOM, "hosts"):
            logger.warning(
                "the hosts of the %s and of the %s differ: that one has this Redis as host %d of"
                " %d, this one as host %d of %d, so messages go astray (prefix %r). %s, with the"
                " same hosts in the same order",
                theirs, own, theirs.number + 1, theirs.size, number + 1, own.size, own.prefix,
                _ADVICE,
            )  # fmt: skip
        if not self._can_talk(theirs) and self._due(_SELDOM, "keys"):
            logger.warning(
                "the symmetric_encryption_keys of the %s and of the %s differ, so each drops what"
                " the other one sends (prefix %r). %s; a URL holds no keys",
                theirs, own, own.prefix, _ADVICE,
            )  # fmt: skip
        if theirs.kind != self._other:
            return
        differ = "; ".join(
            f"{name} ({theirs.limits[name]} there, {limit} here)"
            for name, limit in own.limits.items()
            if theirs.limits.get(name, limit) != limit
        )
        # Once: messages do pass, each tier by its own limits, which may be wanted.
        if differ and self._due(_ONCE, differ):
            logger.warning(
                "the limits of the %s and of the %s differ: %s (prefix %r). Each stores by its own."
                " %s; a URL holds no limits",
                theirs, own, differ, own.prefix, _ADVICE,
            )  # fmt: skip

    def _can_talk(self, theirs: _Settings) -> bool:
        """Whether each can decrypt what the other one encrypts: that is done with the first key."""
        ours = self._codec.digests(theirs.salt)
        if not ours or not theirs.digests:
            return ours == theirs.digests
        return ours[0] in theirs.digests and theirs.digests[0] in ours

    def _due(self, seldom: Seldom, what: str) -> bool:
        return seldom.due((self._own.prefix, self._own.kind, what))

    def _has_settled(self, settings: _Settings) -> bool:
        return self._now_ms - settings.born_ms >= SETTLED_MS

    def _look_elsewhere(self, elsewhere: Iterable[_Settings]) -> None:
        kinds: dict[str, set[str]] = {}
        found: dict[str, _Settings] = {}
        for theirs in elsewhere:
            kinds.setdefault(theirs.prefix, set()).add(theirs.kind)
            if theirs.kind == self._other and self._has_settled(theirs):
                found.setdefault(theirs.prefix, theirs)
        for prefix, theirs in found.items():
            if self._own.kind not in kinds[prefix]:
                if self._due(_SELDOM, f"prefix {prefix}"):
                    self._tell(logging.WARNING, theirs)
            elif self._times_alone > 1 and self._due(_ONCE, "prefix"):
                self._tell(logging.INFO, theirs)

    def _tell(self, level: int, theirs: _Settings) -> None:
        own = self._own
        worker = theirs if theirs.kind == "worker" else own
        logger.log(
            level,
            "no %s shares prefix %r with the %s; the %s has prefix %r. If they belong together, no"
            " message passes between them. %s, or add ?prefix=%s to its URL",
            _TIERS[self._other], own.prefix, own, theirs, theirs.prefix, _ADVICE,
            quote(worker.prefix, safe=":"),
        )  # fmt: skip


def _read(answer: Any) -> Iterator[_Settings]:
    """Yield the settings that we understand."""
    for packed in answer if isinstance(answer, list) else ():
        try:
            yield _Settings(*msgpack.unpackb(packed)[: len(_Settings._fields)])
        except (ValueError, TypeError, msgpack.UnpackException):
            continue  # another version's, or not ours
