"""The interface server's side of the Redis layer; see :class:`channels.layers.faces.ServerFace`.

One connection blocks on the mailbox and hands what it takes to the listener in the
turn of the loop in which it arrives; the lanes (:mod:`~channels.layers.redis.lanes`)
send what was asked for in one pipeline a turn.  Nothing polls, nothing cancels the
blocking take and no time-out wraps it: it ends by itself after some seconds, or by
``CLIENT UNBLOCK``, and its answer is always read and handled.

An outage throws all connections away, answers all that is unanswered, and is told
once.  Then a task connects again, with backoff, and puts Redis right: capacity,
sockets, memberships that were discarded meanwhile and, if Redis lost its memory, all
others (:mod:`~channels.layers.redis.recovery`).  Only then the layer is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgpack

from channels import names
from channels.exceptions import LayerUnavailable, MessageTooLarge
from channels.layers.faces import (
    HEARTBEAT_INTERVAL,
    HEARTBEAT_TTL,
    Done,
    Item,
    MailboxListener,
    Message,
    ProcessEntry,
    SocketEntry,
)
from channels.layers.redis import items, scripts
from channels.layers.redis.alink import Link
from channels.layers.redis.aplaces import AsyncPlaces
from channels.layers.redis.commands import MAILBOX_BYTES, SERVER_CAPACITY, Commands
from channels.layers.redis.heartbeat import Heartbeat
from channels.layers.redis.hosts import Host, ring_index
from channels.layers.redis.intake import FIRST_MARK, Intake
from channels.layers.redis.keys import Keys
from channels.layers.redis.lanes import Lane, call_done
from channels.layers.redis.links import BLOCK_SECONDS, BLOCK_TIMEOUT
from channels.layers.redis.recovery import Recovery
from channels.layers.redis.register import Memory, ask_memory, read_entry, read_index, read_memory
from channels.layers.redis.registry import Drift, GroupRegistry
from channels.layers.redis.scripts import Command

logger = logging.getLogger("channels.layers.redis")

#: Items that one take may bring: enough that a busy mailbox costs little, few enough
#: that sockets are not kept waiting while they are delivered.
TAKE = 100

#: What was taken is reported with the next pipeline, or at the latest when one part in
#: so many of the mailbox's capacity is unreported: until then senders believe that it
#: waits.
UNREPORTED = 16

#: Seconds before the first try to connect again, and at most; doubled each time, and a
#: random part of it, so that a hundred servers don't come back as one.
FIRST_BACKOFF = 0.05
LAST_BACKOFF = 5.0

#: Seconds between tries to end a blocking take that had not begun when it was told to end.
UNBLOCK_INTERVAL = 0.02


class ServerLayer(Protocol):
    """What the face needs of its layer."""

    expiry: float
    group_expiry: float
    keys: Keys
    codec: items.Codec
    commands: Commands
    timeout: float | None

    def make_hosts(self) -> Sequence[Host]:
        """Return hosts of the caller's own, in the order of the ring."""
        ...

    def get_capacity(self, channel: str) -> int:
        """Return how many messages may wait on a channel."""
        ...

    def configured_capacity(self, channel: str) -> int | None:
        """Return what is configured for a channel by name, None if nothing."""
        ...


class _State(enum.Enum):
    IDLE = "idle"
    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    STOPPED = "stopped"


