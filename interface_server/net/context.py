"""What every connection of one server shares."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from channels.interface_server.access import ActionLogger
from channels.interface_server.counters import ConnectionCounters
from channels.interface_server.protocol.headers import (
    Address,
    Pairs,
    parse_x_forwarded_for,
    request_headers,
    take_root_path,
)
from channels.interface_server.settings import Settings
from channels.interface_server.timers import TimerWheel

if TYPE_CHECKING:
    from channels.interface_server.bridge.hub import Hub

log = logging.getLogger(__name__)


class Pending(Protocol):
    """A request that is not answered yet."""

    def give_up(self) -> None:
        """Wait for the application no longer."""
        ...


class Connected(Protocol):
    """A WebSocket in whatever state."""

    transport: Any


@dataclass(slots=True)
class Origin:
    """Where a request comes from, by its socket or by a trusted proxy.

    Attributes:
        client: Who asks; ``None`` on a UNIX socket without a proxy's word.
        server: Where it was asked.
        scheme: ``http`` or ``https``.
        root_path: Part of the path that belongs to the server.
        headers: As the application gets them.
        forwarded: Whether a proxy named the client.
    """

    client: Address | None
    server: Address | None
    scheme: str
    root_path: str
    headers: Pairs
    forwarded: bool = False

    def describe(self) -> str | None:
        """Return the client for the logs; ``None`` if nobody knows it.

        The port that a proxy reports is the one that it was asked on, so it tells nothing
        about the client.
        """
        if self.client is None:
            return None
        host, port = self.client
        return str(host) if self.forwarded else f"{host}:{port}"


@dataclass(slots=True)
class Context:
    """Shared by the connections of one server.

    Attributes:
        settings: What the server was told.
        bridge: Takes what connections receive.
        wheel: Keeps their deadlines.
        counters: What happened so far.
        action_logger: Told of what happens, ``None`` for nobody.
        upgrade: Hands a request that asks for a WebSocket over.
        requests: HTTP requests that are not answered.
        sockets: WebSockets that are connected, in whatever state.
        draining: Whether connections close after their response.
        health_path: ``settings.health_path`` as it comes from the network.
    """

    settings: Settings
    bridge: Hub
    wheel: TimerWheel
    counters: ConnectionCounters
    action_logger: ActionLogger | None = None
    upgrade: Callable[[Any], None] | None = None
    requests: set[Pending] = field(default_factory=set)
    sockets: set[Connected] = field(default_factory=set)
    draining: bool = False
    health_path: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.health_path = (self.settings.health_path or "").encode()

    def log_action(self, protocol: str, action: str, **details: Any) -> None:
        """Tell the action logger, whose errors harm no connection."""
        if self.action_logger is None:
            return
        try:
            self.action_logger(protocol, action, details)
        except Exception:
            log.exception("the action logger failed on %s %s", protocol, action)

    def origin(
        self,
        raw_headers: Iterable[tuple[bytes, Iterable[bytes]]],
        peer: Any,
        host: Any,
        secure: bool,
        websocket: bool,
    ) -> Origin:
        """Work out client, scheme, root path and headers (docs/channels1.md#request-headers).

        Args:
            raw_headers: As they came.
            peer: Twisted address of the other end.
            host: Twisted address of this end.
            secure: Whether the connection uses TLS.
            websocket: Whether it is a handshake, which keeps all of its headers.
        """
        settings = self.settings
        headers = request_headers(raw_headers)
        socket_client = client = address(peer)
        scheme = "https" if secure else "http"
        if settings.proxy_forwarded_address_header:
            client, forwarded_scheme = parse_x_forwarded_for(
                _gathered(headers),
                settings.proxy_forwarded_address_header,
                settings.proxy_forwarded_port_header,
                settings.proxy_forwarded_proto_header,
                client,
                scheme,
                settings.trusted_proxies,
            )
            # Of a handshake it is told again as ws or wss, where its message is made.
            scheme = (forwarded_scheme or scheme).replace("ws", "http")
        asked, rest = take_root_path(headers)
        trusted = settings.trust_root_path_header and asked is not None
        return Origin(
            client=client,
            server=address(host),
            scheme=scheme,
            root_path=asked if trusted and asked is not None else settings.root_path,
            headers=headers if websocket else rest,
            forwarded=client is not socket_client,
        )


def address(twisted_address: Any) -> Address | None:
    """Return ``[host, port]`` of a TCP address, ``None`` of any other kind."""
    host = getattr(twisted_address, "host", None)
    port = getattr(twisted_address, "port", None)
    return None if host is None or port is None else [str(host), int(port)]


def unsent_bytes(transport: Any) -> int:
    """Return how much was written to a transport and not yet taken by the kernel.

    Reads Twisted's buffers, which have no public interface; a transport without them counts
    as empty.
    """
    # TLS keeps a buffer of its own in front of the socket's, and passes on what it
    # does not have.
    total = sum(map(len, getattr(transport, "_appSendBuffer", ())))
    data = getattr(transport, "dataBuffer", None)
    if data is not None:
        total += len(data) - transport.offset + transport._tempDataLen
    return total


def untaken_bytes(transport: Any) -> int:
    """Return how much was written to a transport and did not reach its client yet.

    The kernel holds megabytes of it, and takes no more before a good part of them was
    read: a client that reads slowly but steadily shows only here.  Where the kernel
    can't be asked, what it holds is left out.
    """
    total = unsent_bytes(transport)
    handle = getattr(transport, "socket", None)
    if handle is None or sys.platform == "win32":
        return total
    import fcntl
    import termios

    try:
        held = fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # closed, or an operating system that does not tell
        return total
    return total + int.from_bytes(held, sys.byteorder, signed=True)


def _gathered(headers: Pairs) -> dict[bytes, list[bytes]]:
    gathered: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        gathered.setdefault(name, []).append(value)
    return gathered
