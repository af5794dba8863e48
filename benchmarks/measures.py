"""What is measured, and when a measurement counts."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks import group_cost, processes, stacks
from benchmarks.load.content import Counts

#: Longest time for one measurement, in seconds.
TIMEOUT = 180.0


@dataclass(frozen=True)
class Length:
    """How much is measured.

    Attributes:
        seconds: For each rate.
        storm: Sockets that are opened at once.
        idle: Sockets that do nothing.
        idle_seconds: For how long their processor time is looked at.
        group_sends: Calls of ``Group.send`` that are timed.
    """

    seconds: float
    storm: int
    idle: int
    idle_seconds: float
    group_sends: int


LONG = Length(seconds=3.0, storm=2000, idle=1000, idle_seconds=10.0, group_sends=40)
SHORT = Length(seconds=1.0, storm=500, idle=500, idle_seconds=3.0, group_sends=12)


@dataclass
class Outcome:
    """What a stack's turn gave: figures by name, and why others are missing."""

    figures: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def take(
        self, name: str, figures: Mapping[str, float], counts: Counts, stopped: str = ""
    ) -> None:
        """Keep the figures of a measurement, or if anything went wrong, only that.

        ``stopped`` says why it ended early, if it did.
        """
        if stopped:
            self.failures[name] = f"{stopped} ({counts})" if counts else stopped
        elif counts:
            self.failures[name] = f"does not count: {counts}"
        else:
            self.figures.update({f"{name}.{key}": value for key, value in figures.items()})


class Turn:
    """One stack's turn at one kind of measurement, on processes of its own."""

    def __init__(self, running: stacks.Running, length: Length, cookie: str) -> None:
        self.running = running
        self.length = length
        self.cookie = cookie
        self.outcome = Outcome()

    def load(self, name: str, measure: str, **options: Any) -> None:
        """Run the load generator as a process of its own, and keep what it found."""
        running = self.running
        told = {"measure": measure, "ports": running.ports, "pids": running.pids, **options}
        try:
            done = subprocess.run(
                stacks.load_command(told),
                cwd=stacks.ROOT,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            self.outcome.failures[name] = f"took more than {TIMEOUT:.0f} s"
            return
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["the load generator said nothing"]
            self.outcome.failures[name] = said[-1]
            return
        result = json.loads(done.stdout)
        counts = Counts(**result["counts"])
        self.outcome.take(name, result["figures"], counts, result["stopped"])


def echo(turn: Turn) -> None:
    """One message under way on each of 1, 10 and 100 sockets."""
    for connections in (1, 10, 100):
        seconds = turn.length.seconds / (2 if connections == 1 else 1)
        turn.load(f"echo{connections}", "echo", connections=connections, seconds=seconds)


def session(turn: Turn) -> None:
    """The same to a class consumer that looks at the logged-in user."""
    seconds = turn.length.seconds
    turn.load(
        "session", "echo", connections=100, seconds=seconds, path="/user/", cookie=turn.cookie
    )


def slow(turn: Turn) -> None:
    """50 fast sockets beside 5 whose consumer takes 50 ms, each once a second."""
    seconds = turn.length.seconds * 2
    turn.load("slow", "mixed", connections=50, seconds=seconds, slow=5, pause=1.0)


def broadcast(turn: Turn) -> None:
    """From one member to all, with one and with four under way."""
    for members in (100, 1000):
        seconds = turn.length.seconds
        turn.load(f"broadcast{members}", "broadcast", members=members, seconds=seconds)


def storm(turn: Turn) -> None:
    """Sockets opened as fast as a consumer accepts them."""
    turn.load("storm", "storm", connections=turn.length.storm)


def http(turn: Turn) -> None:
    """A page over 20 connections."""
    turn.load("http", "http", connections=20, seconds=turn.length.seconds)


def idle(turn: Turn) -> None:
    """Sockets that do nothing: memory for each, and processor time for all."""
    running, length = turn.running, turn.length
    with stacks.holding(running.ports[0], 50, "/echo/"):
        pass  # what is loaded on first use is not a socket's
    before = processes.resident_kb(running.pids["server"])
    with stacks.holding(running.ports[0], length.idle, "/echo/"):
        time.sleep(1)
        after = processes.resident_kb(running.pids["server"])
        pids = running.pids["server"] + running.pids["worker"]
        used = processes.cpu_seconds(pids)
        time.sleep(length.idle_seconds)
        used = processes.cpu_seconds(pids) - used
    figures = {
        "kb_per_socket": (after - before) / length.idle,
        "cpu_percent_per_1000": 100 * used / length.idle_seconds * 1000 / length.idle,
    }
    turn.outcome.take("idle", figures, Counts())


def open_sockets(turn: Turn) -> None:
    """100 messages under way, on 100 sockets, then on 10,000 that take turns."""
    for count in (100, 10_000):
        seconds = turn.length.seconds
        turn.load(f"open{count}", "echo", connections=count, in_flight=100, seconds=seconds)


def group_send(turn: Turn) -> None:
    """What ``Group.send`` costs its caller, with few members and with many."""
    figures = group_cost.cost(turn.running.ports[0], turn.length.group_sends)
    turn.outcome.take("group_send", figures, Counts())


MEASURES: dict[str, Callable[[Turn], None]] = {
    "echo": echo,
    "session": session,
    "slow": slow,
    "broadcast": broadcast,
    "storm": storm,
    "http": http,
    "idle": idle,
    "open": open_sockets,
    "group_send": group_send,
}


def measure(stack: stacks.Stack, name: str, length: Length, cookie: str) -> Outcome:
    """Start a stack, measure one thing, and stop it.  What fails is told in the outcome."""
    outcome = Outcome()
    try:
        with stacks.running(stack) as running:
            turn = Turn(running, length, cookie)
            outcome = turn.outcome
            MEASURES[name](turn)
    except (stacks.StartError, OSError) as error:
        outcome.failures[name] = str(error)
    return outcome
