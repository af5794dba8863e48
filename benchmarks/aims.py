"""What channels-classic is meant to reach, as ratios of figures that were taken in one round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import stacks

#: By stack: the figures of each round, by name.
Rounds = Mapping[str, Sequence[Mapping[str, float]]]


@dataclass(frozen=True)
class Aim:
    """A ratio of two figures, and its bound.

    Attributes:
        work: What is measured.
        against: What it is compared with.
        ours: Name of our figure.
        stack: The stack that has the other one.
        bound: The least or the greatest ratio that is good enough.
        theirs: Name of the other figure, if it is another.
        at_most: The ratio may not be greater; else it may not be less.
        inverted: The ratio is theirs to ours, for figures of which less is better.
    """

    work: str
    against: str
    ours: str
    stack: str
    bound: float
    theirs: str = ""
    at_most: bool = False
    inverted: bool = False

    def ratios(self, rounds: Rounds) -> list[float]:
        """Return the ratio of each round that has both figures."""
        theirs = self.theirs or self.ours
        pairs = [
            (mine[self.ours], other[theirs])
            for mine, other in zip(rounds[stacks.OURS], rounds.get(self.stack, ()), strict=False)
            if mine.get(self.ours) and other.get(theirs)
        ]
        return [b / a if self.inverted else a / b for a, b in pairs]

    def holds(self, ratio: float) -> bool:
        """Tell whether a ratio is good enough."""
        return ratio <= self.bound if self.at_most else ratio >= self.bound

    def share(self, ratio: float) -> float:
        """Return how much of the aim is reached: 1 is just enough, more is better."""
        return self.bound / ratio if self.at_most else ratio / self.bound


@dataclass(frozen=True)
class Result:
    """An aim and what was measured; ``ratio`` is the median of ``ratios``, None without any."""

    aim: Aim
    ratios: Sequence[float]

    @property
    def ratio(self) -> float | None:
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def holds(self) -> bool | None:
        return None if self.ratio is None else self.aim.holds(self.ratio)


_ASYNC = "Channels 4, async consumer in process, uvicorn"
_SESSION = "Channels 4, sync consumer with AuthMiddlewareStack, uvicorn"
_FLOOR = "bare Autobahn"

AIMS = (
    Aim("echo, 100 sockets, rate", _ASYNC, "echo100.per_second", stacks.UVICORN, 1.6),
    Aim("echo, 10 sockets, rate", _ASYNC, "echo10.per_second", stacks.UVICORN, 0.8),
    Aim("echo, 1 socket, p50", _ASYNC, "echo1.p50_ms", stacks.UVICORN, 5, at_most=True),
    Aim("echo, 100 sockets, p99", _ASYNC, "echo100.p99_ms", stacks.UVICORN, 2, inverted=True),
    Aim("class consumer with session user", _SESSION, "session.per_second", stacks.SYNC, 3),
    Aim(
        "broadcast to 1,000, one under way",
        _FLOOR,
        "broadcast1000.x1_per_second",
        stacks.FLOOR,
        0.9,
    ),
    Aim(
        "broadcast to 1,000, four under way",
        _FLOOR,
        "broadcast1000.x4_per_second",
        stacks.FLOOR,
        0.9,
    ),
    Aim(
        "connect storm, accepted by a consumer",
        "Channels 4, uvicorn",
        "storm.per_second",
        stacks.UVICORN,
        3.5,
    ),
    Aim("HTTP, hello view", "gunicorn, 1 sync worker", "http.per_second", stacks.GUNICORN, 1.2),
    Aim(
        "processor time of an echo at 10,000 open sockets",
        "ours at 100",
        "open10000.cpu_us",
        stacks.OURS,
        1.25,
        theirs="open100.cpu_us",
        at_most=True,
    ),
    Aim(
        "memory of an idle socket",
        "Channels 4, uvicorn",
        "idle.kb_per_socket",
        stacks.UVICORN,
        0.2,
        at_most=True,
    ),
)


def results(rounds: Rounds) -> list[Result]:
    """Compare the figures of all rounds with all aims."""
    return [Result(aim, aim.ratios(rounds)) for aim in AIMS]
