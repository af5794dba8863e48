"""What an interface server can be told: each option once, with its default and its help.

:class:`~channels.interface_server.server.Server` takes every field as a keyword argument, the
parser of the command line is made of those that are options there, and the connections and
the bridge read them.

Times are seconds, sizes are bytes.
"""

from __future__ import annotations

import argparse
import math
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


def _option(flags: str, default: Any, text: str, *, group: str = "", **arguments: Any) -> Any:
    """Return a field that is an option of the command line, too.

    Its metadata are the heading of the help that it stands under, ``""`` for none, its spellings
    and what ``argparse`` is told; ``on_command_line`` is its default there, if that is another.
    """
    arguments.update(default=arguments.pop("on_command_line", default), help=text)
    told = {"group": group, "flags": flags.split(), "arguments": arguments}
    return field(default=default, metadata=told)


def _time(flags: str, default: float, text: str, **arguments: Any) -> Any:
    if "(default" not in text:
        text += " (default: %(default)s)"
    arguments.update(group="times", type=_seconds, metavar="SECONDS")
    return _option(flags, default, text, **arguments)


def _size(flags: str, default: int, text: str) -> Any:
    text += " (default: %(default)s)"
    return _option(flags, default, text, group="limits", type=_count, metavar="BYTES")


@dataclass(frozen=True)
class Settings:
    """How one interface server behaves; docs/channels1.md#server-options, and our own.

    What the options do is said by their help, on the spot.
    """

    http_timeout: float = _time(
        "-t --http-timeout --http_timeout",
        120,
        "longest wait for the next piece of a response, then 503",
    )
    keep_alive_timeout: float = _time(
        "--keep-alive-timeout",
        75,
        "close a connection whose client is silent that long between two requests, or in the"
        " middle of one; 0 for never. More than the same of a proxy or balancer in front, which is"
        " often 60, so that it is never the one to be surprised",
    )
    worker_wait: float = _time(
        "--worker-wait",
        30.0,
        "how long requests and handshakes wait while no worker listens at all, as when they"
        " are being restarted; then 503 until one does; -1 for as long as the other time-outs"
        " allow",
    )
    websocket_timeout: float = _time(
        "--websocket-timeout --websocket_timeout",
        86400.0,
        "longest life of a WebSocket; -1 for no limit (default: the layer's group_expiry)",
        on_command_line=None,
    )
    websocket_connect_timeout: float = _time(
        "--websocket-connect-timeout --websocket_connect_timeout",
        20,
        "longest wait for the application to accept a WebSocket, then 403; -1 for no limit",
        on_command_line=5,
    )
    ping_interval: float = _time(
        "--ping-interval --ping_interval",
        20,
        "ping a WebSocket that was silent that long; 0 for never",
    )
    ping_timeout: float = _time(
        "--ping-timeout --ping_timeout", 30, "drop a WebSocket that did not answer a ping"
    )
    stall_timeout: float = _time(
        "--stall-timeout",
        120.0,
        "longest time that a WebSocket is not read because the application is behind,"
        " then it is closed with 1013",
    )
    drain: float = _time(
        "--drain",
        0.0,
        "longest wait on shutdown for open requests, for clients and for workers that have"
        " not answered; closing the WebSockets is spread over most of it",
        on_command_line=10.0,
    )
    max_body: int = _size(
        "--max-body", 1024 * 1024 * 1024, "largest request body, past it 413; 0 for no limit"
    )
    max_message: int = _size(
        "--max-message",
        1024 * 1024,
        "largest WebSocket message, past it close code 1009; 0 for no limit",
    )
    send_buffer: int = _size(
        "--send-buffer",
        1024 * 1024,
        "most that may be unsent to a WebSocket that is to be sent more, past it close code 1008",
    )
    spool_limit: int = _size(
        "--spool-limit",
        64 * 1024 * 1024,
        "largest part of a response that is kept on disk for a slow client",
    )
    trusted_proxies: int = _option(
        "--trusted-proxies",
        0,
        "proxies of yours that append to X-Forwarded-For: the client is the Nth address"
        " from the right; 0 takes the leftmost, which clients can forge (default: %(default)s)",
        group="behind a proxy",
        type=_count,
        metavar="N",
    )
    root_path: str = _option(
        "--root-path --root_path",
        "",
        "part of the path that belongs to the server, URL-encoded",
        group="behind a proxy",
        type=unquote,
        metavar="PATH",
    )
    trust_root_path_header: bool = _option(
        "--trust-root-path-header",
        False,
        "let the request header Daphne-Root-Path override it: for a proxy of yours that sets"
        " or removes it in every request, as clients can send it, too (default: ignored)",
        group="behind a proxy",
        action="store_true",
    )
    ws_protocols: tuple[str, ...] = _option(
        "--ws-protocol --ws_protocol",
        (),
        "WebSocket subprotocols that are accepted; may be repeated",
        on_command_line=None,
        metavar="NAME",
        nargs="*",
        action="extend",
    )
    compression: bool = _option(
        "--compression",
        False,
        "offer permessage-deflate to WebSocket clients (costs CPU and memory)",
        action="store_true",
    )
    on_lost_message: Literal["skip", "close", "retry"] = _option(
        "--on-lost-message",
        "skip",
        "what happens to a WebSocket whose message was lost with a worker, expired, or"
        " could not be read: go on (skip), or close it with 1011 (close); with retry go on, but"
        " send what a client said and a worker lost again, twice at most: some of it may then"
        " run twice (default: %(default)s)",
        choices=("skip", "close", "retry"),
    )
    health_path: str | None = _option(
        "--health-path",
        None,
        "path that the server answers itself, in JSON: 200 while it can serve, 503 when the"
        " layer does not answer, no worker listens (see --worker-wait) or it is stopping",
        type=_path,
        metavar="PATH",
    )
    require_host: bool = _option(
        "--allow-missing-host",
        True,
        "serve HTTP/1.1 requests without a Host header, as clients of old may send them;"
        " they get 400 otherwise",
        group="legacy",
        action="store_false",
    )
    # Headers with the client's address, port and scheme; None to believe the socket.
    proxy_forwarded_address_header: str | None = None
    proxy_forwarded_port_header: str | None = None
    proxy_forwarded_proto_header: str | None = None
    # How long a message, and a membership or an unread disconnect, live in the layer.
    expiry: float = 60.0
    group_expiry: float = 86400.0
    # Messages of one socket, and their bytes, that wait in the server while a frame of it is in
    # flight; past it the socket is not read.  A frame carries no more bytes, but one message.
    buffer_messages: int = 128
    buffer_size: int = 1024 * 1024
    frame_messages: int = 1024  # that one frame carries at most
    disconnect_timeout: float = 10.0  # how long a disconnect waits for the frame in flight
    retry_after: int = 5  # what clients that get a 503 are told to wait
    # Bytes of a chunk of a request body, and chunks that may wait unread in the layer.
    body_chunk: int = 256 * 1024
    body_ahead: int = 8
    # Bytes of a response that may wait in a client's transport before the rest is spooled.
    write_ahead: int = 256 * 1024
    # How long the last disconnects may take to leave, once nothing else is waited for.
    stop_timeout: float = 2.0


#: The settings that are options of the command line, in the order of its help.
OPTIONS = tuple(setting for setting in fields(Settings) if setting.metadata)
