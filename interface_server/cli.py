"""The command ``interface-server``: arguments in, exit status out."""

from __future__ import annotations

import argparse
import functools
import importlib
import logging
import signal
import sys
from typing import Any, NoReturn

from channels.exceptions import LayerUnavailable
from channels.interface_server.access import AccessLogGenerator, open_access_log
from channels.interface_server.net.endpoints import choose_endpoints, fill_standard, raise_limit
from channels.interface_server.options import build_parser, given_settings, parse
from channels.interface_server.server import Server, StartError
from channels.log import LogFormat, describe_process, make_formatter
from channels.process_signals import hold_hangups

log = logging.getLogger(__name__)

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class LayerNotFound(Exception):
    """The layer argument leads nowhere; the text says why."""


class CommandLineInterface:
    """Parses arguments and runs a server.

    Attributes:
        parser: Knows the arguments.
        server: The server, once :meth:`run` has made it.
        early_hangups: SIGHUPs that came while it started, which count once it is ready.
    """

    def __init__(self) -> None:
        self.parser = build_parser()
        self.server: Server | None = None
        self.early_hangups: list[int] = []

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
        self.server = server = make_server(layer, options, verbosity, writer)
        if writer is not None and writer.stream is not sys.stdout:
            server.reopen_logs = functools.partial(writer.reopen, options.access_log)
        server.on_ready = self._heed_hangups
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


def make_server(
    layer: Any,
    options: argparse.Namespace,
    verbosity: int,
    access_log: AccessLogGenerator | None,
) -> Server:
    """Return the server that the options describe."""
    return Server(
        channel_layer=layer,
        endpoints=choose_endpoints(
            options.endpoints,
            options.host,
            options.port,
            options.unix_socket,
            options.file_descriptor,
        ),
        action_logger=access_log,
        force_sync=options.force_sync,
        verbosity=verbosity,
        dedicated=True,
        **given_settings(options),
    )


def make_access_log(
    path: str | None, verbosity: int, log_format: LogFormat
) -> AccessLogGenerator | None:
    """Return what logs access, ``None`` for nothing.

    Raises:
        OSError: The file can't be written.
    """
    if path is None and verbosity < 1:
        return None
    stream = open_access_log("-" if path is None else path)
    return None if stream is None else AccessLogGenerator(stream, log_format=log_format)


def set_up_logging(verbosity: int, log_format: LogFormat = "text") -> None:
    """Log to stderr; safe to call again.

    Twisted's own log is worth reading while looking for a fault (verbosity 2);
    otherwise only its errors are.
    """
    describe_process("server", log_format)
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(make_formatter())
        root.addHandler(handler)
    root.setLevel(_LEVELS[verbosity])

    from channels.interface_server.net.reactor import forward_twisted_log

    forward_twisted_log(everything=verbosity >= 2)