class RedisServerFace:
    """An interface server's connection to Redis; see :class:`channels.layers.faces.ServerFace`.

    Args:
        layer: Settings, hosts, keys and codec.
        mailbox: Name of the process; ends in ``!``.
        jitter: Returns a number from 0 to 1.
    """

    def __init__(
        self, layer: ServerLayer, mailbox: str, *, jitter: Callable[[], float] = random.random
    ) -> None:
        names.check_channel_name(mailbox, receive=True)
        self.mailbox = mailbox
        self.settled_since = math.inf
        self.registry = GroupRegistry()
        self._layer = layer
        self._keys = layer.keys
        self._codec = layer.codec
        self._commands = layer.commands
        self._jitter = jitter
        self._hosts = layer.make_hosts()
        self._clock = self._hosts[self._index(mailbox)].clock
        self._mail_key = layer.keys.mail(mailbox)
        self._meta_key = layer.keys.meta(mailbox)
        self._sockets_key = layer.keys.sockets(mailbox)
        self._receipt_head = items.receipt_for(mailbox, 0)[:-8]
        #: The only lane, if there is one host and it is one server.
        self._single: Lane | None = None
        self._places = AsyncPlaces(self._hosts, self._make_lane, layer.timeout)
        self._intake = Intake(
            self.registry,
            layer.codec,
            self._clock,
            lifetime=layer.expiry,
            marked=self._mark_passed,
        )
        self._state = _State.IDLE
        self._memories: tuple[Memory, ...] | None = None
        self._recovery = Recovery(
            mailbox,
            layer.keys,
            layer.commands,
            self.registry,
            now_ms=self._clock.now_ms,
            ask=self._ask,
            mark=self.mark,
        )
        self._checked: set[str] = set()
        self._scheduled = False
        #: Counters of the mailbox as they were reported last.
        self._reported = (-1, -1)
        capacity = layer.configured_capacity(mailbox)
        self._report_after = (
            (SERVER_CAPACITY if capacity is None else capacity) // UNREPORTED,
            MAILBOX_BYTES // UNREPORTED,
        )
        self._mail: Link | None = None
        self._taking = False
        self._ending: asyncio.Future[None] | None = None
        self._marks: dict[int, asyncio.Future[None]] = {}
        self._last_mark = FIRST_MARK - 1
        self._sockets: dict[str, bytes] = {}
        self._forgotten: dict[tuple[str, str], None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._info: Mapping[str, Any] = {}
        self._heartbeat: Heartbeat | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._listener: MailboxListener
        self._loop: asyncio.AbstractEventLoop

    def _index(self, name: str) -> int:
        return ring_index(name, len(self._hosts))

    def now(self) -> float:
        """See :class:`ServerFace`."""
        return self._clock.now_ms() / 1000

    # -- start and stop ------------------------------------------------------------------

    async def start(self, listener: MailboxListener, info: Mapping[str, Any]) -> None:
        """See :class:`ServerFace`."""
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._info = info
        heartbeat = self._make_heartbeat()
        await self._loop.run_in_executor(None, heartbeat.beat)
        await self._connect()
        self._heartbeat = heartbeat
        heartbeat.start()
        self._ticking = self._loop.call_later(HEARTBEAT_INTERVAL, self._tick)

    async def stop(self) -> None:
        """See :class:`ServerFace`."""
        if self._state is _State.UP:
            with contextlib.suppress(LayerUnavailable):
                await self._drain()
        self._state = _State.STOPPED
        if self._ticking is not None:
            self._ticking.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._disconnect(LayerUnavailable("the interface server has stopped"))
        if self._heartbeat is not None:
            await self._loop.run_in_executor(None, self._heartbeat.stop)
        for host in self._hosts:
            host.close()

    async def _drain(self) -> None:
        """Send what is queued, and deliver what is in the mailbox."""
        await self._settle()
        if self._taking:
            self._ending = self._loop.create_future()
            while not self._ending.done():
                # Redis may not have begun to block yet, then this does nothing.
                assert self._mail is not None
                await self._ask(("CLIENT", "UNBLOCK", self._mail.client_id))
                await asyncio.wait([self._ending], timeout=UNBLOCK_INTERVAL)
        await self._empty_mailbox()
        self._report()
        await self._settle()

    async def _settle(self) -> None:
        """Wait until everything that was asked for was answered."""
        while True:
            self._flush()
            if all(lane.idle for lane in self._places):
                return
            for lane in self._places:
                if lane.link is not None and not lane.idle:
                    await lane.link.execute([("PING",)])

    async def _empty_mailbox(self) -> None:
        while self._mail is not None:
            (taken,) = await self._mail.execute([("LPOP", self._mail_key, TAKE)])
            if not taken or isinstance(taken, Exception):
                return
            self._intake.feed(taken)
            while True:
                delivered, drift = self._intake.read()
                self._deliver(delivered)
                if drift is Drift.NONE:
                    break
                if drift is Drift.RESTARTED:
                    self.registry.authority_lost()
                else:
                    await self._rebuild()

    def _make_heartbeat(self) -> Heartbeat:
        loop = self._loop

        def beaten(memories: tuple[Memory, ...]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._beaten, memories)

        return Heartbeat(
            self._hosts,
            self._index,
            self._keys,
            self.mailbox,
            "server",
            clock=self._clock,
            info=lambda: {**self._info, "mailbox": self.counters()},
            beaten=beaten,
        )

    def counters(self) -> dict[str, int]:
        """Return what is worth knowing about the mailbox; also shown on the register."""
        intake = self._intake
        return {
            "taken": intake.taken,
            "expired": intake.expired,
            "missed": intake.missed,
            "undecodable": intake.undecodable,
        }

    # -- connecting ------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Connect, put Redis right, and read the mailbox from now on.

        Raises:
            LayerUnavailable: It did not work out; nothing is connected.
        """
        self._state = _State.CONNECTING
        try:
            await self._places.open(self._link_lost)
            self._mail = await self._places.open_mailbox(
                self.mailbox, self._mail_key, BLOCK_TIMEOUT, self._link_lost
            )
            memories = await self._read_memories()
            await self._recovery.announce(self._sockets, self._forgotten)
            known = self._memories
            lost_memory = known is not None and not (
                len(known) == len(memories) and all(map(Memory.same, known, memories))
            )
            if lost_memory:
                self.registry.authority_lost()
            elif self._memories is None:
                await self._rebuild()
            self._reported = (-1, -1)
            self._go_on()
            if lost_memory:
                await self._recovery.write_back()
            self._places.raise_if_lost()
            if self._mail.error is not None:
                raise self._mail.error
        except LayerUnavailable as error:
            self._state = _State.DOWN
            self._disconnect(error)
            raise
        self._memories = memories
        self._single = self._places.single
        self.settled_since = self.now()
        self._state = _State.UP

    async def _read_memories(self) -> tuple[Memory, ...]:
        """Return the memory of every host, and measure the layer's clock."""
        memories = []
        for index, lane in enumerate(self._places.every_lane(self._keys.epoch)):
            asked = self._clock.monotonic()
            answers = await self._execute(lane, ask_memory(self._keys))
            if index == self._index(self.mailbox):
                self._clock.measure(answers[0], asked)
            try:
                memory = read_memory(answers)
            except ValueError as error:
                raise LayerUnavailable(f"Redis is not ready: {error}") from error
            # The nodes of a Cluster have a run id each.
            single = self._places.is_single(index)
            memories.append(memory if single else Memory(memory.epoch, ""))
        return tuple(memories)

    def _disconnect(self, error: LayerUnavailable) -> None:
        self.settled_since = math.inf
        self._taking = False
        if self._mail is not None:
            self._mail.close()
            self._mail = None
        self._places.close()
        marks, self._marks = self._marks, {}
        for mark in marks.values():
            if not mark.done():
                mark.set_exception(error)
        if self._ending is not None and not self._ending.done():
            self._ending.set_result(None)

    def _link_lost(self, error: LayerUnavailable) -> None:
        if self._state is not _State.UP:
            return  # whoever is connecting finds out
        self._state = _State.DOWN
        logger.warning("Redis is unavailable: %s", error)
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
            except LayerUnavailable as error:
                logger.debug("Redis is still unavailable: %s", error)
                continue
            break
        logger.warning("Redis is available again")
        try:
            self._listener.layer_back()
        except Exception:
            logger.exception("the listener failed to hear that the layer is back")

    def _beaten(self, memories: tuple[Memory, ...]) -> None:
        """Look after a heartbeat whether Redis lost its memory without hanging up."""
        if self._state is not _State.UP:
            return
        known = self._memories or ()
        if len(known) != len(memories) or not all(map(Memory.same, known, memories)):
            self._memories = memories
            self.registry.authority_lost()
            self._memory_lost()

    def _tick(self) -> None:
        """Keep what is ours from expiring; and a server that hangs is noticed by it."""
        self._ticking = self._loop.call_later(HEARTBEAT_INTERVAL, self._tick)
        if self._state is not _State.UP:
            return
        for lane in self._places:
            if lane.idle:
                lane.call(("PING",))
        for key in (self._meta_key, self._sockets_key):
            self.call(("PEXPIRE", key, self._commands.control_ttl_ms))

    def _memory_lost(self) -> None:
        """Write everything back, while the mailbox is read on."""
        self.settled_since = self.now()
        if self._recovery.running:
            self._recovery.again()
        else:
            logger.warning("Redis lost its memory; writing back what is ours")
            self._spawn(self._recover())

    async def _recover(self) -> None:
        try:
            await self._recovery.announce(self._sockets, self._forgotten)
            await self._recovery.write_back()
        except LayerUnavailable as error:
            logger.debug("writing back was interrupted: %s", error)
            # Whatever became of it, the next connection begins with it.
            self._memories = ()

    def _spawn(self, coroutine: Any) -> None:
        task: asyncio.Task[None] = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the mailbox -------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Deliver what was taken already, then take what comes."""
        if self._intake.waiting:
            self._read()
        else:
            self._take()

    def _take(self) -> None:
        if self._taking or self._mail is None:
            return
        if self._ending is not None:
            if not self._ending.done():
                self._ending.set_result(None)
            return
        self._taking = True
        command = ("BLMPOP", BLOCK_SECONDS, 1, self._mail_key, "LEFT", "COUNT", TAKE)
        self._mail.submit([command], self._taken)

    def _taken(self, answers: list[Any] | None, error: LayerUnavailable | None) -> None:
        self._taking = False
        if answers is None:
            return  # the link is lost, and tells so itself
        answer = answers[0]
        if isinstance(answer, Exception):
            if self._mail is not None:
                self._mail.lose(LayerUnavailable(f"Redis refused to give the mailbox: {answer}"))
            return
        if answer is not None:
            self._intake.feed(answer[1])
            self._read()
        else:
            self._take()

    def _read(self) -> None:
        delivered, drift = self._intake.read()
        while drift is Drift.RESTARTED:
            self._deliver(delivered)
            self.registry.authority_lost()
            self._memory_lost()
            delivered, drift = self._intake.read()
        if delivered:
            self._deliver(delivered)
        if drift is Drift.MISSED:
            self.call(self._snapshot(), self._read_on)
            return
        taken, size = self._intake.taken, self._intake.taken_bytes
        if (
            taken - self._reported[0] > self._report_after[0]
            or size - self._reported[1] > self._report_after[1]
        ):
            self._schedule()
        self._take()

    def _deliver(self, delivered: list[Item]) -> None:
        if not delivered:
            return
        try:
            self._listener.deliver(delivered)
        except Exception:
            logger.exception("the listener failed to take %d items", len(delivered))

    def _report(self) -> None:
        """Tell with the next pipeline what was taken."""
        intake = self._intake
        counts = (intake.taken, intake.taken_bytes)
        if counts != self._reported:
            self._reported = counts
            self._own_lane().call(("HSET", self._meta_key, "tm", counts[0], "tb", counts[1]))

    # -- the registry --------------------------------------------------------------------------

    def _snapshot(self) -> Command:
        keys = self._keys
        return scripts.SNAPSHOT.call(
            (self._meta_key, keys.groups(self.mailbox), keys.members(self.mailbox, ""))
        )

    def _read_on(self, answer: Any, error: LayerUnavailable | None) -> None:
        if error is not None:
            return  # what waits is read when there is a connection again
        if isinstance(answer, Exception):
            if self._mail is not None:
                self._mail.lose(LayerUnavailable(f"memberships cannot be read: {answer}"))
            return
        self._rebuilt(answer)
        self._read()

    async def _rebuild(self) -> None:
        answer = await self._ask(self._snapshot())
        if isinstance(answer, Exception):
            raise LayerUnavailable(f"memberships cannot be read: {answer}") from answer
        self._rebuilt(answer)

    def _rebuilt(self, answer: Sequence[Any]) -> None:
        number, *pairs = answer
        memberships = [
            (group.decode(), scored[at].decode(), float(scored[at + 1]) / 1000)
            for group, scored in zip(pairs[::2], pairs[1::2], strict=True)
            for at in range(0, len(scored), 2)
        ]
        if self.registry.rebuild(number, memberships) is Drift.RESTARTED:
            self._memory_lost()

    # -- asking -----------------------------------------------------------------------------

    def _make_lane(self) -> Lane:
        return Lane(self._commands, self._layer.get_capacity, self._answer_expired)

    def _own_lane(self) -> Lane:
        return self._places.lane(self.mailbox, self._mail_key)

    def call(
        self,
        command: Command,
        handler: Callable[[Any, LayerUnavailable | None], None] | None = None,
        lane: Lane | None = None,
    ) -> None:
        """Send a command with the next pipeline, by default to where the mailbox lives."""
        (lane or self._own_lane()).call(command, handler)
        self._schedule()

    async def _ask(self, command: Command, name: str = "", key: str = "") -> Any:
        """Return the answer to one command, by default from where the mailbox lives."""
        lane = self._places.lane(name or self.mailbox, key or self._mail_key)
        (answer,) = await self._execute(lane, [command])
        return answer

    async def _execute(self, lane: Lane, commands: Sequence[Command]) -> list[Any]:
        """Return the answers, errors in place.

        Raises:
            LayerUnavailable: There are none.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        answers: list[Any] = []

        def answered(answer: Any, error: LayerUnavailable | None) -> None:
            answers.append(answer)
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            elif len(answers) == len(commands):
                future.set_result(None)

        for command in commands:
            lane.call(command, answered)
        self._schedule()
        await future
        return answers

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self._state is _State.UP:
            self._report()
        for lane in self._places:
            lane.flush()

    def _answer_expired(self, receipts: list[bytes]) -> None:
        for receipt in receipts:
            try:
                mailbox, item = items.answer_for(receipt)
            except (ValueError, UnicodeDecodeError):
                continue  # an old or a broken frame; nobody can be told
            lane = self._places.lane(mailbox, self._keys.mail(mailbox))
            self.call(self._commands.post(mailbox, [scripts.CONTROL, item]), None, lane)

    # -- sending ------------------------------------------------------------------------------

    def send(
        self,
        channel: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        receipt: int = 0,
        done: Done | None = None,
        expiry: float | None = None,
        past_capacity: bool = False,
        opens: SocketEntry | None = None,
        closes: str | None = None,
    ) -> None:
        """See :class:`ServerFace`."""
        if self._state is not _State.UP:
            self._refuse(done, LayerUnavailable("there is no connection to Redis"))
            return
        codec = self._codec
        try:
            if channel not in self._checked:
                self._check_name(channel)
            if len(messages) == 1:
                payload = codec.payload(channel, messages[0])
            else:
                payload = codec.seal(b"".join([codec.pack(channel, m) for m in messages]))
        except (TypeError, MessageTooLarge) as error:
            self._refuse(done, error)
            return
        ttl_ms = self._commands.ttl_ms if expiry is None else max(1, round(expiry * 1000))
        if receipt:
            frame = items.frame(
                payload,
                ttl_ms,
                flags=codec.flags | items.ORDERED,
                receipt=self._receipt_head + receipt.to_bytes(8, "big"),
            )
        else:
            frame = items.frame(payload, ttl_ms, flags=codec.flags)
        if opens is not None or closes is not None:
            done = self._note_socket(opens, closes, done)
        lane = self._single or self._lane_for(channel)
        lane.push(channel, past_capacity, ttl_ms, frame, done)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _lane_for(self, channel: str) -> Lane:
        key = self._keys.queue(channel)
        if names.is_single_place(channel):
            return self._places.lane(channel, key)
        return self._places.next_lane(key)

    def _check_name(self, channel: str) -> None:
        names.check_channel_name(channel)
        if "!" in channel:
            raise TypeError(f"an interface server sends to shared channels only, not {channel!r}")
        if "?" not in channel:  # there are few of the others
            self._checked.add(channel)

    def _refuse(self, done: Done | None, error: Exception) -> None:
        if done is not None:
            self._loop.call_soon(call_done, done, error)

    def _note_socket(
        self, opens: SocketEntry | None, closes: str | None, done: Done | None
    ) -> Done:
        """Write a socket down, or take it off, with a frame; return the frame's ``done``."""
        if opens is not None:
            entry = msgpack.packb([opens.path, opens.connected_at], use_bin_type=True)
            self._sockets[opens.local] = entry
            self.call(("HSET", self._sockets_key, opens.local, entry))
        if closes is not None:
            self.call(("HDEL", self._sockets_key, closes))

        def outcome(error: Exception | None) -> None:
            if error is None:
                if closes is not None:
                    self._sockets.pop(closes, None)
            elif not isinstance(error, LayerUnavailable):
                if closes is not None and closes in self._sockets:
                    self.call(("HSET", self._sockets_key, closes, self._sockets[closes]))
                if opens is not None:
                    # The caller hears of it once the register is right again.
                    self._sockets.pop(opens.local, None)
                    command = ("HDEL", self._sockets_key, opens.local)
                    self.call(command, lambda *_: call_done(done, error) if done else None)
                    return
            if done is not None:
                done(error)

        return outcome

    # -- memberships ----------------------------------------------------------------------------

    def forget(self, memberships: Sequence[tuple[str, str]]) -> None:
        """See :class:`ServerFace`."""
        for group, local in memberships:
            # Until Redis has confirmed it: leaving is safe to repeat.
            self._forgotten[group, local] = None
            if self._state is _State.UP:
                command = self._commands.leave(self.mailbox, local, group)
                self.call(command, partial(self._forgot, (group, local)))

    def _forgot(
        self, membership: tuple[str, str], answer: Any, error: LayerUnavailable | None
    ) -> None:
        if error is None and not isinstance(answer, Exception):
            self._forgotten.pop(membership, None)

    def memberships(self, local: str) -> Collection[str]:
        """See :class:`ServerFace`."""
        return self.registry.memberships(local)

    def keep(self, locals_: Collection[str]) -> None:
        """See :class:`ServerFace`."""
        if self._state is not _State.UP:
            return  # they are written back, or kept the next time
        ttl_ms = self._commands.group_ttl_ms
        expiry_ms = self._clock.now_ms() + ttl_ms
        renewed: dict[str, list[str]] = {}
        for local in locals_:
            for group in self.registry.renew(local, expiry_ms / 1000):
                renewed.setdefault(group, []).append(local)
        for group, members in renewed.items():
            key = self._keys.members(self.mailbox, group)
            scored = [part for local in members for part in (expiry_ms, local)]
            self.call(("ZADD", key, "XX", "GT", *scored))
            self.call(("PEXPIRE", key, ttl_ms))
            lane = self._places.lane(group, self._keys.group(group))
            for command in self._commands.enlist(group, self.mailbox, self._clock.now_ms()):
                self.call(command, None, lane)
        if renewed:
            self.call(("PEXPIRE", self._keys.groups(self.mailbox), ttl_ms))

    # -- questions --------------------------------------------------------------------------------

    async def read_body(self, local: str, limit: int) -> list[Message]:
        """See :class:`ServerFace`."""
        key = self._keys.body(self.mailbox, local)
        # A chunk is two entries of the list: its stamp and its payload.
        popped = await self._ask(("LPOP", key, 2 * limit))
        if isinstance(popped, Exception):
            raise LayerUnavailable(f"a response cannot be read: {popped}") from popped
        chunks: list[Message] = []
        for payload in items.body_payloads(popped or ()):
            try:
                chunks += self._codec.messages(payload, self._layer.group_expiry)
            except items.Undecodable as error:
                logger.error("dropped a part of a response that cannot be read: %s", error)
        return chunks

    async def processes(self) -> list[ProcessEntry]:
        """See :class:`ServerFace`."""
        keys = self._keys
        listed = await self._ask(read_index(keys, self.now()), keys.processes, keys.processes)
        if isinstance(listed, Exception):
            raise LayerUnavailable(f"the register cannot be read: {listed}") from listed
        known = [name.decode() for name in listed]
        answers = await asyncio.gather(
            *(self._ask(("HGETALL", keys.entry(name)), name, keys.entry(name)) for name in known)
        )
        oldest = self.now() - HEARTBEAT_TTL
        entries = (
            read_entry(name, answer)
            for name, answer in zip(known, answers, strict=True)
            if not isinstance(answer, Exception)
        )
        return [entry for entry in entries if entry is not None and entry.seen >= oldest]

    async def queued(self, channel: str, receipts: Collection[int]) -> set[int]:
        """See :class:`ServerFace`."""
        if not receipts:
            return set()
        key = self._keys.queue(channel)
        command = scripts.FIND_RECEIPTS.call((key,), *(self.held_as(n) for n in receipts))
        if names.is_single_place(channel):
            lanes = [self._places.lane(channel, key)]
        else:
            lanes = self._places.every_lane(key)
        found: set[int] = set()
        for (answer,) in await asyncio.gather(*(self._execute(lane, [command]) for lane in lanes)):
            if isinstance(answer, Exception):
                raise LayerUnavailable(f"a queue cannot be searched: {answer}") from answer
            found.update(items.read_receipt(receipt)[1] for receipt in answer)
        return found

    def held_as(self, receipt: int) -> bytes:
        """See :class:`ServerFace`."""
        return items.receipt_for(self.mailbox, receipt)

    async def mark(self) -> None:
        """See :class:`ServerFace`."""
        self._last_mark = number = self._last_mark + 1
        passed: asyncio.Future[None] = self._loop.create_future()
        self._marks[number] = passed

        def pushed(answer: Any, error: LayerUnavailable | None) -> None:
            if isinstance(answer, Exception):
                error = LayerUnavailable(f"Redis refused a mark: {answer}")
            if error is not None and not passed.done():
                passed.set_exception(error)

        item = items.receipt_item(number)
        self.call(self._commands.post(self.mailbox, [scripts.CONTROL, item]), pushed)
        try:
            await passed
        finally:
            self._marks.pop(number, None)

    def _mark_passed(self, number: int) -> None:
        # In the next turn: what came with it is delivered first.
        self._loop.call_soon(self._release, number)

    def _release(self, number: int) -> None:
        passed = self._marks.get(number)
        if passed is not None and not passed.done():
            passed.set_result(None)
