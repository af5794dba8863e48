"""TCP keep-alive, for sockets that are not read for a while."""

from __future__ import annotations

import socket
from typing import Any

#: Seconds of silence before the kernel asks, between its questions, and how many.
_OPTIONS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


def detect_dead_peer(transport: Any) -> None:
    """Let the kernel find out whether the other end is dead; harmless on UNIX sockets."""
    handle = getattr(transport, "getHandle", lambda: None)()
    handle = getattr(transport, "socket", handle)
    if not isinstance(handle, socket.socket) or handle.family not in (
        socket.AF_INET,
        socket.AF_INET6,
    ):
        return
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OPTIONS.items():
            option = getattr(socket, name, None)
            if option is not None:
                handle.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError:
        return  # the connection is on its way out
