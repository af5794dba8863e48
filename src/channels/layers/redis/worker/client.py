"""A worker's side of the Redis layer: take a frame; send, answer and take the next one.

One consumer run costs one round trip: the pipeline with the replies and the receipt of
one frame also takes the next (:meth:`RedisWorkerClient.exchange`), and only an
empty answer falls back to a take that waits inside Redis on a connection of its own
(:meth:`RedisWorkerClient.take`).  Such a wait is never cancelled and never timed out from
here: another connection sends ``CLIENT UNBLOCK``, and the answer, a frame or nothing,
is always read.

With several hosts one is home, where the worker waits; before that, and every
:data:`SLICE`, it looks at all of them, each the first in turn.
"""

from __future__ import annotations

import logging
import math
import os
import random
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from channels import __version__, names
from channels.exceptions import LayerUnavailable
from channels.layers.clients import EXPIRED, Frame, GroupSend, Operation
from channels.layers.redis.batch import Batch
from channels.layers.redis.heartbeat import Heartbeat
from channels.layers.redis.net.address import BLOCK_SECONDS, BLOCK_TIMEOUT
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.net.hosts import Host
from channels.layers.redis.net.protocol import Packable
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items
from channels.layers.redis.wire.commands import COUNTERS
from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.wire.scripts import Command

logger = logging.getLogger("channels.layers.redis")

#: Frames in a row from one channel after which it goes last.
BURST = 50

#: How long the other hosts go without a look, in seconds.
SLICE = 0.1

#: How long a host other than home is left alone after an error, in seconds.
REST = 1.0

#: How long :meth:`RedisWorkerClient.unblock` may take on a Redis that hangs, in seconds; a
#: signal handler calls it.
UNBLOCK_TIMEOUT = 1.0

#: Tries to end a wait that Redis has not begun yet, and the pause between them in seconds.
UNBLOCK_TRIES = 100
UNBLOCK_PAUSE = 0.005


