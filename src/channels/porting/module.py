"""A parsed Python file: where things are in its text, and what its names stand for."""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict, namedtuple
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

from channels.porting.findings import NEWLINE, Edit, UnparsableError

#: Methods that compare a string with another.
_COMPARING = frozenset({"startswith", "endswith", "count", "find", "index"})

#: What is raised, and caught, where an import may fail.
_MISSING = frozenset({"ImportError", "ModuleNotFoundError", "Exception"})

_Version = namedtuple("_Version", ("major", "minor"))

#: Every pair of versions that a condition may meet, by the names that it has in code.
_VERSIONS = [
    {
        "django": SimpleNamespace(VERSION=django),
        "sys": SimpleNamespace(version_info=_Version(3, minor)),
        "six": SimpleNamespace(PY2=False, PY3=True),
        "PY2": False,
        "PY3": True,
    }
    for django in ((5, 2), (6, 0), (6, 1))
    for minor in range(10, 15)
]

#: What a condition on versions may be made of.
_COMPARISONS = (
    *(ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Subscript, ast.Slice, ast.Attribute, ast.Name),
    *(ast.Constant, ast.Tuple, ast.cmpop, ast.boolop, ast.Not, ast.Load),
)

_IMPORTS = (ast.Import, ast.ImportFrom)

FunctionDef = (ast.FunctionDef, ast.AsyncFunctionDef)


def parse(text: str) -> ast.Module:
    """Parse a text.

    Raises:
        UnparsableError: It can't be parsed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its escapes are its own business
            return ast.parse(text)
    except SyntaxError as error:
        raise UnparsableError(error.lineno or 1, error.msg) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnparsableError(1, str(error) or "it is nested too deeply") from error


def walk(node: ast.AST, without: Container[ast.AST] = ()) -> Iterator[ast.AST]:
    """Yield a node and everything in it, in the order of the text as a rule.

    What is within an f-string has no certain position, so it is left out.
    """
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        if not isinstance(current, ast.JoinedStr):
            children = [*ast.iter_child_nodes(current)]
            waiting += [one for one in reversed(children) if one not in without]


def dispensable(tree: ast.Module) -> set[ast.AST]:
    """Return what a project kept for an older Django or Python, and what never runs today.

    That are branches, and the imports of ``try: import …`` and ``except ImportError: …``, which
    take care of themselves.  What is not certain counts as code that runs.
    """
    found: set[ast.AST] = set()
    for node in walk(tree):
        if isinstance(node, ast.If | ast.IfExp) and (known := _truth(node.test)) is not None:
            dead = node.orelse if known else node.body
            found.update(dead if isinstance(dead, list) else [dead])
        elif isinstance(node, ast.Try) and any(map(_handles_missing, node.handlers)):
            blocks = [node.body, *(handler.body for handler in node.handlers)]
            imports = [[one for one in block if isinstance(one, _IMPORTS)] for block in blocks]
            gives_up = any(isinstance(one, ast.Raise) for block in blocks[1:] for one in block)
            if imports[0] and not gives_up:
                found.update(one for block in imports for one in block)
    return found


def _truth(test: ast.expr) -> bool | None:
    """Return what a condition on versions comes out as; ``None`` if that is not known."""
    if not all(isinstance(one, _COMPARISONS) for one in ast.walk(test)):
        return None
    code = compile(ast.Expression(test), "a condition on versions", "eval")
    try:
        # Nothing but comparisons of these names and constants.
        results = {bool(eval(code, {"__builtins__": {}}, names)) for names in _VERSIONS}
    except Exception:
        return None
    return results.pop() if len(results) == 1 else None


def _handles_missing(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or dotted(kind) in _MISSING for kind in kinds)


def dotted(node: ast.AST | None) -> str:
    """Return ``a.b.c`` of such an expression, ``""`` of any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def string(node: ast.AST | None) -> str | None:
    """Return the value of a plain string, and ``None`` of anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def argument(call: ast.Call, name: str, index: int | None = None) -> ast.expr | None:
    """Return the argument of a call that is given by a name, or at a position."""
    named = next((one.value for one in call.keywords if one.arg == name), None)
    if named is None and index is not None and len(call.args) > index:
        return call.args[index]
    return named


def has_star(call: ast.Call) -> bool:
    """Return whether arguments come from elsewhere (``*args``, ``**kwargs``)."""
    return any(isinstance(one, ast.Starred) for one in call.args) or any(
        one.arg is None for one in call.keywords
    )


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the names of a function's parameters, but for those that collect others."""
    args = function.args
    return [one.arg for one in (*args.posonlyargs, *args.args, *args.kwonlyargs)]


def assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.Assign | ast.AnnAssign]]:
    """Yield ``name = value`` of a block: each name that is assigned to, and the statement."""
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            for target in targets(statement):
                if isinstance(target, ast.Name):
                    yield target.id, statement


def targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    """Return what is assigned to."""
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def methods(klass: ast.ClassDef) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the methods of a class by name."""
    return {node.name: node for node in klass.body if isinstance(node, FunctionDef)}


class Surroundings(Protocol):
    """What the other files of a project say about one of them."""

    def handles(self, path: Path, function: str) -> frozenset[str]:
        """Return the channels that are routed to a function of a file."""
        ...

    def has_app_name(self, path: Path, name: str) -> bool | None:
        """Return whether URLs that a file calls so set ``app_name``; ``None``: not known."""
        ...

    def other_app(self, path: Path, name: str) -> str | None:
        """Return what the app of an ``apps.py`` is called; ``None`` if that is ``name``."""
        ...


class Module:
    """One file.

    Args:
        text: Its content.
        path: Where it is; some rules look at folders and at files beside it.
        project: What other files say.
        lines: Of each line of the text, from 1, which line of the file on disk it stands for;
            the same if it is not given.

    Raises:
        UnparsableError: The text can't be parsed.
    """

    def __init__(
        self, text: str, path: Path, project: Surroundings, lines: Sequence[int] | None = None
    ) -> None:
        self.tree = parse(text)
        self.text = text
        self.path = path
        self.project = project
        self._lines = lines
        self._ends = [match.span() for match in NEWLINE.finditer(text)]
        self._starts = [0, *(end for _, end in self._ends)]
        self.newline = NEWLINE.search(text).group() if self._ends else "\n"  # type: ignore[union-attr]  # there is one

    # -- positions ------------------------------------------------------------------

    def line(self, node: ast.AST) -> int:
        """Return the line on which a node starts, from 1."""
        number: int = node.lineno  # type: ignore[attr-defined]  # rules ask of those that have it
        return self._lines[number - 1] if self._lines else number

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node's text starts and ends."""
        return (
            self._offset(node.lineno, node.col_offset),  # type: ignore[attr-defined]  # as above
            self._offset(node.end_lineno, node.end_col_offset),  # type: ignore[attr-defined]
        )

    def _offset(self, line: int, column: int) -> int:
        """Return the offset of a column, which is given in bytes."""
        start = self._starts[line - 1]
        text = self.text[start : start + column]
        if not text.isascii():
            text = text.encode()[:column].decode()
        return start + len(text)

    def code(self, node: ast.AST) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def replace(self, node: ast.AST, text: str) -> Edit:
        """Return the edit that puts another text in a node's place."""
        return Edit(*self.span(node), text)

    def rename(self, node: ast.AST, old: str, new: str) -> Edit:
        """Return the edit of a name in a node that has no node of its own.

        That is the last one of an attribute, and the first one of anything else: the name of
        a function, a class, or an argument.
        """
        start, end = self.span(node)
        if isinstance(node, ast.Attribute):
            return Edit(end - len(old), end, new)
        found = re.compile(rf"\b{re.escape(old)}\b").search(self.text, start, end)
        assert found is not None
        return Edit(*found.span(), new)

    def line_start(self, node: ast.AST) -> int:
        """Return where the first line of a node starts."""
        return self._starts[node.lineno - 1]  # type: ignore[attr-defined]  # as above

    def line_end(self, node: ast.AST) -> int:
        """Return where the last line of a node ends, before its line break."""
        number: int = node.end_lineno  # type: ignore[attr-defined]  # as above
        return self._ends[number - 1][0] if number <= len(self._ends) else len(self.text)

    def indent(self, node: ast.AST) -> str | None:
        """Return the white space before a statement; ``None`` if it shares its lines."""
        start, end = self.span(node)
        before = self.text[self.line_start(node) : start]
        after = self.text[end : self.line_end(node)].strip()
        return None if before.strip() or after[:1] not in ("", "#") else before

    def delete(self, node: ast.AST) -> tuple[Edit, ...]:
        """Return the edit that deletes a node's lines; none if it shares them."""
        if isinstance(node, ast.expr):  # the comma behind it, or the @ before, goes along
            whole = self.text[self.line_start(node) : self.line_end(node)].strip()
            if whole.removeprefix("@").rstrip(",").strip() != self.code(node):
                return ()
        elif self.indent(node) is None:
            return ()
        end = self.line_end(node)
        found = NEWLINE.match(self.text, end)
        return (Edit(self.line_start(node), found.end() if found else end, ""),)

    def add_argument(self, call: ast.Call, text: str, *, first: bool = False) -> Edit:
        """Return the edit that adds an argument to a call: behind its first one, or its last."""
        given = sorted([*call.args, *call.keywords], key=self.span)
        if not given:
            position = self.span(call)[1] - 1
            return Edit(position, position, text)
        position = self.span(given[0 if first else -1])[1]
        return Edit(position, position, f", {text}")

    def without_argument(self, call: ast.Call, value: ast.expr) -> Edit:
        """Return the edit that deletes an argument that is not the first one."""
        given = sorted([*call.args, *(one.value for one in call.keywords)], key=self.span)
        return Edit(self.span(given[given.index(value) - 1])[1], self.span(value)[1], "")

    def add_import(self, source: str, name: str) -> tuple[Edit, ...] | None:
        """Return what imports a name beside the others; nothing if it is there.

        ``None`` if the name means something else here, or there is no import to follow.
        """
        if f"{source}.{name}" in self.imported.get(name, ()):
            return ()
        imports = [one for one in self.tree.body if isinstance(one, ast.Import | ast.ImportFrom)]
        if name in self.names or not imports:
            return None
        for one in imports:
            if isinstance(one, ast.ImportFrom) and one.module == source and not one.level:
                start = self.span(one.names[0])[0]
                return (Edit(start, start, f"{name}, "),)
        first = self.tree.body.index(imports[0])
        block = self.tree.body[first:]
        until = next((at for at, one in enumerate(block) if one not in imports), len(block))
        end = self.line_end(block[until - 1])
        return (Edit(end, end, f"{self.newline}from {source} import {name}"),)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """What there is in the file, but for code that never runs."""
        return list(walk(self.tree, dispensable(self.tree)))

    @cached_property
    def parents(self) -> Mapping[ast.AST, ast.AST]:
        """What each node is in."""
        return {child: node for node in walk(self.tree) for child in ast.iter_child_nodes(node)}

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node is in, from the inside outwards."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    @cached_property
    def imported(self) -> Mapping[str, Sequence[str]]:
        """What each name that imports bind stands for; relative names keep their dots."""
        found: dict[str, list[str]] = defaultdict(list)
        for node in walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                source = "." * node.level + (node.module or "")
                for alias in node.names:
                    dot = "" if source.endswith(".") else "."
                    found[alias.asname or alias.name].append(f"{source}{dot}{alias.name}")
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    found[alias.asname or first].append(alias.name if alias.asname else first)
        return found

    @cached_property
    def bound(self) -> frozenset[str]:
        """Every name that something else than an import binds, in whatever scope."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                found.add(node.id)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                found.update(node.names)
            elif not isinstance(node, ast.alias):
                # Functions, classes, handlers, patterns; other words make no difference.
                names = (getattr(node, field, None) for field in ("name", "rest"))
                found.update(name for name in names if isinstance(name, str))
        return frozenset(found)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name in the file that is bound or used."""
        used = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        return frozenset(used | self.bound | self.imported.keys())

    def qualified(self, node: ast.AST | None) -> str:
        """Return the dotted name that an expression stands for by an import, or ``""``."""
        first, dot, rest = dotted(node.func if isinstance(node, ast.Call) else node).partition(".")
        meanings = self.imported.get(first)
        return "" if not meanings or first in self.bound else f"{meanings[0]}{dot}{rest}"

    def assigned(self, name: str) -> list[ast.expr]:
        """Return the values that a name is given anywhere in the file."""
        found = assignments([one for one in self.nodes if isinstance(one, ast.stmt)])
        return [one.value for target, one in found if target == name and one.value is not None]

    def bases(self, klass: ast.ClassDef) -> list[str]:
        """Return the dotted names of a class's bases."""
        found = (self.qualified(base) or dotted(base) for base in klass.bases)
        return [name for name in found if name]

    def derives(self, klass: ast.ClassDef, *names: str) -> bool:
        """Return whether a class comes from one of ``channels`` with one of these names.

        Classes between the two are known if they are in the same file.
        """
        here = {node.name: node for node in self.nodes if isinstance(node, ast.ClassDef)}
        seen: set[str] = set()
        waiting = [klass]
        while waiting:
            for base in self.bases(waiting.pop()):
                if base.startswith("channels.") and base.rpartition(".")[2] in names:
                    return True
                if base in here and base not in seen:
                    seen.add(base)
                    waiting.append(here[base])
        return False

    def is_compared(self, node: ast.AST) -> bool:
        """Return whether a string is compared with something: to change it may change a result."""
        for parent in self.around(node):
            if isinstance(parent, ast.Compare | ast.MatchValue):
                return True
            if isinstance(parent, ast.Call):
                is_asked = isinstance(parent.func, ast.Attribute) and parent.func.attr in _COMPARING
                return is_asked and node in parent.args
            if not isinstance(parent, ast.Tuple | ast.List | ast.Set):
                return False
        return False

    def layers_around(self, node: ast.AST) -> ast.Assign | ast.AnnAssign | None:
        """Return the assignment to ``CHANNEL_LAYERS``, or below it, that a node is in."""
        for parent in self.around(node):
            if isinstance(parent, ast.Assign | ast.AnnAssign):
                for target in targets(parent):
                    while isinstance(target, ast.Subscript):
                        target = target.value
                    if dotted(target) == "CHANNEL_LAYERS":
                        return parent
        return None
