"""What every connection of one server shares, and what all ask of their transports."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from channels.interface_server.counters import ConnectionCounters
from channels.interface_server.settings import Settings
from channels.interface_server.timers import TimerWheel

if TYPE_CHECKING:
    from channels.interface_server.bridge.hub import Hub

log = logging.getLogger(__name__)

ActionLogger = Callable[[str, str, Mapping[str, Any]], None]

#: Seconds of silence before the kernel asks, between its questions, and how many.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


@dataclass(slots=True)
class Context:
    """Shared by the connections of one server."""

    settings: Settings
    bridge: Hub
    wheel: TimerWheel
    counters: ConnectionCounters
    action_logger: ActionLogger | None = None
    upgrade: Callable[[Any], None] | None = None  # takes a request that asks for a WebSocket
    requests: set[Any] = field(default_factory=set)  # responses that are not complete
    sockets: set[Any] = field(default_factory=set)  # WebSockets, in whatever state
    draining: bool = False  # whether connections close after their response

    def log_action(self, protocol: str, action: str, **details: Any) -> None:
        """Tell the action logger, whose errors harm no connection."""
        if self.action_logger is None:
            return
        try:
            self.action_logger(protocol, action, details)
        except Exception:
            log.exception("the action logger failed on %s %s", protocol, action)

    def log_response(
        self,
        method: bytes,
        uri: bytes,
        status: int,
        client: str | None,
        seconds: float = 0.0,
        size: int = 0,
    ) -> None:
        """Tell the action logger of an answer, also of one that we gave ourselves."""
        self.log_action(
            "http",
            "complete",
            path=uri.decode("latin-1"),
            status=status,
            method=method.decode("latin-1"),
            client=client,
            time_taken=seconds,
            size=size,
        )


def unsent_bytes(transport: Any) -> int:
    """Return how much was written to a transport and is not in the kernel yet, by its buffers."""
    # TLS has a buffer of its own in front of the socket's, and passes on what it lacks.
    total = sum(map(len, getattr(transport, "_appSendBuffer", ())))
    data = getattr(transport, "dataBuffer", None)
    if data is not None:
        total += len(data) - transport.offset + transport._tempDataLen
    return total


def undelivered_bytes(transport: Any) -> int:
    """Return how much was written to a transport and did not reach its client yet.

    The kernel, where it can be asked, holds megabytes of it, and takes no more before a good part
    of them was read: a client that reads slowly but steadily shows only here.
    """
    total = unsent_bytes(transport)
    handle = getattr(transport, "socket", None)
    if handle is None or sys.platform == "win32":
        return total
    import fcntl
    import termios

    try:
        queued = fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # closed, or an operating system that does not tell
        return total
    return total + int.from_bytes(queued, sys.byteorder, signed=True)


def detect_dead_peer(transport: Any) -> None:
    """Let the kernel find out whether the other end is dead; harmless on UNIX sockets."""
    handle = getattr(transport, "getHandle", lambda: None)()
    handle = getattr(transport, "socket", handle)
    kinds = (socket.AF_INET, socket.AF_INET6)
    if not isinstance(handle, socket.socket) or handle.family not in kinds:
        return
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            option = getattr(socket, name, None)
            if option is not None:
                handle.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError:
        return  # the connection is on its way out