class RedisWorkerClient:
    """A worker thread's connections to Redis: a :class:`~channels.layers.clients.WorkerClient`.

    ``unanswered`` returns the receipts in hand; the heartbeat's thread calls it.

    Attributes:
        name: What it is called in the process registry.
        counters: What happened here, for the process registry.
    """

    def __init__(
        self,
        store: Store,
        channels: Collection[str],
        unanswered: Callable[[], Collection[bytes]] = tuple,
    ) -> None:
        self.name = f"worker.{names.random_part(16)}"
        self.counters: Counter[str] = Counter()
        self._store = store.apart()
        self._hosts = self._store.ring.hosts
        self._orders = self._make_orders(channels)
        #: Hosts that have some of the channels, the next to be looked at second.
        self._turns = deque(self._orders)
        self._turns.rotate(random.randrange(len(self._turns)))
        self._home = self._turns[0]
        #: Until when a host is left alone, on our monotonic clock.
        self._resting: dict[int, float] = {}
        self._waiting = self._hosts[self._home].connection(store.keys.queue(""), BLOCK_TIMEOUT)
        self._controlling = threading.Lock()
        self._asked_to_end = False
        self._sent = False
        self._taker = 0
        self._heartbeat = Heartbeat(
            self._store,
            self.name,
            "worker",
            channels=channels,
            unanswered=unanswered,
            info=self._info,
        )

    def _make_orders(self, channels: Collection[str]) -> dict[int, FairOrder]:
        """Say for each host that has some of the channels in which order to take from them."""
        found: dict[int, list[str]] = {}
        for channel in sorted(set(channels)):
            names.check_channel_name(channel, receive=True)
            if names.is_process_local(channel):
                raise ValueError(f"a worker takes frames from shared channels only: {channel!r}")
            for index in self._store.hosts_of(channel):
                found.setdefault(index, []).append(channel)
        return {
            index: FairOrder(self._store.keys, channels, self._hosts[index].pack)
            for index, channels in found.items()
        }

    # -- life ------------------------------------------------------------------------

    def start(self) -> None:
        self._waiting.connect()
        # What misses a frame asks those in the registry: be there before the first take.
        self._heartbeat.beat()
        self._heartbeat.start()

    def _info(self) -> dict[str, Any]:
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "counters": dict(self.counters),
        }

    def close(self) -> None:
        self._heartbeat.stop()
        self._waiting.close()
        self._store.ring.close()

    # -- taking ------------------------------------------------------------------------

    def take(self, longest: float | None = None) -> list[Frame]:
        patience: float = BLOCK_SECONDS
        if longest is not None:
            # Rounded up, as packed commands are kept by their wait; never 0: for ever in Redis.
            patience = min(BLOCK_SECONDS, max(math.ceil(longest * 100), 1) / 100)
        deadline = time.monotonic() + patience
        alone = len(self._turns) == 1
        if longest == 0:
            return self.exchange([])[1] if alone else self._look_at_all()
        while not self._asked_to_end:
            frames = [] if alone else self._look_at_all()
            frames = frames or self._wait(patience if alone else min(patience, SLICE))
            if frames:
                return frames
            if alone or time.monotonic() >= deadline:
                break
        # Cleared only when nothing is returned: then what was asked for has happened.
        self._asked_to_end = False
        return []

    def _wait(self, seconds: float) -> list[Frame]:
        """Take a frame from home, waiting inside Redis."""
        waiting = self._waiting
        try:
            waiting.send([self._orders[self._home].next_take(seconds)])
            self._taker = threading.get_ident()
            self._sent = True
            try:
                # Asked between the look above and the sending: nothing else will end it.
                if self._asked_to_end:
                    self._end_wait()
                (answer,) = waiting.read()
            finally:
                self._sent = False
        except LayerUnavailable:
            self.counters["takes_lost"] += 1
            raise
        if isinstance(answer, Exception):
            waiting.give_up()
            raise refusal(answer)
        return self._open(self._home, answer)

    def _in_turn(self) -> list[int]:
        """Return the hosts to look at, each the first in turn; home is always among them."""
        self._turns.rotate(-1)
        now = time.monotonic()
        return [index for index in self._turns if now >= self._resting.get(index, now)]

    def _look_at_all(self) -> list[Frame]:
        """Take a frame from any host without waiting."""
        for index in self._in_turn():
            try:
                (answer,) = self._store.ring.run(index, [self._orders[index].next_take()])
                frames = self._open(index, answer)
            except LayerUnavailable as error:
                self.counters["takes_lost"] += 1
                self._let_rest(index, error)
                logger.warning("cannot take from %s: %s", self._hosts[index], error)
                continue
            if frames:
                return frames
        return []

    def _let_rest(self, index: int, error: LayerUnavailable) -> None:
        """Leave a host alone for a while, or raise the error of home: that is an outage.

        Home may be well when another is not; the worker must not stand still for that one.
        """
        if index == self._home:
            raise error
        self._resting[index] = time.monotonic() + REST

    def _open(self, index: int, answer: Any) -> list[Frame]:
        """Turn what a take answered to frames; what is refused makes room for the next."""
        store, order, clock = self._store, self._orders[index], self._hosts[index].clock
        while answer is not None:
            channel = order.took(answer[0])
            frame = items.open_frame(channel, answer[1][0], store.codec, clock.now_ms())
            if isinstance(frame, Frame):
                self.counters["taken"] += 1
                return [frame]
            self.counters[COUNTERS[frame.cause]] += 1
            (answer,) = store.refuse(index, channel, frame, order.next_take())
        return []

    # -- ending a take -------------------------------------------------------------------

    def unblock(self) -> None:
        self._asked_to_end = True
        if self._sent:
            self._end_wait()

    def _end_wait(self) -> None:
        # Never waits for the lock: a signal handler may have interrupted its holder,
        # and that one goes on afterwards.
        target = self._waiting.target
        if target is None or not self._controlling.acquire(blocking=False):
            return
        control = Host(target, UNBLOCK_TIMEOUT)
        try:
            for _ in range(UNBLOCK_TRIES):
                # The waiting connection may be new since the last try.
                client_id = self._waiting.client_id
                if not self._sent or not client_id:
                    return
                (ended,) = control.execute([("CLIENT", "UNBLOCK", client_id)])
                if ended:
                    return
                # Redis has not read the command yet, or has answered it.  Looking at the
                # socket beside the thread that reads it could wait for that one's data.
                if threading.get_ident() == self._taker and self._waiting.readable():
                    return
                time.sleep(UNBLOCK_PAUSE)
        except LayerUnavailable as error:
            # Once the take has ended, its thread may have closed this client already.
            if self._sent:
                logger.warning("a waiting take could not be ended, it ends by itself: %s", error)
        finally:
            control.close()
            self._controlling.release()

    # -- sending and taking in one round trip ----------------------------------------------

    def exchange(
        self, operations: Sequence[Operation], *, take: bool = True
    ) -> tuple[list[Exception | None], list[Frame]]:
        groups = [operation.group for operation in operations if isinstance(operation, GroupSend)]
        batch = Batch(self._store, groups)
        for operation in operations:
            batch.add(operation)
        polled: int | None = None
        if take:
            polled = self._home if len(self._turns) == 1 else self._in_turn()[0]
            # Last, and even if there is nothing to send.
            batch.calls[polled] = batch.calls.pop(polled, [])
        found: Any = None
        for index in batch.calls:
            try:
                if index == polled:
                    (found,) = batch.run(index, self._orders[index].next_take())
                else:
                    batch.run(index)
            except LayerUnavailable as error:
                if index == polled:
                    self.counters["takes_lost"] += 1
                self._let_rest(index, error)
        if batch.skipped or batch.dropped:
            self.counters.update(skipped=batch.skipped, dropped=batch.dropped)
        if batch.expired:
            self._store.answer_all(batch.expired, EXPIRED)
        if polled is None or found is None or isinstance(found, Exception):
            # An error of the take shows again in the next one, which may raise it.
            return batch.outcomes, []
        return batch.outcomes, self._open(polled, found)


