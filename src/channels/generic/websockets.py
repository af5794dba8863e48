"""Class-based consumers for WebSockets: plain, JSON, and several streams over one socket.

See docs/channels1.md#class-based-consumers for what applications rely on.  A multiplexed frame is
a JSON object ``{"stream": name, "payload": object}``, in both directions.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NoReturn

from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder

from channels.auth import channel_and_http_session_user_from_http, channel_session_user_from_http
from channels.channel import Channel, Group
from channels.exceptions import ConsumeLater, SendNotAvailableOnDemultiplexer
from channels.generic.base import BaseConsumer, Handler, finish
from channels.message import Message
from channels.sessions.ordering import order_as_declared
from channels.utils import name_that_thing


class WebsocketConsumer(BaseConsumer):
    """Handles the messages of WebSockets; override ``connect``, ``receive`` and ``disconnect``.

    Attributes:
        http_user: Take ``message.user`` from the HTTP session at connect, and
            keep it for the socket in its channel session.
        http_user_and_session: The same, and give every message the HTTP session.
        strict_ordering: Never run two messages of a socket at once or out of
            their order.  Behind our interface server that is so in any case.
        slight_ordering: Deprecated; only gives the message its channel session.
        groups: Groups that each socket joins while it is connected.
        path: Path of the socket's URL.
    """

    method_mapping = {
        "websocket.connect": "raw_connect",
        "websocket.receive": "raw_receive",
        "websocket.disconnect": "raw_disconnect",
    }

    http_user: bool = False
    http_user_and_session: bool = False
    strict_ordering: bool = False
    slight_ordering: bool = False
    groups: Iterable[str] | None = None

    path: str

    def get_handler(self, message: Message, **kwargs: Any) -> Handler:
        """Return the handler inside the decorators that the attributes ask for.

        Raises:
            KeyError: The message has no path, or a channel that is not mapped.
        """
        if self.http_user or self.http_user_and_session:
            self.channel_session_user = True
        self.path = message["path"]
        handler = super().get_handler(message, **kwargs)
        if self.http_user_and_session:
            handler = channel_and_http_session_user_from_http(handler)
        elif self.http_user:
            handler = channel_session_user_from_http(handler)
        return order_as_declared(handler, self, name_that_thing(self))

    def find_method(self, name: str) -> Handler:
        """Return a ``raw_`` method; as a coroutine if the one that it calls is ``async def``."""
        handler = super().find_method(name)
        if inspect.iscoroutinefunction(getattr(self, name.removeprefix("raw_"), None)):
            return _awaiting(handler)
        return handler

    def connection_groups(self, **kwargs: Any) -> Iterable[str]:
        """Return the groups that the socket joins; override it to look at the URL's arguments."""
        return self.groups or []

    def raw_connect(self, message: Message, **kwargs: Any) -> Any:
        """Join the groups, then :meth:`connect`."""
        for name in self.connection_groups(**kwargs):
            Group(name, channel_layer=message.channel_layer).add(message.reply_channel)
        return self.connect(message, **kwargs)

    def connect(self, message: Message, **kwargs: Any) -> Any:
        """Accept the socket; what overrides this must accept, send or close itself."""
        self._reply({"accept": True})

    def raw_receive(self, message: Message, **kwargs: Any) -> Any:
        """Call :meth:`receive` with the frame's ``text`` or else its ``bytes``.

        Raises:
            KeyError: The message has neither.
        """
        if "text" in message:
            return self.receive(text=message["text"], **kwargs)
        return self.receive(bytes=message["bytes"], **kwargs)

    def receive(self, text: Any = None, bytes: Any = None, **kwargs: Any) -> Any:
        """Handle a frame; one of ``text`` and ``bytes`` is given."""

    def raw_disconnect(self, message: Message, **kwargs: Any) -> Any:
        """Leave the groups, then :meth:`disconnect`."""
        for name in self.connection_groups(**kwargs):
            Group(name, channel_layer=message.channel_layer).discard(message.reply_channel)
        return self.disconnect(message, **kwargs)

    def disconnect(self, message: Message, **kwargs: Any) -> Any:
        """Handle the end of the socket."""

    def send(self, text: Any = None, bytes: Any = None, close: bool | int = False) -> None:
        """Send a frame to the socket, and close it behind that if ``close``.

        Raises:
            ValueError: There is neither ``text`` nor ``bytes``; see :meth:`close`.
        """
        self._reply(_frame(text, bytes, close))

    @classmethod
    def group_send(
        cls, name: str, text: Any = None, bytes: Any = None, close: bool | int = False
    ) -> None:
        """Send a frame to every socket of a group of the default layer.

        Raises:
            ValueError: There is neither ``text`` nor ``bytes``.
        """
        Group(name).send(_frame(text, bytes, close))

    def close(self, status: bool | int = True) -> None:
        """Close the socket: True is 1000, else 1000 to 1003, 1007 to 1014 or 3000 to 4999."""
        self._reply({"close": status})

    def _reply(self, content: dict[str, Any]) -> None:
        reply_channel = self.message.reply_channel
        if reply_channel is None:
            raise ValueError(
                f"{name_that_thing(self)}: the message has no reply_channel, so there is no"
                " socket to answer"
            )
        reply_channel.send(content)


