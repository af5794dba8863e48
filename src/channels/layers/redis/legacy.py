"""Private names of the Redis layer of old that tools of its time touch; each use warns."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from channels import names
from channels.layers.redis.net.ring import ring_index
from channels.layers.redis.wire.codec import Codec
from channels.layers.redis.wire.keys import Keys


class LegacyNames:
    """What ``asgi_redis.RedisChannelLayer`` had beside its documented interface.

    Nothing here changes anything; each call warns and names what to use instead.  What it
    returns fits the keys and payloads of this layer, which are not those of old.
    """

    codec: Codec
    keys: Keys
    group_expiry: float

    @property
    def ring_size(self) -> int:
        """Number of hosts."""
        raise NotImplementedError

    def serialize(self, message: Mapping[str, Any]) -> bytes:
        """Return the payload of a message: packed, and encrypted if there are keys."""
        _warn("serialize(message)", "codec.payload(channel, message)")
        return self.codec.payload("", message)

    def deserialize(self, message: bytes) -> dict[str, Any]:
        """Return the message in a payload."""
        _warn("deserialize(payload)", "codec.messages(payload, lifetime)")
        return self.codec.messages(message, self.group_expiry)[0]

    def consistent_hash(self, value: str | bytes) -> int:
        """Return which host of the ring has a single-reader channel, a mailbox or a group."""
        _warn(
            "consistent_hash(name)",
            "channels.layers.redis.net.ring.ring_index(name, layer.ring_size)",
        )
        return ring_index(value if isinstance(value, str) else value.decode(), self.ring_size)

    def _receive_list_names(self, channels: Iterable[str]) -> dict[int, list[str]]:
        """Return for each host the keys that a receive from the channels looks at."""
        _warn("_receive_list_names(channels)", "receive(channels) to take what waits")
        found: dict[int, list[str]] = {}
        for name in channels:
            local = names.is_process_local(name)
            key = self.keys.mail(name) if local else self.keys.queue(name)
            if names.is_on_one_host(name):
                hosts = range(
                    ring_index(name, self.ring_size), ring_index(name, self.ring_size) + 1
                )
            else:
                hosts = range(self.ring_size)
            for index in hosts:
                found.setdefault(index, []).append(key)
        return found


def _warn(old: str, new: str) -> None:
    warnings.warn(
        f"{old} of the Redis layer is a private name of asgi_redis that will go; use {new}",
        DeprecationWarning,
        stacklevel=3,
    )
