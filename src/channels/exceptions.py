"""Every exception of the package, in two families.

*Layer errors* say that the channel layer did not carry a message; *consumer exceptions* are
raised by an application to tell the worker what to do with the message it runs
(docs/channels1.md#exceptions).
"""

from __future__ import annotations

from typing import Any, Protocol


class LayerError(Exception):
    """The channel layer could not do what was asked; root of its errors."""


class ChannelFull(LayerError):
    """The channel already holds as many messages as its capacity allows.

    Nothing was stored: the layer never waits on the caller's behalf.  Applications may raise it
    themselves with any text of their own.

    Attributes:
        channel: Name of the channel that is full, or the text it was raised with.
        capacity: Most messages that it may hold; ``None`` if the raiser did not say.
    """

    def __init__(self, channel: str = "", capacity: int | None = None) -> None:
        super().__init__(channel, capacity)  # both, so that it can be pickled
        self.channel = channel
        self.capacity = capacity

    def __str__(self) -> str:
        if self.capacity is None:
            return self.channel
        return f"channel {self.channel!r} already holds {self.capacity} messages; none was added"


class MessageTooLarge(LayerError):
    """The packed message is larger than the layer's ``max_message_size``.

    Nothing was stored.  Split the message, or send a reference to its content.

    Attributes:
        channel: Name of the channel or group it was meant for.
        size: Bytes of the packed message.
        limit: Most bytes that the layer carries.
    """

    def __init__(
        self, channel: str = "", size: int | None = None, limit: int | None = None
    ) -> None:
        super().__init__(channel, size, limit)
        self.channel = channel
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        if self.size is None:
            return self.channel
        return (
            f"a message for {self.channel!r} packs to {self.size} bytes, more than the"
            f" {self.limit} that the layer carries; it was not sent"
        )


class LayerUnavailable(LayerError):
    """The layer's server did not answer, refused the connection or hung up.

    Whatever was on its way may or may not have been stored: nothing is repeated
    (delivery is at most once).  The layer reconnects by itself at the next call.

    Attributes:
        remedy: What to do about it where a process is started, a sentence without its full stop;
            empty if the text says it all.
    """

    remedy = ""


class InvalidChannelLayerError(ValueError):
    """A ``CHANNEL_LAYERS`` entry cannot be used; the text names the setting."""


class ConsumeLater(Exception):
    """Put the message back on its channel and run it again later."""


class ResponseLater(Exception):
    """A view will answer later, by itself, on ``request.reply_channel``."""


class RequestTimeout(Exception):
    """The request's body did not arrive in time; the client gets a 408."""


class RequestAborted(Exception):
    """The client went away before its request was complete; nobody is answered."""


class DenyConnection(Exception):
    """Refuse a WebSocket: raised by a ``websocket.connect`` consumer, answers 403."""


class SocketMessage(Protocol):
    """What an exception acts on: a message with the channel of its socket."""

    reply_channel: Any


class ChannelSocketException(Exception):
    """Base of exceptions that act on the message they were raised for."""

    def run(self, message: SocketMessage) -> None:
        """Carry out what the exception stands for; subclasses must override it."""
        raise NotImplementedError(f"{type(self).__name__} does not define run(message)")


class WebsocketCloseException(ChannelSocketException):
    """Close the socket of the message.

    Args:
        code: Close code: 1000 to 1003, 1007 to 1014 or 3000 to 4999 (RFC 6455 section 7.4 and
            its registry); None means 1000.

    Raises:
        ValueError: The code is anything else.
    """

    def __init__(self, code: int | None = None) -> None:
        if code is not None and not is_sendable_close_code(code):
            raise ValueError(
                f"close code {code!r} cannot be sent: use None, {SENDABLE_CLOSE_CODES}"
                " (RFC 6455 section 7.4)"
            )
        super().__init__(code)
        self.code = code

    def run(self, message: SocketMessage) -> None:
        """Send ``{"close": code}`` to the socket, ``True`` standing for no code."""
        if message.reply_channel is None:
            raise ValueError("the message has no reply_channel: there is no socket to close")
        message.reply_channel.send({"close": self.code or True})


class SendNotAvailableOnDemultiplexer(Exception):
    """A demultiplexed consumer must send through its multiplexer.

    Replies of a stream carry the stream's name, which only the multiplexer
    that the consumer was called with knows: use ``self.kwargs["multiplexer"]``.
    """


#: The close codes that an endpoint may send, in words: RFC 6455 section 7.4 and its registry.
SENDABLE_CLOSE_CODES = "1000 to 1003, 1007 to 1014 or 3000 to 4999"


def is_sendable_close_code(code: object) -> bool:
    """Return whether a close frame may carry this code; others only say what was (not) received."""
    if not isinstance(code, int) or isinstance(code, bool):
        return False
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
