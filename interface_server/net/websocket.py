"""WebSockets: Autobahn on one side, :class:`WebSocketPort` for the bridge on the other.

Autobahn checks the handshake and does the framing.  Here the 101 is withheld until
the application accepts, deadlines are kept in the wheel, and an open socket is made
small: most of what Autobahn keeps for each connection never changes, so it moves to
the class once the handshake is done.

Contract server.md section 5, with known-flaws.md F-16, F-25, F-28, F-29, F-38 and F-62
mended.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from autobahn.exception import PayloadExceededError
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.util import encode_truncate
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ISSLTransport
from twisted.protocols.policies import ProtocolWrapper

from channels.interface_server.net.context import Context, client_text, unsent_bytes
from channels.interface_server.net.keepalive import detect_dead_peer
from channels.interface_server.protocol.messages import websocket_connect

if TYPE_CHECKING:
    from channels.interface_server.bridge.ports import WebSocketEnd
    from channels.interface_server.net.http import HttpRequest

log = logging.getLogger(__name__)

#: How long a client may take to answer our close frame, in seconds.
CLOSING_TIMEOUT = 10.0

#: How long a client that broke the protocol may take to read our close frame, in
#: seconds, before the connection is cut.
LINGER = 2.0

#: How much a client may send before its handshake is answered (it should not send anything).
EARLY_LIMIT = 64 * 1024

#: What a refused client is told; never the text of an exception (F-28).
_REFUSALS = {
    403: "Access denied",
    500: "Internal server error",
    503: "Connection queue at capacity",
}

CONNECTING = WebSocketServerProtocol.STATE_CONNECTING
OPEN = WebSocketServerProtocol.STATE_OPEN
CLOSING = WebSocketServerProtocol.STATE_CLOSING
CLOSED = WebSocketServerProtocol.STATE_CLOSED


class _Ignored:
    """Stands for the futures of Autobahn that nobody waits for."""

    def callback(self, result: object) -> None:
        """Do nothing."""


class WebSocketShell(WebSocketServerProtocol):
    """One WebSocket: Autobahn's protocol, the bridge's port and an entry in the wheel."""

    # Autobahn's, whose types are wider than it says.
    transport: Any
    factory: Any
    state: Any
    message_data: Any
    frame_data: Any
    _perMessageCompress: Any

    # One for all connections: nothing that ends up in them is ever read.
    is_open: Any = _Ignored()
    is_closed: Any = is_open
    send_queue: deque[Any] = deque()

    # What is the same for most sockets most of the time stays on the class.
    framing: Hashable = "plain"
    wheel_slot = 0
    _transport_details: Any = None
    _end: WebSocketEnd | None = None
    _handshake: dict[str, Any] | None = None
    _subprotocol: str | None = None
    _gone = False
    _deaf = False
    _paused_at: float | None = None
    _reading = False
    _choked = False
    _pinged_at: float | None = None
    _born = _heard_at = 0.0

    #: Set on the subclass that :func:`shell_class` makes.
    context: Context
    _initial: dict[str, Any]

    def __init__(self, path: str, client: str | None, handshake: dict[str, Any]) -> None:
        # Autobahn's __init__ only makes futures and an event registry: see above.
        self._path = path
        self._client = client
        self._handshake = handshake

    # -- from Twisted ----------------------------------------------------------------

    def connectionMade(self) -> None:
        """Start a connection that was HTTP until now."""
        self._connectionMade()

    def _connectionMade(self) -> None:
        # Autobahn sets some seventy attributes, each time to the same values, and
        # formats them for a log that is off.  They are on the class.
        self.state = CONNECTING
        self._born = self._heard_at = self.context.wheel.clock()
        transport = self.transport
        transport.registerProducer(self, True)
        self.factory.countConnections += 1
        self.context.sockets.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Take what came in."""
        if self._deaf:
            return
        self._heard_at = self.context.wheel.clock()
        self._pinged_at = None  # whatever it sends shows that it lives
        self.data = self.data + data if self.data else data
        if self.state != CONNECTING:
            self._read()
        elif self._handshake is not None:
            self.consumeData()
        elif len(self.data) > EARLY_LIMIT:
            self.transport.abortConnection()

    def _read(self) -> None:
        """Process frames until there are no more, or the bridge has had enough."""
        if self._reading:
            return
        self._reading = True
        try:
            while self._paused_at is None and self.processData() and self.state != CLOSED:
                pass
        finally:
            del self._reading
        if self.failedByMe and not self._deaf and self.state != CLOSED:
            self._hang_up()

    def connectionLost(self, reason: Any = None) -> None:
        """Take note that the connection is gone."""
        self.context.sockets.discard(self)
        self._connectionLost(reason)

    # -- the handshake ---------------------------------------------------------------

    def onConnect(self, request: Any) -> Any:
        """Announce the socket; the Deferred never fires, see :meth:`accept`."""
        wanted = self.context.config.ws_protocols
        self._subprotocol = next((one for one in request.protocols if one in wanted), None)
        context, connect = self.context, self._handshake
        self._handshake = None
        context.counters.sockets += 1
        self._log("connecting")
        timeout = context.config.websocket_connect_timeout
        if timeout >= 0:
            context.wheel.add(self, timeout)
        try:
            end = context.bridge.open_websocket(self, connect or {})
        except Exception:
            log.exception("could not announce a WebSocket on %s", self._path)
            self.reject(500)
        else:
            if self._gone:
                end.gone(1006)
            else:
                self._end = end
                if self.state == OPEN:
                    self._read()
        return Deferred()

    def accept(self) -> None:
        """Complete the handshake."""
        if self.state != CONNECTING or self._deaf:
            return
        early, self.data = self.data, b""
        self.succeedHandshake((self._subprotocol, {}))
        if self.state != OPEN:
            return  # Autobahn refused what the client offered, and said so
        if self._perMessageCompress is not None:
            self.framing = ("deflate", self._perMessageCompress.server_max_window_bits)
        self._shrink()
        self._log("connected")
        self._schedule()
        self.data = early
        if early and self._end is not None:
            self._read()

    def reject(self, status: int, retry_after: int | None = None) -> None:
        """Refuse the handshake: 403 denied, 503 full or layer down, 500 other failure."""
        if self.state != CONNECTING or self._deaf:
            return
        headers = [("Content-Length", "0"), ("Connection", "close")]
        if retry_after is not None:
            headers.append(("Retry-After", str(retry_after)))
        self._log("rejected")
        self.failHandshake(_REFUSALS.get(status, "Refused"), status, headers)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        """Answer with a status line, and close."""
        self._deaf = True
        self.wasNotCleanReason = reason
        self.sendHttpErrorResponse(code, reason, responseHeaders)
        self.dropConnection(abort=False)
        self.context.wheel.add(self, LINGER)

    def _shrink(self) -> None:
        """Keep only what differs from the class; Autobahn leaves the handshake lying about."""
        initial = self._initial
        kept = {}
        for name, value in self.__dict__.items():
            if name in _HANDSHAKE_LEFTOVERS:
                continue
            if name in initial and initial[name] is value:
                continue
            kept[name] = value
        self.__dict__ = kept

    # -- frames in -------------------------------------------------------------------

    def onOpen(self) -> None:
        """Nothing: :meth:`accept` knows."""

    def _onOpen(self) -> None:
        pass

    def onMessageEnd(self) -> None:
        """Hand a complete message to the bridge."""
        parts = self.message_data
        self.message_data = None
        if self.failedByMe or self.state != OPEN or self._end is None:
            return
        payload = parts[0] if len(parts) == 1 else b"".join(parts)
        if self.message_is_binary:
            self._end.received(payload)
            return
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self._invalid_payload("text that is not UTF-8")
            return
        self._end.received(text)

    def onMessageFrameEnd(self) -> None:
        """Keep a frame's payload."""
        if not self.failedByMe:
            self.message_data.extend(self.frame_data)
        self.frame_data = None

    # Shorter ways than Autobahn's for what happens at each frame.
    def _onMessageBegin(self, isBinary: bool) -> None:
        self.message_is_binary = isBinary
        self.message_data = []
        self.message_data_total_length = 0

    def _onMessageFrameData(self, payload: bytes) -> None:
        if not self.failedByMe:
            self.frame_data.append(payload)

    # -- frames out ------------------------------------------------------------------

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Write to the socket; Twisted joins what is written in one turn."""
        if self._choked and unsent_bytes(self.transport) > self.context.config.send_buffer:
            self._too_slow()
            return
        self.transport.write(data)

    def send_text(self, text: str) -> None:
        """Send one text message."""
        if self.state == OPEN:
            self._send_message(text.encode("utf-8", "replace"), False)

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        if self.state == OPEN:
            self._send_message(data, True)

    def _send_message(self, payload: bytes, binary: bool) -> None:
        if self._perMessageCompress is None:
            self.sendData(self.factory.prepareMessage(payload, binary, True).payloadHybi)
        else:
            self.sendData(self._deflated(payload, binary))

    def _deflated(self, payload: bytes, binary: bool) -> bytes:
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

    def prepare(self, *, text: str | None = None, data: bytes | None = None) -> Any:
        """Build one message for all sockets whose ``framing`` equals this one's."""
        if text is not None:
            return self.factory.prepareMessage(text.encode("utf-8", "replace"), False)
        return self.factory.prepareMessage(data or b"", True)

    def send_prepared(self, prepared: Any) -> None:
        """Send what :meth:`prepare` built."""
        if self.state != OPEN:
            return
        if self._perMessageCompress is None:
            self.sendData(prepared.payloadHybi)
            return
        frames = prepared.__dict__.setdefault("frames", {})
        frame = frames.get(self.framing)
        if frame is None:
            frame = frames[self.framing] = self._deflated(prepared.payload, prepared.binary)
        self.sendData(frame)

    def pauseProducing(self) -> None:
        """Take note that the client reads slowly."""
        self._choked = True

    def resumeProducing(self) -> None:
        """Take note that the client has read everything."""
        self._choked = False

    def stopProducing(self) -> None:
        """Nothing to stop: the connection is being closed."""

    def unregisterProducer(self) -> None:
        """Let go of the transport, which would otherwise never close."""
        self.transport.unregisterProducer()

    def _too_slow(self) -> None:
        self.context.counters.slow_readers += 1
        log.info("closing %s: more than the send buffer is unsent", self._client)
        # A close frame would wait behind everything else, so it goes only if the
        # client comes round soon.
        self._choked = False
        self.close(1008, "too slow")
        self.context.wheel.add(self, LINGER)

    # -- reading paused --------------------------------------------------------------

    def pause_reading(self) -> None:
        """Take nothing more from the socket; its ping deadline stands still."""
        if self._paused_at is None and self.state == OPEN:
            self._paused_at = self.context.wheel.clock()
            self.transport.pauseProducing()
            detect_dead_peer(self.transport)
            self._schedule()

    def resume_reading(self) -> None:
        """Read on."""
        if self._paused_at is None:
            return
        stood = self.context.wheel.clock() - self._paused_at
        self._paused_at = None
        self._heard_at += stood
        if self._pinged_at is not None:
            self._pinged_at += stood
        if self.state == CLOSED:
            return
        self.transport.resumeProducing()
        if self.state == OPEN:
            self._schedule()
        self._read()

    # -- the end ---------------------------------------------------------------------

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake; :meth:`WebSocketEnd.gone` follows."""
        if self.state == CONNECTING:
            self.reject(403 if code == 1000 or code >= 3000 else 503)
        elif self.state == OPEN:
            reason_utf8: Any = encode_truncate(reason, 123) or None
            self.sendCloseFrame(code=code, reasonUtf8=reason_utf8)
            self._await_close()

    def _await_close(self) -> None:
        self.context.wheel.add(self, CLOSING_TIMEOUT)
        self.resume_reading()  # the answer has to be read

    def _hang_up(self) -> None:
        """End a connection whose client broke the protocol; the close frame is on its way."""
        self._deaf = True
        self.data = b""
        self.context.counters.violations += 1
        self.context.wheel.add(self, LINGER)
        self.unregisterProducer()
        if ISSLTransport.providedBy(self.transport):
            self.transport.loseConnection()
        else:
            # Closing with unread input resets the connection, and the client might
            # never see why; so only our half is closed.
            self.transport.loseWriteConnection()

    def _max_message_size_exceeded(self, msg_size: int, max_msg_size: int, reason: str) -> None:
        self.context.counters.too_large += 1
        super()._max_message_size_exceeded(msg_size, max_msg_size, reason)

    def _closeConnection(self, abort: bool = False) -> None:
        # After a clean close nothing is unread: no need for a reset.
        abort = abort and not self.wasClean
        super()._closeConnection(abort)
        if not abort:  # it closes once everything is sent, which may be never
            self.context.wheel.add(self, CLOSING_TIMEOUT)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Tell the bridge, once."""
        if self._gone:
            return
        self._gone = True
        self.context.wheel.discard(self)
        if self._end is not None:
            self._end.gone(self._close_code(wasClean, code))
        if self._handshake is None:  # it was announced
            self._log("disconnected")
        self._end = None

    def _close_code(self, clean: bool, code: int | None) -> int:
        if not clean or self.failedByMe:
            return 1006
        if self.closedByMe:
            return self.localCloseCode or 1000
        return 1005 if code is None else code

    def _log(self, action: str) -> None:
        context = self.context
        if context.action_logger is not None:
            context.log_action("websocket", action, path=self._path, client=self._client)

    # -- deadlines -------------------------------------------------------------------

    def _schedule(self) -> None:
        """Ask the wheel to be called when the next thing may be due."""
        wait = self._next_deadline(self.context.wheel.clock())
        if wait is None:
            self.context.wheel.discard(self)
        else:
            self.context.wheel.add(self, wait)

    def _next_deadline(self, now: float) -> float | None:
        config = self.context.config
        deadlines = []
        if config.websocket_timeout >= 0:
            deadlines.append(self._born + config.websocket_timeout)
        if self._paused_at is not None:
            pass  # it can't answer; the bridge watches for how long it is paused
        elif self._pinged_at is not None:
            deadlines.append(self._pinged_at + config.ping_timeout)
        elif config.ping_interval > 0:
            deadlines.append(self._heard_at + config.ping_interval)
        return max(0.0, min(deadlines) - now) if deadlines else None

    def expired(self, now: float) -> float | None:
        """Do what is due."""
        if self.state == OPEN:
            return self._expired_open(now)
        if self.state == CONNECTING and not self._deaf:
            self.context.counters.handshake_timeouts += 1
            self.reject(403)
        else:
            self.wasNotCleanReason = "the client did not finish the closing handshake in time"
            self.transport.abortConnection()
        return None

    def _expired_open(self, now: float) -> float | None:
        config = self.context.config
        if 0 <= config.websocket_timeout <= now - self._born:
            self.close(1000)
            return None
        if self._paused_at is not None:
            pass
        elif self._pinged_at is not None:
            if now - self._pinged_at >= config.ping_timeout:
                self.context.counters.ping_timeouts += 1
                self.wasNotCleanReason = "no pong in time"
                self.transport.abortConnection()
                return None
        elif config.ping_interval > 0 and now - self._heard_at >= config.ping_interval:
            self.sendPing()
            if config.ping_timeout > 0:
                self._pinged_at = now
            else:
                self._heard_at = now
        return self._next_deadline(now)


