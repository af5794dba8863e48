"""A worker's side of the Redis layer: take a frame; flush, answer and take the next one.

One consumer run costs one round trip: the pipeline that flushes the replies and the
receipt of one frame also takes the next (:meth:`RedisWorkerClient.exchange`), and only an
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
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from channels import __version__, names
from channels.exceptions import LayerUnavailable
from channels.layers.clients import EXPIRED, Frame, Operation
from channels.layers.redis.heartbeat import Heartbeat
from channels.layers.redis.net.blocking import BLOCK_SECONDS, BLOCK_TIMEOUT, Connection, Packable
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.store import Store
from channels.layers.redis.wire import reading
from channels.layers.redis.worker.batch import Flush
from channels.layers.redis.worker.fairness import Rota

logger = logging.getLogger("channels.layers.redis")

#: How long the other hosts go without a look, in seconds.
SLICE = 0.1

#: How long a host other than home is left alone after an error, in seconds.
SHUN = 1.0

#: How long :meth:`RedisWorkerClient.unblock` may take on a Redis that hangs, in seconds; a
#: signal handler calls it.
UNBLOCK_TIMEOUT = 1.0

#: Tries to end a wait that Redis has not begun yet, and the pause between them in seconds.
UNBLOCK_TRIES = 100
UNBLOCK_PAUSE = 0.005


class RedisWorkerClient:
    """See :class:`channels.layers.clients.WorkerClient`.

    Args:
        store: Of the layer; the connections are this client's own.
        channels: What to take from.
        held: Returns the receipts that the worker holds; called by the heartbeat's thread.

    Attributes:
        name: What it is called on the register.
        counters: What happened here, for the register.
    """

    def __init__(
        self,
        store: Store,
        channels: Collection[str],
        held: Callable[[], Collection[bytes]] = tuple,
    ) -> None:
        self.name = f"worker.{names.random_part(16)}"
        self.counters: Counter[str] = Counter()
        self._store = store.apart()
        self._ring = self._store.ring
        self._held = held
        self._channels = frozenset(channels)
        for channel in self._channels:
            names.check_channel_name(channel, receive=True)
        self._rotas = self._make_rotas()
        self._home = random.choice([index for index, rota in enumerate(self._rotas) if rota])
        self._turn = self._home
        self._shunned = dict.fromkeys(range(len(self._rotas)), 0.0)
        host = self._ring.hosts[self._home]
        self._waiting = host.connection(store.keys.queue(""), BLOCK_TIMEOUT)
        self._control = Connection(self._where_we_wait, timeout=UNBLOCK_TIMEOUT, plain=True)
        self._controlling = threading.Lock()
        self._asked_to_end = False
        self._sent = False
        self._taker = 0
        self._beating = store.apart().ring
        self._heartbeat: Heartbeat | None = None

    def _make_rotas(self) -> list[Rota | None]:
        """Say for each host what to take from there, and in which order."""
        size = len(self._ring.hosts)
        found: list[list[str]] = [[] for _ in range(size)]
        for channel in sorted(self._channels):
            if names.is_process_local(channel):
                raise ValueError(f"a worker takes frames from shared channels only: {channel!r}")
            if names.is_on_one_host(channel):
                found[self._ring.index(channel)].append(channel)
            else:
                for channels in found:
                    channels.append(channel)
        keys = self._store.keys
        return [
            Rota(keys, channels, host.pack) if channels else None
            for channels, host in zip(found, self._ring.hosts, strict=True)
        ]

    # -- life ------------------------------------------------------------------------

    def start(self) -> None:
        """See :class:`~channels.layers.clients.WorkerClient`."""
        for index in range(len(self._ring.hosts)):
            self._ring.now_ms(index)
        self._waiting.connect()
        heartbeat = Heartbeat(
            self._beating.hosts,
            self._ring.index,
            self._store.keys,
            self.name,
            "worker",
            clocks=[host.clock for host in self._ring.hosts],
            channels=self._channels,
            held=self._held,
            info=self._info,
            agreement=self._store.agreement(self.name, "worker"),
        )
        # Whoever misses a frame asks those on the register: be there before the first take.
        heartbeat.beat()
        self._heartbeat = heartbeat
        heartbeat.start()

    def _info(self) -> dict[str, Any]:
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "counters": dict(self.counters),
        }

    def close(self) -> None:
        """See :class:`~channels.layers.clients.WorkerClient`."""
        heartbeat, self._heartbeat = self._heartbeat, None
        if heartbeat is not None:
            heartbeat.stop()
        self._beating.close()
        self._waiting.close()
        self._control.close()
        self._ring.close()

    # -- taking ------------------------------------------------------------------------

    def take(self, longest: float | None = None) -> list[Frame]:
        """See :class:`~channels.layers.clients.WorkerClient`."""
        patience = _patience(longest)
        deadline = time.monotonic() + patience
        alone = len(self._rotas) == 1
        while not self._asked_to_end:
            if not alone:
                frames = self._look_at_all()
                if frames:
                    return frames
            frames = self._wait(patience if alone else min(patience, SLICE))
            if frames:
                return frames
            if alone or time.monotonic() >= deadline:
                break
        # Cleared only when nothing is returned: whoever asked is heard in any case.
        self._asked_to_end = False
        return []

    def _wait(self, seconds: float) -> list[Frame]:
        host, rota = self._ring.hosts[self._home], self._rotas[self._home]
        assert rota is not None
        link = self._waiting
        try:
            if not host.is_current(link):
                link.close()
            link.send([rota.blocking(seconds)])
            self._taker = threading.get_ident()
            self._sent = True
            try:
                # Asked between the look above and the sending: nobody else will end it.
                if self._asked_to_end:
                    self._end_wait()
                (answer,) = link.read(1)
            finally:
                self._sent = False
        except LayerUnavailable:
            host.suspect()
            self.counters["takes_lost"] += 1
            raise
        if isinstance(answer, Exception):
            link.give_up()
            host.suspect()
            raise refusal(answer) from answer
        return self._open(self._home, answer)

    def _look_at_all(self) -> list[Frame]:
        """Take a frame from any host without waiting; each is the first to be asked in turn."""
        size = len(self._rotas)
        self._turn = (self._turn + 1) % size
        for index in (*range(self._turn, size), *range(self._turn)):
            rota = self._rotas[index]
            if rota is None or time.monotonic() < self._shunned[index]:
                continue
            try:
                (answer,) = self._ring.run(index, [rota.polling()])
                frames = self._open(index, answer)
            except LayerUnavailable as error:
                self.counters["takes_lost"] += 1
                if index == self._home:
                    raise
                # Home may be well; the worker must not stand still for this one.
                logger.warning("cannot take from %s: %s", self._ring.hosts[index], error)
                self._shunned[index] = time.monotonic() + SHUN
                continue
            if frames:
                return frames
        return []

    def _open(self, index: int, answer: Any) -> list[Frame]:
        """Turn what a take answered to frames; what is refused makes room for the next."""
        rota = self._rotas[index]
        assert rota is not None
        while answer is not None:
            channel = self._store.keys.channel(answer[0].decode())
            rota.took(channel)
            now_ms = self._ring.hosts[index].clock.now_ms()
            frame = reading.open_frame(channel, answer[1][0], self._store.codec, now_ms)
            if isinstance(frame, Frame):
                self.counters["taken"] += 1
                return [frame]
            self.counters[frame.counter] += 1
            self._store.answer_all([frame.receipt], frame.cause)
            counting = self._store.commands.count(channel, frame.counter)
            *_, answer = self._ring.run(index, [*counting, rota.polling()])
        return []

    # -- ending a take -------------------------------------------------------------------

    def unblock(self) -> None:
        """See :class:`~channels.layers.clients.WorkerClient`."""
        self._asked_to_end = True
        if self._sent:
            self._end_wait()

    def _end_wait(self) -> None:
        # Never waits for the lock: a signal handler may have interrupted its holder,
        # and that one goes on afterwards.
        if not self._controlling.acquire(blocking=False):
            return
        try:
            for _ in range(UNBLOCK_TRIES):
                # The waiting connection may be new since the last try.
                client_id = self._waiting.client_id
                if not self._sent or not client_id:
                    return
                (ended,) = self._control.execute([("CLIENT", "UNBLOCK", client_id)])
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
            self._controlling.release()

    def _where_we_wait(self) -> Any:
        target = self._waiting.target
        if target is None:
            raise LayerUnavailable("nobody waits")
        return target

    # -- flushing --------------------------------------------------------------------------

    def exchange(
        self, operations: Sequence[Operation], *, take: bool = True
    ) -> tuple[list[Exception | None], list[Frame]]:
        """See :class:`~channels.layers.clients.WorkerClient`."""
        flush = Flush(self._store, operations)
        polled = self._next_polled() if take else None
        expired: list[bytes] = []
        answer: Any = None
        for index, calls in flush.by_host(last=polled):
            commands: list[Packable] = [call.command() for call in calls]
            if index == polled:
                rota = self._rotas[index]
                assert rota is not None
                commands.append(rota.polling())
            try:
                answers = self._ring.hosts[index].execute(commands)
            except LayerUnavailable as error:
                if index == polled:
                    self.counters["takes_lost"] += 1
                if index == self._home:
                    raise
                self._shunned[index] = time.monotonic() + SHUN
                for call in calls:
                    call.failed(flush.outcomes, error)
                continue
            if index == polled:
                answer = answers.pop()
            for call, answered in zip(calls, answers, strict=True):
                expired += call.answered(flush.outcomes, answered, self.counters)
        if expired:
            self._store.answer_all(expired, EXPIRED)
        if polled is None or answer is None or isinstance(answer, Exception):
            # An error of the take shows again in the next one, which may raise it.
            return flush.outcomes, []
        return flush.outcomes, self._open(polled, answer)

    def _next_polled(self) -> int:
        """Return which host the next frame comes from: each in turn."""
        size = len(self._rotas)
        if size > 1:
            for _ in range(size):
                self._turn = (self._turn + 1) % size
                if self._rotas[self._turn] and time.monotonic() >= self._shunned[self._turn]:
                    return self._turn
            return self._home
        return 0


def _patience(longest: float | None) -> float:
    """Return how long one take waits: rounded up, as packed commands are kept by their wait."""
    if longest is None or longest >= BLOCK_SECONDS:
        return BLOCK_SECONDS
    # Never 0, which is for ever in Redis.
    return max(math.ceil(longest * 100), 1) / 100
