"""What is said, once a minute, about messages that no route of the project takes.

A line in the log with the path and the nearest route; nothing is kept from going on.  Channels that
no route names are told where they are sent to, see :mod:`channels.unrouted`.
"""

from __future__ import annotations

import logging
from typing import Any

from channels.routing import connect_consumer, null_consumer
from channels.routing.doubts import asked_keys, is_wanted, nearest_route
from channels.seldom import Seldom

logger = logging.getLogger("django.channels")

#: Most of a path that is shown and compared: clients choose it.
_SHOWN = 200

_seldom = Seldom()


def tell_of_default(consumer: object, channel: str, content: dict[str, Any], router: Any) -> None:
    """Say that a socket is deaf, if a default consumer took its message for want of a route.

    Args:
        consumer: What the message was routed to.
        channel: Where it came from.
        content: The message.
        router: What routed it.
    """
    path = content.get("path")
    if not isinstance(path, str):
        return
    path = path[:_SHOWN]
    if channel == "websocket.connect" and consumer is connect_consumer:
        if not _seldom.due((channel, path)):
            return
        own = router.own_entries()
        if not is_wanted(own, channel, path) and not is_wanted(own, "websocket.receive", path):
            _warn(
                "The WebSocket at %r is accepted and deaf: no route of websocket.connect or"
                " websocket.receive takes its path.%s",
                path,
                _advice(own, channel, path),
            )
    elif channel == "websocket.receive" and consumer is null_consumer:
        if not _seldom.due((channel, path)):
            return
        own = router.own_entries()
        # Of a socket that no route accepted it was said as it connected.
        if is_wanted(own, "websocket.connect", path) and not is_wanted(own, channel, path):
            _warn(
                "What the WebSocket at %r sends is dropped: no route of websocket.receive takes"
                " its path.%s",
                path,
                _advice(own, channel, path),
            )


def _warn(text: str, path: str, advice: str) -> None:
    """Warn of one path for each advice: there may be one for each user, or as bots make them up."""
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
            _advice(own, channel, path[:_SHOWN] if isinstance(path, str) else ""),
        )


def _advice(own: list[Any], channel: str, path: str) -> str:
    nearest = nearest_route(own, channel, path)
    if nearest is None:
        return f' Add one: route("{channel}", …).'
    return f" The nearest is {nearest}."
