"""Layers that were configured for Channels 4: their ``CONFIG`` in the words of ours.

The strings of their classes are in :mod:`channels.backends`.  What differs beside the name:

* an entry of ``hosts`` may be a dict, ``{"address": url, …}``, ``{"host": …, "port": …, …}`` or
  ``{"sentinels": […], "master_name": …, …}``, the rest being options of the connection;
* a few options are about things that our layers do not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.exceptions import InvalidChannelLayerError

#: Options without a counterpart: messages are always in msgpack, reply channels always have
#: random names, and the layer connects anew by itself.
_LEFT_OUT = ("serializer_format", "random_prefix_length", "on_disconnect", "on_reconnect")


def adapt_config(config: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """Return the arguments of our Redis layer; of the one with Sentinels if ``services`` is there.

    Args:
        config: As it was written for ``channels_redis``.
        setting: Where it was configured, for messages.

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
