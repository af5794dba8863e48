"""The seam between ``net`` (bytes and sockets) and ``bridge`` (messages and the layer).

``net`` implements :class:`WebSocketPort` and :class:`HttpPort`, one object for
each connection or request, and calls the *ends* that :class:`BridgePort` returns
for them.  ``bridge`` never sees Twisted or Autobahn, ``net`` never sees the layer.
Everything happens in one thread, the event loop's; nothing here blocks.

Messages are dicts in the shapes of docs/channels1.md#messages, without ``reply_channel``,
``order`` and ``body_channel``, which the bridge adds.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Protocol


class WebSocketPort(Protocol):
    """One WebSocket, as the bridge sees it.

    No method raises; calls on a dead socket do nothing.
    """

    #: Sockets with equal values can share one frame (same extensions negotiated).
    framing: Hashable

    def accept(self) -> None:
        """Complete the handshake."""
        ...

    def reject(self, status: int, retry_after: int | None = None) -> None:
        """Refuse the handshake: 403 denied, 503 full or layer down, 500 other failure."""
        ...

    def send(self, payload: str | bytes) -> None:
        """Send one message: text, or binary if it is bytes."""
        ...

    def frame(self, payload: str | bytes) -> bytes:
        """Return the frame of a message, for all sockets whose ``framing`` equals this one's."""
        ...

    def send_frame(self, frame: bytes) -> None:
        """Send what :meth:`frame` returned."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake; :meth:`WebSocketEnd.gone` follows."""
        ...

    def pause_reading(self) -> None:
        """Take nothing more from the socket; its ping deadline stands still."""
        ...

    def resume_reading(self) -> None:
        """Read on."""
        ...


class WebSocketEnd(Protocol):
    """What ``net`` calls for one WebSocket."""

    reply_channel: str

    def received(self, payload: str | bytes) -> None:
        """Take one complete message from the client."""
        ...

    def gone(self, code: int) -> None:
        """Take note that the connection ended: the close code, 1006 for any unclean end.

        Called exactly once, for refused handshakes too.
        """
        ...

    def timed_out(self) -> None:
        """Give up waiting for the application to accept: refuse the handshake."""
        ...


class HttpPort(Protocol):
    """One HTTP request, as the bridge sees it.  Calls after its end do nothing."""

    #: Bytes written and not yet taken by the client's socket.
    unsent: int

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Write the status line and the headers, in order."""
        ...

    def write(self, data: bytes) -> None:
        """Write a part of the body."""
        ...

    def finish(self) -> None:
        """Complete the response."""
        ...

    def fail(self, status: int, reason: str, retry_after: int | None = None) -> None:
        """Answer with an error page, or abort the connection if the response has started."""
        ...


class HttpEnd(Protocol):
    """What ``net`` calls for one HTTP request."""

    reply_channel: str

    def gone(self) -> None:
        """Take note that the client went away before the response was complete."""
        ...

    def drained(self) -> None:
        """Take note that the client's socket took everything (``unsent`` is 0 again)."""
        ...

    def timed_out(self) -> None:
        """Give up waiting for the application: 503 if nothing was written, else abort."""
        ...


class BodySource(Protocol):
    """The rest of a request body that was too large to send inline, spooled by ``net``."""

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end; never blocks on the client."""
        ...

    def close(self) -> None:
        """Forget the body and delete what was spooled."""
        ...


class BridgePort(Protocol):
    """What ``net`` needs of the bridge.

    Implemented by :class:`~channels.interface_server.bridge.hub.Hub`.
    """

    def open_websocket(self, port: WebSocketPort, connect: Mapping[str, Any]) -> WebSocketEnd:
        """Announce a socket whose handshake waits: sends ``websocket.connect``."""
        ...

    def open_http(
        self, port: HttpPort, request: Mapping[str, Any], rest: BodySource | None
    ) -> HttpEnd:
        """Pass on a request that was read completely.

        ``request["body"]`` holds its start (all of it if ``rest`` is ``None``); ``rest``
        is sent in chunks on a ``?`` channel.
        """
        ...

    async def start(self) -> None:
        """Connect to the layer.

        Raises:
            LayerUnavailable: There is no answer; nothing was started.
        """
        ...

    def refuse_new(self) -> None:
        """From now on answer every new socket and request with 503 (draining)."""
        ...

    @property
    def sockets(self) -> int:
        """Number of WebSockets that are not gone."""
        ...

    @property
    def unfinished(self) -> int:
        """Number of announced sockets whose end the application was not told yet."""
        ...

    @property
    def up(self) -> bool:
        """Whether the layer answers."""
        ...

    @property
    def attended(self) -> bool:
        """Whether workers may be there: False once it is no use to wait for one."""
        ...

    def close_sockets(self, code: int, within: float) -> None:
        """Close every WebSocket, spread evenly over ``within`` seconds."""
        ...

    async def stop(self) -> None:
        """Send every disconnect that is left, at once, then leave the layer."""
        ...
