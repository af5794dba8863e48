"""The bridge of one interface server, put together: what concerns all sockets and requests.

``net`` opens them here, the layer delivers what is in the mailbox
(:class:`~channels.layers.clients.MailboxHandler`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, replace
from typing import IO, Any

from channels import names
from channels.interface_server.bridge.fanout import GroupDeliveries
from channels.interface_server.bridge.groups import Renewal
from channels.interface_server.bridge.http import NO_LAYER, REQUEST, UNATTENDED, HttpExchange
from channels.interface_server.bridge.interfaces import HttpPort, WebSocketPort
from channels.interface_server.bridge.listening import AWAITED, Spawn
from channels.interface_server.bridge.lost import ReceiptMonitor
from channels.interface_server.bridge.state import BridgeState
from channels.interface_server.bridge.websocket import CONNECT, BridgedWebSocket
from channels.interface_server.counters import LiveInfo
from channels.interface_server.settings import Settings
from channels.interface_server.timers import TimerWheel
from channels.layers.base import clients_may_replace
from channels.layers.clients import (
    GroupMessage,
    Item,
    Joined,
    MoreBody,
    NotRun,
    Receipt,
    Reply,
    ServerClient,
    Unread,
)
from channels.layers.plain import PlainServerClient

log = logging.getLogger(__name__)

#: Letters that tell one server's mailbox from another's.
MAILBOX_LENGTH = 16

#: Sockets are closed in steps of at least so many seconds while draining.
DRAIN_STEP = 0.02

#: Close code of a server that stops.
SERVICE_RESTART = 1012


def open_client(layer: Any, kind: str = "web") -> ServerClient:
    """Return the server's side of a layer, or of a wrapper's, under a mailbox of its own.

    A layer without ``open_server``, or with a ``send`` or ``receive`` of a project's own, is used
    through its plain interface.
    """
    mailbox = f"{kind}.{names.random_part(MAILBOX_LENGTH)}!"
    raw = getattr(layer, "channel_layer", layer)
    if clients_may_replace(raw, "open_server"):
        client: ServerClient = raw.open_server(mailbox)
        return client
    return PlainServerClient(layer, mailbox)


class Hub:
    """The bridge of one interface server.

    Deadlines and background tasks are the running event loop's unless ``wheel`` and ``spawn`` are
    given; ``info`` returns more to show in the process registry, at each heartbeat.
    """

    def __init__(
        self,
        layer: ServerClient,
        settings: Settings | None = None,
        *,
        wheel: TimerWheel | None = None,
        spawn: Spawn | None = None,
        info: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        settings = settings or Settings()
        if isinstance(layer, PlainServerClient):
            settings = replace(settings, frame_messages=1)  # its sends can't be undone half way
        self._state = state = BridgeState(
            layer, settings, wheel or TimerWheel(), spawn or self._spawn
        )
        self.mailbox = layer.mailbox
        self.counters = state.counters
        self._groups = GroupDeliveries(state)
        self._renewal = Renewal(state)
        self._monitor = ReceiptMonitor(state)
        self._info = LiveInfo(
            lambda: {**info(), "sockets": state.sockets, **asdict(state.counters)}
        )
        self._closing: deque[BridgedWebSocket] = deque()

    @property
    def sockets(self) -> int:
        return self._state.sockets

    @property
    def unfinished(self) -> int:
        return self._state.unfinished

    @property
    def up(self) -> bool:
        return self._state.up

    @property
    def attended(self) -> bool:
        """Whether some worker is there, as far as is known; False only after ``worker_wait``."""
        return not all(self._state.listening.given_up(channel) for channel in AWAITED)

    # -- from the network --------------------------------------------------------------

    def open_websocket(
        self, port: WebSocketPort, connect: Mapping[str, Any]
    ) -> BridgedWebSocket | None:
        """Announce a socket with ``websocket.connect``, or refuse it and return ``None``."""
        state = self._state
        if state.closed:
            state.counters.connects_refused += 1
        elif state.listening.given_up(CONNECT):
            state.counters.unattended += 1
        else:
            socket = BridgedWebSocket(state, port, state.new_local(), connect["path"])
            socket.announce(connect)
            return socket
        port.reject(503)
        return None

    def open_http(
        self, port: HttpPort, request: Mapping[str, Any], rest: IO[bytes] | None
    ) -> HttpExchange | None:
        """Pass on a request that was read completely, or answer it and return ``None``.

        Args:
            port: The network's side.
            request: The message, without what the bridge adds; ``body`` is the start of the body.
            rest: What follows, sent in chunks on a ``?`` channel; closed by the bridge.
        """
        state = self._state
        if state.closed:
            state.counters.requests_refused += 1
            reason = NO_LAYER
        elif state.listening.given_up(REQUEST):
            state.counters.unattended += 1
            reason = UNATTENDED
        else:
            exchange = HttpExchange(state, port, state.new_local(), request["path"])
            exchange.announce(request, rest)
            return exchange
        if rest is not None:
            rest.close()
        port.fail(503, reason)
        return None

    # -- from the layer ----------------------------------------------------------------

    def deliver(self, items: Sequence[Item]) -> None:
        """Hand each item to the socket or request it is for; what one raises stops no other."""
        state = self._state
        groups = self._groups
        recipients = state.recipients
        in_flight = state.in_flight
        lost_frames = state.lost_frames
        strangers: list[tuple[str, str]] = []
        for item in items:
            try:
                if type(item) is Reply:
                    recipient = recipients.get(item.local)
                    if recipient is None:
                        self._to_nobody(item)
                    elif lost_frames and item.receipt in lost_frames:
                        self._fence_off()
                    else:
                        if groups:
                            groups.catch_up(item.local)
                        recipient.reply(item.message)
                elif type(item) is Receipt:
                    owner = in_flight.pop(item.number, None)
                    if owner is not None:
                        state.listening.ran.add(owner.channel)
                    elif (owner := state.settle(item.number)) is None:
                        state.counters.late_receipts += 1
                        continue
                    channel = owner.channel  # which may be another one afterwards
                    owner.answered(item.number)
                    if state.waitlists.by_channel:
                        state.waitlists.room(channel)
                elif type(item) is GroupMessage:
                    groups.add(item)
                elif type(item) is Joined:
                    if item.local not in recipients:
                        strangers.append((item.group, item.local))
                elif type(item) is MoreBody:
                    self._more_body(item.local)
                elif type(item) is NotRun:
                    state.give_up(item.number, item.cause)
                elif type(item) is Unread:
                    recipient = recipients.get(item.local)
                    if recipient is not None:
                        recipient.unread(item.cause)
            except Exception:
                recipient = recipients.get(getattr(item, "local", ""))
                state.broken(recipient, type(item).__name__)
        if groups:
            groups.run()
        if strangers:
            state.layer.forget(strangers)

    def _to_nobody(self, reply: Reply) -> None:
        state = self._state
        state.counters.unknown += 1
        log.debug("a reply to %s, who is gone, is dropped", reply.local)
        message = reply.message
        if isinstance(message, Mapping) and message.get("more_content"):
            state.layer.gone(reply.local)  # its sender has not heard, or forgotten

    def _fence_off(self) -> None:
        state = self._state
        state.counters.fenced += 1
        if state.seldom.due("fenced"):
            log.warning(
                "a worker that stood still has sent replies to messages which were given up as"
                " lost meanwhile; they are dropped (%d so far)",
                state.counters.fenced,
            )

    def _more_body(self, local: str) -> None:
        recipient = self._state.recipients.get(local)
        if isinstance(recipient, HttpExchange):
            recipient.more()
        elif recipient is None:
            self._state.layer.gone(local)

    def layer_lost(self, error: Exception) -> None:
        """Keep the sockets, and answer new ones with 503 until the layer is back."""
        log.warning("the channel layer does not answer, sockets stay open: %s", error)
        self._state.up = False
        self._state.outages += 1

    def layer_back(self) -> None:
        log.warning("the channel layer is back")  # as loud as that it was gone
        self._state.up = True
        self._state.waitlists.resume()

    # -- start and end -----------------------------------------------------------------

    async def start(self) -> None:
        """Connect to the layer; nothing is started if that raises ``LayerUnavailable``."""
        await self._state.layer.start(self, self._info)
        self._state.up = True
        self._state.wheel.add(self._renewal, self._renewal.interval)

    def drain(self, within: float) -> None:
        """Answer all that is new with 503, and close the sockets with 1012, evenly, in seconds."""
        self._state.refusing = True
        recipients = self._state.recipients.values()
        self._closing = deque(one for one in recipients if isinstance(one, BridgedWebSocket))
        count = len(self._closing)
        if count:
            step = max(DRAIN_STEP, within / count)
            self._close_some(max(1, round(count * step / within)) if within > 0 else count, step)

    def _close_some(self, each: int, step: float) -> None:
        for _ in range(min(each, len(self._closing))):
            socket = self._closing.popleft()
            self._groups.catch_up(socket.local)
            socket.close(SERVICE_RESTART)
        if self._closing:
            self._state.wheel.call_later(step, lambda: self._close_some(each, step))

    async def stop(self) -> None:
        """Send every disconnect, without waiting for the frame before it, then leave the layer.

        Gives up after ``stop_timeout`` seconds; another process then tells of what is left.
        """
        state = self._state
        self.drain(0)
        if state.ending:
            log.warning(
                "%d sockets have ended whose last message no worker has answered yet, their"
                " disconnects go ahead: the time to stop is over",
                len(state.ending),
            )
        state.stopping = True
        for socket in state.ending:
            state.wheel.add(socket, 0)
        if state.unfinished:
            finished = asyncio.Event()
            state.on_finished = finished.set
            timer = state.wheel.call_later(state.settings.stop_timeout, finished.set)
            await finished.wait()
            timer.cancel()
        if state.unfinished:
            log.warning("stopping although %d disconnects have not left", state.unfinished)
        state.wheel.discard(self._renewal)
        state.up = False
        await state.layer.stop()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._tasks.discard)
