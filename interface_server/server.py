"""The interface server: layer, bridge and listening sockets put together.

Stopping is orderly (docs/channels1.md#shutdown): no new connections, open requests finish,
sockets are closed with 1012, and every disconnect leaves for the layer.
Nothing here imports Twisted before ``run``.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from channels import exceptions
from channels.interface_server.counters import ConnectionCounters
from channels.interface_server.net.endpoints import (
    build_endpoint_description_strings,
    describe_failure,
    listen,
)
from channels.interface_server.settings import Settings
from channels.interface_server.timers import TimerWheel
from channels.process_signals import has_terminal, heeded, reopen_log_files

if TYPE_CHECKING:
    from channels.interface_server.bridge.hub import Hub
    from channels.interface_server.net.context import ActionLogger, Context

log = logging.getLogger(__name__)

#: Start of a mailbox's name.  The legacy one, because ``channel_capacity`` of a
#: legacy project may match on it.
MAILBOX_KIND = "daphne.response"

#: How long clients may take to answer the close frame of a server that stops, and workers to
#: finish what its sockets said, if the drain is shorter, in seconds.
CLOSING_GRACE = 1.0

#: Part of the drain over which closing the sockets is spread; the rest is for their answers.
SPREAD = 0.8

#: How long leaving the layer may take once the drain is over, in seconds.
LEAVE_TIMEOUT = 3.0

#: How often a stop looks whether everybody is gone, in seconds.
STOP_CHECK = 0.02


class StartError(Exception):
    """The server could not start, and nothing is left running; the text says what to look at."""


class Server:
    """One interface server.

    Args:
        channel_layer: A layer, or a wrapper with the layer as its ``channel_layer``.
        endpoints: Twisted endpoint strings to listen on.
        host, port, unix_socket, file_descriptor: Deprecated; added to ``endpoints``.
        signal_handlers: Whether SIGTERM and SIGINT stop the server, and SIGHUP opens
            log files anew, or stops it if its terminal was closed.  Only the main
            thread can; elsewhere call :meth:`stop`.
        action_logger: Called with ``(protocol, action, details)``; see
            :mod:`channels.interface_server.access`.
        websocket_handshake_timeout: Legacy name of ``websocket_connect_timeout``: there is one
            timer for the handshake now, and this one wins if it is given
            (docs/channels1.md#handshakes).
        force_sync: Legacy, without effect: there is one way to read from a layer.
        verbosity: Legacy, without effect: logging is the caller's to set up.
        on_ready: Called in the reactor's thread once everything listens.
        reopen_logs: Called there at SIGHUP, for log files that ``logging`` does not know.
        dedicated: Whether this process does nothing else, so that the garbage
            collector may be set for it.
        options: Fields of :class:`~channels.interface_server.settings.Settings`; ``None`` and 0
            for ``websocket_timeout`` is the layer's ``group_expiry``.

    Attributes:
        settings: What it does; each is an attribute of the server, too, which nothing reads.
        listeners: Deferreds of the listening ports, in the order of ``endpoints``.
        factory: Makes the connections; set by :meth:`run`.
        send_channel: Mailbox of this process; set by :meth:`run`.

    Raises:
        UserWarning: There is nothing to listen on.
    """

    def __init__(
        self,
        channel_layer: Any,
        host: str | None = None,
        port: int | None = None,
        endpoints: Sequence[str] | None = None,
        unix_socket: str | None = None,
        file_descriptor: int | None = None,
        signal_handlers: bool = True,
        action_logger: ActionLogger | None = None,
        *,
        websocket_handshake_timeout: float | None = None,
        force_sync: bool = False,
        verbosity: int = 1,
        on_ready: Callable[[], None] | None = None,
        reopen_logs: Callable[[], None] | None = None,
        dedicated: bool = False,
        **options: Any,
    ) -> None:
        self.channel_layer = getattr(channel_layer, "channel_layer", channel_layer)
        self.endpoints = list(endpoints or [])
        legacy = build_endpoint_description_strings(host, port, unix_socket, file_descriptor)
        if legacy:
            warnings.warn(
                "host, port, unix_socket and file_descriptor are deprecated: pass endpoints, for"
                " instance endpoints=['tcp:port=8000:interface=127.0.0.1']",
                DeprecationWarning,
                stacklevel=2,
            )
            self.endpoints = sorted(self.endpoints + legacy)
        if not self.endpoints:
            raise UserWarning("there is nothing to listen on: pass endpoints")
        self.host, self.port = host, port
        self.unix_socket, self.file_descriptor = unix_socket, file_descriptor
        self.signal_handlers = signal_handlers
        self.action_logger = action_logger
        self.force_sync, self.verbosity = force_sync, verbosity
        self.on_ready, self.reopen_logs = on_ready, reopen_logs
        self.dedicated = dedicated
        self.settings = _make_settings(self.channel_layer, options)
        vars(self).update(vars(self.settings), ws_protocols=options.get("ws_protocols"))
        self.websocket_handshake_timeout: float = 5
        if websocket_handshake_timeout is not None:
            self.websocket_handshake_timeout = websocket_handshake_timeout
            self.settings = replace(
                self.settings, websocket_connect_timeout=websocket_handshake_timeout
            )

        self.listeners: list[Any] = []
        self.factory: Any = None
        self.send_channel: str | None = None
        self._reactor: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._counters = ConnectionCounters()
        self._context: Context | None = None
        self._error: Exception | None = None
        self._lock = threading.Lock()
        self._stop_asked = False
        self._stopping: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._had_terminal = has_terminal()

    # -- running -------------------------------------------------------------------

    def run(self) -> None:
        """Serve, in the reactor of this thread, until stopped.

        Raises:
            StartError: It could not start.
        """
        from channels.interface_server.net.reactor import close_event_loop, install_reactor

        reactor: Any
        reactor, loop = install_reactor()
        with self._lock:
            self._reactor, self._loop = reactor, loop
            if self._stop_asked:
                self._loop = None
                close_event_loop(loop)
                return
        reactor.callWhenRunning(self._begin)
        try:
            reactor.run(installSignalHandlers=False)
        finally:
            with self._lock:
                self._loop = None
            close_event_loop(loop)
        if self._error is not None:
            raise self._error

    def _begin(self) -> None:
        assert self._loop is not None
        if self.signal_handlers and threading.current_thread() is threading.main_thread():
            for number in heeded("SIGTERM", "SIGINT"):
                self._loop.add_signal_handler(number, self._ask_stop)
            for number in heeded("SIGHUP"):
                self._loop.add_signal_handler(number, self._hung_up)
        # Kept, because the loop itself holds tasks weakly.
        self._starting = self._loop.create_task(self._start())

    async def _start(self) -> None:
        try:
            await self._connect()
            await self._listen()
        except Exception as error:
            if not isinstance(error, StartError):
                log.debug("the server could not start", exc_info=True)
            self._error = error
            await self._stop_everything()
            return
        if self.dedicated:
            _settle_garbage_collector()
        if self.on_ready is not None:
            self.on_ready()

    def make_bridge(self) -> Hub:
        """Return what the connections talk to; called in the event loop."""
        from channels.interface_server.bridge.hub import Hub, open_client

        _check_layer(self.channel_layer)
        client = open_client(self.channel_layer, MAILBOX_KIND)
        self.send_channel = client.mailbox
        return Hub(client, self.settings, info=lambda: {"connections": asdict(self._counters)})

    async def _connect(self) -> None:
        from channels.interface_server.net.connection import ServerFactory
        from channels.interface_server.net.context import Context
        from channels.interface_server.net.upgrade import check_native_extension

        assert self._loop is not None
        bridge = self.make_bridge()
        context = Context(self.settings, bridge, TimerWheel(), self._counters, self.action_logger)
        self.factory = ServerFactory(context, self._reactor)
        log.info(
            "Starting server at %s, channel layer %s", ", ".join(self.endpoints), self.channel_layer
        )
        offered = self.factory.acceptableProtocols()
        log.info("HTTP/2 over TLS is %s", "enabled" if b"h2" in offered else "not available")
        check_native_extension()
        try:
            await bridge.start()
        except exceptions.LayerUnavailable as error:
            problem = str(error).rstrip(".")
            remedy = f". {error.remedy}" if error.remedy else ""
            raise StartError(
                f"the channel layer does not answer: {problem}{remedy}. In development, manage.py"
                " runserver goes without one"
            ) from error
        self._context = context

    async def _listen(self) -> None:
        assert self._loop is not None
        for description in self.endpoints:
            listener = listen(self._reactor, description, self.factory)
            self.listeners.append(listener)
            failures: list[Any] = []
            listener.addErrback(failures.append)
            await listener.asFuture(self._loop) if not listener.called else None
            if failures:
                reason = describe_failure(failures[0].value)
                raise StartError(f"could not listen on {description}: {reason}")
        for description in self.endpoints:
            log.info("Listening on endpoint %s", description)

    # -- stopping ------------------------------------------------------------------

    def stop(self) -> None:
        """Stop soon, from any thread; a second call stops at once."""
        with self._lock:
            self._stop_asked = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._ask_stop)

    def _hung_up(self) -> None:
        if self._had_terminal and not has_terminal():
            log.info("The terminal was closed")
            self._ask_stop()
            return
        log.info("Opening the log files anew")
        reopen_log_files()
        if self.reopen_logs is not None:
            self.reopen_logs()

    def _ask_stop(self) -> None:
        assert self._loop is not None
        if self._stopping is None:
            log.info("Stopping")
            self._stopping = self._loop.create_task(self._stop_everything())
        else:
            log.info("Stopping at once")
            self._hurry.set()

    async def _stop_everything(self) -> None:
        try:
            if self._starting is not asyncio.current_task():
                self._starting.cancel()  # harmless if it is done
            await self._stop_listening()
            if self._context is not None:
                await self._drain(self._context)
        except Exception:
            log.exception("could not stop in good order")
        finally:
            reactor = self._reactor
            reactor.callLater(0, lambda: reactor.running and reactor.stop())

    async def _stop_listening(self) -> None:
        from twisted.internet.defer import maybeDeferred
        from twisted.internet.interfaces import IListeningPort

        assert self._loop is not None
        for listener in self.listeners:
            if listener.called and IListeningPort.providedBy(listener.result):
                stopped = maybeDeferred(listener.result.stopListening)
                stopped.addErrback(lambda failure: log.debug("stop listening: %s", failure))
                await stopped.asFuture(self._loop)

    async def _drain(self, context: Context) -> None:
        bridge, drain = context.bridge, self.settings.drain
        context.draining = True
        bridge.drain(drain * SPREAD)
        now = time.monotonic()
        await self._wait_until(lambda: not context.requests, now + drain)
        for request in list(context.requests):
            request.give_up()
        await self._wait_until(
            lambda: not (bridge.sockets or context.sockets or bridge.unfinished),
            now + max(drain, CLOSING_GRACE),
        )
        for socket in list(context.sockets):
            socket.transport.abortConnection()
        await asyncio.sleep(0)  # connectionLost is called in the next turn
        try:
            await asyncio.wait_for(bridge.stop(), LEAVE_TIMEOUT)
        except asyncio.TimeoutError:
            log.warning("stopped before every disconnect had left for the layer")

    async def _wait_until(self, done: Callable[[], bool], until: float) -> None:
        """Wait until ``done``, a time, or a second request to stop."""
        while not done() and not self._hurry.is_set() and time.monotonic() < until:
            await asyncio.sleep(STOP_CHECK)


def _make_settings(layer: object, options: Mapping[str, Any]) -> Settings:
    """Return the settings that the options ask for, with what follows from the layer."""
    group_expiry = getattr(layer, "group_expiry", None)
    timeout = options.get("websocket_timeout") or group_expiry or Settings.websocket_timeout
    given = {
        "expiry": getattr(layer, "expiry", Settings.expiry),
        "group_expiry": Settings.group_expiry if group_expiry is None else group_expiry,
        **options,
        "websocket_timeout": timeout,
        "ws_protocols": tuple(options.get("ws_protocols") or ()),
    }
    return Settings(**given)


def _check_layer(layer: object) -> None:
    """Refuse what cannot be a layer; only its type is told, as its text may hold a password."""
    lacks = [name for name in ("send", "receive") if not callable(getattr(layer, name, None))]
    if isinstance(layer, type):
        raise StartError(
            f"the class {layer.__name__} is not a channel layer: name an instance of it, for"
            " example demo.asgi:channel_layer"
        )
    if lacks:
        raise StartError(
            f"what was given as channel layer is none, but a {type(layer).__name__} without"
            f" {' and '.join(lacks)}: name a layer, for example demo.asgi:channel_layer"
        )


def _settle_garbage_collector() -> None:
    """Keep the collector away from modules and idle sockets: its walk over them stops all."""
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
