"""From the ``BACKEND`` string of a channel layer to its class.

Strings of the distributions that once provided layers, and those of Channels 4, are translated
to ours, with a deprecation warning that names the new string.  An old string also tells that a
project has not been gone over yet, see :func:`channels.conf.close_on_logout`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from channels.exceptions import InvalidChannelLayerError
from channels.utils import import_object

REDIS = "channels.layers.redis.RedisChannelLayer"
REDIS_SENTINEL = "channels.layers.redis.RedisSentinelChannelLayer"
IN_MEMORY = "channels.layers.inmemory.InMemoryChannelLayer"

#: What else the new string brings, said where it is recommended.
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

_OF_REDIS_4 = f", with URLs as hosts, or of {REDIS_SENTINEL}"

#: Those of Channels 4, in the same way.
_CHANNELS_4 = {
    "channels_redis.core.RedisChannelLayer": (REDIS, _OF_REDIS_4),
    "channels_redis.pubsub.RedisPubSubChannelLayer": (REDIS, _OF_REDIS_4),
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
    """Whether a ``BACKEND`` is a legacy string."""
    return isinstance(backend, str) and translate(backend)[0] != backend


def adapt(backend: Any, config: Mapping[str, Any], setting: str) -> tuple[Any, Mapping[str, Any]]:
    """Return the ``BACKEND`` and the arguments that an entry written for Channels 4 stands for.

    Any other entry is returned as it is.

    Raises:
        InvalidChannelLayerError: The arguments have no counterpart; the text names ``setting``.
    """
    if backend == IN_MEMORY_4:
        # As it was there; ours has 10, as in Channels 1.
        return backend, {"capacity": 100, **config}
    if not isinstance(backend, str) or not backend.startswith("channels_redis."):
        return backend, config
    adapted = adapt_config(config, setting)
    return (REDIS_SENTINEL if "services" in adapted else backend), adapted


def load_backend(backend: Any, setting: str) -> type[Any]:
    """Import a layer class by its dotted path; old ones are translated.

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


# -- CONFIG of Channels 4 -----------------------------------------------------------------------
#
# An entry of ``hosts`` may be a dict there, ``{"address": url, …}``, ``{"host": …, "port": …, …}``
# or ``{"sentinels": […], "master_name": …, …}``, the rest being options of the connection.

#: Options about what our layers do not have.
_LEFT_OUT = ("serializer_format", "random_prefix_length", "on_disconnect", "on_reconnect")


def adapt_config(config: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """Return what of ``channels_redis`` means to our Redis layer, with ``services`` to Sentinels.

    Raises:
        InvalidChannelLayerError: There is no counterpart; the text says what to write.
    """
    adapted = {name: value for name, value in config.items() if name not in _LEFT_OUT}
    hosts = adapted.get("hosts")
    if not isinstance(hosts, list | tuple) or not any(isinstance(one, Mapping) for one in hosts):
        return adapted
    parsed = [_parse(one, setting) for one in hosts]
    (first, options, service) = parsed[0]
    if any(one[1] != options or bool(one[2]) != bool(service) for one in parsed):
        raise InvalidChannelLayerError(
            f'{setting}["hosts"]: its dicts differ in more than the address; write URLs with their'
            " options, for instance redis://user:password@127.0.0.1:6379/0?socket_keepalive=yes"
        )
    adapted["connection_kwargs"] = {**options, **adapted.get("connection_kwargs", {})}
    if service:
        adapted["hosts"] = first
        adapted["services"] = [name for _, _, name in parsed]
        if any(one[0] != first for one in parsed):
            raise InvalidChannelLayerError(
                f'{setting}["hosts"]: every master must be asked of the same Sentinels'
            )
    else:
        adapted["hosts"] = [address for address, _, _ in parsed]
    return adapted


def _parse(entry: Any, setting: str) -> tuple[Any, dict[str, Any], str | None]:
    """Return an entry's address (or its Sentinels), its options, and its master if it has one."""
    if not isinstance(entry, Mapping):
        return entry, {}, None
    options = dict(entry)
    if "sentinels" in options and "master_name" in options:
        return list(options.pop("sentinels")), options, str(options.pop("master_name"))
    if "address" in options:
        return options.pop("address"), options, None
    if "path" in options:
        return f"unix://{options.pop('path')}", options, None
    if "host" in options or "port" in options:
        return (options.pop("host", "localhost"), options.pop("port", 6379)), options, None
    raise InvalidChannelLayerError(
        f'{setting}["hosts"] has a dict without "address": write a URL, for instance'
        ' "redis://127.0.0.1:6379/0"'
    )
