"""Receipts that never come: when is a frame lost?

A worker that is killed takes the frame that it holds with it.  *Lost* means:

* the frame is not in its queue, and
* every worker that listened there when it was first missed has written two heartbeats
  since, none of which shows that it holds the frame, or is gone from the process registry (where
  an entry outlives its last heartbeat by a whole TTL).

Workers that came later can't have taken it: they write themselves down before their first
take.  The exception is a worker that leaves by itself, which hands back what it has not run: if
it had proved nothing so far, all that listen by then are asked anew.

Before a verdict is carried out the mailbox must be read past that moment: the
receipt may be in it.  The registry must be read before the queues: a frame that is
handed back between the two is then seen in its queue.

A frame that nobody takes just waits; when its expiry has passed it counts as *expired*.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from channels.exceptions import LayerError
from channels.interface_server.bridge.disconnect import DISCONNECT
from channels.interface_server.bridge.listening import AWAITED
from channels.interface_server.bridge.state import NO_WORKER, BridgeState
from channels.layers.clients import EXPIRED, HEARTBEAT_TTL, LOST, ProcessEntry

log = logging.getLogger(__name__)

#: Seconds between two looks; the first while something is missing.
INTERVAL = 1.0
CALM_INTERVAL = 2.0

#: Seconds without a receipt before a frame is looked after.
SUSPICIOUS_AGE = 5.0

#: Heartbeats without the frame that a worker must have written.
HEARTBEATS = 2

#: A worker that is gone from the registry died if its last heartbeat is older than this many
#: seconds, as far as others' heartbeats tell the time; else it left by itself.
SURELY_EXPIRED = 0.6 * HEARTBEAT_TTL

#: How far the layer's clock may step back between two measurements, in seconds.
JITTER = 0.5

#: Frames of one channel that are looked after at once, the oldest first.
MOST_SUSPECTS = 1000


@dataclass(slots=True)
class _Evidence:
    """What is known of one suspect."""

    #: When it was first looked after.
    since: float
    #: Whether it was nowhere to be seen at the last look, and a worker listened since then.
    missing: bool = False
    asked: bool = False
    #: Who may still hold it, with the heartbeat when it was first missed.
    unproven: dict[str, int] = field(default_factory=dict)

    def ask(self, listeners: Mapping[str, int]) -> None:
        """Ask all who listen now for two heartbeats without it."""
        self.missing = True
        self.asked = self.asked or bool(listeners)
        self.unproven = dict(listeners)


class LostPolicy:
    """Collects evidence, look after look, at most one a second; no I/O.

    ``expiry_of`` returns how many seconds a frame lives on a channel, ``receipt_bytes`` how
    :attr:`ProcessEntry.unanswered` shows a receipt.
    """

    def __init__(
        self, expiry_of: Callable[[str], float], receipt_bytes: Callable[[int], bytes]
    ) -> None:
        self._expiry_of = expiry_of
        self._receipt_bytes = receipt_bytes
        self._marks: deque[tuple[float, int]] = deque()
        self._evidence: dict[int, _Evidence] = {}
        self._seen: dict[str, float] = {}
        self._settled = math.inf

    def note(self, now: float, last: int, settled: float) -> int:
        """Remember the number given last; return up to which number frames are suspicious.

        The layer has answered, without having lost its memory, for ``settled`` seconds; below 0
        while it does not.  If that starts anew, all evidence is void, and there is no verdict
        before it is one TTL: until then the registry may not be complete.
        """
        if settled < 0 or settled < self._settled - JITTER:
            self._evidence.clear()
        self._settled = settled
        self._marks.append((now, last))
        while len(self._marks) > 1 and self._marks[1][0] <= now - SUSPICIOUS_AGE:
            self._marks.popleft()
        moment, number = self._marks[0]
        if settled < 0:
            return 0
        return 0 if moment > now - SUSPICIOUS_AGE else number

    def look(
        self,
        now: float,
        suspects: Mapping[str, Sequence[int]],
        processes: Sequence[ProcessEntry],
        queued: Mapping[str, Set[int]],
    ) -> dict[int, str]:
        """Return which of the suspects are lost or expired, with the cause.

        Args:
            now: The time.
            suspects: Numbers without a receipt, by channel.
            processes: The registry, read before ``queued``.
            queued: Which of the suspects are in their queues.
        """
        workers = [process for process in processes if process.kind == "worker"]
        unanswered = frozenset[bytes]().union(*(worker.unanswered for worker in workers))
        left = self._left(processes)
        old, self._evidence = self._evidence, {}
        verdicts: dict[int, str] = {}
        for channel, receipts in suspects.items():
            listeners = {
                worker.name: worker.beat for worker in workers if channel in worker.channels
            }
            waiting = queued.get(channel, frozenset())
            for receipt in receipts:
                evidence = old.get(receipt) or _Evidence(now)
                seen = receipt in waiting or self._receipt_bytes(receipt) in unanswered
                cause = self._judge(now, channel, evidence, seen, listeners, left)
                if receipt in waiting and self._age(now, evidence) > self._expiry_of(channel) + 1:
                    cause = EXPIRED  # the worker that takes it drops it
                if cause and self._settled >= HEARTBEAT_TTL:
                    verdicts[receipt] = cause
                else:
                    self._evidence[receipt] = evidence
        return verdicts

    @property
    def anything_missing(self) -> bool:
        return any(evidence.missing for evidence in self._evidence.values())

    def _left(self, processes: Sequence[ProcessEntry]) -> Set[str]:
        """Return who has left the registry by itself since the last look, and not expired."""
        before, self._seen = self._seen, {process.name: process.seen for process in processes}
        latest = max(self._seen.values(), default=0.0)
        return {
            name
            for name, seen in before.items()
            if name not in self._seen and latest - seen < SURELY_EXPIRED
        }

    def _judge(
        self,
        now: float,
        channel: str,
        evidence: _Evidence,
        seen: bool,
        listeners: Mapping[str, int],
        left: Set[str],
    ) -> str:
        if seen:
            evidence.missing = evidence.asked = False
            evidence.unproven.clear()
        elif not evidence.missing or (listeners and not evidence.asked):
            evidence.ask(listeners)
        elif not left.isdisjoint(evidence.unproven):
            evidence.ask(listeners)
            return ""
        else:
            evidence.unproven = {
                name: beat
                for name, beat in evidence.unproven.items()
                if name in listeners and listeners[name] < beat + HEARTBEATS
            }
            if evidence.asked and not evidence.unproven:
                return LOST
        if listeners or evidence.asked:
            return ""
        return EXPIRED if self._age(now, evidence) > self._expiry_of(channel) else ""

    @staticmethod
    def _age(now: float, evidence: _Evidence) -> float:
        return SUSPICIOUS_AGE + now - evidence.since


class ReceiptMonitor:
    """Looks after frames without a receipt: a timer, and none while nothing is in flight."""

    def __init__(self, state: BridgeState) -> None:
        self.wheel_slot = 0
        self._state = state
        settings = state.settings
        self._policy = LostPolicy(
            lambda channel: settings.group_expiry if channel == DISCONNECT else settings.expiry,
            state.layer.receipt_bytes,
        )
        self._looking = False
        state.start_monitor = self.start

    def start(self) -> None:
        """Begin to look; called when something is in flight."""
        self._state.monitored = True
        self._note()
        self._state.wheel.add(self, CALM_INTERVAL)

    def expired(self, now: float) -> float | None:
        state = self._state
        if not state.in_flight and not state.disconnects:
            state.monitored = False
            return None
        self._give_up_unattended()
        limit = self._note()
        if limit and state.up and not self._looking:
            suspects = self._suspects(limit)
            if suspects:
                self._looking = True
                state.spawn(self._look(suspects))
        return INTERVAL if self._policy.anything_missing else CALM_INTERVAL

    def _note(self) -> int:
        state = self._state
        settled = state.layer.now() - state.layer.settled_since
        return self._policy.note(state.wheel.clock(), state.last_receipt, settled)

    def _give_up_unattended(self) -> None:
        """Refuse those who have waited for a first worker for long enough."""
        state = self._state
        for channel in filter(state.listening.given_up, AWAITED):
            for receipt in [n for n, owner in state.in_flight.items() if owner.channel == channel]:
                state.give_up(receipt, NO_WORKER)

    def _suspects(self, limit: int) -> dict[str, list[int]]:
        suspects: dict[str, list[int]] = {}
        for frames in (self._state.in_flight, self._state.disconnects):
            for receipt, owner in frames.items():
                if receipt > limit:
                    break  # in the order of sending
                receipts = suspects.setdefault(owner.channel, [])
                if len(receipts) < MOST_SUSPECTS:
                    receipts.append(receipt)
        return suspects

    async def _look(self, suspects: dict[str, list[int]]) -> None:
        state, layer = self._state, self._state.layer
        outages = state.outages
        try:
            processes = await layer.processes()
            queued = {
                channel: await layer.queued(channel, receipts)
                for channel, receipts in suspects.items()
            }
            if outages != state.outages:
                return  # nothing is lost while the layer is away
            verdicts = self._policy.look(state.wheel.clock(), suspects, processes, queued)
            if verdicts:
                await layer.mark()
            if outages == state.outages:
                for receipt, cause in verdicts.items():
                    state.give_up(receipt, cause)
        except LayerError as error:
            log.debug("could not look after frames without a receipt: %s", error)
        finally:
            self._looking = False
