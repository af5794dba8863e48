"""The command line: what is found, what would change, and whether it may."""

from __future__ import annotations

import argparse
import difflib
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from channels.porting import upgrade
from channels.porting.findings import Finding
from channels.porting.scan import Ported, scan

#: Nothing is said of a look that takes no longer, in seconds.
PATIENCE = 2.0

#: How often a terminal's line is written anew, and how often another stream gets a line.
ON_TERMINAL = 0.5
ELSEWHERE = 10.0

DESCRIPTION = """\
List what a code base that was written for Channels 1 must change to run on today's
Django and channels-classic, file by file. Nothing of it is imported. With --fix, what
is mechanical is changed after you have seen the differences.
"""

EPILOG = """\
A line with the comment "channels-port: ignore" is left alone.

exit status: 0 nothing is left to change, 1 something is, 2 it could not run
"""


class PortingError(Exception):
    """It could not run; the text says why, in one line."""


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes:
        paths: Folders and files.
        fix: Whether to change files.
        ask: Whether to ask before that.
        notes: Whether to list what needs no change.
    """

    paths: Sequence[Path]
    fix: bool = False
    ask: bool = True
    notes: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments, here and to the management command."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="folders or files to look at")
    parser.add_argument("--fix", action="store_true", help="change what can be changed by rule")
    parser.add_argument(
        "--yes",
        "--noinput",
        "--no-input",
        dest="ask",
        action="store_false",
        help="with --fix: don't ask before files are changed",
    )
    parser.add_argument(
        "--no-notes",
        dest="notes",
        action="store_false",
        help="list only what needs a change, not what merely behaves better or differently",
    )


def options(parsed: argparse.Namespace | dict[str, object]) -> Options:
    """Return the options from parsed arguments."""
    given = parsed if isinstance(parsed, dict) else vars(parsed)
    paths = given["paths"]
    assert isinstance(paths, list)
    return Options(
        [Path(path) for path in paths], bool(given["fix"]), bool(given["ask"]), bool(given["notes"])
    )


def main(args: Sequence[str]) -> int:
    """Run with these arguments; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m channels.porting",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    try:
        return run(options(parser.parse_args(args)), sys.stdout, sys.stderr, input)
    except PortingError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2


def run(options: Options, out: TextIO, err: TextIO, ask: Callable[[str], str]) -> int:
    """Look at the paths, report, and change files if that was asked for and confirmed.

    Args:
        options: What to do.
        out: Where the report goes.
        err: Where it says how far it is, if it takes long.
        ask: Asks a question and returns the answer.

    Returns:
        1 if something is left that needs a change, else 0.

    Raises:
        PortingError: A path does not exist, a tool is missing, or a process was killed.
    """
    if not upgrade.is_available():
        raise PortingError(upgrade.MISSING)
    for path in options.paths:
        if not path.exists():
            raise PortingError(f"there is no {path}")
    found = _scan(options.paths, err)
    changed = 0
    if options.fix:
        changed = _fix(found, out, ask if options.ask else None)
    if changed:
        # Anew: line numbers have changed, and what was fixed is not to be told.
        found = _scan(options.paths, err)
    return _report(found, out, options, changed)


class Progress:
    """Says how many files were looked at: on one line of a terminal, or line by line elsewhere.

    Args:
        out: Where to, stderr as a rule.
        clock: Monotonic time, in seconds.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float]) -> None:
        self._out = out
        self._clock = clock
        self._terminal = out.isatty()
        self._due = clock() + PATIENCE
        self._shown = 0

    def tell(self, done: int, total: int) -> None:
        """Say how far it is, if it is time."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + (ON_TERMINAL if self._terminal else ELSEWHERE)
        text = f"Looked at {done} of {total} files"
        self._write(f"\r{text}" if self._terminal else f"{text}\n")
        self._shown = len(text)

    def end(self) -> None:
        """Leave nothing of it on a terminal."""
        if self._shown and self._terminal:
            self._write(f"\r{' ' * self._shown}\r")
        self._shown, self._due = 0, math.inf

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _scan(paths: Sequence[Path], err: TextIO) -> list[Ported]:
    """Return what became of the files that there is something to say about."""
    progress = Progress(err, time.monotonic)
    try:
        return [one for one in scan(paths, progress.tell) if one.findings]
    except BrokenProcessPool as error:
        raise PortingError(
            "one of its processes was killed, perhaps for want of memory: nothing was changed by"
            " this look; try again with one folder at a time"
        ) from error
    finally:
        progress.end()


def _fix(found: Iterable[Ported], out: TextIO, ask: Callable[[str], str] | None) -> int:
    """Show the differences, ask, and write; return how many files were changed."""
    ported = [one for one in found if one.changes]
    for one in ported:
        out.write(_diff(one))
    if not ported:
        return 0
    if ask is not None and not _confirmed(ask, len(ported)):
        out.write("Nothing was changed.\n\n")
        return 0
    changed = 0
    for one in ported:
        assert one.source is not None
        try:
            one.source.write(one.fixed)
            changed += 1
        except OSError as error:
            out.write(f"{one.path}: could not be written: {error.strerror or error}\n")
    return changed


def _confirmed(ask: Callable[[str], str], files: int) -> bool:
    try:
        answer = ask(f"Change {_count(files, 'file')} like this? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in {"y", "yes"}


def _diff(one: Ported) -> str:
    assert one.source is not None
    lines = difflib.unified_diff(
        one.source.text.splitlines(keepends=True),
        one.fixed.splitlines(keepends=True),
        str(one.path),
        str(one.path),
    )
    # A last line without its end must not swallow the next header.
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _report(found: Iterable[Ported], out: TextIO, options: Options, changed: int) -> int:
    left = fixable = notes = 0
    for one in found:
        for finding in _each_once(one.findings):
            if finding.note:
                notes += 1
                if options.notes:
                    out.write(f"{one.path}:{finding.line}: note: {finding.message}\n")
                continue
            left += 1
            mechanical = finding.mechanical and one.changes
            fixable += mechanical
            hint = " (--fix does it)" if mechanical and not options.fix else ""
            out.write(f"{one.path}:{finding.line}: {finding.rule}: {finding.message}{hint}\n")
    if left or notes or changed:
        out.write("\n")
    summary = f"{_count(changed, 'file')} changed. " if changed else ""
    summary += f"{_count(left, 'change')} left to make" if left else "Nothing is left to change"
    summary += f", {fixable} of them by --fix" if fixable else ""
    out.write(f"{summary}; {_count(notes, 'note')}.\n")
    return 1 if left else 0


def _each_once(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Return one of those that say the same of the same line, whatever each of them changes."""
    return {(one.line, one.rule, one.message): one for one in findings}.values()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
