"""What an interface server can be told: each option once, with its default and its help.

:class:`~channels.interface_server.server.Server` takes every field as a keyword argument, the
parser of the command line is made of those that are options there, and the connections and
the bridge read them.

Times are seconds, sizes are bytes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal
from urllib.parse import unquote


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return int(value) if value.is_integer() else value


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    return int(text)


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isascii():
        raise argparse.ArgumentTypeError(f"{text!r} is no path: it starts with / and is ASCII")
    return text


@dataclass(frozen=True)
class Option:
    """How a setting is given on the command line.

    Attributes:
        group: Under which heading of the help it stands, ``""`` for none.
        flags: Its spellings.
        arguments: What ``argparse`` is told about it.
    """

    group: str
    flags: tuple[str, ...]
    arguments: Mapping[str, Any]


def _option(*flags: str, default: Any, group: str = "", **arguments: Any) -> Any:
    """Return a field that is an option; ``on_command_line`` if its default is another one there."""
    shown = arguments.pop("on_command_line", default)
    option = Option(group, flags, {**arguments, "default": shown})
    return field(default=default, metadata={"option": option})


def _time(*flags: str, **arguments: Any) -> Any:
    return _option(*flags, group="times", type=_seconds, metavar="SECONDS", **arguments)


def _size(*flags: str, **arguments: Any) -> Any:
    return _option(*flags, group="limits", type=_count, metavar="BYTES", **arguments)


def _proxy(*flags: str, **arguments: Any) -> Any:
    return _option(*flags, group="behind a proxy", **arguments)


@dataclass(frozen=True)
class Settings:
    """How one interface server behaves; docs/channels1.md#server-options, and our own.

    What the options do is said by their help, on the spot.

    Attributes:
        proxy_forwarded_address_header: Header with the client's address; ``None``
            to believe the socket.
        proxy_forwarded_port_header: Header with the client's port.
        proxy_forwarded_proto_header: Header with the scheme.
        expiry: How long a message lives in the layer.
        group_expiry: How long a membership, and an unread disconnect, live.
        buffer_messages: Messages of one socket that wait in the server while a
            frame of it is in flight; past it the socket is not read.
        buffer_size: The same in bytes; also the most that one frame carries
            (but always one message).
        frame_messages: Messages that one frame carries at most.
        disconnect_timeout: How long a disconnect waits for the frame in flight.
        retry_after: What clients that get a 503 are told to wait.
        body_chunk: Bytes of one chunk of a request body.
        body_ahead: Chunks of a request body that may wait unread in the layer.
        write_ahead: Bytes of a response that may wait in a client's transport
            before what follows is spooled.
        stop_timeout: How long the last disconnects may take to leave, once nothing
            else is waited for.
    """

    http_timeout: float = _time(
        *("-t", "--http-timeout", "--http_timeout"),
        default=120,
        help="longest wait for the next piece of a response, then 503 (default: %(default)s)",
    )
    keep_alive_timeout: float = _time(
        "--keep-alive-timeout",
        default=75,
        help="close a connection whose client is silent that long between two requests, or in the"
        " middle of one; 0 for never. More than the same of a proxy or balancer in front, which is"
        " often 60, so that it is never the one to be surprised (default: %(default)s)",
    )
    worker_wait: float = _time(
        "--worker-wait",
        default=30.0,
        help="how long requests and handshakes wait while no worker listens at all, as when they"
        " are being restarted; then 503 until one does; -1 for as long as the other time-outs"
        " allow (default: %(default)s)",
    )
    websocket_timeout: float = _time(
        *("--websocket-timeout", "--websocket_timeout"),
        default=86400.0,
        on_command_line=None,
        help="longest life of a WebSocket; -1 for no limit (default: the layer's group_expiry)",
    )
    websocket_connect_timeout: float = _time(
        *("--websocket-connect-timeout", "--websocket_connect_timeout"),
        default=20,
        on_command_line=5,
        help="longest wait for the application to accept a WebSocket, then 403; -1 for no"
        " limit (default: %(default)s)",
    )
    ping_interval: float = _time(
        *("--ping-interval", "--ping_interval"),
        default=20,
        help="ping a WebSocket that was silent that long; 0 for never (default: %(default)s)",
    )
    ping_timeout: float = _time(
        *("--ping-timeout", "--ping_timeout"),
        default=30,
        help="drop a WebSocket that did not answer a ping (default: %(default)s)",
    )
    stall_timeout: float = _time(
        "--stall-timeout",
        default=120.0,
        help="longest time that a WebSocket is not read because the application is behind,"
        " then it is closed with 1013 (default: %(default)s)",
    )
    drain: float = _time(
        "--drain",
        default=0.0,
        on_command_line=10.0,
        help="longest wait on shutdown for open requests, for clients and for workers that have"
        " not answered; closing the WebSockets is spread over most of it (default: %(default)s)",
    )
    max_body: int = _size(
        "--max-body",
        default=1024 * 1024 * 1024,
        help="largest request body, past it 413; 0 for no limit (default: %(default)s)",
    )
    max_message: int = _size(
        "--max-message",
        default=1024 * 1024,
        help="largest WebSocket message, past it close code 1009; 0 for no limit (default:"
        " %(default)s)",
    )
    send_buffer: int = _size(
        "--send-buffer",
        default=1024 * 1024,
        help="most that may be unsent to a WebSocket that is to be sent more, past it close code"
        " 1008 (default: %(default)s)",
    )
    spool_limit: int = _size(
        "--spool-limit",
        default=64 * 1024 * 1024,
        help="largest part of a response that is kept on disk for a slow client (default:"
        " %(default)s)",
    )
    trusted_proxies: int = _proxy(
        "--trusted-proxies",
        type=_count,
        default=0,
        metavar="N",
        help="proxies of yours that append to X-Forwarded-For: the client is the Nth address"
        " from the right; 0 takes the leftmost, which clients can forge (default: %(default)s)",
    )
    root_path: str = _proxy(
        *("--root-path", "--root_path"),
        type=unquote,
        default="",
        metavar="PATH",
        help="part of the path that belongs to the server, URL-encoded",
    )
    trust_root_path_header: bool = _proxy(
        "--trust-root-path-header",
        action="store_true",
        default=False,
        help="let the request header Daphne-Root-Path override it: for a proxy of yours that sets"
        " or removes it in every request, as clients can send it, too (default: ignored)",
    )
    ws_protocols: tuple[str, ...] = _option(
        *("--ws-protocol", "--ws_protocol"),
        metavar="NAME",
        nargs="*",
        action="extend",
        default=(),
        on_command_line=None,
        help="WebSocket subprotocols that are accepted; may be repeated",
    )
    compression: bool = _option(
        "--compression",
        action="store_true",
        default=False,
        help="offer permessage-deflate to WebSocket clients (costs CPU and memory)",
    )
    on_lost_message: Literal["skip", "close"] = _option(
        "--on-lost-message",
        choices=("skip", "close"),
        default="skip",
        help="what happens to a WebSocket whose message was lost with a worker, expired, or"
        " could not be read: go on, or close it with 1011 (default: %(default)s)",
    )
    health_path: str | None = _option(
        "--health-path",
        type=_path,
        metavar="PATH",
        default=None,
        help="path that the server answers itself, in JSON: 200 while it can serve, 503 when the"
        " layer does not answer, no worker listens (see --worker-wait) or it is stopping",
    )
    require_host: bool = _option(
        "--allow-missing-host",
        group="legacy",
        action="store_false",
        default=True,
        help="serve HTTP/1.1 requests without a Host header, as clients of old may send them;"
        " they get 400 otherwise",
    )
    proxy_forwarded_address_header: str | None = None
    proxy_forwarded_port_header: str | None = None
    proxy_forwarded_proto_header: str | None = None

    expiry: float = 60.0
    group_expiry: float = 86400.0
    buffer_messages: int = 128
    buffer_size: int = 1024 * 1024
    frame_messages: int = 1024
    disconnect_timeout: float = 10.0
    retry_after: int = 5
    body_chunk: int = 256 * 1024
    body_ahead: int = 8
    write_ahead: int = 256 * 1024
    stop_timeout: float = 2.0


#: The settings that are options of the command line, by name, in the order of its help.
OPTIONS: Mapping[str, Option] = {
    setting.name: setting.metadata["option"]
    for setting in fields(Settings)
    if "option" in setting.metadata
}
