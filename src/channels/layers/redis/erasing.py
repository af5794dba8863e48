"""What ``flush`` removes: everything of a layer but what running processes say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from channels.layers.redis.net.address import Target
from channels.layers.redis.net.blocking import Link
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.net.ring import Places
from channels.layers.redis.wire.scripts import Command

if TYPE_CHECKING:
    from channels.layers.redis.layer import RedisChannelLayer

#: Ends of keys that processes write of themselves and would not write again.
_SPARED = (":entry", ":sockets")


def erase(layer: RedisChannelLayer) -> None:
    """Delete all messages, groups and statistics; done when it returns.

    Raises:
        LayerUnavailable: Some of it may be left.
    """
    for index, host in enumerate(layer.places.hosts):
        for target in host.masters():
            _erase_server(layer, index, target)


def _erase_server(layer: RedisChannelLayer, index: int, target: Target) -> None:
    spared = {layer.keys.epoch, layer.keys.processes}
    link = Link(lambda: target, timeout=layer.timeout)
    try:
        for prefix in {layer.prefix, layer.stats_prefix}:
            for found in _scan(link, _escape_glob(prefix) + "*"):
                doomed = [key for key in found if not key.endswith(_SPARED) and key not in spared]
                _delete(layer.places, index, doomed)
    finally:
        link.close()


def _delete(places: Places, index: int, keys: Sequence[str]) -> None:
    """Delete keys, but leave what interface servers said their mailboxes may hold."""
    metas = [key for key in keys if key.endswith(":meta")]
    told = places.run(index, [("HMGET", key, "cap", "capb") for key in metas])
    commands: list[Command] = [("DEL", key) for key in keys]
    for key, (capacity, size) in zip(metas, told, strict=True):
        if capacity is not None and size is not None:
            commands.append(("HSET", key, "cap", capacity, "capb", size))
    places.run(index, commands)


def _scan(link: Link, pattern: str) -> Iterator[list[str]]:
    """Yield every key of one server that matches, some at a time, and some maybe twice."""
    cursor: bytes | int = 0
    while True:
        (answer,) = link.execute([("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)])
        if isinstance(answer, Exception):
            raise refusal(answer) from answer
        cursor, found = answer
        if found:
            yield [key.decode() for key in found]
        if int(cursor) == 0:
            return


def _escape_glob(text: str) -> str:
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", text)
