"""The bridge of one interface server, put together.

``net`` sees it as a :class:`.interfaces.BridgePort`, the layer as a
:class:`~channels.layers.clients.MailboxListener`.  What happens to one socket or request is
in :mod:`.websocket` and :mod:`.http`; here is what concerns all of them: the layer
coming and going, draining and stopping.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from channels import names
from channels.interface_server.bridge.clock import Clock, LoopClock
from channels.interface_server.bridge.groups import Renewal
from channels.interface_server.bridge.http import NO_LAYER, REQUEST, UNATTENDED, HttpExchange
from channels.interface_server.bridge.interfaces import (
    BodySource,
    HttpEnd,
    HttpPort,
    WebSocketEnd,
    WebSocketPort,
)
from channels.interface_server.bridge.listeners import Listeners
from channels.interface_server.bridge.outbound import Outbound
from channels.interface_server.bridge.state import BridgeState, Spawn
from channels.interface_server.bridge.watch import ReceiptMonitor
from channels.interface_server.bridge.websocket import CONNECT, BridgedWebSocket
from channels.interface_server.counters import BridgeCounters, LiveInfo
from channels.interface_server.settings import Settings
from channels.layers.base import clients_may_replace
from channels.layers.clients import Item, ServerClient
from channels.layers.plain import PlainServerClient

log = logging.getLogger(__name__)

#: Letters that tell one server's mailbox from another's.
MAILBOX_LENGTH = 16

#: Sockets are closed in steps of at least so many seconds while draining.
DRAIN_STEP = 0.02

#: Seconds that a stop gives a receipt whose socket ends meanwhile; also how often it looks whether
#: a layer that is away came back.
LAST_WAIT = 0.1


def open_client(layer: Any, kind: str = "web") -> ServerClient:
    """Return the server's side of a layer, under a mailbox of its own.

    Args:
        layer: Any layer, or a wrapper's.  One without ``open_server``, or with a ``send`` or
            ``receive`` of a project's own, is used through its plain interface.
        kind: Start of the mailbox's name.
    """
    mailbox = f"{kind}.{names.random_part(MAILBOX_LENGTH)}!"
    raw = getattr(layer, "channel_layer", layer)
    if clients_may_replace(raw, "open_server"):
        client: ServerClient = raw.open_server(mailbox)
        return client
    return PlainServerClient(layer, mailbox)


class Hub:
    """The bridge of one interface server.

    Args:
        layer: The layer.
        settings: How to behave.
        clock: Moves every timer; the running loop's if not given.
        spawn: Runs a coroutine in the background; a task of the running loop if not given.
        info: More to show on the register; what can be called is, at each heartbeat.

    Attributes:
        counters: What was dropped, refused, lost or skipped.
    """

    def __init__(
        self,
        layer: ServerClient,
        settings: Settings | None = None,
        *,
        clock: Clock | None = None,
        spawn: Spawn | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._state = state = BridgeState(
            layer, settings or Settings(), clock or LoopClock(), spawn or self._spawn
        )
        if isinstance(layer, PlainServerClient):
            state.frame_messages = 1  # its sends cannot be undone half way
        self._outbound = Outbound(state)
        self._listeners = state.listeners = Listeners(state)
        self._renewal = Renewal(state)
        self._monitor = ReceiptMonitor(state, self._listeners)
        self._info = LiveInfo(state.counters, lambda: state.sockets, info)
        self._closing: deque[BridgedWebSocket] = deque()
        self._finished: asyncio.Future[None] | None = None
        state.on_finished = self._all_finished

    @property
    def counters(self) -> BridgeCounters:
        """What was dropped, refused, lost or skipped."""
        return self._state.counters

    @property
    def mailbox(self) -> str:
        """Name of this process in the layer."""
        return self._state.layer.mailbox

    @property
    def sockets(self) -> int:
        """Number of WebSockets that are not gone."""
        return self._state.sockets

    @property
    def unfinished(self) -> int:
        """Number of announced sockets whose disconnect has not left."""
        return self._state.unfinished

    @property
    def up(self) -> bool:
        """Whether the layer answers."""
        return self._state.up

    @property
    def attended(self) -> bool:
        """Whether some worker is there, as far as is known; False only after ``worker_wait``."""
        return self._listeners.attended

    # -- from the network --------------------------------------------------------------

    def open_websocket(self, port: WebSocketPort, connect: Mapping[str, Any]) -> WebSocketEnd:
        """Announce a socket whose handshake waits: sends ``websocket.connect``."""
        state = self._state
        if state.closed:
            state.counters.connects_refused += 1
            port.reject(503, state.settings.retry_after)
            return TurnedAway(state.layer.mailbox)
        if self._listeners.given_up(CONNECT):
            state.counters.unattended += 1
            port.reject(503, state.settings.retry_after)
            return TurnedAway(state.layer.mailbox)
        recipient = BridgedWebSocket(state, port, state.new_local(), connect["path"])
        recipient.announce(connect)
        return recipient

    def open_http(
        self, port: HttpPort, request: Mapping[str, Any], rest: BodySource | None
    ) -> HttpEnd:
        """Pass on a request that was read completely."""
        state = self._state
        if state.closed:
            state.counters.requests_refused += 1
            if rest is not None:
                rest.close()
            port.fail(503, NO_LAYER, state.settings.retry_after)
            return TurnedAway(state.layer.mailbox)
        if self._listeners.given_up(REQUEST):
            state.counters.unattended += 1
            if rest is not None:
                rest.close()
            port.fail(503, UNATTENDED, state.settings.retry_after)
            return TurnedAway(state.layer.mailbox)
        exchange = HttpExchange(state, port, state.new_local(), request["path"], self._listeners)
        exchange.announce(request, rest)
        return exchange

    # -- from the layer ----------------------------------------------------------------

    def deliver(self, items: Sequence[Item]) -> None:
        """Hand the items of the mailbox to sockets and requests, in order."""
        self._outbound.deliver(items)

    def layer_lost(self, error: Exception) -> None:
        """Keep the sockets, and answer new ones with 503 until the layer is back."""
        log.warning("the channel layer does not answer, sockets stay open: %s", error)
        self._state.up = False
        self._monitor.layer_lost()

    def layer_back(self) -> None:
        """Let everything that waited leave."""
        log.warning("the channel layer is back")  # as loud as that it was gone
        self._state.layer_back()

    # -- start and end -----------------------------------------------------------------

    async def start(self) -> None:
        """Connect to the layer.

        Raises:
            LayerUnavailable: There is no answer; nothing was started.
        """
        await self._state.layer.start(self, self._info)
        self._state.up = True
        self._renewal.start()

    def refuse_new(self) -> None:
        """From now on answer every new socket and request with 503 (draining)."""
        self._state.refusing = True

    def close_sockets(self, code: int, within: float) -> None:
        """Close every WebSocket, spread evenly over ``within`` seconds."""
        self._closing = deque(
            recipient
            for recipient in self._state.recipients.values()
            if isinstance(recipient, BridgedWebSocket)
        )
        if not self._closing:
            return
        step = max(DRAIN_STEP, within / len(self._closing))
        each = (
            max(1, round(len(self._closing) * step / within)) if within > 0 else len(self._closing)
        )
        self._close_some(code, each, step)

    def _close_some(self, code: int, each: int, step: float) -> None:
        for _ in range(min(each, len(self._closing))):
            self._closing.popleft().close(code)
        if self._closing:
            self._state.clock.call_later(step, lambda: self._close_some(code, each, step))

    async def stop(self) -> None:
        """Send every disconnect, without waiting for the frame before it, then leave the layer.

        Sockets that are still open are closed with 1012 first.  Gives up after
        ``stop_timeout`` seconds; another process then tells of what is left.
        """
        state = self._state
        self.refuse_new()
        self.close_sockets(1012, 0)
        if len(state.overdue):
            log.warning(
                "%d sockets have ended whose last message no worker has answered yet, their"
                " disconnects go ahead: the time to stop is over",
                len(state.overdue),
            )
        state.stopping = True
        state.overdue.hasten(LAST_WAIT)
        if state.unfinished:
            self._finished = asyncio.get_running_loop().create_future()
            timer = state.clock.call_later(state.settings.stop_timeout, self._all_finished)
            await self._finished
            timer.cancel()
        if state.unfinished:
            log.warning("stopping although %d disconnects have not left", state.unfinished)
        self._renewal.stop()
        state.up = False
        await state.layer.stop()

    def _all_finished(self) -> None:
        if self._finished is not None and not self._finished.done():
            self._finished.set_result(None)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._tasks.discard)


class TurnedAway:
    """The end of a socket or request that was answered with 503 and never announced."""

    def __init__(self, mailbox: str) -> None:
        self.reply_channel = mailbox

    def received(self, payload: str | bytes) -> None:
        """Ignore it."""

    def gone(self, code: int = 0) -> None:
        """Ignore it."""

    def drained(self) -> None:
        """Ignore it."""

    def timed_out(self) -> None:
        """Ignore it."""
