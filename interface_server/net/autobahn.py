"""Autobahn's server protocol with less work for each frame and less memory for each socket.

The framing is Autobahn's own.  What is left out is what this server does not use: log
lines that are formatted and thrown away, events and futures that nobody waits for,
counters that nobody reads, and some seventy attributes that are the same on every
connection, which move to the class.
"""

from __future__ import annotations

import codecs
from collections import deque
from typing import Any

from autobahn.exception import PayloadExceededError
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol

CONNECTING = WebSocketServerProtocol.STATE_CONNECTING
OPEN = WebSocketServerProtocol.STATE_OPEN
CLOSED = WebSocketServerProtocol.STATE_CLOSED

# Autobahn knows the registry of close codes as it was before "Bad Gateway".
if 1014 not in WebSocketServerProtocol.CLOSE_STATUS_CODES_ALLOWED:
    WebSocketServerProtocol.CLOSE_STATUS_CODES_ALLOWED.append(1014)

_new_decoder = codecs.getincrementaldecoder("utf-8")

#: What Autobahn remembers of the handshake, and nobody asks for.
_HANDSHAKE_LEFTOVERS = frozenset(
    [
        "http_headers",
        "http_request_data",
        "http_request_host",
        "http_request_params",
        "http_request_path",
        "http_request_uri",
        "http_response_data",
        "http_status_line",
        "websocket_extensions",
        "websocket_extensions_in_use",
        "websocket_origin",
        "websocket_protocols",
        "websocket_protocol_in_use",
        "websocket_version",
        "_wskey",
        "_subprotocol",
        "_handshake",
        "_request_line",
    ]
)


class _Ignored:
    """Stands for the futures of Autobahn that nobody waits for."""

    def callback(self, result: object) -> None:
        """Do nothing."""


class LeanProtocol(WebSocketServerProtocol):
    """See the module's docstring; use the class that :func:`lean_class` returns."""

    # Autobahn's, whose types are wider than it says.
    transport: Any
    factory: Any
    state: Any
    maxMessagePayloadSize: Any
    message_data: Any
    frame_data: Any
    _perMessageCompress: Any
    _transport_details: Any = None

    # One for all connections: nothing that ends up in them is ever read.
    is_open: Any = _Ignored()
    is_closed: Any = is_open
    send_queue: deque[Any] = deque()

    _inflated = 0
    #: Checks a text message that does not arrive in one piece.
    _decoder: Any = None

    #: What is on the class instead of on each connection.
    _initial: dict[str, Any]

    def __init__(self) -> None:
        # Autobahn's own only makes futures and a registry of events.
        pass

    def connectionMade(self) -> None:
        """Start a connection."""
        self.state = CONNECTING
        self.factory.countConnections += 1

    def connectionLost(self, reason: Any = None) -> None:
        """End a connection."""
        self._connectionLost(reason)

    def shrink(self) -> None:
        """Keep only what differs from the class; to be called once the handshake is done."""
        initial = self._initial
        kept = {}
        for name, value in self.__dict__.items():
            if name in _HANDSHAKE_LEFTOVERS:
                continue
            if name in initial and initial[name] is value:
                continue
            kept[name] = value
        self.__dict__ = kept

    def unregisterProducer(self) -> None:
        """Let go of the transport, which would otherwise never close."""
        self.transport.unregisterProducer()

    # -- shorter ways for what happens at each frame ---------------------------------

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Write to the socket; Twisted joins what is written in one turn."""
        self.transport.write(data)

    def _onOpen(self) -> None:
        pass  # Autobahn would look for a client certificate

    def onMessageFrameEnd(self) -> None:
        """Keep a frame's payload."""
        if not self.failedByMe:
            self.message_data.extend(self.frame_data)
        self.frame_data = None

    def _onMessageBegin(self, isBinary: bool) -> None:
        self.message_is_binary = isBinary
        self.message_data = []
        self.message_data_total_length = 0
        if self._perMessageCompress is not None:
            self._inflated = 0

    def _onMessageFrameData(self, payload: bytes) -> None:
        if self.failedByMe:
            return
        self.frame_data.append(payload)
        if self._perMessageCompress is not None:
            # Autobahn before 25 looks only at the size on the wire.
            self._inflated += len(payload)
            if 0 < self.maxMessagePayloadSize < self._inflated:
                limit = self.maxMessagePayloadSize
                self._max_message_size_exceeded(self._inflated, limit, "message too large")
                return
        frame: Any = self.current_frame
        if not self.message_is_binary and (
            self._decoder is not None
            or not frame.fin
            or self.current_frame_masker.pointer() < frame.length
        ):
            self._check_text(payload)

    def _check_text(self, payload: bytes) -> None:
        """Fail the connection as soon as a part of a text can't be UTF-8."""
        if self._decoder is None:
            self._decoder = _new_decoder()
        try:
            self._decoder.decode(payload)
        except UnicodeDecodeError:
            self._invalid_payload("text that is not UTF-8")

    def onMessageEnd(self) -> None:
        """Pass on a complete message."""
        parts, self.message_data = self.message_data, None
        if self._decoder is not None:
            del self._decoder
        if not self.failedByMe:
            payload = parts[0] if len(parts) == 1 else b"".join(parts)
            self.onMessage(payload, self.message_is_binary)

    def deflated(self, payload: bytes, binary: bool) -> bytes:
        """Return the frame of a compressed message; it depends on nothing sent before."""
        written: list[bytes] = []
        self.__dict__["sendData"] = lambda data, *rest: written.append(data)
        try:
            self.sendMessage(payload, binary)
        except PayloadExceededError:
            # The limit is for what clients send; Autobahn applies it both ways.
            written = [self.factory.prepareMessage(payload, binary, True).payloadHybi]
        finally:
            del self.__dict__["sendData"]
            # Autobahn makes a new one for the next message, but keeps this one (256 KB).
            self._perMessageCompress._compressor = None
        return b"".join(written)


class _NoTransport:
    """Enough of a transport for the connection that is thrown away in ``shell_class``."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def lean_class(
    base: type[LeanProtocol], factory: WebSocketServerFactory, **attributes: Any
) -> type[Any]:
    """Return a subclass that has Autobahn's initial state as class attributes.

    A connection is opened that is thrown away, and what Autobahn set on it becomes
    the default of all others.

    Args:
        base: What to make a subclass of.
        factory: Its options are taken as they are now.
        attributes: More class attributes.
    """
    sample: Any = WebSocketServerProtocol()
    sample.factory = factory
    sample.transport = _NoTransport()
    WebSocketServerProtocol._connectionMade(sample)
    factory.countConnections = 0
    initial = dict(vars(sample))
    for name in ("factory", "transport", "is_open", "is_closed", "send_queue"):
        initial.pop(name, None)
    # Frames are parsed from an empty state that the handshake ends with.
    initial.update(inside_message=False, current_frame=None, websocket_version=13)
    # On a class a function would become a method.
    accept = staticmethod(initial["perMessageCompressionAccept"])
    members = {**initial, "perMessageCompressionAccept": accept, **attributes}
    return type(base.__name__, (base,), {**members, "factory": factory, "_initial": initial})
