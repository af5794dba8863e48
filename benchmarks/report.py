"""From figures to tables, and from tables to files."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import plot
from benchmarks.aims import Result, Rounds, results

HERE = Path(__file__).resolve().parent
START, END = "<!-- table -->", "<!-- end of table -->"

#: From how much of a core on, used by others, a measurement is told as disturbed, in percent.
DISTURBANCE = 20.0

#: Row title, figure and unit.
ROWS = (
    ("Echo, 100 sockets", "echo100.per_second", "messages/s"),
    ("… p50", "echo100.p50_ms", "ms"),
    ("… p99", "echo100.p99_ms", "ms"),
    ("… processor time of one", "echo100.cpu_us", "µs"),
    ("… of which servers use", "echo100.server_percent", "% of a core"),
    ("… workers", "echo100.worker_percent", "% of a core"),
    ("… Redis", "echo100.redis_percent", "% of a core"),
    ("… load generator (not in the µs)", "echo100.generator_percent", "% of a core"),
    ("… all else on the machine", "echo100.others_percent", "% of a core"),
    ("Echo, 10 sockets", "echo10.per_second", "messages/s"),
    ("… p50", "echo10.p50_ms", "ms"),
    ("… p99", "echo10.p99_ms", "ms"),
    ("Echo, 1 socket, p50", "echo1.p50_ms", "ms"),
    ("Class consumer with session user, 100 sockets", "session.per_second", "messages/s"),
    ("… p99", "session.p99_ms", "ms"),
    ("50 sockets beside 5 slow ones", "slow.per_second", "messages/s"),
    ("… p50", "slow.p50_ms", "ms"),
    ("… p99", "slow.p99_ms", "ms"),
    ("Broadcast to 100, one under way", "broadcast100.x1_per_second", "deliveries/s"),
    ("… four under way", "broadcast100.x4_per_second", "deliveries/s"),
    ("Broadcast to 1,000, one under way", "broadcast1000.x1_per_second", "deliveries/s"),
    ("… four under way", "broadcast1000.x4_per_second", "deliveries/s"),
    ("Connect storm", "storm.per_second", "sockets/s"),
    ("HTTP, hello view, 20 connections", "http.per_second", "requests/s"),
    ("… p99", "http.p99_ms", "ms"),
    ("Memory of an idle socket", "idle.kb_per_socket", "KB"),
    ("Processor, 1,000 idle sockets", "idle.cpu_percent_per_1000", "% of a core"),
    ("Echo, 100 under way on 100 sockets", "open100.per_second", "messages/s"),
    ("… processor time of one", "open100.cpu_us", "µs"),
    ("Echo, 100 under way on 10,000 sockets", "open10000.per_second", "messages/s"),
    ("… processor time of one", "open10000.cpu_us", "µs"),
    ("Group.send, 10 members", "group_send.ms_10", "ms"),
    ("Group.send, 10,000 members", "group_send.ms_10000", "ms"),
)


@dataclass
class Report:
    """All that a run found.

    Attributes:
        about: The machine, the date, the command, the versions, and whether the run was ``whole``,
            with all stacks and measurements.
        rounds: Figures by stack and round.
        failures: What does not count or did not run, in sentences.
    """

    about: dict[str, Any]
    rounds: dict[str, list[dict[str, float]]]
    failures: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return everything as Markdown."""
        about = self.about
        found = [one for one in results(self.rounds) if about["whole"] or one.ratios]
        parts = [
            f"Measured on {about['date']} ({about['machine']}) with `{about['command']}`. Waking"
            f" another process and being woken takes {about['wakeup_us']:.1f} µs here."
            f" {self.disturbed()}",
            *([aims_table(found)] if found else []),
            figures_table({name: turns for name, turns in self.rounds.items() if any(turns)}),
            ". ".join(about["versions"]) + ".",
        ]
        if self.failures:
            parts.insert(-2, "Not counted:\n\n" + "\n".join(f"- {line}" for line in self.failures))
        return "\n\n".join(parts)

    def disturbed(self) -> str:
        """Say how many measurements shared the machine with something else."""
        shares = [
            share
            for turns in self.rounds.values()
            for turn in turns
            for name, share in turn.items()
            if name.endswith("others_percent")
        ]
        count = sum(share > DISTURBANCE for share in shares)
        return (
            f"In {count} of {len(shares)} measurements, other processes or the host used more than"
            f" {DISTURBANCE:.0f} % of a core."
        )

    def save(self, name: str) -> None:
        """Write ``results/NAME.json`` and ``.svg``."""
        found = results(self.rounds)
        content = {
            **self.about,
            "aims": [
                {
                    "work": result.aim.work,
                    "against": result.aim.against,
                    "bound": result.aim.bound,
                    "at_most": result.aim.at_most,
                    "ratio": result.ratio,
                    "ratios": result.ratios,
                    "holds": result.holds,
                }
                for result in found
            ],
            "failures": self.failures,
            "rounds": self.rounds,
        }
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
        (folder / f"{name}.svg").write_text(plot.svg(found))

    def publish(self) -> None:
        """Replace what is between the marks in README.md, and ``results/results.*``."""
        readme = HERE / "README.md"
        before, _, rest = readme.read_text().partition(START)
        _, _, after = rest.partition(END)
        picture = "![How much of each aim is reached](results/results.svg)"
        readme.write_text(f"{before}{START}\n{picture}\n\n{self.text()}\n{END}{after}")
        self.save("results")


def aims_table(found: Sequence[Result]) -> str:
    """Return a row for each aim: the ratio, how it spread over the rounds, and the verdict."""
    lines = ["| work | against | measured | aim | holds |", "|---|---|---|---|---|"]
    verdicts = {True: "yes", False: "**no**", None: "not measured"}
    for result in found:
        aim = result.aim
        measured = ""
        if result.ratio is not None:
            measured = f"{result.ratio:.2f} ×"
            if len(result.ratios) > 1:
                measured += f" ({min(result.ratios):.2f} to {max(result.ratios):.2f})"
        bound = f"{'at most' if aim.at_most else 'at least'} {aim.bound:g} ×"
        better = " better" if aim.inverted else ""
        lines.append(
            f"| {aim.work} | {aim.against} | {measured} | {bound}{better}"
            f" | {verdicts[result.holds]} |"
        )
    return "\n".join(lines)


def figures_table(rounds: Rounds) -> str:
    """Return a row for each figure, a column for each stack: medians."""
    lines = ["| | unit | " + " | ".join(rounds) + " |", "|---|---|" + "---:|" * len(rounds)]
    for title, figure, unit in ROWS:
        medians = [_median(turns, figure) for turns in rounds.values()]
        if any(value is not None for value in medians):
            lines.append(f"| {title} | {unit} | " + " | ".join(map(_number, medians)) + " |")
    return "\n".join(lines)


def _median(turns: Sequence[Mapping[str, float]], figure: str) -> float | None:
    known = [turn[figure] for turn in turns if figure in turn]
    return statistics.median(known) if known else None


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
