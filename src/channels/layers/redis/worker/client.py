"""A worker's side of the Redis layer: take frames; send, answer and take the next ones.

While there is something to do, round trips are shared: the pipeline with replies and receipts
also takes the next frames (:meth:`RedisWorkerClient.exchange`), and only an empty answer
falls back to a take that waits inside Redis on a connection of its own
(:meth:`RedisWorkerClient.take`).  Such a wait is never cancelled and never timed out from
here: another connection sends ``CLIENT UNBLOCK``, and the answer, frames or nothing,
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
from contextlib import AbstractContextManager
from typing import Any

from channels import __version__, names
from channels.exceptions import LayerUnavailable
from channels.layers.clients import ONE_EACH, Counts, Frame, Operation, TakeRecord
from channels.layers.redis.heartbeat import Heartbeat
from channels.layers.redis.net.address import BLOCK_SECONDS, BLOCK_TIMEOUT
from channels.layers.redis.net.barrier import BARRIER
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.net.hosts import Host
from channels.layers.redis.net.protocol import Packable
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items
from channels.layers.redis.wire.commands import COUNTERS
from channels.layers.redis.worker.order import FairOrder
from channels.layers.redis.worker.outgoing import Outgoing

logger = logging.getLogger("channels.layers.redis")

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
    """A worker thread's connections to Redis.

    A :class:`~channels.layers.clients.WorkerClient` with :class:`~channels.layers.batches.Batches`
    of its own.  ``unanswered`` returns the receipts in hand; the heartbeat's thread calls it.

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
        self._record: TakeRecord | None = None
        self._takes = 0
        self._taker = 0
        self._outgoing = outgoing = Outgoing(store, self._store, self.counters, self._let_rest)
        self.keep = outgoing.keep
        self.keep_first = outgoing.keep_first
        self.is_due = outgoing.is_due
        self.receipts = outgoing.receipts
        self.is_pending = outgoing.is_pending
        self.post = outgoing.post
        self.is_refused = outgoing.is_refused
        self.refused = outgoing.refused
        self.drop = outgoing.drop
        self._heartbeat = Heartbeat(
            self._store,
            self.name,
            "worker",
            channels=channels,
            unanswered=unanswered,
            info=self._info,
        )
        self.given_up = self._heartbeat.stood_still

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

    @property
    def lock(self) -> AbstractContextManager[Any]:
        return self._outgoing.lock  # another one after a fork

    def record_in(self, record: TakeRecord) -> None:
        """Tell of what is in hand, there and in Redis, so that it can be given back for us."""
        key = self._store.keys.hand(self.name)
        self._record = record
        self._outgoing.keep_hand(key)
        for order in self._orders.values():
            order.list_hand(key)

    # -- life ------------------------------------------------------------------------

    def start(self) -> None:
        self._waiting.connect()
        # What misses a frame asks those in the registry: be there before the first take.
        self._heartbeat.beat()
        self._heartbeat.start()
        if self._record is not None:
            self._record.name(self.name)
        BARRIER.enter(self._outgoing)

    def _info(self) -> dict[str, Any]:
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "counters": dict(self.counters),
        }

    def close(self) -> None:
        self._heartbeat.stop()
        if self._record is not None:
            self._record.name("")
        self._waiting.close()
        self._outgoing.close()
        self._store.ring.close()

    # -- taking ------------------------------------------------------------------------

    def take(self, longest: float | None = None, counts: Counts = ONE_EACH) -> list[Frame]:
        patience: float = BLOCK_SECONDS
        if longest is not None:
            # Rounded up, as packed commands are kept by their wait; never 0: for ever in Redis.
            patience = min(BLOCK_SECONDS, max(math.ceil(longest * 100), 1) / 100)
        deadline = time.monotonic() + patience
        alone = len(self._turns) == 1
        if longest == 0:
            return self.exchange([], counts=counts)[1] if alone else self._look_at_all(counts)
        while not self._asked_to_end:
            frames = [] if alone else self._look_at_all(counts)
            frames = frames or self._wait(patience if alone else min(patience, SLICE), counts)
            if frames:
                return frames
            if alone or time.monotonic() >= deadline:
                break
        # Cleared only when nothing is returned: then what was asked for has happened.
        self._asked_to_end = False
        return []

    def _wait(self, seconds: float, counts: Counts) -> list[Frame]:
        """Take frames from home, waiting inside Redis."""
        waiting = self._waiting
        try:
            waiting.send([self._next_take(self._home, counts, seconds)])
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
        return self._frames_of(self._home, answer)

    def _next_take(self, index: int, counts: Counts, wait: float = 0.0) -> Packable:
        self._takes += 1
        return self._orders[index].next_take(counts, wait, self._takes)

    def _in_turn(self) -> list[int]:
        """Return the hosts to look at, each the first in turn; home is always among them."""
        self._turns.rotate(-1)
        now = time.monotonic()
        return [index for index in self._turns if now >= self._resting.get(index, now)]

    def _look_at_all(self, counts: Counts) -> list[Frame]:
        """Take frames from any host without waiting."""
        for index in self._in_turn():
            try:
                (answer,) = self._store.ring.run(index, [self._next_take(index, counts)])
            except LayerUnavailable as error:
                self.counters["takes_lost"] += 1
                self._let_rest(index, error)
                logger.warning("cannot take from %s: %s", self._hosts[index], error)
                continue
            if answer is not None:
                return self._frames_of(index, answer)
        return []

    def _let_rest(self, index: int, error: LayerUnavailable) -> None:
        """Leave a host alone for a while, or raise the error of home: that is an outage.

        Home may be well when another is not; the worker must not stand still for that one.
        """
        if index == self._home:
            raise error
        self._resting[index] = time.monotonic() + REST

    def _frames_of(self, index: int, answer: Any) -> list[Frame]:
        """Turn what a take answered to frames."""
        if answer is None:
            return []
        queue, raws = answer
        channel = self._orders[index].took(queue, len(raws))
        self.counters["taken"] += len(raws)
        if self._record is not None:
            self._record.took(self._takes)
        return [Frame(channel, [], items.receipt_of(raw), stored=raw, host=index) for raw in raws]

    def open(self, frame: Frame) -> Frame | None:
        if frame.messages:
            return frame
        if self._record is not None:
            self._record.began(frame.receipt)
        host = frame.host or 0
        now_ms = self._hosts[host].clock.now_ms()
        opened = items.open_frame(frame.channel, frame.stored, self._store.codec, now_ms)
        if isinstance(opened, Frame):
            opened.host = frame.host
            return opened
        self.counters[COUNTERS[opened.cause]] += 1
        self._store.refuse(host, frame.channel, opened)
        return None

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
        self, operations: Sequence[Operation], *, take: bool = True, counts: Counts = ONE_EACH
    ) -> tuple[list[Exception | None], list[Frame]]:
        if not take:
            return self._outgoing.run(operations)[0], []
        polled = self._home if len(self._turns) == 1 else self._in_turn()[0]
        taking = [self._next_take(polled, counts)]
        try:
            outcomes, answers = self._outgoing.run(operations, polled, taking)
        except LayerUnavailable:
            self.counters["takes_lost"] += 1
            raise
        # An error of the take shows again in the next one, which may raise it.
        found = answers[0] if answers and not isinstance(answers[0], Exception) else None
        return outcomes, self._frames_of(polled, found)
