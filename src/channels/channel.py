"""Channels and groups by name: what an app sends to (docs/channels1.md#channel-and-group)."""

from __future__ import annotations

from typing import Any

from channels.asgi import channel_layers
from channels.layers.clients import GroupSend, Send
from channels.names import DEFAULT_CHANNEL_LAYER
from channels.outbox import pending_message_store
from channels.unrouted import tell_if_unrouted


class _Named:
    """A name on a channel layer: the given one, or else that of the alias.

    ASCII bytes are decoded.  The layer checks the name when it is used.

    Raises:
        UnicodeDecodeError: The name is bytes that are not ASCII.
        KeyError: ``CHANNEL_LAYERS`` has no such alias.
    """

    def __init__(
        self,
        name: Any,
        alias: str = DEFAULT_CHANNEL_LAYER,
        channel_layer: Any = None,
    ) -> None:
        self.name = name.decode("ascii") if isinstance(name, bytes) else name
        self.channel_layer = channel_layer or channel_layers[alias]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Channel(_Named):
    """A channel, to send messages to; see the arguments of the layer's ``send``."""

    def send(self, content: dict[str, Any], immediately: bool = False) -> None:
        """Send a message.

        Inside a consumer it is kept until the consumer ends, whether it returns or raises; then
        nothing is reported back.  The same object is kept, so don't change it afterwards.
        Outside of a consumer, or ``immediately``, it goes at once.

        Raises:
            TypeError: The content is not a dict, or (at once only) the name is invalid.
            ChannelFull: At once only; nothing was stored.
        """
        if not isinstance(content, dict):
            raise TypeError(f"a message must be a dict, not {type(content).__name__}")
        operation = Send(self.name, content)
        if immediately or not pending_message_store.keep(self.channel_layer, operation):
            self.channel_layer.send(self.name, content)
            tell_if_unrouted(self.channel_layer, self.name)

    def __str__(self) -> str:
        return str(self.name)


class Group(_Named):
    """A set of channels that a message is sent to together.

    A membership ends ``group_expiry`` seconds after the channel was last added.
    """

    def add(self, channel: Any) -> None:
        """Add a :class:`Channel` or a channel name, at once; renews an existing membership."""
        name = channel.name if isinstance(channel, Channel) else channel
        self.channel_layer.group_add(self.name, name)

    def discard(self, channel: Any) -> None:
        """Remove a :class:`Channel` or a channel name, at once, if it is a member."""
        name = channel.name if isinstance(channel, Channel) else channel
        self.channel_layer.group_discard(self.name, name)

    def send(self, content: dict[str, Any], immediately: bool = False) -> None:
        """Send a message to every member, when :meth:`Channel.send` would; full ones are skipped.

        Raises:
            ValueError: The content is not a dict.
        """
        if not isinstance(content, dict):
            raise ValueError(f"a message must be a dict, not {type(content).__name__}")
        operation = GroupSend(self.name, content)
        if immediately or not pending_message_store.keep(self.channel_layer, operation):
            self.channel_layer.send_group(self.name, content)
