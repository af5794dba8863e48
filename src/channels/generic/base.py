"""The root of class-based consumers (docs/channels1.md#class-based-consumers).

The class itself is the consumer: calling it with a message makes an instance and
runs the message through it.  So an instance serves one message, nothing on it
is shared between threads, and nothing is left to clean up.  Methods may be ``async
def``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from asgiref.sync import async_to_sync

from channels.auth import channel_session_user
from channels.message import Message
from channels.routing import RouteClass
from channels.sessions import channel_session

Handler = Callable[..., Any]


class BaseConsumer:
    """Sends each message to the method that its channel is mapped to.

    Args:
        message: Dispatched at once, before the constructor returns.
        kwargs: What routing found: the named groups of the route's patterns.

    Attributes:
        method_mapping: Channel name to the name of a method.
        channel_session: Give the message a ``channel_session``.
        channel_session_user: Give it the session and the session's ``user``.
        message: The message.
        kwargs: As given.
    """

    method_mapping: dict[str, str] = {}
    channel_session: bool = False
    channel_session_user: bool = False

    def __init__(self, message: Message, **kwargs: Any) -> None:
        self.message = message
        self.kwargs = kwargs
        self.dispatch(message, **kwargs)

    @classmethod
    def channel_names(cls) -> set[str]:
        """Return the channels that this consumer listens on."""
        return set(cls.method_mapping)

    @classmethod
    def as_route(cls, attrs: dict[str, Any] | None = None, **filters: Any) -> RouteClass:
        """Return a route to this consumer.

        Args:
            attrs: Attributes of a subclass of the same name, which is then routed
                to; without any, the class itself is.
            filters: As of :class:`~channels.routing.Route`.

        Raises:
            AssertionError: ``attrs`` is not a dict.
            ValueError: A filter is no regular expression or has an unnamed group.
        """
        consumer = cls
        if attrs is not None:
            if not isinstance(attrs, dict):
                raise AssertionError(
                    f"{cls.__name__}.as_route: attrs must be a dict of class attributes, not"
                    f" {type(attrs).__name__}"
                )
            if attrs:
                # In the log the subclass goes by the name of the class it was made from.
                origin = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
                consumer = type(cls.__name__, (cls,), {**origin, **attrs})
        return RouteClass(consumer, **filters)

    def get_handler(self, message: Message, **kwargs: Any) -> Handler:
        """Return what handles the message; override it to add decorators.

        Raises:
            KeyError: The message's channel is not in ``method_mapping``.
        """
        handler = self.find_method(self.method_mapping[message.channel.name])
        if self.channel_session_user:
            return channel_session_user(handler)
        if self.channel_session:
            return channel_session(handler)
        return handler

    def find_method(self, name: str) -> Handler:
        """Return the method that a channel is mapped to, not decorated."""
        handler: Handler = getattr(self, name)
        return handler

    def dispatch(self, message: Message, **kwargs: Any) -> Any:
        """Call the handler with the message and the arguments from its route."""
        return finish(self.get_handler(message, **kwargs)(message, **kwargs))


def finish(result: Any) -> Any:
    """Return a result; if it is that of an ``async def``, once that has run to its end.

    The message counts as done when the consumer's class has been called, so all of
    it must have happened by then.
    """
    if inspect.iscoroutine(result):
        return async_to_sync(_await)(result)
    return result


async def _await(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await coroutine
