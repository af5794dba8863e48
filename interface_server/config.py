"""What an interface server can be told, in one place.

Times are seconds, sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds that a WebSocket may live when neither the option nor the layer says.
DEFAULT_WEBSOCKET_TIMEOUT = 86400.0


@dataclass(frozen=True)
class Config:
    """Options of one interface server; docs/channels1.md#server-options, and our own.

    Attributes:
        http_timeout: Longest wait for the application's next piece of a response.
        websocket_timeout: Longest life of a WebSocket; negative for no limit.
        websocket_connect_timeout: Longest wait for the application to accept a
            WebSocket; negative for no limit.
        ping_interval: A WebSocket that was silent that long is pinged; 0 or less:
            never.
        ping_timeout: A WebSocket that did not answer a ping for that long is
            dropped; 0 or less: never.
        ws_protocols: Subprotocols to choose from.
        root_path: Part of the path that belongs to the server.
        trust_root_path_header: Whether the header ``Daphne-Root-Path`` overrides it: only
            where a proxy sets it for every request, as clients can send it, too.
        proxy_forwarded_address_header: Header with the client's address; ``None``
            to believe the socket.
        proxy_forwarded_port_header: Header with the client's port.
        proxy_forwarded_proto_header: Header with the scheme.
        trusted_proxies: Proxies of ours that append to the address header; 0 takes
            its leftmost item.
        drain: Longest wait for open requests on shutdown, over which sockets
            are closed too.
        require_host: Whether an HTTP/1.1 request without a Host header gets 400; clients of
            old may send none.
        keep_alive_timeout: Longest silence of a client between two requests, or in the
            middle of one; 0 for no limit.
        max_body: Largest request body; 0 for no limit.
        max_message: Largest WebSocket message; 0 for no limit.
        send_buffer: A WebSocket with more than this unsent that is to be sent more
            is closed.
        stall_timeout: Longest time that a WebSocket is not read because the
            application is behind.
        spool_limit: Longest part of a response that is kept on disk for a slow
            client.
        on_lost_message: ``"skip"`` or ``"close"``: what happens to a socket whose
            message was lost with a worker.
        compression: Whether permessage-deflate is offered.
        worker_wait: How long requests and handshakes may wait for a first worker; then
            they get 503 until there is one.  Negative: they always wait.
        health_path: Path that the server answers itself, ``None`` for none; see
            :mod:`channels.interface_server.health`.
    """

    http_timeout: float = 120.0
    websocket_timeout: float = DEFAULT_WEBSOCKET_TIMEOUT
    websocket_connect_timeout: float = 20.0
    ping_interval: float = 20.0
    ping_timeout: float = 30.0
    ws_protocols: tuple[str, ...] = ()
    root_path: str = ""
    trust_root_path_header: bool = False
    proxy_forwarded_address_header: str | None = None
    proxy_forwarded_port_header: str | None = None
    proxy_forwarded_proto_header: str | None = None
    trusted_proxies: int = 0
    drain: float = 0.0
    require_host: bool = True
    keep_alive_timeout: float = 75.0
    max_body: int = 1024 * 1024 * 1024
    max_message: int = 1024 * 1024
    send_buffer: int = 1024 * 1024
    stall_timeout: float = 120.0
    spool_limit: int = 64 * 1024 * 1024
    on_lost_message: str = "skip"
    compression: bool = False
    worker_wait: float = 30.0
    health_path: str | None = None
