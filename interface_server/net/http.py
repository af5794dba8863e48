"""HTTP: requests as Twisted reads them.

Twisted parses HTTP/1.1 and HTTP/2, decodes chunks, answers ``Expect`` and keeps
connections open.  A request that was read completely (docs/channels1.md#http) goes to
:mod:`.response`, one that is too large gets 413, a WebSocket's handshake is handed over.
"""

from __future__ import annotations

import io
import re
import tempfile
from typing import IO, Any

from twisted.web import http

from channels.interface_server.net.context import Context
from channels.interface_server.net.response import ResponseWriter
from channels.interface_server.timers import Timer

#: How much of a body stays in memory and travels inside the request's message, in bytes; a
#: larger one is spooled on disk.
INLINE_LIMIT = 64 * 1024

#: How long the rest of a refused body is read and thrown away, in seconds: closing
#: at once would reset the connection before the client has read our answer.
LINGER = 2.0

#: How much of a refused HTTP/2 body is thrown away before its stream is reset.
REFUSED_BODY_LIMIT = 1024 * 1024

# RFC 9112 section 3.2, RFC 3986 section 3.2: what the name and port of a host are made of.
_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=%:\[\]]*")


class HttpRequest(http.Request):
    """One request while Twisted reads it, and its way to the client afterwards."""

    # Twisted's, whose types are wider than it says.
    channel: Any
    content: Any

    def __init__(self, channel: Any, queued: bool = False, *, context: Context) -> None:
        super().__init__(channel)  # none is queued: the channel reads one after the other
        self.context = context
        self.response: ResponseWriter | None = None
        self._size = 0
        self._refused = False
        self._linger: Timer | None = None

    @property
    def owns_connection(self) -> bool:
        """Whether the connection is this request's alone: HTTP/1, not a stream of HTTP/2."""
        return hasattr(self.channel, "persistent")

    # -- while it is read ----------------------------------------------------------

    def parseCookies(self) -> None:
        pass  # they are the application's

    def gotLength(self, length: int | None) -> None:
        limit = self.context.settings.max_body
        if length is not None and length <= INLINE_LIMIT:
            self.content = io.BytesIO()
        else:
            self.content = tempfile.SpooledTemporaryFile(max_size=INLINE_LIMIT)  # noqa: SIM115 - closed by what sends it
        if limit and length is not None and length > limit:
            self._refuse_body()

    def handleContentChunk(self, data: bytes) -> None:
        self._size += len(data)
        limit = self.context.settings.max_body
        if self._refused:
            self._answer_refused()
            if not self.owns_connection and self._size > limit + REFUSED_BODY_LIMIT:
                self.channel.abortConnection()
        elif limit and self._size > limit:
            self._refuse_body()
        else:
            self.content.write(data)

    def _refuse_body(self) -> None:
        """Answer 413 before the application hears of the request."""
        self._refused = True
        self.context.counters.too_large += 1
        self.content.close()
        self.content = None
        self.requestHeaders.removeHeader(b"expect")  # or Twisted would ask for the body
        if self.owns_connection:
            self._answer_refused()
            self._linger = self.context.wheel.call_later(LINGER, self._end_refused)
        # A stream of HTTP/2 that was only announced can't be written to yet.

    def _answer_refused(self) -> None:
        """Write the page, once; the response stays open while the body comes in."""
        if self.response is not None:
            return
        if self.method == b"(no method yet)":
            # Twisted tells these only when the body is complete.
            self.method, self.uri, self.clientproto = self._request_line()
        response = self._open_response()
        response.close_afterwards()
        response.write_page(413, "Request body too large.", finish=False)

    def _request_line(self) -> tuple[bytes, bytes, bytes]:
        channel = self.channel
        if self.owns_connection:
            return channel._command, channel._path, channel._version
        return channel.command, channel.path, b"HTTP/2"

    def _end_refused(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
        if self.response is not None and not self._disconnected and not self.finished:
            self.response.end_page()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.partition(b"?")[0]
        if self._refused:
            self._answer_refused()
            self._end_refused()
            return
        self.content.seek(0)
        self.process()

    # -- once it is complete -------------------------------------------------------

    def process(self) -> None:
        if not self._has_host():
            response = self._open_response()
            response.close_afterwards()
            response.fail(400, "A request needs one valid Host header.")
            return
        upgrade = self.requestHeaders.getRawHeaders(b"upgrade", [b""])
        wanted = upgrade[0].lower() == b"websocket"
        if wanted and self.owns_connection and self.context.upgrade is not None:
            self.context.upgrade(self)
            return
        response = self._open_response()
        health_path = self.context.settings.health_path
        if health_path and self.path == health_path.encode():
            response.answer_health()
            return
        if not self.uri.isascii():
            response.fail(400, "Invalid characters in path")
            return
        response.announce()

    def _has_host(self) -> bool:
        """Whether the request names one host, as HTTP/1.1 demands (RFC 9112 section 3.2)."""
        hosts = self.requestHeaders.getRawHeaders(b"host", ())
        if not hosts:
            required = self.clientproto == b"HTTP/1.1" and self.owns_connection
            return not required or not self.context.settings.require_host
        return len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None

    def _open_response(self) -> ResponseWriter:
        self.response = ResponseWriter(self, self.context)
        return self.response

    def take_body(self) -> tuple[bytes, IO[bytes] | None]:
        """Return what travels inside the message, and the rest."""
        content, self.content = self.content, None
        start = content.read(INLINE_LIMIT)
        if self._size > len(start):
            return start, content
        content.close()
        return start, None

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        if self._linger is not None:
            self._linger.cancel()
        if self.response is not None:
            self.response.lost()
