"""Run every measurement on every stack in turn and write the table.

``python -m benchmarks`` (``make bench``).  Rounds go A B C D, A B C D …, each with fresh
processes, so that a machine that gets slower slows everybody; the table shows
medians, and ratios that were taken round by round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from benchmarks import group_cost, report, stacks

HERE = Path(__file__).resolve().parent
MEASURES = ("echo", "broadcast", "storm", "http", "idle", "group_send")
IDLE_SOCKETS = 1000
IDLE_SECONDS = 10.0


def load(port: int, measure: str, *arguments: object) -> dict[str, float]:
    """Run the load generator as a process of its own."""
    command = [sys.executable, "-m", "benchmarks.loadgen", measure, "127.0.0.1", str(port)]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        cwd=stacks.ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kb(pid: int) -> int:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def idle(stack: stacks.Running) -> dict[str, float]:
    """Hold sockets that do nothing: memory for each, and processor time for all."""
    load(stack.port, "storm", 50)  # what is loaded on first use is not a socket's
    before = resident_kb(stack.server.pid)
    with stacks.holding(stack.port, IDLE_SOCKETS, "/echo/"):
        time.sleep(2)
        after = resident_kb(stack.server.pid)
        pids = [stack.server.pid, *(worker.pid for worker in stack.workers)]
        used = sum(map(cpu_seconds, pids))
        time.sleep(IDLE_SECONDS)
        used = sum(map(cpu_seconds, pids)) - used
    return {
        "kb_per_socket": (after - before) / IDLE_SOCKETS,
        "cpu_percent": 100 * used / IDLE_SECONDS,
    }


def group_send(stack: stacks.Running, redis_url: str) -> dict[str, float]:
    """What ``Group.send`` costs its caller, with few members and with many."""
    return group_cost.cost(stack.port, redis_url)


def measure_stack(
    stack: stacks.Stack, redis_url: str, wanted: list[str], seconds: float
) -> dict[str, float]:
    """Start a stack, measure it, stop it."""
    figures: dict[str, float] = {}

    def note(name: str, result: dict[str, float]) -> None:
        figures.update({f"{name}.{key}": value for key, value in result.items()})

    with stacks.running(stack, redis_url) as running:
        if "echo" in wanted and "echo" in stack.measures:
            note("echo", load(running.port, "echo", 100, seconds))
            note("echo1", load(running.port, "echo", 1, seconds / 2))
        if "broadcast" in wanted and "broadcast" in stack.measures:
            for members in (100, 1000, 2000):
                note(f"broadcast{members}", load(running.port, "broadcast", members, seconds))
        if "storm" in wanted and "storm" in stack.measures:
            note("storm", load(running.port, "storm", 2000))
        if "http" in wanted and "http" in stack.measures:
            note("http", load(running.port, "http", 20, seconds))
    if "idle" in wanted and "idle" in stack.measures:
        with stacks.running(stack, redis_url) as running:
            note("idle", idle(running))
    if "group_send" in wanted and stack.name == report.OURS:
        with stacks.running(stack, redis_url) as running:
            note("group_send", group_send(running, redis_url))
    return figures


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement")
    parser.add_argument("--only", action="append", choices=MEASURES, help="repeatable")
    parser.add_argument("--ours", action="store_true", help="leave the peers out")
    parser.add_argument("--write", action="store_true", help="update README.md and results.json")
    args = parser.parse_args()
    wanted = args.only or list(MEASURES)
    chosen = stacks.all_stacks()
    if args.ours:
        chosen = chosen[:1]
    else:
        stacks.prepare_peers()

    rounds: dict[str, list[dict[str, float]]] = defaultdict(list)
    with stacks.redis_server() as redis_url:
        for number in range(args.rounds):
            for stack in chosen:
                print(f"round {number + 1} of {args.rounds}: {stack.name}", flush=True)
                figures = measure_stack(stack, redis_url, wanted, args.seconds)
                rounds[stack.name].append(figures)
                print("   " + ", ".join(f"{k} {v:,.2f}" for k, v in figures.items()), flush=True)
    table = report.table(rounds)
    print("\n" + table)
    if args.write:
        report.write(HERE, table, rounds, " ".join(sys.argv[1:]))
    spread = [statistics.pstdev([f.get("echo.per_second", 0) for f in r]) for r in rounds.values()]
    if any(spread):
        print("standard deviation of echo by stack:", ", ".join(f"{s:,.0f}" for s in spread))


if __name__ == "__main__":
    main()
