"""Autobahn's server protocol with less work for each frame and less memory for each socket.

The framing is Autobahn's own.  Left out are events and futures that nobody waits for and counters
that nobody reads; some seventy attributes that are the same on every connection move to the class.
"""

from __future__ import annotations

import codecs
from collections import deque
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol

CONNECTING = WebSocketServerProtocol.STATE_CONNECTING
OPEN = WebSocketServerProtocol.STATE_OPEN
CLOSED = WebSocketServerProtocol.STATE_CLOSED

#: The bit of a frame's first byte that says that its message is compressed (RFC 7692, RSV1).
COMPRESSED = 0x40

# Autobahn knows the registry of close codes as it was before "Bad Gateway".
if 1014 not in WebSocketServerProtocol.CLOSE_STATUS_CODES_ALLOWED:
    WebSocketServerProtocol.CLOSE_STATUS_CODES_ALLOWED.append(1014)

_new_decoder = codecs.getincrementaldecoder("utf-8")

#: What Autobahn remembers of the handshake, and nobody asks for.
_HANDSHAKE_LEFTOVERS = frozenset([
    "http_headers", "http_request_data", "http_request_host", "http_request_params",
    "http_request_path", "http_request_uri", "http_response_data", "http_status_line",
    "websocket_extensions", "websocket_extensions_in_use", "websocket_origin",
    "websocket_protocols", "websocket_protocol_in_use", "websocket_version",
    "_wskey", "_subprotocol", "_handshake", "_request_line",
])  # fmt: skip


class _Ignored:
    """Stands for the futures of Autobahn that nobody waits for."""

    def callback(self, result: object) -> None:
        pass


class CompactServerProtocol(WebSocketServerProtocol):
    """What differs from Autobahn's; to be used through :func:`compact_class`."""

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

    def shrink(self) -> None:
        """Keep only what differs from the class; to be called once the handshake is done."""
        nothing = object()
        self.__dict__ = {
            name: value
            for name, value in self.__dict__.items()
            if name not in _HANDSHAKE_LEFTOVERS and self._initial.get(name, nothing) is not value
        }

    def unregisterProducer(self) -> None:
        """Let go of the transport, which would otherwise never close."""
        self.transport.unregisterProducer()

    # -- shorter ways for what happens at each frame ---------------------------------

    def _onOpen(self) -> None:
        pass  # Autobahn would look for a client certificate

    _onMessageFrameEnd: Any = staticmethod(tuple)  # nothing is left to do

    def _onMessageBegin(self, isBinary: bool) -> None:
        self.message_is_binary = isBinary
        self.message_data = []
        self.message_data_total_length = 0
        if self._perMessageCompress is not None:
            self._inflated = 0

    def _onMessageFrameData(self, payload: bytes) -> None:
        if self.failedByMe:
            return
        self.message_data.append(payload)
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

    def deflated(self, payload: bytes, binary: bool) -> bytes:
        """Return the frame of a compressed message; it depends on nothing sent before."""
        deflate = self._perMessageCompress
        deflate.start_compress_message()
        compressed = deflate.compress_message_data(payload) + deflate.end_compress_message()
        # Autobahn makes a new one for the next message, but keeps this one (256 KB).
        deflate._compressor = None
        plain: bytes = self.factory.prepareMessage(compressed, binary, True).payloadHybi
        return bytes([plain[0] | COMPRESSED]) + plain[1:]


class _NoTransport:
    """Enough of a transport for the connection that is thrown away below."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def compact_class(
    base: type[CompactServerProtocol], factory: WebSocketServerFactory, **attributes: Any
) -> type[Any]:
    """Return a subclass with Autobahn's initial state, and ``attributes``, on the class.

    A connection is opened that is thrown away, and what Autobahn set on it, by the options that
    the factory has now, becomes the default of all others.
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