class FairOrder:
    """The channels of one host, fairly.

    Redis serves the first key that holds something, so in a fixed order a quiet key behind
    a busy one starves.  The order therefore rotates by one at each take, and a channel that
    gave :data:`BURST` frames in a row goes last until another gives one.
    """

    def __init__(
        self, keys: Keys, channels: Sequence[str], pack: Callable[[Command], Packable]
    ) -> None:
        self._queues = [keys.queue(channel) for channel in channels]
        self._channels = {keys.queue(channel).encode(): channel for channel in channels}
        self._pack = pack
        self._start = 0
        self._last = b""
        self._streak = 0
        self._packed: dict[tuple[int, bytes, float | None], Packable] = {}

    def next_take(self, seconds: float | None = None) -> Packable:
        """Return the command that takes a frame; the order moves on.

        ``seconds`` is how long it waits inside Redis; None not at all.
        """
        last = self._last if self._streak >= BURST else b""
        packed = self._packed.get((self._start, last, seconds))
        if packed is None:
            order = self._queues[self._start :] + self._queues[: self._start]
            order.sort(key=lambda queue: queue.encode() == last)
            wait: Command = ("LMPOP",) if seconds is None else ("BLMPOP", f"{seconds:g}")
            packed = self._pack((*wait, len(order), *order, "LEFT"))
            self._packed[self._start, last, seconds] = packed
        self._start = (self._start + 1) % len(self._queues)
        return packed

    def took(self, queue: bytes) -> str:
        """Note which queue gave a frame; return its channel."""
        if queue == self._last:
            self._streak += 1
        else:
            self._last, self._streak = queue, 1
        return self._channels[queue]
