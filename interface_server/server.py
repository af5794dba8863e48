"""The interface server: layer, bridge and listening sockets put together.

``run`` installs the reactor in the thread that calls it, connects to the layer,
listens, and returns once the server has stopped.  Stopping is orderly
(docs/channels1.md#shutdown): no new connections, open requests finish, sockets are closed
with 1012, and
every disconnect leaves for the layer.

Nothing here imports Django, nor Twisted before ``run``.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from channels import exceptions
from channels.interface_server.access import ActionLogger
from channels.interface_server.config import DEFAULT_WEBSOCKET_TIMEOUT, Config
from channels.interface_server.net.endpoints import (
    build_endpoint_description_strings,
    describe_failure,
    listen,
)
from channels.interface_server.timers import Wheel
from channels.process_signals import Terminal, heeded, reopen_log_files

if TYPE_CHECKING:
    from channels.interface_server.bridge.interfaces import BridgePort
    from channels.interface_server.net.context import Context

log = logging.getLogger(__name__)

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
    """The server could not start: no layer, or no place to listen.

    Nothing is left running.  The text says what to look at.
    """


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
        http_timeout: Seconds that the application may take for the next piece of
            a response.
        websocket_timeout: Seconds that a socket may live; ``None`` or 0 for the
            layer's ``group_expiry``, negative for no limit.
        websocket_connect_timeout: Seconds that the application may take to accept
            a socket; negative for no limit.
        websocket_handshake_timeout: The same, for callers of old: there is one timer
            for the handshake now, and this one wins if it is given (docs/channels1.md#handshakes).
        ping_interval: Seconds of silence after which a socket is pinged.
        ping_timeout: Seconds after which an unanswered ping ends a socket.
        ws_protocols: Subprotocols that are offered.
        root_path: Part of the path that belongs to the server.
        force_sync: Kept for callers of old: there is one way to read from a layer.
        verbosity: Kept for callers of old; logging is the caller's to set up.
        drain: Seconds that a stop waits for open requests and spreads the
            closing of sockets over.
        on_ready: Called in the reactor's thread once everything listens.
        reopen_logs: Called there at SIGHUP, for log files that ``logging`` does not know.
        dedicated: Whether this process does nothing else, so that the garbage
            collector may be set for it.
        options: Any other field of :class:`~channels.interface_server.config.Config`.

    Attributes:
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
        http_timeout: float = 120,
        websocket_timeout: float | None = None,
        websocket_connect_timeout: float = 20,
        websocket_handshake_timeout: float | None = None,
        ping_interval: float = 20,
        ping_timeout: float = 30,
        ws_protocols: Sequence[str] | None = None,
        root_path: str = "",
        proxy_forwarded_address_header: str | None = None,
        proxy_forwarded_port_header: str | None = None,
        proxy_forwarded_proto_header: str | None = None,
        force_sync: bool = False,
        verbosity: int = 1,
        drain: float = 0.0,
        on_ready: Callable[[], None] | None = None,
        reopen_logs: Callable[[], None] | None = None,
        dedicated: bool = False,
        **options: Any,
    ) -> None:
        self.channel_layer = getattr(channel_layer, "channel_layer", channel_layer)
        self.endpoints = list(endpoints or [])
        self._add_deprecated(host, port, unix_socket, file_descriptor)
        if not self.endpoints:
            raise UserWarning("there is nothing to listen on: pass endpoints")
        self.host, self.port = host, port
        self.unix_socket, self.file_descriptor = unix_socket, file_descriptor
        self.signal_handlers = signal_handlers
        self.action_logger = action_logger
        self.http_timeout = http_timeout
        self.websocket_timeout: float = (
            websocket_timeout
            or getattr(self.channel_layer, "group_expiry", None)
            or DEFAULT_WEBSOCKET_TIMEOUT
        )
        self.websocket_connect_timeout = websocket_connect_timeout
        given = websocket_handshake_timeout
        self.websocket_handshake_timeout: float = 5 if given is None else given
        self._handshake_timeout = websocket_connect_timeout if given is None else given
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.ws_protocols = ws_protocols
        self.root_path = root_path
        self.proxy_forwarded_address_header = proxy_forwarded_address_header
        self.proxy_forwarded_port_header = proxy_forwarded_port_header
        self.proxy_forwarded_proto_header = proxy_forwarded_proto_header
        self.force_sync = force_sync
        self.verbosity = verbosity
        self.drain = drain
        self.on_ready = on_ready
        self.reopen_logs = reopen_logs
        self.dedicated = dedicated
        self.options = options
        self.config = self._make_config()

        self.listeners: list[Any] = []
        self.factory: Any = None
        self.send_channel: str | None = None
        self._reactor: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bridge: BridgePort | None = None
        self._context: Context | None = None
        self._error: Exception | None = None
        self._lock = threading.Lock()
        self._stop_asked = False
        self._stopping: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._terminal = Terminal()

    def _add_deprecated(
        self,
        host: str | None,
        port: int | None,
        unix_socket: str | None,
        file_descriptor: int | None,
    ) -> None:
        given = (host, port, unix_socket, file_descriptor)
        if all(value is None for value in given):
            return
        warnings.warn(
            "host, port, unix_socket and file_descriptor are deprecated: pass endpoints, for"
            " instance endpoints=['tcp:port=8000:interface=127.0.0.1']",
            DeprecationWarning,
            stacklevel=3,
        )
        self.endpoints = sorted(
            self.endpoints
            + build_endpoint_description_strings(host, port, unix_socket, file_descriptor)
        )

    def _make_config(self) -> Config:
        return Config(
            http_timeout=self.http_timeout,
            websocket_timeout=self.websocket_timeout,
            websocket_connect_timeout=self._handshake_timeout,
            ping_interval=self.ping_interval,
            ping_timeout=self.ping_timeout,
            ws_protocols=tuple(self.ws_protocols or ()),
            root_path=self.root_path,
            proxy_forwarded_address_header=self.proxy_forwarded_address_header,
            proxy_forwarded_port_header=self.proxy_forwarded_port_header,
            proxy_forwarded_proto_header=self.proxy_forwarded_proto_header,
            drain=self.drain,
            **self.options,
        )

    # -- running -------------------------------------------------------------------

    def run(self) -> None:
        """Serve until stopped.

        Raises:
            StartError: It could not start.
        """
        from channels.interface_server.net.reactor import install_reactor

        reactor: Any
        reactor, loop = install_reactor()
        with self._lock:
            self._reactor, self._loop = reactor, loop
            if self._stop_asked:
                self._loop = None
                _close(loop)
                return
        reactor.callWhenRunning(self._begin)
        try:
            reactor.run(installSignalHandlers=False)
        finally:
            with self._lock:
                self._loop = None
            _close(loop)
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

    def make_bridge(self) -> BridgePort:
        """Return what the connections talk to; called in the event loop."""
        from channels.interface_server.wiring import make_bridge

        _check_layer(self.channel_layer)
        bridge = make_bridge(
            self.channel_layer, self.config, {"connections": self._connection_counters}
        )
        self.send_channel = bridge.mailbox
        return bridge

    def _connection_counters(self) -> dict[str, int]:
        """Return what happened to connections, for the register (any thread may ask)."""
        return {} if self._context is None else asdict(self._context.counters)

    async def _connect(self) -> None:
        from channels.interface_server.net.context import Context
        from channels.interface_server.net.factory import ServerFactory
        from channels.interface_server.net.upgrade import check_native_extension

        assert self._loop is not None
        bridge = self.make_bridge()
        wheel = Wheel(time.monotonic, self._loop.call_later)
        self._context = Context(self.config, bridge, wheel, self.action_logger)
        self.factory = ServerFactory(self._context, self._reactor)
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
        self._bridge = bridge

    async def _listen(self) -> None:
        assert self._loop is not None
        for description in self.endpoints:
            listener = listen(self._reactor, description, self.factory)
            self.listeners.append(listener)
            failures: list[Any] = []
            listener.addErrback(failures.append)
            await listener.asFuture(self._loop) if not listener.called else None
            if failures:
                raise StartError(
                    f"could not listen on {description}: {describe_failure(failures[0].value)}"
                )
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
        """Stop with the terminal, or let log files be rotated."""
        if self._terminal.is_gone():
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
            if self._context is not None and self._bridge is not None:
                await self._drain(self._context, self._bridge)
        except Exception:
            log.exception("could not stop in good order")
        finally:
            self._reactor.callLater(0, self._halt)

    def _halt(self) -> None:
        if self._reactor.running:
            self._reactor.stop()

    async def _stop_listening(self) -> None:
        from twisted.internet.defer import maybeDeferred
        from twisted.internet.interfaces import IListeningPort

        assert self._loop is not None
        for listener in self.listeners:
            if listener.called and IListeningPort.providedBy(listener.result):
                stopped = maybeDeferred(listener.result.stopListening)
                stopped.addErrback(lambda failure: log.debug("stop listening: %s", failure))
                await stopped.asFuture(self._loop)

    async def _drain(self, context: Context, bridge: BridgePort) -> None:
        context.draining = True
        bridge.refuse_new()
        bridge.close_sockets(1012, self.config.drain * SPREAD)
        now = time.monotonic()
        await self._wait_until(lambda: not context.requests, now + self.config.drain)
        for request in list(context.requests):
            request.give_up()
        await self._wait_until(
            lambda: not (bridge.sockets or context.sockets or bridge.unfinished),
            now + max(self.config.drain, CLOSING_GRACE),
        )
        for socket in list(context.sockets):
            socket.transport.abortConnection()
        await asyncio.sleep(0)  # connectionLost is called in the next turn
        try:
            await asyncio.wait_for(bridge.stop(), LEAVE_TIMEOUT)
        except asyncio.TimeoutError:
            log.warning("stopped before every disconnect had left for the layer")

    async def _wait_until(self, done: Callable[[], bool], until: float) -> None:
        """Wait until ``done``, a time, or somebody is in a hurry."""
        while not done() and not self._hurry.is_set() and time.monotonic() < until:
            await asyncio.sleep(STOP_CHECK)


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
    """Keep the collector away from what lives as long as the process.

    Modules and idle sockets are never garbage; walking over them at each full
    collection stops every socket for as long.
    """
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs, and close the loop."""
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    asyncio.set_event_loop(None)
