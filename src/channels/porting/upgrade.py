"""What django-upgrade and pyupgrade make of a Python file, and where they are kept from harm.

Both rewrite files in place and say nothing of what they did. So each is run on a copy, and
lines are compared. What needs a change today is told from what merely has a newer form: the
latter is one note for a file.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib import metadata
from pathlib import Path

from channels.porting.findings import NEWLINE, Finding, UnparsableError
from channels.porting.module import dispensable, parse

#: A line with this comment is left alone.
IGNORE = "channels-port: ignore"

MISSING = (
    "django-upgrade and pyupgrade are not installed:"
    " pip install 'django-upgrade>=1.33' 'pyupgrade>=3.21'"
)

_TARGET = ("--target-version", "5.2")

#: What django-upgrade is kept from, and rules of ours do: path() would turn numbers of URLs into
#: int; BooleanField would lose the blank=True of NullBooleanField; the HTML of a method with
#: allow_tags would be escaped; an app with several configurations would lose its default; and
#: functions would be renamed whatever else in the file has the new name, or wants the old one.
_HARMFUL = (
    *("admin_allow_tags", "default_app_config", "django_urls", "null_boolean_field"),
    *("utils_encoding", "utils_http", "utils_translation"),
)

#: Rules of ours do more of these, or code runs as it is.
_NEEDLESS = (
    *("request_user_attributes", "render_to_response", "use_l10n"),
    *("admin_decorators", "admin_register", "model_field_choices", "request_headers"),
    *("test_http_headers", "versioned_branches", "versioned_test_skip_decorators"),
)

#: What pyupgrade rewrites and Python has removed.
_REMOVED = re.compile(
    r"\b(?:collections|pipes)\b|\.(?:assert|fail)\w+\("
    r"|\bdjango\.utils(?:\.| import .*)\bsix\b"
)

#: The first two lines may say in which encoding a file is.
_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")

_Tool = Callable[[Sequence[str]], int]


class ToolError(Exception):
    """A tool could not rewrite a file, or made something of it that can't be parsed."""


@dataclass(frozen=True)
class Upgraded:
    """What became of a text.

    Attributes:
        text: The new one.
        lines: For each of its lines the one of the old text that it comes from, from 1.
        findings: What the tools changed, and what they could not look at.
    """

    text: str
    lines: Sequence[int]
    findings: list[Finding]


@functools.cache
def _tool(name: str) -> _Tool:
    """Return the function behind a command.

    Raises:
        LookupError: It is not installed.
    """
    (command,) = metadata.entry_points(group="console_scripts", name=name) or [None]
    if command is None:
        raise LookupError(name)
    main: _Tool = command.load()
    return main


def is_available() -> bool:
    """Return whether both tools are installed."""
    try:
        return all(map(callable, map(_tool, ("django-upgrade", "pyupgrade"))))
    except (LookupError, ImportError):
        return False


def upgrade(text: str, path: Path) -> Upgraded:
    """Return what the tools make of a text that can be parsed, and that is or may be in a file.

    Lines that ask to be left alone stay as they are, and so does every line's end.
    """
    ends = NEWLINE.findall(text)
    same = range(1, len(ends) + 2)
    old = NEWLINE.sub("\n", text)
    if "\r" in ends:
        message = "django-upgrade and pyupgrade can't read line ends of old Macs: write it anew"
        return Upgraded(text, same, [Finding("upgrade", 1, message)])
    failures: list[str] = []
    masked, hidden = _hide(old)
    modern = _with_six(masked)
    try:
        modern = _run("pyupgrade", modern, path, ["--py310-plus", "--keep-percent-format"])
    except ToolError as error:
        failures.append(f"pyupgrade can't rewrite this file: {error}")
    new = _without_six(_django_upgraded(modern, path, failures), masked)
    new = _show(new, hidden)
    if any(new.count(line) < old.count(line) for line in old.split("\n") if IGNORE in line):
        failures.append("a line that asks to be left alone is in the way of what they do")
        new = old
    findings = [Finding("upgrade", 1, message) for message in failures]
    if new == old:
        return Upgraded(text, same, findings)
    findings += _told(old.split("\n"), _show(modern, hidden).split("\n"), new.split("\n"), old)
    lines = _origins(old.split("\n"), new.split("\n"))
    if "\r\n" in ends:
        of = dict(enumerate(ends, 1))
        parts = zip(new.split("\n"), [*lines[:-1], 0], strict=True)
        new = "".join(part + (of.get(at, ends[0]) if at else "") for part, at in parts)
    return Upgraded(new, lines, findings)


def _django_upgraded(text: str, path: Path, failures: list[str]) -> str:
    """Return what django-upgrade makes of a text, without those of its fixers that fail."""
    skipped = [part for name in (*_HARMFUL, *_NEEDLESS) for part in ("--skip", name)]
    with contextlib.suppress(ToolError):
        return _run("django-upgrade", text, path, [*_TARGET, *skipped])
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        _tool("django-upgrade")(["--list-fixers"])
    for fixer in out.getvalue().split():
        if fixer in (*_HARMFUL, *_NEEDLESS):
            continue
        try:
            text = _run("django-upgrade", text, path, [*_TARGET, "--only", fixer])
        except ToolError as error:
            failures.append(f"{fixer} of django-upgrade can't rewrite this file: {error}")
    return text