def _awaiting(handler: Handler) -> Handler:
    @functools.wraps(handler)
    async def run(*args: Any, **kwargs: Any) -> Any:
        # Not here: groups are joined and sessions read in the thread for such things.
        result = await sync_to_async(handler)(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return run


def _frame(text: Any, bytes: Any, close: bool | int) -> dict[str, Any]:
    frame: dict[str, Any] = {"close": close} if close else {}
    if text is not None:
        frame["text"] = text
    elif bytes is not None:
        frame["bytes"] = bytes
    else:
        raise ValueError("a frame needs text or bytes; to only close the socket, call close()")
    return frame


class JsonWebsocketConsumer(WebsocketConsumer):
    """Handles WebSockets whose frames are JSON; ``receive`` and ``send`` see Python objects."""

    def raw_receive(self, message: Message, **kwargs: Any) -> Any:
        """Decode the frame and call :meth:`receive`.

        Raises:
            ValueError: The frame is binary, or (``json.JSONDecodeError``) no JSON.
        """
        if "text" not in message:
            raise ValueError(f"{name_that_thing(self)} takes JSON text, not a binary frame")
        try:
            content = self.decode_json(message["text"])
        except json.JSONDecodeError as error:
            raise json.JSONDecodeError(
                f"{name_that_thing(self)} received a frame that is no JSON: {error.msg}",
                error.doc,
                error.pos,
            ) from error
        return self.receive(content, **kwargs)

    def receive(self, content: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # as legacy  # pyright: ignore[reportIncompatibleMethodOverride]
        """Handle a decoded frame."""

    def send(self, content: Any, close: bool | int = False) -> None:  # type: ignore[override]  # as legacy  # pyright: ignore[reportIncompatibleMethodOverride]
        """Encode an object and send it to the socket."""
        super().send(text=self.encode_json(content), close=close)

    @classmethod
    def group_send(cls, name: str, content: Any, close: bool | int = False) -> None:  # type: ignore[override]  # as legacy  # pyright: ignore[reportIncompatibleMethodOverride]
        """Encode an object and send it to every socket of a group of the default layer."""
        WebsocketConsumer.group_send(name, text=cls.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text: Any) -> Any:
        """Return the object of a frame; override it for another notation."""
        return json.loads(text)

    @classmethod
    def encode_json(cls, content: Any) -> Any:
        """Return the text of an object; override it for another notation."""
        return json.dumps(content)


class WebsocketMultiplexer:
    """The way back from a stream's consumer to the socket.

    Args:
        stream: Name of the stream, which the client finds in each frame.
        reply_channel: The socket.
    """

    def __init__(self, stream: str, reply_channel: Channel) -> None:
        self.stream = stream
        self.reply_channel = reply_channel

    def send(self, payload: Any) -> None:
        """Send a payload on this stream."""
        self.reply_channel.send(self.encode(self.stream, payload))

    @classmethod
    def encode_json(cls, content: Any) -> Any:
        """Return the text of a frame; knows dates, decimals, UUIDs and lazy texts."""
        return json.dumps(content, cls=DjangoJSONEncoder)

    @classmethod
    def encode(cls, stream: str, payload: Any) -> dict[str, Any]:
        """Return the message of a frame that carries a payload."""
        return {"text": cls.encode_json({"stream": stream, "payload": payload})}

    @classmethod
    def group_send(cls, name: str, stream: str, payload: Any, close: bool | int = False) -> None:
        """Send a payload on a stream to every socket of a group of the default layer."""
        message = cls.encode(stream, payload)
        if close:
            message["close"] = True
        Group(name).send(message)


class WebsocketDemultiplexer(JsonWebsocketConsumer):
    """Splits one socket into streams, each with a consumer of its own.

    Consumers get the arguments of the route and ``multiplexer``, through which
    they answer.  A consumer class's own ``send`` is refused meanwhile, as its
    frames would carry no stream; only on that instance, so the same class may
    serve sockets by itself in another thread (docs/channels1.md#demultiplexers).

    Attributes:
        consumers: Name of each stream to its consumer: a class, or anything that
            is called as ``consumer(message, **kwargs)``.
        multiplexer_class: What the consumers are given.
    """

    consumers: dict[str, Callable[..., Any]] = {}
    multiplexer_class: type[WebsocketMultiplexer] = WebsocketMultiplexer

    def connect(self, message: Message, **kwargs: Any) -> None:
        """Accept the socket and tell every stream's consumer."""
        self._reply({"accept": True})
        for stream, consumer in self.consumers.items():
            self._hand_over(stream, consumer, message, kwargs)

    def receive(self, content: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as legacy  # pyright: ignore[reportIncompatibleMethodOverride]
        """Hand the payload to the consumer of the frame's stream.

        It gets the same message, with the payload's JSON as its ``text``.

        Raises:
            ValueError: The frame is not of the form above, or nobody consumes
                the stream.
        """
        stream, payload = self._open_frame(content)
        whole = self.message["text"]
        self.message["text"] = self.encode_json(payload)
        try:
            self._hand_over(stream, self.consumers[stream], self.message, kwargs)
        except BaseException:
            # ConsumeLater puts the message back: it must arrive whole again.
            self.message["text"] = whole
            raise

    def disconnect(self, message: Message, **kwargs: Any) -> None:
        """Tell every stream's consumer; one that fails does not keep the others from it."""
        first_error: Exception | None = None
        for stream, consumer in self.consumers.items():
            try:
                self._hand_over(stream, consumer, message, kwargs)
            except ConsumeLater:
                raise  # all of them will run again
            except Exception as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error

    def _open_frame(self, content: Any) -> tuple[Any, dict[str, Any]]:
        """Return stream and payload of a frame.

        Raises:
            ValueError: They are missing or cannot be used; the text says which.
        """
        name = name_that_thing(self)
        if not isinstance(content, dict) or not {"stream", "payload"} <= content.keys():
            raise ValueError(f"{name}: a frame must be a JSON object with 'stream' and 'payload'")
        stream, payload = content["stream"], content["payload"]
        if not isinstance(stream, Hashable) or stream not in self.consumers:
            raise ValueError(
                f"{name}: no consumer for stream {stream!r:.100}; there are"
                f" {sorted(map(str, self.consumers))}"
            )
        if not isinstance(payload, dict):
            raise ValueError(
                f"{name}: the payload on stream {stream!r} must be an object, not"
                f" {type(payload).__name__}"
            )
        return stream, payload

    def _hand_over(
        self, stream: str, consumer: Callable[..., Any], message: Message, kwargs: dict[str, Any]
    ) -> None:
        multiplexer = self.multiplexer_class(stream, message.reply_channel)
        arguments = {**kwargs, "multiplexer": multiplexer}
        if isinstance(consumer, type) and hasattr(consumer, "send"):
            _construct_without_send(consumer, message, arguments)
        else:
            finish(consumer(message, **arguments))

    def send(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a frame must say its stream.

        Raises:
            SendNotAvailableOnDemultiplexer: Always.
        """
        _refuse(name_that_thing(self))

    @classmethod
    def group_send(cls, name: str, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a frame must say its stream.

        Raises:
            SendNotAvailableOnDemultiplexer: Always.
        """
        _refuse(name_that_thing(cls))


def _construct_without_send(
    consumer: type[Any], message: Message, arguments: dict[str, Any]
) -> None:
    """Call a consumer class as ``consumer(message, **arguments)``, its own ``send`` shadowed.

    The instance runs the message while it is constructed, so the shadow must be
    there between ``__new__`` and ``__init__``.
    """
    name = name_that_thing(consumer)

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        _refuse(name)

    instance: Any = consumer.__new__(consumer, message, **arguments)
    instance.send = refuse
    instance.__init__(message, **arguments)


def _refuse(name: str) -> NoReturn:
    raise SendNotAvailableOnDemultiplexer(
        f"{name}: on a demultiplexed socket a frame must carry the name of its stream; send"
        " through the 'multiplexer' argument of the stream's consumer, and to groups with"
        " WebsocketMultiplexer.group_send(group, stream, payload)"
    )
