"""Private names of asgi_redis that tools for it touch; each use warns."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from channels import names
from channels.layers.redis.store import Store


class LegacyNames:
    """Legacy: what ``asgi_redis.RedisChannelLayer`` had beside its documented interface.

    Nothing here changes anything; each call warns and names what to use instead.  What it
    returns fits the keys and payloads of this layer, which are not those of asgi_redis.
    """

    store: Store

    def serialize(self, message: Mapping[str, Any]) -> bytes:
        """Return the payload of a message: packed, and encrypted if there are keys."""
        _warn("serialize(message)", "codec.payload(channel, message)")
        return self.store.codec.payload("", message)

    def deserialize(self, message: bytes) -> dict[str, Any]:
        """Return the message in a payload."""
        _warn("deserialize(payload)", "codec.messages(payload, lifetime)")
        return self.store.codec.messages(message, self.store.limits.group_expiry)[0]

    def consistent_hash(self, value: str | bytes) -> int:
        """Return which host of the ring has a single-reader channel, a mailbox or a group."""
        _warn(
            "consistent_hash(name)",
            "channels.layers.redis.net.ring.ring_index(name, layer.ring_size)",
        )
        return self.store.ring.index(value if isinstance(value, str) else value.decode())

    def _receive_list_names(self, channels: Iterable[str]) -> dict[int, list[str]]:
        """Return for each host the keys that a receive from the channels looks at."""
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
