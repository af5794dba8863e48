"""The message that a consumer is called with (docs/channels1.md#message)."""

from __future__ import annotations

import copy
from collections.abc import Callable, ItemsView, KeysView, ValuesView
from typing import Any

from channels.channel import Channel
from channels.outbox import PendingMessageStore, pending_message_store

__all__ = ["Message", "PendingMessageStore", "pending_message_store"]


class Message:
    """One message from a channel, and the way to answer it.

    Its content is read and written like a dict's.  Attributes may be added
    freely; decorators add ``channel_session``, ``http_session`` and ``user``.

    Attributes:
        content: The dict that was given, not a copy.
        channel: The channel that it came from.
        channel_layer: Layer that it was taken from; ``None`` for the default one.
        reply_channel: Where to answer; ``None`` if the sender expects no answer.
        ordered: Whether the sender keeps one frame per connection in flight.
            Then nothing else of this connection can be running, and this
            message is next in turn: ``enforce_ordering`` has nothing to do.
        redelivered: Whether it was sent before and its worker died, or stood still for so long that
            it was given up: some or all of it may have run (docs/channels1.md#lost-messages).
        __doomed__: Set by the worker when a further :class:`ConsumeLater
            <channels.exceptions.ConsumeLater>` would drop the message.
        worker_timers: The worker's :class:`~channels.worker.dispatch.ScheduledCalls`; ``None``
            where no worker runs the message.
        worker_leaves: Asked now and then by what goes on for long: whether the worker was told
            to stop and waits no longer; ``None`` where no worker runs the message.
    """

    ordered: bool = False
    redelivered: bool = False
    __doomed__: bool = False
    worker_timers: Any = None
    worker_leaves: Callable[[], bool] | None = None

    # Declared loosely, because tests and applications put their own things here.
    channel: Any
    reply_channel: Any

    # There once a decorator has put them here.
    channel_session: Any
    http_session: Any
    user: Any

    def __init__(self, content: dict[str, Any], channel_name: Any, channel_layer: Any) -> None:
        self.content = content
        self.channel = Channel(channel_name, channel_layer=channel_layer)
        self.channel_layer = channel_layer
        reply_to = content.get("reply_channel")
        self.reply_channel = Channel(reply_to, channel_layer=channel_layer) if reply_to else None

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.content[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self.content

    def keys(self) -> KeysView[str]:
        """Return the keys of the content."""
        return self.content.keys()

    def values(self) -> ValuesView[Any]:
        """Return the values of the content."""
        return self.content.values()

    def items(self) -> ItemsView[str, Any]:
        """Return the items of the content."""
        return self.content.items()

    def get(self, key: str, default: Any = None) -> Any:
        """Return one value of the content."""
        return self.content.get(key, default)

    def defer(self, name: str, make: Callable[[], Any]) -> None:
        """Add an attribute that is made when it is first read, in place of an existing one."""
        own = vars(self)
        own.pop(name, None)
        own.setdefault("_deferred", {})[name] = make

    def provides(self, name: str) -> bool:
        """Whether an attribute was added or deferred; never makes it, as ``hasattr`` does."""
        own = vars(self)
        return name in own or name in own.get("_deferred", ())

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not there.  The dict is empty while unpickling.
        deferred = self.__dict__.get("_deferred", {})
        if name not in deferred:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = self.__dict__[name] = deferred[name]()
        return value

    def copy(self) -> Message:
        """Return a message with a deep copy of the content, without added attributes."""
        return type(self)(copy.deepcopy(self.content), self.channel.name, self.channel_layer)

    def __repr__(self) -> str:
        return f"<Message on {self.channel.name!r}: keys {sorted(map(str, self.content))}>"
