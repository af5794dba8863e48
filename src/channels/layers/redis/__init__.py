"""The Redis channel layer.

``BACKEND`` strings: ``channels.layers.redis.RedisChannelLayer`` (servers or a Cluster) and
``channels.layers.redis.RedisSentinelChannelLayer``; :func:`layer_from_url` makes either from a
URL.  All are looked up on first use, so that a part of the package can be imported
without all of redis-py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from channels.layers.redis.layer import (
        RedisChannelLayer,
        RedisSentinelChannelLayer,
        layer_from_url,
    )
    from channels.layers.redis.net.errors import UnsupportedRedis

__all__ = [
    "RedisChannelLayer",
    "RedisSentinelChannelLayer",
    "UnsupportedRedis",
    "layer_from_url",
]

_MODULES = {
    "RedisChannelLayer": "channels.layers.redis.layer",
    "RedisSentinelChannelLayer": "channels.layers.redis.layer",
    "UnsupportedRedis": "channels.layers.redis.net.errors",
    "layer_from_url": "channels.layers.redis.layer",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
