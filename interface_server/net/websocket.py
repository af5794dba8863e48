"""WebSockets: Autobahn on one side, :class:`.WebSocketPort` for the bridge on the other.

Autobahn checks the handshake and does the framing (:mod:`.autobahn`).  Here the 101 is
withheld until the application accepts, reading is paused, deadlines are kept, and a
client that does not read or breaks the protocol is got rid of (docs/channels1.md#websockets).
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from autobahn.util import encode_truncate
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.tcp import Server

from channels.interface_server.net.autobahn import CLOSED, CONNECTING, OPEN, CompactServerProtocol
from channels.interface_server.net.context import Context, detect_dead_peer, unsent_bytes
from channels.interface_server.protocol.websocket import Due, look

if TYPE_CHECKING:
    from channels.interface_server.bridge.websocket import BridgedWebSocket

log = logging.getLogger(__name__)

#: How long a client may take to answer our close frame, in seconds.
CLOSING_TIMEOUT = 10.0

#: How long a client that broke the protocol may take to read our close frame, in seconds.
LINGER = 2.0

#: How much of what a client sends before its handshake is answered is kept; then it is not read.
EARLY_LIMIT = 64 * 1024

#: What a refused client is told; never the text of an exception (docs/channels1.md#refusals).
_REFUSALS = {
    403: "Access denied",
    500: "Internal server error",
    503: "Connection queue at capacity",
}


class WebSocketConnection(CompactServerProtocol):
    """One WebSocket: Autobahn's protocol, the bridge's port and an entry in the wheel."""

    # What is the same for most sockets most of the time stays on the class.
    framing: Hashable = "plain"
    wheel_slot = 0
    _end: BridgedWebSocket | None = None
    _handshake: dict[str, Any] | None = None
    _request_line = (b"", b"")
    _subprotocol: str | None = None
    _gone = False
    _deaf = False
    _paused_at: float | None = None
    _reading = False
    _choked = False
    _early_paused = False
    _pinged_at: float | None = None
    _born = _heard_at = 0.0

    #: Set on the subclass that is made for each server.
    context: Context

    def __init__(
        self, request_line: tuple[bytes, bytes], client: str | None, handshake: dict[str, Any]
    ) -> None:
        # Autobahn's own only makes futures and a registry of events.
        self._request_line = request_line
        self._path = request_line[1].partition(b"?")[0].decode("latin-1")
        self._client = client
        self._handshake = handshake

    # -- from Twisted ----------------------------------------------------------------

    def connectionMade(self) -> None:
        self.state = CONNECTING
        self.factory.countConnections += 1
        self._born = self._heard_at = self.context.wheel.clock()
        self.transport.registerProducer(self, True)
        self.context.sockets.add(self)

    def dataReceived(self, data: bytes) -> None:
        if self._deaf:
            return
        self._heard_at = self.context.wheel.clock()
        self._pinged_at = None  # whatever it sends shows that it lives
        self.data = self.data + data if self.data else data
        if self.state != CONNECTING:
            self._read()
        elif self._handshake is not None:
            self.consumeData()
        elif len(self.data) > EARLY_LIMIT and not self._early_paused:
            self._early_paused = True
            self.transport.pauseProducing()
            detect_dead_peer(self.transport)

    def _read(self) -> None:
        """Process frames until there are no more, or the bridge has had enough."""
        if self._reading:
            return
        self._reading = True
        try:
            while (
                self._paused_at is None
                and self.processData()
                and self.state != CLOSED
                and not self.failedByMe
            ):
                pass
        finally:
            del self._reading
        if self.failedByMe and not self._deaf and self.state != CLOSED:
            self._hang_up()

    def connectionLost(self, reason: Any = None) -> None:
        self.context.sockets.discard(self)
        self._connectionLost(reason)

    # -- the handshake ---------------------------------------------------------------

    def onConnect(self, request: Any) -> Any:
        """Announce the socket; the Deferred never fires: :meth:`accept` goes on."""
        wanted = self.context.settings.ws_protocols
        self._subprotocol = next((one for one in request.protocols if one in wanted), None)
        context, connect = self.context, self._handshake
        self._handshake = None
        context.counters.sockets += 1
        self._log("connecting")
        timeout = context.settings.websocket_connect_timeout
        if timeout >= 0:
            context.wheel.add(self, timeout)
        try:
            end = context.bridge.open_websocket(self, connect or {})
        except Exception:
            log.exception("could not announce a WebSocket on %s", self._path)
            self.reject(500)
        else:
            if end is not None and self._gone:
                end.gone(1006)
            else:
                self._end = end
                if self.state == OPEN:
                    self._read()
        return Deferred()

    def accept(self) -> None:
        if self.state != CONNECTING or self._deaf:
            return
        early, self.data = self.data, b""
        self.succeedHandshake((self._subprotocol, {}))
        if self.state != OPEN:
            return  # Autobahn refused what the client offered, and said so
        if self._perMessageCompress is not None:
            self.framing = ("deflate", self._perMessageCompress.server_max_window_bits)
        self.shrink()
        self._log("connected")
        self._schedule()
        self.data = early
        if self._early_paused:
            del self._early_paused
            self.transport.resumeProducing()
        if early and self._end is not None:
            self._read()

    def reject(self, status: int) -> None:
        if self.state != CONNECTING or self._deaf:
            return
        headers = [("Content-Length", "0"), ("Connection", "close")]
        if status == 503:
            headers.append(("Retry-After", str(self.context.settings.retry_after)))
        self._log("rejected")
        self.failHandshake(_REFUSALS.get(status, "Refused"), status, headers)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        self._deaf = True
        if self._handshake is not None:  # it was never announced, so nothing else tells of it
            lasted = self.context.wheel.clock() - self._born
            self.context.log_response(*self._request_line, code, self._client, lasted)
        self.wasNotCleanReason = reason
        self.sendHttpErrorResponse(code, reason, responseHeaders)
        self.dropConnection(abort=False)
        self.context.wheel.add(self, LINGER)

    # -- frames in -------------------------------------------------------------------

    def _onMessageEnd(self) -> None:
        parts = self.message_data
        self.message_data = self.frame_data = None
        if self._decoder is not None:
            del self._decoder
        end = self._end
        if self.failedByMe or self.state != OPEN or end is None:
            return
        payload = parts[0] if len(parts) == 1 else b"".join(parts)
        if self.message_is_binary:
            end.received(payload)
            return
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self._invalid_payload("text that is not UTF-8")
            return
        end.received(text)

    # -- frames out ------------------------------------------------------------------

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        if self._choked and unsent_bytes(self.transport) > self.context.settings.send_buffer:
            self._too_slow()
        else:
            self.transport.write(data)

    def send(self, frame: bytes) -> None:
        if self._choked:
            if self.state == OPEN:
                self.sendData(frame)
        elif self.state == OPEN:
            self.transport.write(frame)

    def send_now(self, frames: Sequence[bytes]) -> None:
        if self.state != OPEN:
            return
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        transport = self.transport
        if type(transport) is Server and not transport.dataBuffer and not transport._tempDataLen:
            try:
                sent = transport.socket.send(data)
            except OSError:
                sent = 0  # Twisted will see the same, and knows what to do about it
            if sent == len(data):
                return
            data = data[sent:]
        self.send(data)

    def frame(self, payload: str | bytes) -> bytes:
        binary = isinstance(payload, bytes)
        data = payload if isinstance(payload, bytes) else payload.encode("utf-8", "replace")
        if self._perMessageCompress is not None:
            return self.deflated(data, binary)
        frame: bytes = self.factory.prepareMessage(data, binary, True).payloadHybi
        return frame

    def pauseProducing(self) -> None:  # the client reads slowly
        self._choked = True

    def resumeProducing(self) -> None:  # it has read everything
        self._choked = False

    def stopProducing(self) -> None:
        pass  # the connection is being closed

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
        if self._paused_at is None and self.state == OPEN:
            self._paused_at = self.context.wheel.clock()
            self.transport.pauseProducing()
            detect_dead_peer(self.transport)
            self._schedule()

    def resume_reading(self) -> None:
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
        if self.state == CONNECTING:
            self.reject(403 if code == 1000 or code >= 3000 else 503)
        elif self.state == OPEN:
            reason_utf8: Any = encode_truncate(reason, 123) or None
            self.sendCloseFrame(code=code, reasonUtf8=reason_utf8)
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
        lasted = self.context.wheel.clock() - self._born
        self.context.log_action(
            "websocket", action, path=self._path, client=self._client, time_taken=lasted
        )

    # -- deadlines -------------------------------------------------------------------

    def _schedule(self) -> None:
        """Ask the wheel to be called when the next thing may be due."""
        wait = self._pulse(self.context.wheel.clock())
        if wait is not None:
            self.context.wheel.add(self, wait)
        elif self.state == OPEN:
            self.context.wheel.discard(self)

    def expired(self, now: float) -> float | None:
        if self.state == OPEN:
            return self._pulse(now)
        if self.state == CONNECTING and not self._deaf:
            self.context.counters.handshake_timeouts += 1
            if self._end is not None:
                self._end.timed_out()
            self.reject(403)  # unless that has answered
        else:
            self.wasNotCleanReason = "the client did not finish the closing handshake in time"
            self.transport.abortConnection()
        return None

    def _pulse(self, now: float) -> float | None:
        """Do what is due on an open socket; return when to look again."""
        settings = self.context.settings
        while True:
            paused = self._paused_at is not None
            due, wait = look(settings, now, self._born, self._heard_at, self._pinged_at, paused)
            if due is Due.PING:
                self.sendPing()
                self._heard_at = now  # for a ping whose answer is not awaited
                self._pinged_at = now if settings.ping_timeout > 0 else None
                continue
            if due is Due.END:
                self.close(1000)
            elif due is Due.DROP:
                self.context.counters.ping_timeouts += 1
                self.wasNotCleanReason = "no pong in time"
                self.transport.abortConnection()
            return wait
