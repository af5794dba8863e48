"""Hands a connection over from HTTP to WebSocket, and tells Autobahn how to treat it."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory
from autobahn.websocket import xormasker
from autobahn.websocket.compress import PerMessageDeflateOfferAccept
from twisted.protocols.policies import ProtocolWrapper

from channels.interface_server.net.autobahn import compact_class
from channels.interface_server.net.context import Context
from channels.interface_server.net.http import HttpRequest
from channels.interface_server.net.websocket import WebSocketConnection
from channels.interface_server.protocol.extensions import choose_deflate, parse_offers
from channels.interface_server.protocol.messages import find_origin, websocket_connect

log = logging.getLogger(__name__)

#: The headers that make a handshake; what its extensions come to is added.
_CHECKED = [
    *(b"Host", b"Upgrade", b"Connection"),
    *(b"Sec-WebSocket-Key", b"Sec-WebSocket-Version", b"Sec-WebSocket-Protocol"),
]


def check_native_extension() -> None:
    """Warn if Autobahn unmasks in Python: 260 microseconds for a KiB instead of 6."""
    maskers: Any = xormasker
    masker = maskers.create_xor_masker(b"mask", 1024)
    if type(masker).__module__ == "autobahn.websocket.xormasker":
        log.warning(
            "Autobahn runs without its native extension (NVX) and unmasks WebSocket frames many"
            " times slower: use autobahn 25.9 or later from a binary wheel (Python 3.11 or later),"
            " and unset AUTOBAHN_USE_NVX"
        )
    else:
        log.debug("Autobahn uses its native extension for unmasking")


class WebSocketUpgrade:
    """Takes the connection of a request that asks for a WebSocket."""

    def __init__(self, context: Context, reactor: Any) -> None:
        self._context = context
        settings = context.settings
        self.factory = WebSocketServerFactory(
            reactor=reactor, server="channels-classic", protocols=list(settings.ws_protocols)
        )
        # One byte more than allowed is inflated: enough to see that it is too much.
        most = settings.max_message + 1 if settings.max_message > 0 else None
        self.factory.setProtocolOptions(
            versions=[8, 13],
            webStatus=False,
            utf8validateIncoming=False,  # decoding says the same, once
            echoCloseCodeReason=True,
            maxMessagePayloadSize=max(0, settings.max_message),
            maxFramePayloadSize=max(0, settings.max_message),
            failByDrop=False,
            openHandshakeTimeout=0,  # the wheel's
            closeHandshakeTimeout=0,
            allowNullOrigin=True,
            perMessageCompressionAccept=lambda offers: PerMessageDeflateOfferAccept(
                offers[0],  # the one that is written down below
                request_no_context_takeover=offers[0].accept_no_context_takeover,
                no_context_takeover=True,
                max_message_size=most,
            ),
        )
        self._protocol = compact_class(WebSocketConnection, self.factory, context=context)

    def __call__(self, request: HttpRequest) -> None:
        context = self._context
        headers = request.requestHeaders
        origin = find_origin(
            context.settings, headers.getAllRawHeaders(), request.channel, websocket=True
        )
        connect = websocket_connect(request.uri, origin)
        request_line = (request.method, request.uri)
        protocol = self._protocol(request_line, origin.describe(), connect)
        offered = headers.getRawHeaders(b"Sec-WebSocket-Extensions", ())
        handshake: bytes | None = None
        with contextlib.suppress(ValueError):  # no list of offers: RFC 6455 wants it refused
            deflate = choose_deflate(parse_offers(offered))
            handshake = _raw_request(request, deflate if context.settings.compression else None)
        transport, early = _detach(request)
        if isinstance(transport, ProtocolWrapper):  # TLS, a protocol round ours
            transport.wrappedProtocol = protocol
        else:
            transport.protocol = protocol
        protocol.makeConnection(transport)
        if handshake is None:
            protocol.failHandshake("Sec-WebSocket-Extensions is malformed")
            return
        protocol.dataReceived(handshake)
        if early:
            protocol.dataReceived(early)


def _raw_request(request: HttpRequest, deflate: str | None) -> bytes:
    """Write down again what Autobahn checks of a handshake.

    Without the origin: the server admits every one, also those that Autobahn can't
    parse; whom to serve is the application's to decide.  Of the extensions the one that
    is accepted: Autobahn would refuse a client for others that it does not understand.
    """
    lines = [b"%s %s %s" % (request.method, request.uri, request.clientproto)]
    for name in _CHECKED:
        values = request.requestHeaders.getRawHeaders(name, ())
        lines.extend(b"%s: %s" % (name, value) for value in values)
    if deflate is not None:
        lines.append(b"Sec-WebSocket-Extensions: " + deflate.encode())
    return b"\r\n".join([*lines, b"", b""])


def _detach(request: HttpRequest) -> tuple[Any, bytes]:
    """Return the connection of a request, nothing of HTTP left on it, and what came behind it."""
    channel: Any = request.channel
    transport = channel.transport
    transport.unregisterProducer()
    channel.setTimeout(None)
    if request.content is not None:
        request.content.close()
    channel.requests.clear()
    early = b"".join(channel._dataBuffer) + channel._buffer
    channel._dataBuffer, channel._buffer = [], b""
    del request.channel
    return transport, early
