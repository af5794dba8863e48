"""Messages that lead nowhere, as a name was misspelt or a process does not run.

Nothing fails then, so it is told: once a minute for each channel, or each path.
"""

from __future__ import annotations

import difflib
import logging
from typing import Any

from django.apps import apps

from channels.asgi import ChannelLayerWrapper
from channels.exceptions import LayerUnavailable
from channels.layers.base import clients_may_replace
from channels.routing import connect_consumer, null_consumer
from channels.routing.doubts import asked_keys, is_wanted, nearest_route
from channels.seldom import Seldom
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")

#: Most of a path that is shown and compared: clients choose it.
_SHOWN = 200

#: What takes messages that no route of the project does.
_DEFAULTS = {"websocket.connect": connect_consumer, "websocket.receive": null_consumer}

_seldom = Seldom()


def tell_if_unrouted(layer: Any, name: Any, consumer: object = None) -> None:
    """Log it if no route has the channel and no worker of any project listens on it.

    Layers that can't tell are left alone, and layers in memory without any worker: those of tests.
    """
    if not isinstance(name, str) or "!" in name or "?" in name:
        return  # read by what made up the name
    if not isinstance(layer, ChannelLayerWrapper) or name in layer.router.channels:
        return
    raw = layer.channel_layer
    look = getattr(raw, "listened_on", None)
    # Only workers with a client of the layer are registered.
    if look is None or not clients_may_replace(raw) or not _seldom.due((layer.alias, name)):
        return
    try:
        listened_on = look()
    except LayerUnavailable:
        return
    if listened_on is None or name in listened_on or (layer.local_only() and not listened_on):
        return
    logger.warning(
        "A message for channel %r was sent%s, but no route has that channel and no worker listens"
        " on it: unless something of your own receives it, it will expire. %s",
        name,
        "" if consumer is None else f" by {name_that_thing(consumer)}",
        _advice_on_channel(layer, name),
    )


def _advice_on_channel(layer: ChannelLayerWrapper, name: str) -> str:
    if name == "asgi.delay":
        if layer.local_only():
            return "'manage.py rundelay' can't reach a layer in memory: configure one in Redis."
        if apps.is_installed("channels.delay"):
            return "Delayed messages need 'manage.py rundelay' to run."
        return (
            "Delayed messages need 'channels.delay' in INSTALLED_APPS, 'manage.py migrate', and"
            " 'manage.py rundelay' to run."
        )
    near = difflib.get_close_matches(name, sorted(layer.router.channels), 1)
    meant = f"Did you mean {near[0]!r}? If not, add" if near else "Add"
    return f'{meant} a route for it to CHANNEL_LAYERS["{layer.alias}"]["ROUTING"].'


def tell_of_default(consumer: object, channel: str, content: dict[str, Any], router: Any) -> None:
    """Say that a socket is deaf, if a default consumer took its message for want of a route."""
    path = content.get("path")
    if consumer is not _DEFAULTS.get(channel) or not isinstance(path, str):
        return
    path = path[:_SHOWN]
    if not _seldom.due((channel, path)):
        return
    own = router.own_entries()
    connects = is_wanted(own, "websocket.connect", path)
    receives = is_wanted(own, "websocket.receive", path)
    if channel == "websocket.connect" and not connects and not receives:
        text = (
            "The WebSocket at %r is accepted and deaf: no route of websocket.connect or"
            " websocket.receive takes its path.%s"
        )
    elif channel == "websocket.receive" and connects and not receives:
        text = (
            "What the WebSocket at %r sends is dropped: no route of websocket.receive takes"
            " its path.%s"
        )
    else:
        return  # meant so, or said as it connected
    advice = _advice_on_route(own, channel, path)
    # One path for each advice: each user, or each bot, may have another.
    if _seldom.due((text, advice)):
        logger.warning(text, path, advice)


def tell_of_no_match(channel: str, content: dict[str, Any], router: Any) -> None:
    """Say that no route took a message of a channel that some route names."""
    own = router.own_entries()
    # What routes ask about tells why none matched; the rest may be large, or a secret.
    facts = {key: content.get(key) for key in sorted(asked_keys(own, channel))}
    shown = f" with {facts!r:.200}" if facts else ""
    if _seldom.due((channel, shown)):
        path = content.get("path")
        logger.error(
            "Could not find match for message on %s%s! Check your routing.%s",
            channel,
            shown,
            _advice_on_route(own, channel, path[:_SHOWN] if isinstance(path, str) else ""),
        )


def _advice_on_route(own: list[Any], channel: str, path: str) -> str:
    nearest = nearest_route(own, channel, path)
    if nearest is None:
        return f' Add one: route("{channel}", …).'
    return f" The nearest is {nearest}."
