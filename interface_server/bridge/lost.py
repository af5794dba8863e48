"""Receipts that never come: when is a frame lost?  Policy without I/O.

A worker that is killed takes the frame that it holds with it.  *Lost* means:

* the frame is not in its queue, and
* every worker that listens there has written two heartbeats since, none of which
  shows that it holds the frame, or is gone from the register (where an entry outlives
  its last heartbeat by a whole TTL).

Whoever carries out a verdict must read the mailbox past that moment first: the
receipt may be in it.  The register must be read before the queues: a frame that is
handed back between the two is then seen in its queue.

A frame on a channel that nobody listens on just waits; when its expiry has
passed it counts as *expired*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from channels.layers.faces import HEARTBEAT_TTL, ProcessEntry

#: Seconds without a receipt before a frame is looked after.
SUSPICIOUS_AGE = 5.0

#: Heartbeats without the frame that a worker must have written.
HEARTBEATS = 2

#: Frames of one channel that are looked after at once, the oldest first.
MOST_SUSPECTS = 1000


@dataclass(slots=True)
class Verdict:
    """The frame with this receipt will not be answered.

    Attributes:
        receipt: Its number.
        cause: ``"lost"`` or ``"expired"``.
    """

    receipt: int
    cause: str


@dataclass(slots=True)
class _Evidence:
    """What is known of one suspect.

    Attributes:
        since: When it was first looked after.
        missing: Whether it was nowhere to be seen at the last look.
        beats: Heartbeat of each listener when it was first missed (or of a later one, when it
            came).
    """

    since: float
    missing: bool = False
    beats: dict[str, int] = field(default_factory=dict)


class LostPolicy:
    """Collects evidence, look after look, at most one a second.

    Args:
        expiry_of: Seconds that a frame lives on a channel.
        held_as: How :attr:`ProcessEntry.held` shows a receipt.
    """

    def __init__(self, expiry_of: Callable[[str], float], held_as: Callable[[int], bytes]) -> None:
        self._expiry_of = expiry_of
        self._held_as = held_as
        self._marks: deque[tuple[float, int]] = deque()
        self._evidence: dict[int, _Evidence] = {}

    def note(self, now: float, last: int, settled: float) -> int:
        """Take note of the number given last; return up to which number frames are suspicious.

        Args:
            now: The time.
            last: Number of the frame sent last.
            settled: Seconds since when the layer has answered without having lost its
                memory.  Nothing is suspicious, and all evidence is void, before that is one
                TTL: until then the register may not be complete.
        """
        self._marks.append((now, last))
        while len(self._marks) > 1 and self._marks[1][0] <= now - SUSPICIOUS_AGE:
            self._marks.popleft()
        moment, number = self._marks[0]
        if settled < HEARTBEAT_TTL:
            self._evidence.clear()
            return 0
        return 0 if moment > now - SUSPICIOUS_AGE else number

    def look(
        self,
        now: float,
        suspects: Mapping[str, Sequence[int]],
        processes: Sequence[ProcessEntry],
        queued: Mapping[str, Set[int]],
    ) -> list[Verdict]:
        """Return which of the suspects are lost or expired.

        Args:
            now: The time.
            suspects: Numbers without a receipt, by channel.
            processes: The register, read before ``queued``.
            queued: Which of them are in their queues.
        """
        workers = [process for process in processes if process.kind == "worker"]
        held = frozenset[bytes]().union(*(worker.held for worker in workers))
        old, self._evidence = self._evidence, {}
        verdicts = []
        for channel, receipts in suspects.items():
            listeners = {
                worker.name: worker.beat for worker in workers if channel in worker.channels
            }
            waiting = queued.get(channel, frozenset())
            for receipt in receipts:
                evidence = old.get(receipt) or _Evidence(now)
                seen = receipt in waiting or self._held_as(receipt) in held
                cause = self._judge(now, channel, evidence, seen, listeners)
                if cause:
                    verdicts.append(Verdict(receipt, cause))
                else:
                    self._evidence[receipt] = evidence
        return verdicts

    @property
    def anything_missing(self) -> bool:
        """Whether some suspect was nowhere to be seen at the last look."""
        return any(evidence.missing for evidence in self._evidence.values())

    def _judge(
        self,
        now: float,
        channel: str,
        evidence: _Evidence,
        seen: bool,
        listeners: Mapping[str, int],
    ) -> str:
        beats = evidence.beats
        if seen:
            evidence.missing = False
            beats.clear()
        elif not evidence.missing:
            evidence.missing = True
            beats.update(listeners)
        elif beats or listeners:
            for name, beat in listeners.items():
                if beat < beats.setdefault(name, beat) + HEARTBEATS:
                    return ""
            return "lost"
        if listeners or beats:
            return ""
        age = SUSPICIOUS_AGE + now - evidence.since
        return "expired" if age > self._expiry_of(channel) else ""
