"""One request and its response, as the bridge sees them."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from channels.interface_server.net.context import Context, undelivered_bytes, unsent_bytes
from channels.interface_server.protocol.messages import find_origin, http_request
from channels.interface_server.protocol.pages import error_page, health_page
from channels.interface_server.timers import TimerWheel

if TYPE_CHECKING:
    from channels.interface_server.bridge.http import HttpExchange

log = logging.getLogger(__name__)

#: How long a client may take nothing of a response that ends its connection, in seconds.
CLOSING_TIMEOUT = 60.0

# Twisted decides how a response is framed; what an application says about it would
# contradict that.
_FRAMING = frozenset([b"transfer-encoding", b"keep-alive", b"proxy-connection", b"upgrade"])

_BODILESS = (204, 304)


class ResponseWriter:
    """The bridge's side of one request: :class:`.bridge.interfaces.HttpPort`.

    Also a producer for Twisted, which says when the client is slow, and an entry in
    the wheel: the clock of the time-out starts anew at every piece that the
    application sends, and does not end the response of a client that is still reading.
    """

    _end: HttpExchange | None = None
    _left: int | None = None
    _read: int | None = None
    started = _over = _choked = _logged = False
    unsent = wheel_slot = 0

    def __init__(self, request: Any, context: Context) -> None:
        self._request = request
        self._context = context
        self._origin = find_origin(
            context.settings, request.requestHeaders.getAllRawHeaders(), request.channel
        )
        self._client = self._origin.describe()
        self._started_at = self._touched = context.wheel.clock()
        context.requests.add(self)

    def announce(self) -> None:
        request, context = self._request, self._context
        body, rest = request.take_body()
        message = http_request(request.method, request.uri, request.clientproto, self._origin, body)
        del self._origin  # its headers go with the message
        context.counters.requests += 1
        request.registerProducer(self, True)
        try:
            self._end = context.bridge.open_http(self, message, rest)
        except Exception:
            # One request that can't be passed on must not take the connection down.
            log.exception("could not pass on a request for %r", request.uri)
            if rest is not None:
                rest.close()
            self.fail(500, "HTTP processing error")
            return
        if not self._over and context.settings.http_timeout > 0:
            context.wheel.add(self, context.settings.http_timeout)

    def answer_health(self) -> None:
        """Answer for the server itself."""
        context = self._context
        status, body, headers = health_page(
            layer_up=context.bridge.up,
            draining=context.draining,
            attended=context.bridge.attended,
            sockets=len(context.sockets),
            requests=len(context.requests) - 1,  # without this one
            counters=asdict(context.counters),
        )
        self.start(status, headers)
        self.write(body)
        self.finish()

    # -- what the bridge calls -----------------------------------------------------

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if self._over or self.started:
            return
        request = self._request
        self.started = True
        request.setResponseCode(status)
        for name, value in headers:
            self._add_header(name, value)
        if self._context.draining:
            self.close_afterwards()
        if request.method == b"HEAD" or status in _BODILESS:
            self._left = None
        self._touched = self._context.wheel.clock()
        request.write(b"")

    def _add_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered in _FRAMING:
            return
        if lowered == b"connection":
            if b"close" in value.lower():
                self.close_afterwards()
            return
        if lowered == b"content-length":
            if not value.strip().isdigit():
                self._warn("has a Content-Length that is no number, which is left out: %r", value)
                return
            if self._left is not None:
                return  # one is enough
            if self._request.code == 204:
                return  # there is none, by RFC 9110 section 8.6
            self._left = int(value)
        self._request.responseHeaders.addRawHeader(name, value)

    def close_afterwards(self) -> None:
        """End the connection with this response; a stream of HTTP/2 ends anyway."""
        if self._request.owns_connection:
            self._request.channel.persistent = False
            self._request.responseHeaders.setRawHeaders(b"Connection", [b"close"])

    def write(self, data: bytes) -> None:
        if self._over or not self.started or not data:
            return
        if self._left is not None:
            if len(data) > self._left:
                # More would be taken for the next response.
                self._warn("is longer than its Content-Length, the rest is dropped")
                data = data[: self._left]
            self._left -= len(data)
        self._touched = self._context.wheel.clock()
        self._request.write(data)
        if self._choked:
            self.unsent += len(data)

    def finish(self) -> None:
        if self._over:
            return
        if not self.started:
            self.fail(500, "HTTP processing error")
            return
        if self._left:
            self._warn("is shorter than its Content-Length, the connection is closed")
            self._abort()
            return
        self._complete()

    def fail(self, status: int, reason: str) -> None:
        if self._over:
            return
        if self.started:
            self._abort()
        else:
            self.write_page(status, reason)

    def write_page(self, status: int, reason: str, finish: bool = True) -> None:
        """Write an error page; leave the response open if the body is still to be read."""
        page, headers = error_page(status, reason, self._context.settings.retry_after)
        self.start(status, headers)
        self.write(page)
        if finish:
            self._complete()
        else:
            # All of it is written, and the client may hang up before it is completed.
            self._log()

    def end_page(self) -> None:
        """Complete what :meth:`write_page` left open."""
        if not self._over:
            self._complete()

    # -- its end -------------------------------------------------------------------

    def _complete(self) -> None:
        self._leave()
        request = self._request
        request.unregisterProducer()
        closes = request.owns_connection and not request.channel.persistent
        transport = request.channel.transport if closes else None
        self._log()  # before the next request of a pipeline, which starts in finish()
        request.finish()
        if transport is not None and unsent_bytes(transport):
            ClosingConnection(self._context.wheel, transport)

    def _abort(self) -> None:
        """Cut the connection (the stream, in HTTP/2): the client must see a broken response."""
        self._leave()
        channel = self._request.channel
        self._request.unregisterProducer()
        if self._request.owns_connection:
            channel.transport.abortConnection()
        else:
            channel.abortConnection()
        self._log()

    def lost(self) -> None:
        if not self._over:
            self._leave()
            if self.started:
                self._log()
            if self._end is not None:
                self._end.gone()

    def _leave(self) -> None:
        self._over = True
        self._context.wheel.discard(self)
        self._context.requests.discard(self)

    def _log(self) -> None:
        if self._logged:
            return
        self._logged = True
        request = self._request
        self._context.log_response(
            request.method,
            request.uri,
            request.code,
            self._client,
            self._context.wheel.clock() - self._started_at,
            request.sentLength,
        )

    def _warn(self, problem: str, *args: object) -> None:
        request = self._request
        name = f"{request.method.decode('latin-1')} {request.uri.decode('latin-1')}"
        if self._end is not None:
            name += f" on {self._end.reply_channel}"
        log.warning(f"the response to %s {problem}", name, *args)

    # -- what the wheel and Twisted call -------------------------------------------

    def expired(self, now: float) -> float | None:
        timeout = self._context.settings.http_timeout
        left = self._touched + timeout - now
        if left > 0:
            return left
        if self._choked and self._client_reads():
            self._touched = now
            return timeout
        self._context.counters.http_timeouts += 1
        self.give_up()
        return None

    def give_up(self) -> None:
        """Wait for the application no longer: 503, or a cut response."""
        if self._end is not None:
            self._end.timed_out()
        self.fail(503, "Worker server failed to respond within time limit.")

    def _client_reads(self) -> bool:
        """Whether the client took something since the last look."""
        if not self._request.owns_connection:
            return False  # the window of a stream is small: Twisted says when it moves
        read = self._request.sentLength - undelivered_bytes(self._request.channel.transport)
        before, self._read = self._read, read
        return before is None or read > before

    def pauseProducing(self) -> None:  # the client is slow
        self._choked = True
        self._read = None

    def resumeProducing(self) -> None:  # it has read everything
        self._choked = False
        self._touched = self._context.wheel.clock()
        self.unsent = 0
        if self._end is not None and not self._over:
            self._end.drained()

    def stopProducing(self) -> None:
        pass  # the connection is being closed: ``lost`` follows


class ClosingConnection:
    """Times out a connection that closes once its client has read all, which may be never."""

    __slots__ = ("_transport", "_undelivered", "wheel_slot")

    def __init__(self, wheel: TimerWheel, transport: Any) -> None:
        self.wheel_slot = 0
        self._transport = transport
        self._undelivered = undelivered_bytes(transport)
        wheel.add(self, CLOSING_TIMEOUT)

    def expired(self, now: float) -> float | None:
        if not unsent_bytes(self._transport):
            return None
        undelivered = undelivered_bytes(self._transport)
        if undelivered == self._undelivered:
            self._transport.abortConnection()
            return None
        self._undelivered = undelivered
        return CLOSING_TIMEOUT
