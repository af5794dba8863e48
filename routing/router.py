"""The router: the whole routing of one channel layer.

A pure function from a message to a consumer and its keyword arguments; it does
no I/O and keeps no state between messages.
"""

from __future__ import annotations

from typing import Any

from channels.routing.includes import Include, resolve_routing
from channels.routing.matching import (
    Match,
    Routable,
    RoutingObject,
    import_dotted,
    normalise_re_arg,
)
from channels.routing.routes import Route


class Router:
    """Finds the consumer of each message.

    Args:
        routing: As of :class:`~channels.routing.includes.Include`.

    Attributes:
        root: The routing as an include without prefixes.
        channels: Names of all channels that a worker must listen on.

    Raises:
        ImproperlyConfigured: The routing cannot be imported or is no routing; or there are
            mistakes in it: the text has one line for each, which names its file.
    """

    resolve_routing = staticmethod(resolve_routing)
    normalise_re_arg = staticmethod(normalise_re_arg)

    def __init__(self, routing: Any) -> None:
        self.root = Include(routing)
        self.channels = self.root.channel_names()
        self._defaults: list[RoutingObject] = []

    def own_entries(self) -> list[RoutingObject]:
        """Return the project's entries, without what :meth:`check_default` added."""
        return [entry for entry in self.root.routing if entry not in self._defaults]

    def add_route(self, route: RoutingObject) -> None:
        """Add a route that is tried after all others."""
        self.root.append(route)
        self.channels = self.root.channel_names()

    def match(self, message: Routable) -> Match | None:
        """Return ``(consumer, keyword arguments)`` of the first match in list order, or None."""
        return self.root.find(message.channel.name, message.content, message)

    def check_default(self, http_consumer: Any = None) -> None:
        """Add what a project needs but need not write: Django's views, and open WebSockets.

        The routes come last, so those of the project win.  A second call adds
        nothing: routes without filters are there, so no later one could match.

        Args:
            http_consumer: Consumer of ``http.request``; ``None`` for a new
                :class:`channels.handler.ViewConsumer`.
        """
        if self._defaults:
            return
        if http_consumer is None:
            # By its path, as a project names its consumers: views stand above routing.
            http_consumer = import_dotted("channels.handler.ViewConsumer", "consumer")()
        self._defaults = [
            Route("http.request", http_consumer),
            Route("websocket.connect", connect_consumer),
            Route("websocket.receive", null_consumer),
            Route("websocket.disconnect", null_consumer),
        ]
        for default in self._defaults:
            self.add_route(default)


def null_consumer(*args: Any, **kwargs: Any) -> None:
    """Do nothing with the message."""


def connect_consumer(message: Any, *args: Any, **kwargs: Any) -> None:
    """Accept the WebSocket."""
    message.reply_channel.send({"accept": True})
