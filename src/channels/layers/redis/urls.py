"""A layer from one URL, for a command line that must not load Django's settings.

``redis://``, ``rediss://`` and ``unix://`` are one server, ``redis+cluster://`` and
``rediss+cluster://`` one or more nodes of a Cluster, and ``redis+sentinel://`` and ``rediss+sentinel://``
Sentinels, with the names of their masters as path::

    redis+sentinel://[user:password@]10.0.0.1:26379,[::1]:26379/mymaster[,other][?db=0]

User, password and options there are those of the masters.  IPv6 addresses stand in brackets.
Each may have the layer's ``prefix`` among its options: ``redis://127.0.0.1/0?prefix=chat:``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from channels.layers.redis.layer import RedisChannelLayer, RedisSentinelChannelLayer
from channels.layers.redis.net.address import split_url

_SERVERS = ("redis://", "rediss://", "unix://", "redis+cluster://", "rediss+cluster://")
_SENTINELS = ("redis+sentinel://", "rediss+sentinel://")

#: Where a Sentinel listens if its URL does not say.
_SENTINEL_PORT = 26379


def layer_from_url(url: str, **options: Any) -> RedisChannelLayer:
    """Return a layer.

    Args:
        url: See above.
        options: For the layer's class; not ``hosts``.

    Raises:
        ValueError: The URL or an option cannot be used.
        LayerUnavailable: The URL names no masters, and no Sentinel answered.
    """
    head, mark, query = url.partition("#")[0].partition("?")
    if mark:
        kept = []
        for option in query.split("&"):
            name, _, value = option.partition("=")
            if name == "prefix":
                # The layer's; all others are redis-py's.
                options["prefix"] = unquote(value)
            else:
                kept.append(option)
        url = f"{head}?{'&'.join(kept)}"
    if url.startswith(_SENTINELS):
        return _sentinel_layer(url, options)
    if url.startswith(_SERVERS):
        return RedisChannelLayer(hosts=[url], **options)
    known, scheme = ", ".join(_SERVERS + _SENTINELS), url.partition("://")[0]
    raise ValueError(f"a layer's URL starts with one of {known}, not {scheme}://")


def _sentinel_layer(url: str, options: dict[str, Any]) -> RedisSentinelChannelLayer:
    parts = split_url(url)
    kwargs = {**options.pop("connection_kwargs", {}), **parts.options}
    if parts.scheme.startswith("rediss"):
        kwargs["ssl"] = True
    return RedisSentinelChannelLayer(
        hosts=[(host, port or _SENTINEL_PORT) for host, port in parts.addresses],
        services=[name for name in parts.path.strip("/").split(",") if name],
        connection_kwargs=kwargs,
        **options,
    )