#: The headers that make a handshake.
_CHECKED = (
    b"Host",
    b"Upgrade",
    b"Connection",
    b"Sec-WebSocket-Key",
    b"Sec-WebSocket-Version",
    b"Sec-WebSocket-Protocol",
    b"Sec-WebSocket-Extensions",
)

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
    ]
)


class _NoTransport:
    """Enough of a transport for the connection that is thrown away in ``shell_class``."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def check_native_extension() -> None:
    """Warn if Autobahn unmasks in Python: 260 microseconds for a KiB instead of 6."""
    try:
        from autobahn.websocket import USES_NVX
    except ImportError:  # an older Autobahn, which does not say
        return
    if USES_NVX:
        log.debug("Autobahn uses its native extension (NVX)")
    else:
        log.warning(
            "Autobahn runs without its native extension (NVX), many times slower: install a"
            " binary wheel, or a compiler before autobahn, and unset AUTOBAHN_USE_NVX"
        )


def shell_class(factory: WebSocketServerFactory, context: Context) -> type[WebSocketShell]:
    """Return a protocol class with Autobahn's initial state as class attributes.

    A connection is opened that is thrown away, and what Autobahn set on it becomes
    the default of all others.
    """
    sample: Any = WebSocketServerProtocol()
    sample.factory = factory
    sample.transport = _NoTransport()
    WebSocketServerProtocol._connectionMade(sample)
    factory.countConnections = 0
    initial = dict(vars(sample))
    for name in ("factory", "transport", "is_open", "is_closed", "send_queue", "peer"):
        initial.pop(name, None)
    # Frames are parsed from an empty state that the handshake ends with.
    initial.update(inside_message=False, current_frame=None, websocket_version=13)
    attributes = {**initial, "context": context, "factory": factory, "_initial": initial}
    # On a class a function would become a method.
    accept = initial["perMessageCompressionAccept"]
    attributes["perMessageCompressionAccept"] = staticmethod(accept)
    return type("WebSocketConnection", (WebSocketShell,), attributes)


class WebSocketUpgrade:
    """Hands a connection over from HTTP to WebSocket."""

    def __init__(self, context: Context, reactor: Any) -> None:
        self._context = context
        config = context.config
        self.factory = WebSocketServerFactory(
            reactor=reactor, server="channels-classic", protocols=list(config.ws_protocols)
        )
        self.factory.setProtocolOptions(
            versions=[8, 13],
            webStatus=False,
            utf8validateIncoming=False,  # decoding says the same, once
            maxMessagePayloadSize=max(0, config.max_message),
            maxFramePayloadSize=max(0, config.max_message),
            failByDrop=False,
            openHandshakeTimeout=0,  # the wheel's
            closeHandshakeTimeout=0,
            allowNullOrigin=True,
            perMessageCompressionAccept=_accept_deflate if config.compression else _accept_none,
        )
        self._protocol = shell_class(self.factory, context)

    def __call__(self, request: HttpRequest) -> None:
        """Take the connection of a request whose headers ask for it."""
        context = self._context
        origin = context.origin(
            request.requestHeaders.getAllRawHeaders(),
            request.client,
            request.host,
            request.isSecure(),
            websocket=True,
        )
        connect = websocket_connect(
            target=request.uri,
            scheme=origin.scheme,
            root_path=origin.root_path,
            headers=origin.headers,
            client=origin.client,
            server=origin.server,
        )
        path = request.uri.partition(b"?")[0].decode("latin-1")
        protocol = self._protocol(path, client_text(origin.client), connect)
        handshake = _raw_request(request)
        transport = _detach(request)
        # TLS is a protocol round ours, and our transport.
        setattr(transport, "wrappedProtocol" if _is_wrapper(transport) else "protocol", protocol)
        protocol.makeConnection(transport)
        protocol.dataReceived(handshake)


def _raw_request(request: HttpRequest) -> bytes:
    """Write down again what Autobahn checks of a handshake.

    Without the origin: the server admits every one, also those that Autobahn can't
    parse; whom to serve is the application's to decide.
    """
    lines = [b"%s %s %s" % (request.method, request.uri, request.clientproto)]
    for name in _CHECKED:
        values = request.requestHeaders.getRawHeaders(name, ())
        lines.extend(b"%s: %s" % (name, value) for value in values)
    return b"\r\n".join([*lines, b"", b""])


def _detach(request: HttpRequest) -> Any:
    """Return the connection of a request, nothing of HTTP left on it."""
    channel: Any = request.channel
    transport = channel.transport
    transport.unregisterProducer()
    channel.setTimeout(None)
    if request.content is not None:
        request.content.close()
    channel.requests.clear()
    del request.channel
    return transport


def _is_wrapper(transport: Any) -> bool:
    return isinstance(transport, ProtocolWrapper)


def _accept_none(offers: list[Any]) -> None:
    """Negotiate no compression."""


def _accept_deflate(offers: list[Any]) -> Any:
    """Accept the first offer of permessage-deflate, with memory bounded per socket."""
    from autobahn.websocket.compress import (
        PerMessageDeflateOffer,
        PerMessageDeflateOfferAccept,
    )

    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(
                offer,
                request_no_context_takeover=offer.accept_no_context_takeover,
                no_context_takeover=True,
            )
    return None
