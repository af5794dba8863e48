"""An interface server's connections to Redis: made, watched, lost, made again.

An outage throws all connections away (but that of the mailbox if it is well),
answers all that is unanswered, and is told once.  Then a task connects again, with
backoff and jitter, and puts Redis right: capacity, sockets, memberships that were
discarded meanwhile and, if Redis lost its memory, all others
(:mod:`~channels.layers.redis.server.recovery`).  Only then the layer is back.

Whether Redis lost its memory is seen at each connect, by each heartbeat, and by numbers in
the mailbox that go backwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from channels.exceptions import LayerError, LayerUnavailable
from channels.layers.clients import EXPIRED, HEARTBEAT_INTERVAL, MailboxListener
from channels.layers.redis.heartbeat import Heartbeat
from channels.layers.redis.net.address import BLOCK_TIMEOUT, DEFAULT_TIMEOUT
from channels.layers.redis.server.connections import AsyncPlaces
from channels.layers.redis.server.lanes import Lane
from channels.layers.redis.server.mailbox import Mailbox
from channels.layers.redis.server.memberships import GroupRegistry
from channels.layers.redis.server.pipelines import Pipelines
from channels.layers.redis.server.recovery import Recovery
from channels.layers.redis.store import Store
from channels.layers.redis.wire.items import answer_for
from channels.layers.redis.wire.processes import ASK_RUN_ID, Memory, ask_memory, read_memory
from channels.layers.redis.wire.scripts import CONTROL

logger = logging.getLogger("channels.layers.redis")

#: Seconds before the first try to connect again, and at most; doubled each time, and a
#: random part of it, so that a hundred servers don't come back as one.
FIRST_BACKOFF = 0.05
LAST_BACKOFF = 5.0

#: How long connecting as a whole may take, in time-outs of one answer.  Each step of it has a
#: time-out of its own; this is for what nobody thought of.
PATIENCE = 6


class _State(enum.Enum):
    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"
    STOPPED = "stopped"


class Session:
    """The connections of one interface server.

    Args:
        store: Of the layer; the connections are this session's own.
        name: Mailbox of the process.
        jitter: Returns a number from 0 to 1.

    Attributes:
        up: Whether the layer answers, and Redis was put right.
        settled_since: See :class:`channels.layers.clients.ServerClient`.
        registry: Memberships of the process.
        sockets: Entry of each socket that is written down.
        forgotten: Memberships ``(group, local)`` to be discarded, until Redis confirmed it.
    """

    def __init__(self, store: Store, name: str, jitter: Callable[[], float]) -> None:
        self.up = False
        self.settled_since = math.inf
        self.registry = GroupRegistry()
        self.sockets: dict[str, bytes] = {}
        self.forgotten: dict[tuple[str, str], None] = {}
        self._store = store = store.apart()
        ring = store.ring
        self.hosts = ring.hosts
        self.clock = self.hosts[ring.index(name)].clock
        self._name = name
        self._jitter = jitter
        self._mail_key = store.keys.mail(name)
        self._mail_target = ""
        self.places = AsyncPlaces(ring, self._make_lane, store.timeout)
        self.pipelines = Pipelines(self.places, name, self._mail_key)
        self.mailbox = self._make_mailbox()
        self._recovery = Recovery(
            name,
            store.keys,
            store.commands,
            self.registry,
            now_ms=self.clock.now_ms,
            ask=self.pipelines.ask,
            mark=self.mailbox.mark,
        )
        self._state = _State.DOWN
        self._memories: tuple[Memory, ...] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._heartbeat: Heartbeat | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._listener: MailboxListener
        self._loop: asyncio.AbstractEventLoop

    def _make_lane(self) -> Lane:
        return Lane(self._store.commands, self._store.limits.get_capacity, self._answer_expired)

    def _make_mailbox(self) -> Mailbox:
        store = self._store
        return Mailbox(
            self._name,
            store.keys,
            store.commands,
            store.codec,
            self.clock,
            self.registry,
            self.pipelines,
            capacity=store.limits.configured_capacity(self._name),
            lifetime=store.limits.expiry,
            patience=store.timeout or DEFAULT_TIMEOUT,
            authority_lost=self._memory_lost,
        )

    # -- start and stop ------------------------------------------------------------------

    async def start(self, listener: MailboxListener, info: Mapping[str, Any]) -> None:
        """Register, connect, and deliver from now on.

        Raises:
            LayerUnavailable: There is no answer; nothing was started.
        """
        self._loop = asyncio.get_running_loop()
        self._listener = self.mailbox.listener = listener
        heartbeat = self._make_heartbeat(info)
        await self._loop.run_in_executor(None, heartbeat.beat)
        await self._connect()
        self._heartbeat = heartbeat
        heartbeat.start()
        self._ticking = self._loop.call_later(HEARTBEAT_INTERVAL, self._tick)

    async def stop(self) -> None:
        """Send what is queued, deliver what waits, leave the register, disconnect."""
        if self.up:
            with contextlib.suppress(LayerUnavailable):
                await self.pipelines.settle()
                await self.mailbox.drain()
                await self.pipelines.settle()
        self._state = _State.STOPPED
        if self._ticking is not None:
            self._ticking.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stopped = LayerUnavailable("the interface server has stopped")
        self.mailbox.close(stopped)
        self._disconnect(stopped)
        if self._heartbeat is not None:
            await self._loop.run_in_executor(None, self._heartbeat.stop)
        for host in self.hosts:
            host.close()

    def _make_heartbeat(self, info: Mapping[str, Any]) -> Heartbeat:
        loop = self._loop

        def beaten(memories: tuple[Memory, ...]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._beaten, memories)

        return Heartbeat(
            self._store,
            self._name,
            "server",
            info=lambda: {**info, "mailbox": self.mailbox.intake.counters()},
            beaten=beaten,
        )

    # -- connecting ------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Connect, put Redis right, and read the mailbox from now on.

        Raises:
            LayerUnavailable: It did not work out.
        """
        self._state = _State.CONNECTING
        patience = PATIENCE * (self._store.timeout or DEFAULT_TIMEOUT)
        try:
            memories = await asyncio.wait_for(self._make_connections(), patience)
        except BaseException as error:
            if isinstance(error, asyncio.TimeoutError):
                error = LayerUnavailable(f"connecting took longer than {patience:g} s")
                # It may be what kept us: it leads to where the mailbox was before, say.
                self.mailbox.close(error)
            self._state = _State.DOWN
            self._disconnect(LayerUnavailable(f"connecting failed: {error}"))
            raise error
        self._memories = memories
        self.settled_since = self.clock.now_ms() / 1000
        self._state = _State.UP
        self.up = True

    async def _make_connections(self) -> tuple[Memory, ...]:
        await self.places.open(self._link_lost)
        memories = await self._read_memories()
        await self._put_right(memories)
        await self._open_mailbox()
        if self._recovery.due:
            await self._recovery.write_back()
        await self.mailbox.mark()  # it is read again
        self.places.raise_if_lost()
        return memories

    async def _open_mailbox(self) -> None:
        """Go on reading through the link that is there, or else through a new one.

        A link that is well is not given up because another one was lost: what its take
        has got would be lost too.
        """
        target = await self.places.find(self._name, self._mail_key)
        mailbox = self.mailbox
        if mailbox.connected and str(target) == self._mail_target:
            mailbox.resume()
            return
        mailbox.close(LayerUnavailable("the mailbox has moved"))
        if mailbox.last_client:
            # Redis may not know yet that the old link is gone, and serves it first.  If
            # this is another server, some client's take ends early, which is harmless.
            await self.pipelines.ask(("CLIENT", "UNBLOCK", mailbox.last_client))
        link = await self.places.open_blocking(target, BLOCK_TIMEOUT, self._link_lost)
        self._mail_target = str(target)
        mailbox.open(link)

    async def _put_right(self, memories: tuple[Memory, ...]) -> None:
        await self._recovery.announce(self.sockets, self.forgotten)
        if self._memories is None:
            await self.mailbox.rebuild()
        elif not _same(self._memories, memories):
            self.registry.authority_lost()
            self._recovery.due = True

    async def _read_memories(self) -> tuple[Memory, ...]:
        """Return the memory of every host, and measure its clock."""
        keys = self._store.keys
        memories = []
        for index, lane in enumerate(self.places.every_lane(keys.epoch)):
            clock = self.hosts[index].clock
            asked = clock.monotonic()
            answers = await self.pipelines.execute(lane, ask_memory(keys))
            for other in self.places.of_host(index):
                if other is not lane:
                    answers += await self.pipelines.execute(other, [ASK_RUN_ID])
            try:
                memory = read_memory(answers)
            except ValueError as error:
                raise LayerUnavailable(f"Redis is not ready: {error}") from error
            clock.measure(answers[0], asked)
            memories.append(memory)
        return tuple(memories)

    def _disconnect(self, error: LayerUnavailable) -> None:
        """Give up all connections but that of the mailbox, if it is well."""
        self.up = False
        self.settled_since = math.inf
        if self.mailbox.connected:
            self.mailbox.interrupt(error)
        else:
            self.mailbox.close(error)
        self.places.close()

    # -- outages -----------------------------------------------------------------------------

    def _link_lost(self, error: LayerUnavailable) -> None:
        if self._state is _State.CONNECTING:
            # Fail what connecting waits for: commands have failed already, marks would not.
            self.mailbox.interrupt(error)
        if self._state is not _State.UP:
            return
        self._state = _State.DOWN
        logger.debug("Redis is unavailable: %s", error)  # the listener says what that means
        self._disconnect(error)
        self._spawn(self._reconnect())
        try:
            self._listener.layer_lost(error)
        except Exception:
            logger.exception("the listener failed to hear that the layer is lost")

    async def _reconnect(self) -> None:
        backoff = FIRST_BACKOFF
        while True:
            await asyncio.sleep(backoff * (0.5 + 0.5 * self._jitter()))
            backoff = min(2 * backoff, LAST_BACKOFF)
            try:
                await self._connect()
            except LayerError as error:
                logger.debug("Redis is still unavailable: %s", error)
                continue
            except Exception:
                # Whatever it is, a server that gave up here would be deaf for ever.
                logger.exception("connecting to Redis failed")
                continue
            break
        logger.debug("Redis is available again")
        try:
            self._listener.layer_back()
        except Exception:
            logger.exception("the listener failed to hear that the layer is back")

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- what happens while connected --------------------------------------------------------

    def _tick(self) -> None:
        """Keep what is ours from expiring; a server that hangs is noticed by it."""
        self._ticking = self._loop.call_later(HEARTBEAT_INTERVAL, self._tick)
        if not self.up:
            return
        self.mailbox.report()
        self.mailbox.settle()
        for lane in self.places:
            if lane.idle:
                lane.call(("PING",))
        keys = self._store.keys
        for key in (keys.meta(self._name), keys.sockets(self._name)):
            self.pipelines.call(("PEXPIRE", key, self._store.commands.control_ttl_ms))

    def _answer_expired(self, receipts: list[bytes]) -> None:
        for receipt in receipts:
            try:
                mailbox, item = answer_for(receipt, EXPIRED)
            except (ValueError, UnicodeDecodeError):
                continue  # a broken frame; nobody can be told
            lane = self.places.lane(mailbox, self._store.keys.mail(mailbox))
            self.pipelines.call(self._store.commands.post(mailbox, [CONTROL, item]), None, lane)

    # -- Redis lost its memory -----------------------------------------------------------------

    def _beaten(self, memories: tuple[Memory, ...]) -> None:
        """Look after a heartbeat whether the memory was lost without a connection being lost."""
        if self.up and self._memories is not None and not _same(self._memories, memories):
            self._memories = memories
            self.registry.authority_lost()
            self._memory_lost()

    def _memory_lost(self) -> None:
        """Write back what is ours, while the mailbox is read on."""
        if self.up:
            self.settled_since = self.clock.now_ms() / 1000
        self._recovery.due = True
        if self.up and not self._recovery.running:
            logger.warning("Redis lost its memory; writing back what is ours")
            self._spawn(self._recover())

    async def _recover(self) -> None:
        try:
            await self._recovery.announce(self.sockets, self.forgotten)
            await self._recovery.write_back()
        except LayerUnavailable as error:
            # It is still due, and done with the next connection.
            logger.debug("writing back was interrupted: %s", error)
        except Exception:
            logger.exception("writing back failed")


def _same(known: tuple[Memory, ...], now: tuple[Memory, ...]) -> bool:
    return len(known) == len(now) and all(map(Memory.same, known, now))
