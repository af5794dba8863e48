"""The command line of ``interface-server``: the settings, and what else belongs to a command.

docs/channels1.md#server-options has them, #command-lines what is mended: spellings with
underscores are kept, and a list of subprotocols does not swallow the layer.
"""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from channels import __version__
from channels.interface_server.settings import OPTIONS
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


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the command line asks for, by name."""
    given = {setting.name: getattr(options, setting.name) for setting in OPTIONS}
    if options.proxy_headers:
        given.update(
            proxy_forwarded_address_header="X-Forwarded-For",
            proxy_forwarded_port_header="X-Forwarded-Port",
            proxy_forwarded_proto_header="X-Forwarded-Proto",
        )
    return given


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog="interface-server",
        usage="%(prog)s [options] layer",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "layer",
        nargs="?",
        help="where the layer is: module.path:attribute, or the URL of a Redis (redis://,"
        " rediss://, unix://), a Cluster (redis+cluster://) or Sentinels (redis+sentinel://);"
        " a URL says ?prefix=PREFIX if CONFIG has a prefix, and can't hold encryption keys",
    )
    _add_settings(parser, "")
    parser.add_argument(
        "--version",
        action="version",
        version=f"channels-classic {__version__}",
        help="print the version of channels-classic and exit",
    )
    _add_settings(parser, "legacy")
    parser.add_argument(
        "--force-sync",
        "--force_sync",
        action="store_true",
        help="accepted for command lines of old, without effect: there is one way to read replies",
    )
    _add_listening(parser.add_argument_group("listening (default: TCP, 127.0.0.1, port 8000)"))
    for heading in ("times", "limits"):
        _add_settings(parser.add_argument_group(heading), heading)
    proxy = parser.add_argument_group("behind a proxy")
    proxy.add_argument(
        "--proxy-headers",
        "--proxy_headers",
        action="store_true",
        help="believe X-Forwarded-For, X-Forwarded-Port and X-Forwarded-Proto",
    )
    _add_settings(proxy, "behind a proxy")
    _add_logging(parser.add_argument_group("logging"))
    return parser


def _add_settings(where: argparse._ActionsContainer, group: str) -> None:
    for setting in OPTIONS:
        told = setting.metadata
        if told["group"] == group:
            where.add_argument(*told["flags"], dest=setting.name, **told["arguments"])


def _add_listening(group: argparse._ArgumentGroup) -> None:
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


def _add_logging(group: argparse._ArgumentGroup) -> None:
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
