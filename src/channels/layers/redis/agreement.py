"""Whether the processes that share a Redis have the settings that must agree.  No I/O.

A server that was started from a URL knows nothing of the project's ``CONFIG``: with another
prefix it talks to queues that nobody reads, and neither tier could tell, as their registers
are at different keys.  So every process also has a line at one key that no prefix
touches: a sorted set, scored by Redis time, on each host of its layer.  It shows the
prefix, the place of that host in the ring, digests of the encryption keys under a salt of
the line's own, and how much and for how long the process stores.

Sites may share a Redis on purpose.  Another prefix is told only to who has no company of the
other tier under its own: as a warning if the other one is as lonely, else once.

Times are seconds, but ``…_ms`` on Redis' clock.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import quote

import msgpack

from channels.layers.redis.wire.keys import TIERS
from channels.layers.redis.wire.scripts import Command
from channels.seldom import Seldom

logger = logging.getLogger("channels.layers.redis")

#: A line is written, and the others are read, with every third heartbeat; from the second
#: on, as the first has not measured Redis' clock yet.
EVERY, FIRST = 3, 2

#: A line that was not written for so long is of a process that died.
FRESH_MS = 20_000

#: How old both sides must be before one misses the other, which may be starting.
SETTLED_MS = 4_000

#: What the tiers call each other.
_TIERS = {"server": "interface server", "worker": "worker"}

#: Whose capacities are compared; the last one stands for mailboxes of interface servers.
CHANNELS = (
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


class _Line(NamedTuple):
    """What a process shows of itself; packed in this order, so new fields go to the end."""

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


class Limits(Protocol):
    """What is asked of a layer."""

    expiry: float
    group_expiry: float
    capacity: int
    max_message_size: int

    def configured_capacity(self, channel: str) -> int | None:
        """Return what is configured for a channel by name, None if nothing."""
        ...


def shown_limits(layer: Limits) -> dict[str, str]:
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
    for channel in CHANNELS:
        configured = layer.configured_capacity(channel)
        told = "the default" if configured is None else str(configured)
        shown[f"channel_capacity of {channel}"] = told
    return shown


class Digests(Protocol):
    """What is asked of :class:`~channels.layers.redis.wire.codec.Codec`."""

    def digests(self, salt: bytes) -> list[bytes]:
        """Return a digest of each encryption key, the one that encrypts first."""
        ...


class Agreement:
    """The line of one process, and what it makes of the others'.

    Args:
        name: The process.
        kind: ``"server"`` or ``"worker"``.
        prefix: Of its layer.
        codec: Knows the encryption keys.
        size: Number of hosts in the ring.
        limits: Capacities and lifetimes, as they are to be shown.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        prefix: str,
        codec: Digests,
        size: int,
        limits: dict[str, str] | None = None,
    ) -> None:
        self._name = name
        self._kind = kind
        self._other = "worker" if kind == "server" else "server"
        self._prefix = prefix
        self._codec = codec
        self._size = size
        salt = secrets.token_bytes(8)
        self._line = _Line(
            name, kind, prefix, socket.gethostname(), os.getpid(), 0, 0, size, salt,
            codec.digests(salt), limits or {},
        )  # fmt: skip
        self._now_ms = 0
        self._readings = 0

    def commands(self, number: int, now_ms: int) -> list[Command]:
        """Return what to run on host ``number``; the last answer is for :meth:`heard`."""
        self._now_ms = now_ms
        if not self._line.born_ms:
            self._line = self._line._replace(born_ms=now_ms)
        return [
            ("ZADD", TIERS, now_ms, self._packed(number)),
            ("ZREMRANGEBYSCORE", TIERS, "-inf", now_ms - FRESH_MS),
            ("ZRANGE", TIERS, 0, -1),
        ]

    def leave(self, number: int) -> Command:
        """Return what takes the line off host ``number``."""
        return ("ZREM", TIERS, self._packed(number))

    def _packed(self, number: int) -> bytes:
        return cast(bytes, msgpack.packb(self._line._replace(number=number)))

    def heard(self, answers: Sequence[Any]) -> None:
        """Log what does not agree.

        Args:
            answers: Of each host in the order of the ring, to the last command.  An error,
                say because the user may touch keys of the prefix only, compares nothing.
        """
        here: list[_Line] = []
        elsewhere: list[_Line] = []
        for number, answer in enumerate(answers):
            for line in _read(answer):
                if line.prefix != self._prefix:
                    elsewhere.append(line)
                elif line.name != self._name:
                    here.append(line)
                    self._compare(line, number)
        if any(line.kind == self._other for line in here):
            self._readings = 0
        elif self._has_settled(self._line):
            self._readings += 1
            self._look_elsewhere(elsewhere)

    def _compare(self, line: _Line, number: int) -> None:
        if (line.number, line.size) != (number, self._size) and self._due(_SELDOM, "hosts"):
            logger.warning(
                "the hosts of the %s and of the %s differ: that one has this Redis as host %d of"
                " %d, this one as host %d of %d, so messages go astray (prefix %r). %s, with the"
                " same hosts in the same order",
                line, self._line, line.number + 1, line.size, number + 1, self._size,
                self._prefix, _ADVICE,
            )  # fmt: skip
        if not self._can_talk(line) and self._due(_SELDOM, "keys"):
            logger.warning(
                "the symmetric_encryption_keys of the %s and of the %s differ, so each drops what"
                " the other one sends (prefix %r). %s; a URL holds no keys",
                line, self._line, self._prefix, _ADVICE,
            )  # fmt: skip

        if line.kind == self._other:
            self._compare_limits(line)

    def _compare_limits(self, line: _Line) -> None:
        differ = "; ".join(
            f"{name} ({line.limits[name]} there, {own} here)"
            for name, own in self._line.limits.items()
            if line.limits.get(name, own) != own
        )
        # Once: messages do pass, each tier by its own limits, and somebody may want that.
        if differ and self._due(_ONCE, differ):
            logger.warning(
                "the limits of the %s and of the %s differ: %s (prefix %r). Each stores by its own."
                " %s; a URL holds no limits",
                line, self._line, differ, self._prefix, _ADVICE,
            )  # fmt: skip

    def _can_talk(self, line: _Line) -> bool:
        """Whether each can decrypt what the other one encrypts: that is done with the first key."""
        ours, theirs = self._codec.digests(line.salt), line.digests
        if not ours or not theirs:
            return ours == theirs
        return ours[0] in theirs and theirs[0] in ours

    def _due(self, seldom: Seldom, what: str) -> bool:
        return seldom.due((self._prefix, self._kind, what))

    def _has_settled(self, line: _Line) -> bool:
        return self._now_ms - line.born_ms >= SETTLED_MS

    def _look_elsewhere(self, elsewhere: Iterable[_Line]) -> None:
        kinds: dict[str, set[str]] = {}
        found: dict[str, _Line] = {}
        for line in elsewhere:
            kinds.setdefault(line.prefix, set()).add(line.kind)
            if line.kind == self._other and self._has_settled(line):
                found.setdefault(line.prefix, line)
        for prefix, line in found.items():
            if self._kind not in kinds[prefix]:
                if self._due(_SELDOM, f"prefix {prefix}"):
                    self._tell(logging.WARNING, line)
            elif self._readings > 1 and self._due(_ONCE, "prefix"):
                self._tell(logging.INFO, line)

    def _tell(self, level: int, line: _Line) -> None:
        server = line if line.kind == "server" else self._line
        worker = self._line if server is line else line
        logger.log(
            level,
            "no %s shares prefix %r with the %s; the %s has prefix %r. If they belong together, no"
            " message passes between them. %s, or add ?prefix=%s to its URL",
            _TIERS[self._other], self._prefix, self._line, line, line.prefix, _ADVICE,
            quote(worker.prefix, safe=":"),
        )  # fmt: skip


def _read(answer: Any) -> list[_Line]:
    """Return the lines that we understand."""
    lines = []
    for packed in answer if isinstance(answer, list) else ():
        try:
            line = _Line(*msgpack.unpackb(packed)[: len(_Line._fields)])
        except (ValueError, TypeError, msgpack.UnpackException):
            continue  # another version's, or nobody's
        lines.append(line)
    return lines