def _run(name: str, text: str, path: Path, options: Sequence[str]) -> str:
    """Return what a tool makes of a text; it looks at the last parts of the path.

    Raises:
        ToolError: It failed.
    """
    parts = [part for part in path.parts if part not in (path.anchor, "..")]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, *parts[-4:])
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(text.encode())
        try:
            with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
                _tool(name)([*options, str(copy)])
            new = copy.read_bytes().decode()
            if new != text:
                parse(new)
        except UnparsableError as error:
            raise ToolError(f"what it makes of line {error.line} is no Python") from error
        except (Exception, SystemExit) as error:
            raise ToolError(f"{type(error).__name__}: {error}") from error
    blank = text[: len(text) - len(text.lstrip())]
    if not text.endswith("\n"):
        new = new.rstrip("\n")
    return new if new.startswith(blank) else blank + new


# -- what the tools must not see -----------------------------------------------------------

_MARK = "#:hidden-from-tools:"


def _hide(text: str) -> tuple[str, list[str]]:
    """Put comments in the place of lines that the tools must leave alone.

    Those are statements of one line that ask for it, and the one that tells the encoding:
    pyupgrade deletes it, whatever it says.
    """
    lines = text.split("\n")
    hidden: list[str] = []
    for at, line in enumerate(lines):
        is_cookie = at < 2 and _COOKIE.match(line)
        if not is_cookie and IGNORE not in line:
            continue
        indent = line[: len(line) - len(line.lstrip())]
        mask = f"{indent}{'' if is_cookie else 'pass  '}{_MARK}{len(hidden)}"
        changed = [*lines[:at], mask, *lines[at + 1 :]]
        with contextlib.suppress(UnparsableError):
            parse(line.strip())
            parse("\n".join(changed))
            lines = changed
            hidden.append(line)
    return "\n".join(lines), hidden


def _show(text: str, hidden: Sequence[str]) -> str:
    return re.sub(rf"[^\n]*{_MARK}(\d+)", lambda found: hidden[int(found[1])], text)


def _with_six(text: str) -> str:
    """Return the text with six in the place of the copy of it that Django had.

    pyupgrade knows the one and not the other.
    """
    if re.search(r"^\s*(?:import|from) six\b", text, re.MULTILINE):
        return text
    text = re.sub(
        r"^([ \t]*)from django\.utils import ((?:\w+, )*)six((?:, \w+)*)$",
        lambda found: _apart(found[1], found[2] + found[3].removeprefix(", ")),
        text,
        flags=re.MULTILINE,
    )
    return re.sub(r"^([ \t]*(?:import|from) )django\.utils\.six\b", r"\1six", text, flags=re.M)


def _apart(indent: str, others: str) -> str:
    rest = f"\n{indent}from django.utils import {others.removesuffix(', ')}" if others else ""
    return f"{indent}import six{rest}"


def _without_six(text: str, before: str) -> str:
    """Return the text with Django's copy of six where pyupgrade has left some: it is to be told."""
    if re.search(r"^\s*(?:import|from) six\b", before, re.MULTILINE):
        return text
    text = re.sub(
        r"^([ \t]*)import six\b(?!\.)", r"\1from django.utils import six", text, flags=re.M
    )
    return re.sub(r"^([ \t]*(?:import|from) )six\b", r"\1django.utils.six", text, flags=re.M)


# -- what they changed ---------------------------------------------------------------------


def _changes(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int, int]]:
    codes = SequenceMatcher(None, old, new).get_opcodes()
    return [places for tag, *places in codes if tag != "equal"]  # type: ignore[misc]  # four


def _origins(old: Sequence[str], new: Sequence[str]) -> list[int]:
    """Return for each new line the number of the old one that it comes from."""
    origins: list[int] = []
    for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new).get_opcodes():
        last = max(i1, i2 - 1)
        origins += [min(i1 + at, last, len(old) - 1) + 1 for at in range(j2 - j1)]
    return origins


def _told(old: list[str], modern: list[str], new: list[str], text: str) -> list[Finding]:
    """Return a finding for each place that needs the change, and a note for the others."""
    origins = _origins(old, modern)
    needed = {
        origins[min(at, len(origins) - 1)]
        for i1, i2, _, _ in _changes(modern, new)
        for at in range(i1, max(i2, i1 + 1))
    }
    caught = {
        line
        for one in dispensable(parse(text))
        for line in range(one.lineno, (one.end_lineno or 0) + 1)  # type: ignore[attr-defined]  # statements
    }
    findings: list[Finding] = []
    newer: list[int] = []
    for i1, i2, j1, j2 in _changes(old, new):
        lines = set(range(i1 + 1, max(i2, i1 + 1) + 1))
        is_needed = lines & needed or _REMOVED.search("\n".join(old[i1:i2]))
        if lines <= caught or not is_needed:
            newer += [i1 + 1] * max(i2 - i1, j2 - j1)
            continue
        written = next((line.strip() for line in new[j1:j2] if line.strip()), "")
        message = f"becomes {written}" if written else "goes: nothing needs it"
        findings.append(Finding("upgrade", i1 + 1, message, upgraded=True))
    if newer:
        lines_ = "1 line" if len(newer) == 1 else f"{len(newer)} lines"
        message = (
            f"pyupgrade has a newer form for {lines_} from here on (--fix writes it);"
            " the code runs as it is"
        )
        findings.append(Finding("upgrade", newer[0], message, note=True, upgraded=True))
    return findings
