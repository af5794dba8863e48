"""Messages on channels that nobody listens on: told once a minute for each channel.

Nothing fails then: the message waits until it expires.  A name that was misspelt, or a
process that does not run, shows in nothing else than silence.
"""

from __future__ import annotations

import difflib
import logging
from typing import Any

from django.apps import apps

from channels.asgi import ChannelLayerWrapper
from channels.exceptions import LayerUnavailable
from channels.layers.base import clients_may_replace
from channels.seldom import Seldom
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")

_seldom = Seldom()


def tell_if_unrouted(layer: Any, name: Any, consumer: object = None) -> None:
    """Log it if no route has the channel and no worker of any project listens on it.

    Nearly always that is a look into a set; at most once a minute for each channel that is not
    routed here it is a look at who listens, too.  Layers that can't tell are left alone, and so
    are layers in memory without any worker: those of tests.

    Args:
        layer: Layer that a message was sent on.
        name: Channel that it was sent to.
        consumer: What sent it, if a consumer did.
    """
    if not isinstance(name, str) or "!" in name or "?" in name:
        return  # read by whoever made up the name
    if not isinstance(layer, ChannelLayerWrapper) or name in layer.router.channels:
        return
    raw = layer.channel_layer
    look = getattr(raw, "listened_on", None)
    # Only workers that take by the frame are on the register.
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
        _advice(layer, name),
    )


def _advice(layer: ChannelLayerWrapper, name: str) -> str:
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
