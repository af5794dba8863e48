"""From figures to a table: medians, and ratios taken round by round."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

OURS = "channels-classic"
START, END = "<!-- table -->", "<!-- end of table -->"

#: Row title, figure, unit, and whether more is better.
ROWS = (
    ("Echo, 100 sockets", "echo.per_second", "messages/s", True),
    ("Echo, 100 sockets, p99", "echo.p99_ms", "ms", False),
    ("Echo, 1 socket, p50", "echo1.p50_ms", "ms", False),
    ("Broadcast to 100", "broadcast100.per_second", "deliveries/s", True),
    ("Broadcast to 1,000", "broadcast1000.per_second", "deliveries/s", True),
    ("Broadcast to 2,000", "broadcast2000.per_second", "deliveries/s", True),
    ("Connect storm, 2,000 sockets", "storm.per_second", "sockets/s", True),
    ("HTTP, hello view, 20 connections", "http.per_second", "requests/s", True),
    ("Memory of an idle socket", "idle.kb_per_socket", "KB", False),
    ("Processor, 1,000 idle sockets", "idle.cpu_percent", "% of a core", False),
    ("Group.send, 10 members", "group_send.ms_10", "ms", False),
    ("Group.send, 10,000 members", "group_send.ms_10000", "ms", False),
)

Rounds = Mapping[str, Sequence[Mapping[str, float]]]


def table(rounds: Rounds) -> str:
    """Return a Markdown table: a row a figure, a column a stack, our ratio to each peer."""
    peers = [name for name in rounds if name != OURS]
    lines = [
        "| | " + " | ".join([OURS, *peers]) + " |",
        "|---|" + "---|" * (1 + len(peers)),
    ]
    for title, figure, unit, more_is_better in ROWS:
        ours = [round_.get(figure) for round_ in rounds[OURS]]
        if not _known(ours):
            continue
        cells = [f"{_number(_median(ours))} {unit}"]
        for peer in peers:
            theirs = [round_.get(figure) for round_ in rounds[peer]]
            cells.append(_cell(ours, theirs, more_is_better) if _known(theirs) else "")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(folder: Path, text: str, rounds: Rounds, command: str) -> None:
    """Put the table into README.md between its marks, and the figures into results.json."""
    readme = folder / "README.md"
    before, _, rest = readme.read_text().partition(START)
    _, _, after = rest.partition(END)
    when = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    head = f"Measured on {when} ({machine}) with `python -m benchmarks {command}`.".strip()
    readme.write_text(f"{before}{START}\n{head}\n\n{text}\n{END}{after}")
    content = {"date": when, "machine": machine, "command": command, "rounds": rounds}
    (folder / "results.json").write_text(json.dumps(content, indent=1) + "\n")


def _known(values: Sequence[float | None]) -> bool:
    return any(value is not None for value in values)


def _median(values: Sequence[float | None]) -> float:
    return statistics.median(value for value in values if value is not None)


def _cell(
    ours: Sequence[float | None], theirs: Sequence[float | None], more_is_better: bool
) -> str:
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    ratios = [(a / b if more_is_better else b / a) for a, b in pairs if a and b]
    text = _number(_median(theirs))
    return f"{text} (ours is {statistics.median(ratios):.2f} times as good)" if ratios else text


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
