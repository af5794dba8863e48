"""The command ``interface-server``: arguments in, exit status out.

docs/channels1.md#server-options has the arguments, #command-lines what is mended: spellings with
underscores are kept, and a list of subprotocols does not swallow the layer.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import logging
import signal
import sys
from typing import Any, NoReturn

from channels import __version__
from channels.exceptions import LayerUnavailable
from channels.interface_server.access import AccessLogGenerator, open_access_log
from channels.interface_server.net.endpoints import choose_endpoints, fill_standard, raise_limit
from channels.interface_server.server import Server, StartError
from channels.interface_server.settings import OPTIONS
from channels.log import FORMATS, LogFormat, describe_process, make_formatter
from channels.process_signals import hold_hangups

log = logging.getLogger(__name__)

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)

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


class LayerNotFound(Exception):
    """The layer argument leads nowhere; the text says why."""


class CommandLineInterface:
    """Parses arguments and runs a server: ``server``, once :meth:`run` has made it."""

    def __init__(self) -> None:
        self.parser = _build_parser()
        self.server: Server | None = None
        self.early_hangups: list[int] = []  # that came while it started, and count once it has

    @classmethod
    def entrypoint(cls) -> NoReturn:
        """Run with the arguments of the process, and exit."""
        command = cls()
        command.early_hangups = hold_hangups()
        sys.exit(command.run(sys.argv[1:]))

    def run(self, args: list[str]) -> int:
        """Serve until stopped; return the exit status.

        Raises:
            SystemExit: Bad arguments (status 2), or help was asked for.
        """
        fill_standard()
        options = parse(self.parser, args)
        verbosity = min(max(options.verbosity, 0), 2)
        set_up_logging(verbosity, options.log_format)
        try:
            layer = load_layer(options.layer)
        except LayerNotFound as error:
            log.debug("loading the layer failed", exc_info=True)
            self.parser.error(str(error))
        finally:
            keep_loggers()
        try:
            writer = make_access_log(options.access_log, verbosity, options.log_format)
        except OSError as error:
            self.parser.error(f"the access log cannot be written: {error}")
        self.server = server = Server(
            channel_layer=layer,
            endpoints=choose_endpoints(
                options.endpoints,
                options.host,
                options.port,
                options.unix_socket,
                options.file_descriptor,
            ),
            action_logger=writer,
            force_sync=options.force_sync,
            verbosity=verbosity,
            on_ready=self._heed_hangups,
            dedicated=True,
            **given_settings(options),
        )
        if writer is not None and writer.stream is not sys.stdout:
            server.reopen_logs = functools.partial(writer.reopen, options.access_log)
        raise_limit()
        try:
            server.run()
        except StartError as error:
            log.error("%s", error)
            return 1
        finally:
            if writer is not None:
                writer.close()
        return 0

    def _heed_hangups(self) -> None:
        if self.early_hangups:
            signal.raise_signal(self.early_hangups.pop())


def load_layer(source: str) -> Any:
    """Return the layer that a URL or ``module.path:attribute`` stands for.

    Raises:
        LayerNotFound: There is none.
    """
    if "://" in source:
        from channels.layers.redis import layer_from_url

        try:
            return layer_from_url(source)
        except (ValueError, LayerUnavailable) as error:
            raise LayerNotFound(f"the layer's URL cannot be used: {error}") from error
    module_path, _, attributes = source.partition(":")
    if not all(name.isidentifier() for name in (*module_path.split("."), *attributes.split("."))):
        shown = "that" if "@" in source else repr(source)  # it may be a URL with a password
        raise LayerNotFound(
            f"{shown} does not say where the layer is: use module.path:attribute, for"
            " instance demo.asgi:channel_layer, or a redis:// URL"
        )
    sys.path.insert(0, ".")
    try:
        found: Any = importlib.import_module(module_path)
    except Exception as error:  # any code of the application may run here
        raise LayerNotFound(
            f"could not import {module_path!r}: {type(error).__name__}: {error}"
        ) from error
    for name in attributes.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise LayerNotFound(f"{module_path!r} has no attribute {attributes!r}") from error
    return found


def keep_loggers() -> None:
    """Let our loggers speak on, whatever the project's ``LOGGING`` did as its layer was loaded.

    ``logging.config`` silences every logger that exists and that it does not name, unless
    ``disable_existing_loggers`` is false; that is not meant for the server.
    """
    for name, logger in logging.Logger.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in ("channels", "twisted"):
            logger.disabled = False


def make_access_log(
    path: str | None, verbosity: int, log_format: LogFormat
) -> AccessLogGenerator | None:
    """Return what logs access, ``None`` for nothing."""
    if path is None and verbosity < 1:
        return None
    stream = open_access_log("-" if path is None else path)
    return None if stream is None else AccessLogGenerator(stream, log_format=log_format)


def set_up_logging(verbosity: int, log_format: LogFormat = "text") -> None:
    """Log to stderr, with all of Twisted's own log for verbosity 2; safe to call again."""
    describe_process("server", log_format)
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(make_formatter())
        root.addHandler(handler)
    root.setLevel(_LEVELS[verbosity])

    from channels.interface_server.net.reactor import forward_twisted_log

    forward_twisted_log(everything=verbosity >= 2)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, not under a page of usage."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def parse(parser: argparse.ArgumentParser, args: list[str]) -> argparse.Namespace:
    """Parse arguments; find the layer also behind ``--ws-protocol a b``.

    A subprotocol is an HTTP token, which can't hold a colon, so it is clear which one it is.
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


def _build_parser() -> argparse.ArgumentParser:
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
