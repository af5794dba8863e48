"""``manage.py runserver``: interface server and workers in one process, for development.

By docs/channels1.md#commands.  Extends Django's command, and is itself extended by the one of
``django.contrib.staticfiles`` (:mod:`channels.hacks`).  Importing it imports neither Twisted nor
the interface server.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from datetime import datetime
from logging import Logger
from typing import Any, NoReturn

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.management.commands.runserver import Command as StaticRunserver
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.runserver import Command as RunserverCommand
from django.db import connections
from django.utils import autoreload

from channels import DEFAULT_CHANNEL_LAYER, channel_layers, conf
from channels.asgi import ChannelLayerWrapper
from channels.backoff import Backoff
from channels.exceptions import InvalidChannelLayerError
from channels.handler import ViewConsumer
from channels.log import describe_process, setup_logger
from channels.startup import check_reachable, find_layer
from channels.worker import Worker
from channels.worker.loop import KeptThread

__all__ = ["Command", "Worker", "WorkerThread", "sys"]

#: Workers in threads; one with ``--nothreading``.
WORKER_THREADS = 4

#: Longest wait at the end for consumers that still run, in seconds.
END_PATIENCE = 5.0

#: Django says these in its own way, and staticfiles' command adds its own last.
_HELP = {
    "addrport": "where to listen: a port, or ADDRESS:PORT (default: 127.0.0.1:8000)",
    "use_ipv6": "listen on an IPv6 address (default: [::1]:8000)",
    "use_threading": "run one worker instead of several",
    "use_reloader": "don't restart when code changes",
    "use_static_handler": "don't serve static files at STATIC_URL",
    "insecure_serving": "serve static files also with DEBUG off",
}


class _InterfaceServer:
    """Stands for the interface server's class: an ordinary attribute would import Twisted.

    No data descriptor, it gives way to what is assigned to ``server_cls``, also on an instance.
    """

    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        from channels.interface_server.server import Server

        return Server


class Command(RunserverCommand):
    """Serves HTTP and WebSocket, and runs the consumers.

    Attributes:
        server_cls: Class of the server; assign or override it.
        protocol: Scheme of the address that is printed.
    """

    help = (
        "Start a web server for development: HTTP, WebSocket and the workers in one process. It"
        " restarts when code changes. Runs until CONTROL-C or SIGTERM and then exits with status 0."
    )
    protocol = "http"
    server_cls: Any = _InterfaceServer()
    logger: Logger

    # Set by Django's handle().
    addr: str
    port: str
    use_ipv6: bool
    _raw_ipv6: bool

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        if parser.description == StaticRunserver.help:
            parser.description = Command.help
        for action in parser._actions:
            action.help = _HELP.get(action.dest, action.help)
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--noworker",
            action="store_false",
            dest="run_worker",
            help="run no workers here: start them with runworker, on a layer that other processes"
            " can reach",
        )
        parser.add_argument(
            "--noasgi",
            action="store_false",
            dest="use_asgi",
            help="run Django's own WSGI server, without WebSockets and workers",
        )
        parser.add_argument(
            "--http_timeout",
            "--http-timeout",
            type=int,
            default=60,
            metavar="SECONDS",
            help="longest wait for a view's response (default: %(default)s)",
        )
        parser.add_argument(
            "--websocket_handshake_timeout",
            "--websocket-handshake-timeout",
            type=int,
            default=5,
            metavar="SECONDS",
            help="longest duration of a WebSocket's opening handshake (default: %(default)s)",
        )
        parser.add_argument(
            "--trust-root-path-header",
            action="store_true",
            help="let the request header Daphne-Root-Path say what of the path belongs to the"
            " server: for a proxy that sets or removes it in every request (default: ignored)",
        )
        if apps.is_installed("django.contrib.staticfiles") and not isinstance(
            self, StaticRunserver
        ):
            # This command is in its stead, and has its options.
            parser.add_argument(
                "--nostatic",
                action="store_false",
                dest="use_static_handler",
                help="serve no static files at STATIC_URL",
            )
            parser.add_argument(
                "--insecure",
                action="store_true",
                dest="insecure_serving",
                help="serve static files even if DEBUG is off",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        self.verbosity = options.get("verbosity", 1)
        describe_process("runserver")
        self.logger = setup_logger("django.channels", self.verbosity)
        self.http_timeout = options.get("http_timeout", 60)
        self.websocket_handshake_timeout = options.get("websocket_handshake_timeout", 5)
        super().handle(*args, **options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        """Serve until the server stops; the autoreloader calls this in a thread of its own.

        Raises:
            CommandError: The layer can't be used, or the server could not start.
        """
        # What went wrong while Django loaded was put off to here.
        autoreload.raise_last_exception()
        channel_layers.use_in_memory_default()
        if not options.get("use_asgi", True) or not _has_default_layer():
            self.server_cls = RunserverCommand.server_cls
            super().inner_run(*args, **options)
            return
        try:
            channel_layer = find_layer(DEFAULT_CHANNEL_LAYER)
        except CommandError as error:
            if _in_main_thread():
                raise
            # The autoreloader waits for the change of code that mends it.
            _reload_after_change_of(error)
            self.stderr.write(f"Error: {error}")
            return
        try:
            check_reachable(channel_layer)
        except CommandError as error:
            self._give_up(error)
        channel_layer.router.check_default(http_consumer=self.get_consumer(*args, **options))
        self._check_project(options)
        self._print_banner(channel_layer)
        from channels.interface_server.server import StartError

        workers = self._start_workers(channel_layer, options)
        try:
            self._make_server(channel_layer, options).run()
            self.logger.debug("Server stopped")
        except StartError as error:
            self._give_up(error)
        except KeyboardInterrupt:
            if shutdown_message := options.get("shutdown_message"):
                self.stdout.write(shutdown_message)
        finally:
            _end(workers)

    def _give_up(self, error: Exception) -> NoReturn:
        """End the command with status 1, also under the autoreloader: no change of code helps."""
        if _in_main_thread():
            raise CommandError(str(error)) from error
        self.stderr.write(f"Error: {error}")
        self.stderr.flush()
        os._exit(1)

    def get_consumer(self, *args: Any, **options: Any) -> ViewConsumer:
        """Return the consumer of the ``http.request`` messages that no route takes."""
        use_static = options.get(
            "use_static_handler", apps.is_installed("django.contrib.staticfiles")
        )
        if use_static and (settings.DEBUG or options.get("insecure_serving", False)):
            from channels.staticfiles import StaticFilesConsumer

            return StaticFilesConsumer()
        return ViewConsumer()

    # -- starting --------------------------------------------------------------------

    def _check_project(self, options: Mapping[str, Any]) -> None:
        if not options.get("skip_checks"):
            self.stdout.write("Performing system checks...\n\n")
            self.check(display_num_errors=True)
        self.check_migrations()
        # They belong to this thread, which needs no database any more.
        for connection in connections.all(initialized_only=True):
            connection.close()

    def _print_banner(self, channel_layer: ChannelLayerWrapper) -> None:
        now = datetime.now().strftime("%B %d, %Y - %X")
        addr = f"[{self.addr}]" if self._raw_ipv6 else _interface(self.addr)
        quit_command = "CTRL-BREAK" if sys.platform == "win32" else "CONTROL-C"
        self.stdout.write(
            f"{now}\n"
            f"Django version {self.get_version()}, using settings {settings.SETTINGS_MODULE!r}\n"
            f"Starting Channels development server at {self.protocol}://{addr}:{self.port}/\n"
            f"Channel layer {channel_layer}\n"
            f"Quit the server with {quit_command}.\n"
        )

    def _start_workers(
        self, channel_layer: ChannelLayerWrapper, options: Mapping[str, Any]
    ) -> list[WorkerThread]:
        number = WORKER_THREADS if options.get("use_threading", True) else 1
        if not options.get("run_worker", True):
            number = 0
        workers = [WorkerThread(channel_layer, self.logger) for _ in range(number)]
        for worker in workers:
            worker.worker.told_elsewhere = worker is not workers[0]
            worker.start()
        return workers

    def _make_server(self, channel_layer: ChannelLayerWrapper, options: Mapping[str, Any]) -> Any:
        # These arguments and no others, unless asked for: projects put their own server here.
        trust = options.get("trust_root_path_header")
        asked = {"trust_root_path_header": True} if trust else {}
        return self.server_cls(
            channel_layer=channel_layer,
            endpoints=[self._endpoint()],
            # The autoreloader has the main thread, which alone may take signals.
            signal_handlers=not options.get("use_reloader", True),
            action_logger=self.log_action,
            http_timeout=self.http_timeout,
            ws_protocols=conf.ws_protocols(),
            root_path=conf.root_path(),
            websocket_handshake_timeout=self.websocket_handshake_timeout,
            **asked,
        )

    def _endpoint(self) -> str:
        """Return where to listen, as a Twisted endpoint string."""
        addr = _interface(self.addr)
        if self.use_ipv6 and not self._raw_ipv6:
            # Twisted takes a name for an IPv4 one.
            found = socket.getaddrinfo(addr, None, socket.AF_INET6, socket.SOCK_STREAM)
            addr = str(found[0][4][0])
        escaped = addr.replace(":", "\\:")
        return f"tcp:port={int(self.port)}:interface={escaped}"

    # -- what happened -----------------------------------------------------------------

    def log_action(self, protocol: str, action: str, details: Mapping[str, Any]) -> None:
        """Write a line about a request or a WebSocket to standard error, as for the access log."""
        line = datetime.now().strftime("[%Y/%m/%d %H:%M:%S] ")
        if protocol == "http" and action == "complete":
            text = (
                f"HTTP {details['method']} {details['path']} {details['status']}"
                f" [{details['time_taken']:.2f}, {details['client']}]\n"
            )
            status = details["status"]
            style = _HTTP_STYLES.get(status) or _HTTP_STYLES.get(status // 100, "HTTP_SERVER_ERROR")
            line += getattr(self.style, style)(text)
        elif protocol == "websocket" and action in _WEBSOCKET_ACTIONS:
            word, style = _WEBSOCKET_ACTIONS[action]
            text = f"WebSocket {word} {details['path']} [{details['client']}]\n"
            line += getattr(self.style, style)(text)
        sys.stderr.write(line)


#: What is written of a WebSocket's actions, and in which of Django's styles.
_WEBSOCKET_ACTIONS = {
    "connecting": ("HANDSHAKING", "HTTP_INFO"),
    "connected": ("CONNECT", "HTTP_SUCCESS"),
    "disconnected": ("DISCONNECT", "HTTP_INFO"),
    "rejected": ("REJECT", "HTTP_BAD_REQUEST"),
}


#: Django's styles by status, and by the first digit of any other.
_HTTP_STYLES = {
    304: "HTTP_NOT_MODIFIED",
    404: "HTTP_NOT_FOUND",
    1: "HTTP_INFO",
    2: "HTTP_SUCCESS",
    3: "HTTP_REDIRECT",
    4: "HTTP_BAD_REQUEST",
}


class WorkerThread(KeptThread):
    """A worker in a daemon thread; started again, after a pause, if it dies."""

    def __init__(
        self, channel_layer: ChannelLayerWrapper, logger: Logger, backoff: Backoff | None = None
    ) -> None:
        worker = Worker(channel_layer=channel_layer, signal_handlers=False)
        super().__init__(worker, logger, backoff)
        self.channel_layer = channel_layer

    def run_worker(self) -> None:
        self.worker.ready()
        self.worker.run()


def _has_default_layer() -> bool:
    """Whether there is a layer to serve with; settings that are wrong are told by building it."""
    try:
        return DEFAULT_CHANNEL_LAYER in channel_layers
    except InvalidChannelLayerError:
        return True


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _end(workers: list[WorkerThread]) -> None:
    """Stop the workers and give running consumers a moment to end."""
    for worker in workers:
        worker.worker.request_stop()
    deadline = time.monotonic() + END_PATIENCE
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))


def _reload_after_change_of(error: BaseException | None) -> None:
    """Have the autoreloader watch each file that an error came through, imported or not."""
    files: set[str] = set()
    while error is not None:
        files.update(frame.filename for frame in traceback.extract_tb(error.__traceback__))
        if isinstance(error, SyntaxError) and error.filename:
            files.add(error.filename)
        error = error.__cause__

    # Django's own list of them, for what fails on import before this command is asked.
    files_of_errors: list[str] = getattr(autoreload, "_error_files", [])
    files_of_errors.extend(sorted(file for file in files if not file.startswith("<")))


def _interface(addr: str) -> str:
    """Return the address to listen on: Django takes ``0`` for all of IPv4."""
    return "0.0.0.0" if addr == "0" else addr
