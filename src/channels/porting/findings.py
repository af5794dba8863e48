"""What a rule says about a line of a file, and how its edits are made.  Pure data."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

#: What ends a line, for Python and for us; ``str.splitlines`` knows more.
NEWLINE = re.compile(r"\r\n|\r|\n")


class UnparsableError(Exception):
    """The text is no Python that this interpreter understands.

    Attributes:
        line: Where, from 1.
        reason: What the interpreter says.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, order=True)
class Edit:
    """Replace ``text[start:end]``; offsets are characters."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One thing that needs a change, or that a reader should know.

    Attributes:
        rule: Short name of the rule, stable: ``on-delete``.
        line: Line of the file, from 1.
        message: What to do, in one sentence; the new name in it where there is one.
        edits: What ``--fix`` does about it; empty if a person must.
        note: Whether the code runs as it is: it behaves better or differently now.
        upgraded: Whether django-upgrade or pyupgrade make the change.
    """

    rule: str
    line: int
    message: str
    edits: tuple[Edit, ...] = ()
    note: bool = False
    upgraded: bool = False

    @property
    def mechanical(self) -> bool:
        """Whether ``--fix`` does it."""
        return self.upgraded or bool(self.edits)


#: A rule gets a module and one of its nodes, and says what is to be done there.
Rule = TypeVar("Rule", bound=Callable[[Any, Any], Iterator[Finding]])

#: The rules for each kind of node.
RULES: dict[type[ast.AST], list[Callable[[Any, Any], Iterator[Finding]]]] = defaultdict(list)


def rule(kind: type[ast.AST]) -> Callable[[Rule], Rule]:
    """Have a function look at every node of a kind."""

    def add(function: Rule) -> Rule:
        RULES[kind].append(function)
        return function

    return add


def apply(text: str, findings: Iterable[Finding]) -> str:
    """Return the text with the edits of all findings that don't get into each other's way.

    A finding's edits are made together or not at all; what is left out is found
    again in the new text.
    """
    chosen: set[Edit] = set()
    for finding in findings:
        new = set(finding.edits) - chosen
        if not any(_collide(edit, other) for edit in new for other in chosen):
            chosen |= new
    for edit in sorted(chosen, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _collide(one: Edit, other: Edit) -> bool:
    if one.start == other.start:
        return True
    return one.start < other.end and other.start < one.end
