"""The heartbeat of a process: a thread that keeps it on the register.

Interface servers and workers are judged by it, so it must not depend on how busy they
are: it has a thread and connections of its own.  With each beat it measures the
offset of Redis time, and looks whether Redis still has the memory that it had
(:class:`~channels.layers.redis.wire.processes.Memory`).

It survives everything that Redis can do; an outage is told once when it starts and
once when it is over.  Callbacks run in its thread.  Times are seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from channels.exceptions import LayerUnavailable
from channels.layers.clients import HEARTBEAT_INTERVAL, ProcessEntry
from channels.layers.redis.agreement import EVERY, FIRST, Agreement
from channels.layers.redis.net.protocol import RedisClock
from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.wire.processes import (
    Memory,
    ask_memory,
    read_memory,
    write_entry,
    write_index,
)
from channels.layers.redis.wire.scripts import Command

logger = logging.getLogger("channels.layers.redis")


class BeatHost(Protocol):
    """One host of the layer, whose blocking connections are safe in threads."""

    def execute(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers, errors among them as exceptions; raises ``LayerUnavailable``."""
        ...


class _Refused(LayerUnavailable):
    """Redis answers, but refused to write the entry."""


class Heartbeat:
    """Writes one process to the register every ``interval`` seconds.

    Args:
        hosts: Of the layer; they lend each thread a connection of its own.
        host_of: Index in ``hosts`` for a name (of a process, or :attr:`Keys.processes`).
        keys: Names of keys.
        name: The process: mailbox of a server, any unique name of a worker.
        kind: ``"server"`` or ``"worker"``.
        clocks: One for each host; set with each beat.
        channels: What the process listens on.
        held: Asked at each beat for the receipts that the process holds.
        info: Asked at each beat for host, pid, version and counters.
        beaten: Called after each beat with the memory of each host.
        lost: Called once for each outage.
        agreement: Compares settings with other processes.
        interval: Seconds between beats.
        wait: Waits for that long and returns whether to stop; by default on an event.
    """

    def __init__(
        self,
        hosts: Sequence[BeatHost],
        host_of: Callable[[str], int],
        keys: Keys,
        name: str,
        kind: str,
        *,
        clocks: Sequence[RedisClock],
        channels: Collection[str] = (),
        held: Callable[[], Collection[bytes]] = tuple,
        info: Callable[[], Mapping[str, Any]] = dict,
        beaten: Callable[[tuple[Memory, ...]], None] | None = None,
        lost: Callable[[LayerUnavailable], None] | None = None,
        agreement: Agreement | None = None,
        interval: float = HEARTBEAT_INTERVAL,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.name = name
        self.beat_number = 0
        self._hosts = hosts
        self._host_of = host_of
        self._keys = keys
        self._kind = kind
        self._clocks = clocks
        self._channels = frozenset(channels)
        self._held = held
        self._info = info
        self._beaten = beaten
        self._lost = lost
        self._agreement = agreement
        self._interval = interval
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._down = False
        self._told_at = logging.DEBUG
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; the first beat is written at once, by it."""
        self._thread = threading.Thread(
            target=self.run, name=f"heartbeat of {self.name}", daemon=True
        )
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Stop beating and take the process off the register.

        Args:
            timeout: Longest wait for the thread; if Redis hangs, the entry expires by
                itself.
        """
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def run(self) -> None:
        """Beat until told to stop, then leave the register: what the thread does."""
        while True:
            self._try_to_beat()
            if self._wait(self._interval):
                break
        self._leave()

    def beat(self) -> tuple[Memory, ...]:
        """Write the entry once and return the memory of each host.

        Raises:
            LayerUnavailable: It may or may not have been written.
        """
        self.beat_number += 1
        own, index = self._host_of(self.name), self._host_of(self._keys.processes)
        memories = []
        comparing = self._agreement if self.beat_number % EVERY == FIRST else None
        heard: list[Any] = []
        for number, host in enumerate(self._hosts):
            commands = ask_memory(self._keys)
            asking = len(commands)
            if number == own:
                commands += write_entry(self._keys, self._entry(self._clocks[own]))
            if number == index:
                commands += write_index(self._keys, self.name, self._clocks[own].now_ms() / 1000)
            writing = len(commands)
            if comparing is not None:
                commands += comparing.commands(number, self._clocks[number].now_ms())
            asked = self._clocks[number].monotonic()
            answers = host.execute(commands)
            heard.append(answers[-1])
            self._check(answers[:writing])
            if not isinstance(answers[0], Exception):
                self._clocks[number].measure(answers[0], asked)
            memories.append(read_memory(answers[:asking]))
        if comparing is not None:
            self._call(comparing.heard, heard)
        return tuple(memories)

    def _entry(self, clock: RedisClock) -> ProcessEntry:
        return ProcessEntry(
            name=self.name,
            kind=self._kind,
            channels=self._channels,
            unanswered=frozenset(self._held()),
            beat=self.beat_number,
            seen=clock.now_ms() / 1000,
            info=dict(self._info()),
        )

    @staticmethod
    def _check(answers: Sequence[Any]) -> None:
        # TIME and INFO name no key, which a Cluster may refuse; all else must succeed.
        for answer in (*answers[1:3], *answers[4:]):
            if isinstance(answer, Exception):
                raise _Refused(f"Redis refused the heartbeat: {answer}") from answer

    def _try_to_beat(self) -> None:
        try:
            memories = self.beat()
        except LayerUnavailable as error:
            if not self._down:
                self._down = True
                # A Redis that is away is told by whoever reads from it.
                self._told_at = logging.WARNING if isinstance(error, _Refused) else logging.DEBUG
                logger.log(self._told_at, "no heartbeat of %s can be written: %s", self.name, error)
                self._call(self._lost, error)
            return
        except Exception:
            # What was asked for belongs to someone else; a process that lives must not
            # be declared dead for a bug in its counters.
            logger.exception("the heartbeat of %s failed", self.name)
            return
        if self._down:
            self._down = False
            logger.log(self._told_at, "heartbeats of %s are written again", self.name)
        self._call(self._beaten, memories)

    def _call(self, callback: Callable[[Any], None] | None, argument: Any) -> None:
        if callback is None:
            return
        try:
            callback(argument)
        except Exception:
            logger.exception("a callback of the heartbeat of %s failed", self.name)

    def _leave(self) -> None:
        try:
            self._hosts[self._host_of(self.name)].execute([("DEL", self._keys.entry(self.name))])
            self._hosts[self._host_of(self._keys.processes)].execute(
                [("ZREM", self._keys.processes, self.name)]
            )
            if self._agreement is not None:
                for number, host in enumerate(self._hosts):
                    host.execute([self._agreement.leave(number)])
        except LayerUnavailable as error:
            logger.warning("%s could not leave the register: %s", self.name, error)
