"""The process registry: what is written, and what can be read from it.  No I/O.

Each process has a hash that lives for one ``HEARTBEAT_TTL`` after its last heartbeat, and
stands in an index that stays, so that the dead can be found.  Whether Redis lost its memory
is told by a random *epoch*, made by the first that finds none, and the run id of the server.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgpack

from channels.layers.clients import HEARTBEAT_TTL, ProcessEntry
from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.wire.scripts import Argument, Command

#: How long the index remembers a process that was not claimed, in seconds.
INDEX_EXPIRY = 86400


def write_entry(keys: Keys, entry: ProcessEntry) -> list[Command]:
    """Return the commands that write an entry, for the host of its name."""
    key = keys.entry(entry.name)
    fields: dict[str, Argument] = {
        "kind": entry.kind,
        "beat": entry.beat,
        "seen": round(entry.seen * 1000),
        "channels": _pack(sorted(entry.channels)),
        "held": _pack(sorted(entry.unanswered)),
        "info": _pack(entry.info),
    }
    return [
        ("HSET", key, *itertools.chain.from_iterable(fields.items())),
        ("PEXPIRE", key, round(HEARTBEAT_TTL * 1000)),
    ]


def write_death(keys: Keys, name: str) -> list[Command]:
    """Return the commands that let an entry say that its process is dead, and holds nothing.

    It is not removed: a process that is missing there so early has left by itself, and may have
    handed back what it held.
    """
    key, nothing = keys.entry(name), _pack([])
    return [
        ("HSET", key, "kind", "dead", "channels", nothing, "held", nothing),
        ("PEXPIRE", key, round(HEARTBEAT_TTL * 1000)),
    ]


def write_index(keys: Keys, name: str, now: float) -> list[Command]:
    """Return the commands that write the index, for the host of :attr:`Keys.processes`."""
    return [
        ("ZADD", keys.processes, round(now * 1000), name),
        ("ZREMRANGEBYSCORE", keys.processes, "-inf", round((now - INDEX_EXPIRY) * 1000)),
    ]


def read_index(keys: Keys, now: float) -> Command:
    """Return the command that lists who wrote a heartbeat within one TTL."""
    return ("ZRANGEBYSCORE", keys.processes, round((now - HEARTBEAT_TTL) * 1000), "+inf")


def read_entry(name: str, fields: Mapping[bytes, bytes] | Sequence[bytes]) -> ProcessEntry | None:
    """Return what ``HGETALL`` answered as an entry; None if there is none or it is not ours."""
    if not isinstance(fields, Mapping):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    try:
        return ProcessEntry(
            name=name,
            kind=fields[b"kind"].decode(),
            channels=frozenset(_unpack(fields[b"channels"])),
            unanswered=frozenset(_unpack(fields[b"held"])),
            beat=int(fields[b"beat"]),
            seen=int(fields[b"seen"]) / 1000,
            info=dict(_unpack(fields[b"info"])),
        )
    except (KeyError, ValueError, TypeError, msgpack.UnpackException):
        return None


def _pack(value: Collection[Any]) -> bytes:
    return cast(bytes, msgpack.packb(value, default=str))


def _unpack(packed: bytes) -> Any:
    return msgpack.unpackb(packed, raw=False, strict_map_key=False)


#: A Cluster, too, answers with the run id of each of its masters.
ASK_RUN_ID: Command = ("INFO", "server")


@dataclass(frozen=True, slots=True)
class Memory:
    """Which memory a host has; if it differs from what it was, what it held may be gone.

    ``run_ids`` are of the server process, or of each master of a Cluster that answers.
    """

    epoch: bytes
    run_ids: frozenset[str]

    def same(self, now: Memory) -> bool:
        """Whether nothing was lost between this and ``now``.

        A run id that is not known says nothing, and one that is missing may only be
        out of reach: when it is back it is the same, or another.
        """
        if self.run_ids and not now.run_ids <= self.run_ids:
            return False
        return self.epoch == now.epoch


def ask_memory(keys: Keys) -> list[Command]:
    """Return the commands whose answers :func:`read_memory` understands; the first is ``TIME``."""
    return [
        ("TIME",),
        ("SET", keys.epoch, secrets.token_hex(16), "NX"),
        ("GET", keys.epoch),
        ASK_RUN_ID,
    ]


def read_memory(answers: Sequence[Any]) -> Memory:
    """Return what the answers to :func:`ask_memory` say, and more answers to :data:`ASK_RUN_ID`.

    ``ValueError`` with the text of Redis if it answered with an error.
    """
    _, made, epoch, *infos = answers
    for answer in (made, epoch):
        if isinstance(answer, Exception):
            raise ValueError(str(answer)) from answer
    told = b"\n".join(info for info in infos if isinstance(info, bytes))
    run_ids = re.findall(r"^run_id:(.*?)\s*$", told.decode(errors="replace"), re.MULTILINE)
    return Memory(bytes(epoch or b""), frozenset(run_ids))
