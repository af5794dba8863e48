"""What the bridge calls: the seam to ``net`` (bytes and sockets), and its own sockets and requests.

``net`` implements the ports, one object for each connection or request, and calls what
:class:`~channels.interface_server.bridge.hub.Hub` returns for it.  ``bridge`` never sees
Twisted or Autobahn, ``net`` never sees the layer.
Everything happens in one thread, the event loop's; nothing here blocks.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol


class WebSocketPort(Protocol):
    """One WebSocket, as the bridge sees it.

    No method raises; calls on a dead socket do nothing.
    """

    #: Sockets with equal values can share one frame: they negotiated the same extensions.
    framing: Hashable

    def accept(self) -> None:
        """Complete the handshake."""

    def reject(self, status: int) -> None:
        """Refuse the handshake: 403 denied, 503 full or layer down, 500 other failure."""

    def frame(self, payload: str | bytes) -> bytes:
        """Return the frame of a text or binary message, for all sockets of this ``framing``."""
        ...

    def send(self, frame: bytes) -> None:
        """Send what :meth:`frame` returned, with all else of this turn, at its end."""

    def send_now(self, frames: Sequence[bytes]) -> None:
        """Send what :meth:`frame` returned, in one write, and not only at the end of the turn."""

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake; :meth:`.BridgedWebSocket.gone` follows."""

    def pause_reading(self) -> None:
        """Take nothing more from the socket; its ping deadline stands still."""

    def resume_reading(self) -> None:
        """Read on."""


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

    def fail(self, status: int, reason: str) -> None:
        """Answer with an error page, or abort the connection if the response has started."""


class Owner(Protocol):
    """Sent a frame and waits for its receipt."""

    channel: str

    def answered(self, receipt: int) -> None:
        """Called when every message of the frame has run."""

    def lost(self, receipt: int, cause: str) -> None:
        """Called when it is known that the frame never ran, or not whole, with a key of ``WHY``."""


class Recipient(Protocol):
    """A socket or a request, by its reply channel."""

    reply_channel: str

    def reply(self, message: Mapping[str, Any]) -> None:
        """Carry out a message on the reply channel."""

    def broken(self) -> None:
        """End it: carrying out a message raised."""

    def unread(self, cause: str) -> None:
        """Called when a message on the reply channel came and was dropped."""
