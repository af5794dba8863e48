"""The heartbeat of a process: a thread that keeps it in the process registry.

Interface servers and workers are judged by it, so it must not depend on how busy they are.
It survives everything that Redis can do; an outage is told once when it starts and
once when it is over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from channels.exceptions import LayerUnavailable
from channels.layers.clients import HEARTBEAT_INTERVAL, HEARTBEAT_TTL, ProcessEntry
from channels.layers.redis.agreement import Agreement
from channels.layers.redis.store import Store
from channels.layers.redis.wire import processes
from channels.layers.redis.wire.processes import Memory

logger = logging.getLogger("channels.layers.redis")

#: Settings are compared with every third beat, from the second on.
COMPARED, FIRST_COMPARED = 3, 2


class _Refused(LayerUnavailable):
    """Redis answers, but refused to write the entry."""


class Heartbeat:
    """Writes one process to the process registry, and asks each host for its time and memory.

    Args:
        store: With connections that other threads may use meanwhile.
        name: The process: mailbox of a server, any unique name of a worker.
        kind: ``"server"`` or ``"worker"``.
        channels: What the process listens on.
        unanswered: Asked at each beat for the receipts that the process holds.
        info: Asked at each beat for host, pid, version and counters.
        beaten: Called in the thread after each beat, with the memory of each host.
        wait: Waits for so many seconds and returns whether to stop.
        clock: Our monotonic one.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        kind: str,
        *,
        channels: Collection[str] = (),
        unanswered: Callable[[], Collection[bytes]] = tuple,
        info: Callable[[], Mapping[str, Any]] = dict,
        beaten: Callable[[tuple[Memory, ...]], None] = lambda memories: None,
        wait: Callable[[float], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.beat_number = 0
        self._store = store
        self._kind = kind
        self._channels = frozenset(channels)
        self._unanswered = unanswered
        self._info = info
        self._beaten = beaten
        self._agreement = Agreement(store, name, kind)
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        #: The level at which the outage was logged, while there is one.
        self._outage: int | None = None
        self._clock = clock
        self._moved = clock()
        self._stood_still = False
        self._thread = threading.Thread(target=self.run, name=f"heartbeat of {name}", daemon=True)

    def start(self) -> None:
        """Start the thread; the first beat is written at once, by it."""
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Stop beating and take the process out of the registry.

        If Redis hangs for longer than ``timeout``, the entry expires by itself.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def run(self) -> None:
        """Beat until told to stop, then leave the registry: what the thread does."""
        while True:
            self._stood_still = self.stood_still()
            self._try_to_beat()
            if self._wait(HEARTBEAT_INTERVAL):
                break
        self._leave()

    def stood_still(self) -> bool:
        """Whether, since the last call, the process did nothing for a whole TTL.

        Then others take what it held for lost: it was frozen, or something held the
        interpreter.  That Redis does not answer is no such thing, as nobody is judged then.
        """
        now = self._clock()
        stood_still = self._stood_still or now - self._moved > HEARTBEAT_TTL
        self._moved, self._stood_still = now, False
        return stood_still

    def beat(self) -> tuple[Memory, ...]:
        """Write the entry once and return the memory of each host.

        After ``LayerUnavailable`` it may or may not have been written.
        """
        self.beat_number += 1
        keys, ring = self._store.keys, self._store.ring
        own, index = ring.index(self.name), ring.index(keys.processes)
        now_ms = ring.now_ms(own)
        comparing = self.beat_number % COMPARED == FIRST_COMPARED
        memories, settings = [], []
        for number, host in enumerate(ring.hosts):
            commands = processes.ask_memory(keys)
            asking = len(commands)
            if number == own:
                commands += processes.write_entry(keys, self._entry(now_ms / 1000))
            if number == index:
                commands += processes.write_index(keys, self.name, now_ms / 1000)
            writing = len(commands)
            if comparing:
                commands += self._agreement.commands(number, ring.now_ms(number))
            asked = host.clock.monotonic()
            answers = host.execute(commands)
            _check(answers[:writing])
            if not isinstance(answers[0], Exception):
                host.clock.measure(answers[0], asked)
            memories.append(processes.read_memory(answers[:asking]))
            settings.append(answers[-1])
        if comparing:
            self._call(self._agreement.compare, settings)
        return tuple(memories)

    def _entry(self, now: float) -> ProcessEntry:
        return ProcessEntry(
            name=self.name,
            kind=self._kind,
            channels=self._channels,
            unanswered=frozenset(self._unanswered()),
            beat=self.beat_number,
            seen=now,
            info=dict(self._info()),
        )

    def _try_to_beat(self) -> None:
        try:
            memories = self.beat()
        except LayerUnavailable as error:
            if self._outage is None:
                # A Redis that is away is told by what reads from it.
                self._outage = logging.WARNING if isinstance(error, _Refused) else logging.DEBUG
                logger.log(self._outage, "no heartbeat of %s can be written: %s", self.name, error)
            return
        except Exception:
            # What was asked for belongs to someone else; a process that lives must not
            # be declared dead for a bug in its counters.
            logger.exception("the heartbeat of %s failed", self.name)
            return
        if self._outage is not None:
            logger.log(self._outage, "heartbeats of %s are written again", self.name)
            self._outage = None
        self._call(self._beaten, memories)

    def _call(self, callback: Callable[[Any], None], argument: Any) -> None:
        try:
            callback(argument)
        except Exception:
            logger.exception("a callback of the heartbeat of %s failed", self.name)

    def _leave(self) -> None:
        keys, ring = self._store.keys, self._store.ring
        try:
            ring.hosts[ring.index(self.name)].execute([("DEL", keys.entry(self.name))])
            for number, host in enumerate(ring.hosts):
                host.execute([("ZREM", keys.processes, self.name), self._agreement.leave(number)])
        except LayerUnavailable as error:
            logger.warning("%s could not leave the register: %s", self.name, error)


def _check(answers: Sequence[Any]) -> None:
    # TIME and INFO name no key, which a Cluster may refuse; all else must succeed.
    for answer in (*answers[1:3], *answers[4:]):
        if isinstance(answer, Exception):
            raise _Refused(f"Redis refused the heartbeat: {answer}") from answer
