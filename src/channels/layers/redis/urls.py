"""A layer from one URL, for a command line that must not load Django's settings.

``redis://``, ``rediss://`` and ``unix://`` are one server, ``redis+cluster://`` and
``rediss+cluster://`` a node of a Cluster, and ``redis+sentinel://`` and ``rediss+sentinel://``
Sentinels, with the names of their masters as path::

    redis+sentinel://[user:password@]10.0.0.1:26379,10.0.0.2:26379/mymaster[,other][?db=0]

User, password and options there are those of the masters.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from redis.connection import parse_url

from channels.layers.redis.layer import RedisChannelLayer
from channels.layers.redis.sentinel_layer import RedisSentinelChannelLayer

_SERVERS = ("redis://", "rediss://", "unix://", "redis+cluster://", "rediss+cluster://")
_SENTINELS = ("redis+sentinel://", "rediss+sentinel://")

#: Beginnings of the URLs that :func:`layer_from_url` understands.
SCHEMES = _SERVERS + _SENTINELS

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
    if url.startswith(_SENTINELS):
        return _sentinel_layer(url, options)
    if url.startswith(_SERVERS):
        return RedisChannelLayer(hosts=[url], **options)
    raise ValueError(
        f"a layer's URL starts with one of {', '.join(SCHEMES)}, not {url.partition('://')[0]}://"
    )


def _sentinel_layer(url: str, options: dict[str, Any]) -> RedisSentinelChannelLayer:
    parts = urlsplit(url)
    credentials, _, addresses = parts.netloc.rpartition("@")
    # What remains is an ordinary URL, whose address is never used.
    plain = f"redis://{credentials}{'@' if credentials else ''}localhost?{parts.query}"
    parsed = parse_url(plain)  # type: ignore[no-untyped-call]  # redis-py has no types here
    parsed.pop("host")
    kwargs = {**options.pop("connection_kwargs", {}), **parsed}
    if parts.scheme.startswith("rediss"):
        kwargs["ssl"] = True
    return RedisSentinelChannelLayer(
        hosts=[_address(address) for address in addresses.split(",") if address],
        services=[name for name in parts.path.strip("/").split(",") if name],
        connection_kwargs=kwargs,
        **options,
    )


def _address(text: str) -> tuple[str, int]:
    host, mark, port = text.rpartition(":")
    if not mark:
        return text, _SENTINEL_PORT
    if not port.isdecimal():
        raise ValueError(  # not quoted: it may be a part of the password
            "the address of a Sentinel must be host:port; if the password holds one of / ? # @,"
            " write it as %2F %3F %23 %40"
        )
    return host.strip("[]"), int(port)
