"""Processes of this machine: what they use, how they end, and what it costs to wake one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

#: The name under which the load generator itself is counted.
GENERATOR = "generator"
#: The name of all that has nothing to do with a measurement, and of what the host took.
OTHERS = "others"


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that the threads of these processes have used."""
    nanoseconds = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # it has ended
                nanoseconds += int(thread.read_text().split()[0])
    return nanoseconds / 1e9


def machine_seconds() -> float:
    """Return the processor time that was used or taken by the host, since the machine started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _waiting, irq, softirq, stolen = map(int, fields)
    return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")


def resident_kb(pids: Iterable[int]) -> int:
    """Return the resident memory of these processes."""
    lines = (
        line
        for pid in pids
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
    return sum(int(line.split()[1]) for line in lines)


class Processor:
    """The processor time that named groups of processes use while something is measured."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = {**groups, GENERATOR: [os.getpid()]}
        self._began: dict[str, float] = {}
        self._began_at = 0.0

    def begin(self) -> None:
        """Look at the clocks, also again."""
        self._began = self._used()
        self._began_at = time.perf_counter()

    def end(self, events: int) -> dict[str, float]:
        """Return each group's use as percent of a core, and what one of so many events cost.

        ``cpu_us``, the microseconds of one event, is without the load generator.
        ``others_percent`` is of all that has no part in the measurement, or the host took.
        """
        now = self._used()
        used = {name: now[name] - began for name, began in self._began.items()}
        seconds = time.perf_counter() - self._began_at
        ours = sum(used[name] for name in self._groups)
        used[OTHERS] = max(0.0, used[OTHERS] - ours)
        figures = {f"{name}_percent": 100 * cpu / seconds for name, cpu in used.items()}
        figures["cpu_us"] = 1e6 * (ours - used[GENERATOR]) / max(events, 1)
        return figures

    def _used(self) -> dict[str, float]:
        used = {name: cpu_seconds(pids) for name, pids in self._groups.items()}
        return {**used, OTHERS: machine_seconds()}


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process of ours, if it has not stopped by itself."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wakeup_us(rounds: int = 10_000) -> float:
    """Return the median microseconds in which a byte goes to another process and back.

    Both sleep in between, each on a core of its own if there are two: two wake-ups.
    """
    cores = os.sched_getaffinity(0)
    here, there = socket.socketpair()
    pid = os.fork()
    os.sched_setaffinity(0, {min(cores) if pid else max(cores)})
    if not pid:
        here.close()
        while there.recv(1):
            there.send(b".")
        os._exit(0)
    there.close()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        here.send(b".")
        here.recv(1)
        took.append(time.perf_counter() - began)
    here.close()
    os.waitpid(pid, 0)
    os.sched_setaffinity(0, cores)
    return 1e6 * statistics.median(took)
