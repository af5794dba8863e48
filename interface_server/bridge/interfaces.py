"""The seam between ``net`` (bytes and sockets) and ``bridge`` (messages and the layer).

``net`` implements :class:`WebSocketPort` and :class:`HttpPort`, one object for
each connection or request, and calls the *ends* that
:class:`~channels.interface_server.bridge.hub.Hub` returns for them.  ``bridge`` never sees
Twisted or Autobahn, ``net`` never sees the layer.
Everything happens in one thread, the event loop's; nothing here blocks.

Messages are dicts in the shapes of docs/channels1.md#messages, without ``reply_channel``,
``order`` and ``body_channel``, which the bridge adds.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol


class WebSocketPort(Protocol):
    """One WebSocket, as the bridge sees it.

    No method raises; calls on a dead socket do nothing.
    """

    #: Sockets with equal values can share one frame (same extensions negotiated).
    framing: Hashable

    def accept(self) -> None:
        """Complete the handshake."""

    def reject(self, status: int, retry_after: int | None = None) -> None:
        """Refuse the handshake: 403 denied, 503 full or layer down, 500 other failure."""

    def send(self, payload: str | bytes) -> None:
        """Send one message: text, or binary if it is bytes."""

    def frame(self, payload: str | bytes) -> bytes:
        """Return the frame of a message, for all sockets whose ``framing`` equals this one's."""
        ...

    def send_frame(self, frame: bytes) -> None:
        """Send what :meth:`frame` returned."""

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake; :meth:`WebSocketEnd.gone` follows."""

    def pause_reading(self) -> None:
        """Take nothing more from the socket; its ping deadline stands still."""

    def resume_reading(self) -> None:
        """Read on."""


class WebSocketEnd(Protocol):
    """What ``net`` calls for one WebSocket."""

    reply_channel: str

    def received(self, payload: str | bytes) -> None:
        """Take one complete message from the client."""

    def gone(self, code: int) -> None:
        """The connection ended: the close code, 1006 for any unclean end.

        Called exactly once, for refused handshakes too.
        """

    def timed_out(self) -> None:
        """Give up waiting for the application to accept: refuse the handshake."""


class HttpPort(Protocol):
    """One HTTP request, as the bridge sees it.  Calls after its end do nothing."""

    #: Bytes written and not yet taken by the client's socket.
    unsent: int

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Write the status line and the headers, in order."""

    def write(self, data: bytes) -> None:
        """Write a part of the body."""

    def finish(self) -> None:
        """Complete the response."""

    def fail(self, status: int, reason: str, retry_after: int | None = None) -> None:
        """Answer with an error page, or abort the connection if the response has started."""


class HttpEnd(Protocol):
    """What ``net`` calls for one HTTP request."""

    reply_channel: str

    def gone(self) -> None:
        """The client went away before the response was complete."""

    def drained(self) -> None:
        """The client's socket took everything (``unsent`` is 0 again)."""

    def timed_out(self) -> None:
        """Give up waiting for the application: 503 if nothing was written, else abort."""


class BodySource(Protocol):
    """The rest of a request body that was too large to send inline, spooled by ``net``."""

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end; never blocks on the client."""
        ...

    def close(self) -> None:
        """Forget the body and delete what was spooled."""
