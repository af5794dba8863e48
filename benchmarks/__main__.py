"""Measure channels-classic and its peers side by side.

Rounds go A B C, B C A …: for each kind of measurement every stack in turn, each on
processes of its own, so that a machine that gets slower slows everybody.  The tables show
medians, and ratios that were taken round by round.  A measurement in which a message was lost,
came twice, came late or was not what it should be does not count.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import measures, peers, stacks
from benchmarks.processes import wakeup_us
from benchmarks.progress import Progress
from benchmarks.report import Report


def main() -> None:
    """Measure, print, and write what was asked for."""
    args = parse(sys.argv[1:])
    length, rounds = args.length, args.rounds
    chosen, missing = choose(ours_only=args.ours)
    about = describe(chosen, sys.argv[1:])
    about["whole"] = not (args.only or args.ours)
    for line in (*about["versions"], *missing):
        print(line)
    print(f"Waking another process and being woken takes {about['wakeup_us']:.1f} µs here")
    report = Report(about, {stack.name: [{} for _ in range(rounds)] for stack in chosen}, missing)
    run(report, chosen, args.only or list(measures.MEASURES), length)
    report.save("last")
    if args.write:
        report.publish()
    print(f"\n{report.text()}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; ``length`` says how much is measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = list(measures.MEASURES)
    parser.add_argument("--short", action="store_true", help="one short round: under 5 minutes")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 3, or 1 if --short")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="length of one measurement (default: 3, or 1)"
    )
    parser.add_argument("--only", action="append", choices=kinds, help="may be repeated")
    parser.add_argument("--ours", action="store_true", help="leave the peers out")
    parser.add_argument(
        "--write", action="store_true", help="replace the table of README.md and results/results.*"
    )
    args = parser.parse_args(arguments)
    if args.write and (args.only or args.ours):
        parser.error("--write is for a whole run: leave out --only and --ours")
    length = measures.SHORT if args.short else measures.LONG
    args.length = dataclasses.replace(length, seconds=args.seconds or length.seconds)
    args.rounds = args.rounds or (1 if args.short else 3)
    return args


def choose(*, ours_only: bool) -> tuple[list[stacks.Stack], list[str]]:
    """Return the stacks that can be measured here, and why others cannot."""
    chosen, missing = stacks.ours(), []
    if ours_only:
        return chosen, missing
    kinds: list[tuple[Callable[[], None], Callable[[], list[stacks.Stack]]]] = [
        (peers.prepare_channels4, stacks.channels4),
        (peers.find_gunicorn, stacks.gunicorn),
        (lambda: None, stacks.floor),
    ]
    for prepare, make in kinds:
        try:
            prepare()
        except peers.PeerMissing as error:
            missing.append(str(error))
        else:
            chosen += make()
    return chosen, missing


def describe(chosen: Sequence[stacks.Stack], arguments: Sequence[str]) -> dict[str, Any]:
    """Return what the figures depend on, for people and for the record."""
    redis = subprocess.check_output([stacks.redis_program(), "--version"], text=True)
    here = peers.versions(sys.executable, peers.NAMED_HERE)
    versions = [f"Ours: {_listed(here)}, Redis {redis.partition('v=')[2].split()[0]}"]
    if any(stack.name == stacks.UVICORN for stack in chosen):
        versions.append(f"Channels 4: {_listed(peers.versions(peers.PYTHON, peers.NAMED))}")
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}",
        "command": " ".join(["python -m benchmarks", *arguments]),
        "versions": versions,
        "wakeup_us": wakeup_us(),
    }


def run(
    report: Report, chosen: Sequence[stacks.Stack], kinds: Sequence[str], length: measures.Length
) -> None:
    """Fill a report, which says how many rounds there are."""
    count = len(next(iter(report.rounds.values())))
    turns = []
    for number in range(count):
        for kind in kinds:
            order = [stack for stack in chosen if kind in stack.measures]
            first = number % max(len(order), 1)  # nobody is always the first or the last
            turns += [(number, kind, stack) for stack in order[first:] + order[:first]]
    progress = Progress(len(turns))
    with stacks.database() as cookie:
        for number, kind, stack in turns:
            progress.step(f"round {number + 1} of {count}, {kind}, {stack.name}")
            outcome = measures.measure(stack, kind, length, cookie)
            report.rounds[stack.name][number].update(outcome.figures)
            for name, why in outcome.failures.items():
                line = f"{stack.name}, {name}, round {number + 1}: {why}"
                report.failures.append(line)
                progress.say(line)
    progress.end()


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


if __name__ == "__main__":
    main()
