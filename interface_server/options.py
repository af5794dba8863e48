"""The options of ``interface-server``, and what they mean.

docs/channels1.md#server-options has them, #command-lines what is mended: spellings with
underscores are kept, and a list of subprotocols does not swallow the layer.
"""

from __future__ import annotations

import argparse
import math
from typing import NoReturn

from channels import __version__
from channels.interface_server.config import Config
from channels.log import FORMATS

DESCRIPTION = """\
Accept HTTP and WebSocket connections and pass them to workers over the channel
layer. Runs until SIGTERM, then stops accepting, waits for open requests (see
--drain), closes WebSockets with 1012 and exits with status 0. A second signal
stops at once. SIGHUP opens the log files anew, for log rotation; it stops the
server if that was started from a terminal which was closed.
"""

EPILOG = """\
examples:
  interface-server demo.asgi:channel_layer
  interface-server -b 0.0.0.0 -p 8000 redis://127.0.0.1:6379/0
  interface-server -u /run/web.sock --proxy-headers demo.asgi:channel_layer
  interface-server -e ssl:8443:privateKey=key.pem:certKey=crt.pem demo.asgi:channel_layer

exit status: 0 stopped as asked, 1 could not listen or reach the layer, 2 bad arguments
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, not under a page of usage."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def parse(parser: argparse.ArgumentParser, args: list[str]) -> argparse.Namespace:
    """Parse arguments; find the layer also behind a list of subprotocols.

    ``--ws-protocol a b module:layer`` gives everything to the option.  A subprotocol is
    an HTTP token, which can't hold a colon, so it is clear which one is the layer.
    """
    options = parser.parse_args(args)
    protocols = options.ws_protocols or []
    if options.layer is None and protocols and ":" in protocols[-1]:
        options.layer = protocols.pop()
    if options.layer is None:
        parser.error("say where the layer is: module.path:attribute or a redis:// URL")
    return options


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    defaults = Config()
    parser = _Parser(
        prog="interface-server",
        usage="%(prog)s [options] layer",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_listening(parser)
    _add_timeouts(parser, defaults)
    _add_limits(parser, defaults)
    _add_proxy(parser)
    _add_logging(parser)
    parser.add_argument(
        "--ws-protocol",
        "--ws_protocol",
        dest="ws_protocols",
        metavar="NAME",
        nargs="*",
        action="extend",
        default=None,
        help="WebSocket subprotocols that are accepted; may be repeated",
    )
    parser.add_argument(
        "--compression",
        action="store_true",
        help="offer permessage-deflate to WebSocket clients (costs CPU and memory)",
    )
    parser.add_argument(
        "--on-lost-message",
        choices=("skip", "close"),
        default=defaults.on_lost_message,
        help="what happens to a WebSocket whose message was lost with a worker, expired, or"
        " could not be read: go on, or close it with 1011 (default: %(default)s)",
    )
    parser.add_argument(
        "--health-path",
        type=_path,
        metavar="PATH",
        help="path that the server answers itself, in JSON: 200 while it can serve, 503 when the"
        " layer does not answer, no worker listens (see --worker-wait) or it is stopping",
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"channels-classic {__version__}",
        help="print the version of channels-classic and exit",
    )
    parser.add_argument(
        "--allow-missing-host",
        action="store_true",
        help="serve HTTP/1.1 requests without a Host header, as clients of old may send them;"
        " they get 400 otherwise",
    )
    parser.add_argument(
        "--force-sync",
        "--force_sync",
        action="store_true",
        help="accepted for command lines of old, without effect: there is one way to read replies",
    )
    parser.add_argument(
        "layer",
        nargs="?",
        help="where the layer is: module.path:attribute, or the URL of a Redis (redis://,"
        " rediss://, unix://), a Cluster (redis+cluster://) or Sentinels (redis+sentinel://);"
        " a URL says ?prefix=PREFIX if CONFIG has a prefix, and can't hold encryption keys",
    )
    return parser


def _add_listening(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("listening (default: TCP, 127.0.0.1, port 8000)")
    group.add_argument("-p", "--port", type=int, metavar="PORT", help="TCP port")
    group.add_argument(
        "-b", "--bind", dest="host", metavar="HOST", help="TCP interface; IPv6 with or without []"
    )
    group.add_argument(
        "-u", "--unix-socket", "--unix_socket", metavar="PATH", help="UNIX socket to listen on"
    )
    group.add_argument(
        "--fd",
        type=int,
        dest="file_descriptor",
        metavar="N",
        help="listening socket inherited as this file descriptor",
    )
    group.add_argument(
        "-e",
        "--endpoint",
        dest="endpoints",
        action="append",
        default=[],
        metavar="ENDPOINT",
        help="Twisted endpoint to listen on; may be repeated",
    )


def _add_timeouts(parser: argparse.ArgumentParser, defaults: Config) -> None:
    group = parser.add_argument_group("times")

    def seconds(*names: str, default: float | None, help: str) -> None:
        group.add_argument(*names, type=_seconds, metavar="SECONDS", default=default, help=help)

    seconds(
        "-t",
        "--http-timeout",
        "--http_timeout",
        default=120,
        help="longest wait for the next piece of a response, then 503 (default: %(default)s)",
    )
    seconds(
        "--keep-alive-timeout",
        default=75,
        help="close a connection whose client is silent that long between two requests, or in the"
        " middle of one; 0 for never. More than the same of a proxy or balancer in front, which is"
        " often 60, so that it is never the one to be surprised (default: %(default)s)",
    )
    seconds(
        "--worker-wait",
        default=defaults.worker_wait,
        help="how long requests and handshakes wait while no worker listens at all, as when they"
        " are being restarted; then 503 until one does; -1 for as long as the other time-outs"
        " allow (default: %(default)s)",
    )
    seconds(
        "--websocket-timeout",
        "--websocket_timeout",
        default=None,
        help="longest life of a WebSocket; -1 for no limit (default: the layer's group_expiry)",
    )
    seconds(
        "--websocket-connect-timeout",
        "--websocket_connect_timeout",
        default=5,
        help="longest wait for the application to accept a WebSocket, then 403; -1 for no"
        " limit (default: %(default)s)",
    )
    seconds(
        "--ping-interval",
        "--ping_interval",
        default=20,
        help="ping a WebSocket that was silent that long; 0 for never (default: %(default)s)",
    )
    seconds(
        "--ping-timeout",
        "--ping_timeout",
        default=30,
        help="drop a WebSocket that did not answer a ping (default: %(default)s)",
    )
    seconds(
        "--stall-timeout",
        default=defaults.stall_timeout,
        help="longest time that a WebSocket is not read because the application is behind,"
        " then it is closed with 1013 (default: %(default)s)",
    )
    seconds(
        "--drain",
        default=10.0,
        help="longest wait on shutdown for open requests, for clients and for workers that have"
        " not answered; closing the WebSockets is spread over most of it (default: %(default)s)",
    )


def _add_limits(parser: argparse.ArgumentParser, defaults: Config) -> None:
    group = parser.add_argument_group("limits")

    def size(name: str, default: int, help: str) -> None:
        group.add_argument(name, type=_count, metavar="BYTES", default=default, help=help)

    size(
        "--max-body",
        defaults.max_body,
        "largest request body, past it 413; 0 for no limit (default: %(default)s)",
    )
    size(
        "--max-message",
        defaults.max_message,
        "largest WebSocket message, past it close code 1009; 0 for no limit (default: %(default)s)",
    )
    size(
        "--send-buffer",
        defaults.send_buffer,
        "most that may be unsent to a WebSocket that is to be sent more, past it close code"
        " 1008 (default: %(default)s)",
    )
    size(
        "--spool-limit",
        defaults.spool_limit,
        "largest part of a response that is kept on disk for a slow client (default: %(default)s)",
    )


def _add_proxy(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("behind a proxy")
    group.add_argument(
        "--proxy-headers",
        "--proxy_headers",
        action="store_true",
        help="believe X-Forwarded-For, X-Forwarded-Port and X-Forwarded-Proto",
    )
    group.add_argument(
        "--trusted-proxies",
        type=_count,
        default=0,
        metavar="N",
        help="proxies of yours that append to X-Forwarded-For: the client is the Nth address"
        " from the right; 0 takes the leftmost, which clients can forge (default: %(default)s)",
    )
    group.add_argument(
        "--root-path",
        "--root_path",
        default="",
        metavar="PATH",
        help="part of the path that belongs to the server, URL-encoded",
    )
    group.add_argument(
        "--trust-root-path-header",
        action="store_true",
        help="let the request header Daphne-Root-Path override it: for a proxy of yours that sets"
        " or removes it in every request, as clients can send it, too (default: ignored)",
    )


def _add_logging(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("logging")
    group.add_argument(
        "-v",
        "--verbosity",
        type=int,
        default=1,
        metavar="N",
        help="0 for warnings, 1 for information, 2 for everything (default: %(default)s)",
    )
    group.add_argument(
        "--access-log",
        "--access_log",
        metavar="FILE",
        help="append the access log to this file; - for stdout, which is also the default with"
        " verbosity 1 and 2",
    )
    group.add_argument(
        "--log-format",
        choices=FORMATS,
        default="text",
        help="how both logs are written: text, or json for one object a line (default:"
        " %(default)s)",
    )


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
