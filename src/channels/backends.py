"""From the ``BACKEND`` string of a channel layer to its class.

Strings of the distributions that once provided layers, and those of Channels 4, are translated
to ours, with a deprecation warning that names the new string.  An old string also tells that a
project has not been gone over yet, see :func:`channels.conf.close_on_logout`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from channels.channels4 import adapt_config
from channels.exceptions import InvalidChannelLayerError
from channels.importing import import_object

REDIS = "channels.layers.redis.RedisChannelLayer"
REDIS_SENTINEL = "channels.layers.redis.RedisSentinelChannelLayer"
IN_MEMORY = "channels.layers.inmemory.InMemoryChannelLayer"

#: What else the new string brings, for whoever is told to take it.
CONSEQUENCE = (
    "With the new name, logging out closes the WebSockets of that session unless"
    " CHANNELS_CLOSE_ON_LOGOUT = False"
)

#: Old string to the new one, and what else the user should know.
_OLD = {
    "asgi_redis.RedisChannelLayer": (REDIS, ""),
    "asgi_redis.RedisLocalChannelLayer": (
        REDIS,
        "; normal channels, which it kept on each machine, now go through Redis too",
    ),
    "asgi_redis.RedisSentinelChannelLayer": (REDIS_SENTINEL, ""),
    "asgiref.inmemory.ChannelLayer": (IN_MEMORY, ""),
}

IN_MEMORY_4 = "channels.layers.InMemoryChannelLayer"

#: Those of Channels 4, in the same way.
_CHANNELS_4 = {
    "channels_redis.core.RedisChannelLayer": (
        REDIS,
        ", with URLs as hosts, or of channels.layers.redis.RedisSentinelChannelLayer",
    ),
    "channels_redis.pubsub.RedisPubSubChannelLayer": (
        REDIS,
        ", with URLs as hosts, or of channels.layers.redis.RedisSentinelChannelLayer",
    ),
    IN_MEMORY_4: (IN_MEMORY, ""),
}


def translate(backend: str) -> tuple[str, str]:
    """Return our string for an old one and a note to the user; other strings as they are."""
    # Each class of asgi_redis could be reached by its own module as well.
    package, _, rest = backend.partition(".")
    if package == "asgi_redis":
        return _OLD.get(f"asgi_redis.{rest.rpartition('.')[2]}", (backend, ""))
    return _OLD.get(backend) or _CHANNELS_4.get(backend, (backend, ""))


def is_old(backend: object) -> bool:
    """Whether a ``BACKEND`` is a string of old."""
    return isinstance(backend, str) and translate(backend)[0] != backend


def adapt(backend: Any, config: Mapping[str, Any], setting: str) -> tuple[Any, Mapping[str, Any]]:
    """Return the ``BACKEND`` and the arguments that an entry written for Channels 4 stands for.

    Any other entry is returned as it is.

    Raises:
        InvalidChannelLayerError: The arguments have no counterpart; the text names ``setting``.
    """
    if backend == IN_MEMORY_4:
        return backend, {"capacity": 100, **config}  # as it was there; ours has 10, as of old
    if not isinstance(backend, str) or not backend.startswith("channels_redis."):
        return backend, config
    adapted = adapt_config(config, setting)
    return (REDIS_SENTINEL if "services" in adapted else backend), adapted


def load_backend(backend: Any, setting: str) -> type[Any]:
    """Import a layer class.

    Args:
        backend: Dotted path of the class; old ones are translated.
        setting: Where it was configured, for messages: ``CHANNEL_LAYERS["default"]``.

    Raises:
        InvalidChannelLayerError: There is no such class, or importing it failed.
    """
    if not isinstance(backend, str):
        raise InvalidChannelLayerError(
            f'{setting}["BACKEND"] must be the dotted path of a class, not {backend!r}'
        )
    path, note = translate(backend)
    if path != backend:
        warnings.warn(
            f'{setting}["BACKEND"]: {backend!r} is an old name; use {path!r}{note}. {CONSEQUENCE}',
            DeprecationWarning,
            stacklevel=2,
        )
    try:
        loaded: type[Any] = import_object(path)
    except ImportError as error:
        raise InvalidChannelLayerError(
            f'{setting}["BACKEND"]: {path!r} cannot be imported: {error}. Ours are {REDIS},'
            f" {REDIS_SENTINEL} and {IN_MEMORY}"
        ) from error
    return loaded
