"""An interface server's connections to Redis: made, watched, lost, made again.

An outage throws all connections away (but that of the mailbox if it is well), answers all that
is unanswered, and is told once.  Then a task connects again and puts Redis right: capacity,
sockets, memberships that were discarded meanwhile and, if Redis lost its memory, all others
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
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from channels.backoff import Backoff
from channels.exceptions import LayerError, LayerUnavailable
from channels.layers.clients import HEARTBEAT_INTERVAL, MailboxHandler
from channels.layers.redis.heartbeat import Heartbeat
from channels.layers.redis.net.address import BLOCK_TIMEOUT
from channels.layers.redis.net.asynchronous import open_connection
from channels.layers.redis.server.connections import Connections
from channels.layers.redis.server.mailbox import Mailbox
from channels.layers.redis.server.memberships import Memberships
from channels.layers.redis.server.recovery import Recovery
from channels.layers.redis.store import Store
from channels.layers.redis.wire.processes import ASK_RUN_ID, Memory, ask_memory, read_memory

logger = logging.getLogger("channels.layers.redis")

#: Seconds before the first try to connect again, and at most.
FIRST_BACKOFF, LAST_BACKOFF = 0.05, 5.0

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

    Attributes:
        up: Whether the layer answers, and Redis was put right.
        settled_since: As of :class:`channels.layers.clients.ServerClient`.
        clock: Redis time of the host of the mailbox.
        memberships: Those of the process.
        sockets: Entry of each socket that is written down.
        forgotten: Memberships ``(group, local)`` to be discarded, until Redis confirmed it.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.up = False
        self.settled_since = math.inf
        self.memberships = Memberships()
        self.sockets: dict[str, bytes] = {}
        self.forgotten: dict[tuple[str, str], None] = {}
        self._store = store = store.apart()
        self._hosts = store.ring.hosts
        self._home = self._hosts[store.ring.index(name)]
        self.clock = self._home.clock
        self._name = name
        self._mail_key = store.keys.mail(name)
        self._mail_target = ""
        self.connections = Connections(store, name)
        self.mailbox = Mailbox(
            name, store, self.clock, self.memberships, self.connections, self._memory_lost
        )
        self._recovery = Recovery(
            name,
            store,
            self.memberships,
            self.connections,
            self.clock.now_ms,
            self.mailbox.mark,
        )
        self._state = _State.DOWN
        self._memories: Sequence[Memory] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._heartbeat: Heartbeat | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    # -- start and stop ------------------------------------------------------------------

    async def start(self, handler: MailboxHandler, info: Mapping[str, Any]) -> None:
        """Register, connect, and deliver from now on.

        Raises:
            LayerUnavailable: There is no answer; nothing was started.
        """
        self._loop = asyncio.get_running_loop()
        self.mailbox.handler = handler
        heartbeat = self._make_heartbeat(info)
        await self._loop.run_in_executor(None, heartbeat.beat)
        await self._connect()
        self._heartbeat = heartbeat
        heartbeat.start()
        self._ticking = self._loop.call_later(HEARTBEAT_INTERVAL, self._tick)

    async def stop(self) -> None:
        """Send what is queued, deliver what waits, leave the process registry, disconnect."""
        if self.up:
            with contextlib.suppress(LayerUnavailable):
                await self.connections.settle()
                await self.mailbox.drain()
                await self.connections.settle()
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
        for host in self._hosts:
            host.close()

    def _make_heartbeat(self, info: Mapping[str, Any]) -> Heartbeat:
        loop = self._loop

        def beaten(memories: Sequence[Memory]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._beaten, memories)

        return Heartbeat(
            self._store,
            self._name,
            "server",
            info=lambda: {**info, "mailbox": self.mailbox.decoder.counters()},
            beaten=beaten,
        )

    # -- connecting ------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Connect, put Redis right, and read the mailbox from now on.

        Raises:
            LayerUnavailable: It did not work out.
        """
        self._state = _State.CONNECTING
        patience = PATIENCE * self.connections.timeout
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

    async def _make_connections(self) -> list[Memory]:
        await self.connections.open(self._connection_lost)
        memories = await self._read_memories()
        await self._put_right(memories)
        await self._open_mailbox()
        if self._recovery.due:
            await self._recovery.write_back()
        await self.mailbox.mark()  # it is read again
        self.connections.raise_if_lost()
        return memories

    async def _open_mailbox(self) -> None:
        """Go on reading through the connection that is there, or else through a new one.

        One that is well is not given up because another was lost: what its take has got
        would be lost too.
        """
        target = await self._loop.run_in_executor(None, self._home.target, self._mail_key)
        mailbox = self.mailbox
        if mailbox.connected and str(target) == self._mail_target:
            mailbox.resume()
            return
        mailbox.close(LayerUnavailable("the mailbox has moved"))
        if mailbox.last_client:
            # Redis may not know yet that the old connection is gone, and serves it first.
            # If this is another server, some client's take ends early, which is harmless.
            await self.connections.ask(("CLIENT", "UNBLOCK", mailbox.last_client))
        connection = await open_connection(
            target, timeout=BLOCK_TIMEOUT, on_lost=self._connection_lost
        )
        self._mail_target = str(target)
        mailbox.open(connection)

    async def _put_right(self, memories: Sequence[Memory]) -> None:
        await self._recovery.announce(self.sockets, self.forgotten)
        if self._memories is None:
            await self.mailbox.rebuild()
        elif not _same(self._memories, memories):
            self.memberships.authority_lost()
            self._recovery.due = True

    async def _read_memories(self) -> list[Memory]:
        """Return the memory of every host, and measure its clock."""
        keys, connections = self._store.keys, self.connections
        memories = []
        for number, host in enumerate(self._hosts):
            first, *others = connections.of_host(number, keys.epoch)
            asked = host.clock.monotonic()
            answers = await connections.execute(first, ask_memory(keys))
            for other in others:
                answers += await connections.execute(other, [ASK_RUN_ID])
            try:
                memories.append(read_memory(answers))
            except ValueError as error:
                raise LayerUnavailable(f"Redis is not ready: {error}") from error
            host.clock.measure(answers[0], asked)
        return memories

    def _disconnect(self, error: LayerUnavailable) -> None:
        """Give up all connections but that of the mailbox, if it is well."""
        self.up = False
        self.settled_since = math.inf
        if self.mailbox.connected:
            self.mailbox.interrupt(error)
        else:
            self.mailbox.close(error)
        self.connections.close()

    # -- outages -----------------------------------------------------------------------------

    def _connection_lost(self, error: LayerUnavailable) -> None:
        if self._state is _State.CONNECTING:
            # Fail what connecting waits for: commands have failed already, marks would not.
            self.mailbox.interrupt(error)
        if self._state is not _State.UP:
            return
        self._state = _State.DOWN
        logger.debug("Redis is unavailable: %s", error)  # the handler says what that means
        self._disconnect(error)
        self._spawn(self._reconnect())
        try:
            self.mailbox.handler.layer_lost(error)
        except Exception:
            logger.exception("the listener failed to hear that the layer is lost")

    async def _reconnect(self) -> None:
        backoff = Backoff(FIRST_BACKOFF, LAST_BACKOFF)
        while self._state is not _State.UP:
            await asyncio.sleep(backoff.pause())
            try:
                await self._connect()
            except LayerError as error:
                logger.debug("Redis is still unavailable: %s", error)
            except Exception:
                # Whatever it is, a server that gave up here would be deaf for ever.
                logger.exception("connecting to Redis failed")
        logger.debug("Redis is available again")
        try:
            self.mailbox.handler.layer_back()
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
        self.connections.keep_alive()
        keys = self._store.keys
        for key in (keys.meta(self._name), keys.sockets(self._name)):
            self.connections.call(("PEXPIRE", key, self._store.commands.control_ttl_ms))

    # -- Redis lost its memory -----------------------------------------------------------------

    def _beaten(self, memories: Sequence[Memory]) -> None:
        """Look after a heartbeat whether the memory was lost without a connection being lost."""
        if self.up and self._memories is not None and not _same(self._memories, memories):
            self._memories = memories
            self.memberships.authority_lost()
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


def _same(known: Sequence[Memory], now: Sequence[Memory]) -> bool:
    return len(known) == len(now) and all(map(Memory.same, known, now))
