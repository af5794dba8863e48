"""A parsed Python file: where things are in its text, and what its names stand for."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import libcst as cst
from libcst import metadata
from libcst.helpers import get_full_name_for_node
from libcst.metadata import (
    CodeRange,
    PositionProvider,
    QualifiedNameSource,
    Scope,
    ScopeProvider,
)

from channels.porting.bound import imported_names
from channels.porting.branches import dead
from channels.porting.findings import Edit
from channels.porting.nodes import argument, assigned, dotted, root, statements, string, walk
from channels.porting.syntax import UnparsableError, check_syntax

#: From a file and the name of a function in it to the channels that it is routed from.
Handled = Callable[[Path, str], frozenset[str]]

#: From a file and the dotted name of URLs in it to whether those set ``app_name``.
AppNames = Callable[[Path, str], "bool | None"]

#: From a file and the name that its configuration gives to the app's, if that is another.
AppPaths = Callable[[Path, str], "str | None"]

_COMPARING = frozenset({"startswith", "endswith", "count", "find", "index"})

_NEWLINE = re.compile(r"\r\n|\r|\n")

#: Without any of these, what was parsed is the text to the letter.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]|\r(?!\n)")


def _same_code(parsed: str, text: str) -> bool:
    """Return whether positions in what was parsed are positions in the text.

    libcst drops some form feeds, and some comments behind the last statement; only
    the latter does no harm.
    """
    if parsed == text:
        return True
    pairs = enumerate(zip(parsed, text, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), len(parsed))
    return all(line.lstrip()[:1] in ("", "#") for line in text[same:].splitlines())


class Module:
    """One file.

    Args:
        text: Its content.
        path: Where it is; some rules look at folders and at files beside it.
        handled: Which channels a function handles, as the routes of the project say.
        app_names: Which of the project's URL configurations set ``app_name``.
        app_paths: What the project calls the app that a file is in.

    Raises:
        UnparsableError: The text can't be parsed.
    """

    def __init__(
        self,
        text: str,
        path: Path,
        handled: Handled | None = None,
        app_names: AppNames | None = None,
        app_paths: AppPaths | None = None,
    ) -> None:
        self._imported = imported_names(check_syntax(text))
        self.text = text
        self.parts = path.parts
        self._path = path
        self._handled = handled or (lambda _path, _name: frozenset())
        self._app_names = app_names or (lambda _path, _name: None)
        self._app_paths = app_paths or (lambda _path, _name: None)
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]
        try:
            self.tree = cst.parse_module(text)
        except cst.ParserSyntaxError as error:
            raise UnparsableError(error.raw_line, error.message) from error
        except RecursionError as error:
            raise UnparsableError(1, "it is nested too deeply") from error
        if _CONTROL.search(text) and not _same_code(self.tree.code, text):
            raise UnparsableError(1, "it holds control characters between its statements")

    # Most files need neither: each takes several times as long as parsing.

    @cached_property
    def _wrapper(self) -> metadata.MetadataWrapper:
        return metadata.MetadataWrapper(self.tree, unsafe_skip_copy=True)

    @cached_property
    def _positions(self) -> Mapping[cst.CSTNode, CodeRange]:
        return self._wrapper.resolve(PositionProvider)

    @cached_property
    def _scopes(self) -> Mapping[cst.CSTNode, Scope | None]:
        return self._wrapper.resolve(ScopeProvider)

    def sibling(self, name: str) -> str:
        """Return the text of a file in the same folder, ``""`` if it can't be read."""
        try:
            return self._path.with_name(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def handles(self, function: str) -> frozenset[str]:
        """Return the channels that are routed to a function of this file."""
        return self._handled(self._path, function)

    def has_app_name(self, name: str) -> bool | None:
        """Return whether URLs that this file calls so set ``app_name``; ``None``: not known."""
        return self._app_names(self._path, name)

    def app_name(self, name: str) -> str | None:
        """Return the dotted name of the app of this ``apps.py``; ``None`` if it is ``name``."""
        return self._app_paths(self._path, name)

    # -- positions ------------------------------------------------------------------

    def line(self, node: cst.CSTNode) -> int:
        """Return the line on which a node starts, from 1."""
        return self._positions[node].start.line

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Return where a node's text starts and ends."""
        found = self._positions[node]
        return (
            self._starts[found.start.line - 1] + found.start.column,
            self._starts[found.end.line - 1] + found.end.column,
        )

    def code(self, node: cst.CSTNode) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def replace(self, node: cst.CSTNode, text: str) -> Edit:
        """Return the edit that puts another text in a node's place."""
        return Edit(*self.span(node), text)

    def add_import(self, source: str, name: str) -> list[Edit] | None:
        """Return what imports a name behind the first imports of the file; nothing if it is there.

        ``None`` if the name means something else here, or there is no import to follow.
        """
        wanted = f"{source}.{name}"
        if name in self.taken:
            nodes = (one for one in self.nodes if isinstance(one, cst.Name) and one.value == name)
            return [] if any(self.qualified(one) == wanted for one in nodes) else None
        last: cst.CSTNode | None = None
        for line in self.tree.body:
            parts = line.body if isinstance(line, cst.SimpleStatementLine) else ()
            if any(isinstance(part, cst.Import | cst.ImportFrom) for part in parts):
                last = line
            elif last is not None:
                break
        if last is None:
            return None
        end = self.line_end(last)
        return [Edit(end, end, f"{self.newline}from {source} import {name}")]

    def delete_lines(self, node: cst.CSTNode) -> Edit | None:
        """Return the edit that deletes a node's lines, or ``None`` if it shares them."""
        start, end = self.span(node)
        first = bisect.bisect_right(self._starts, start) - 1
        last = bisect.bisect_right(self._starts, end) - 1
        line_start = self._starts[first]
        line_end = self._starts[last + 1] if last + 1 < len(self._starts) else len(self.text)
        after = self.text[end:line_end].strip()
        if self.text[line_start:start].strip() or after[:1] not in ("", "#"):
            return None
        return Edit(line_start, line_end, "")

    def is_import(self, node: cst.CSTNode) -> bool:
        """Return whether a node is part of an import statement."""
        return node in self._in_imports

    @cached_property
    def _in_imports(self) -> frozenset[cst.CSTNode]:
        imports = (one for one in walk(self.tree) if isinstance(one, cst.Import | cst.ImportFrom))
        return frozenset(part for one in imports for part in walk(one))

    def line_start(self, node: cst.CSTNode) -> int:
        """Return where the first line of a node starts."""
        return self._starts[self.line(node) - 1]

    def line_end(self, node: cst.CSTNode) -> int:
        """Return where the last line of a node ends, before its line break."""
        end = self.span(node)[1]
        found = _NEWLINE.search(self.text, end)
        return found.start() if found else len(self.text)

    def indent(self, node: cst.CSTNode) -> str | None:
        """Return the white space before a statement; ``None`` if it shares its line."""
        start, end = self.span(node)
        before = self.text[self._starts[bisect.bisect_right(self._starts, start) - 1] : start]
        shares = before.strip() or self.text[end : end + 2].lstrip(" ").startswith(";")
        return None if shares else before

    @cached_property
    def newline(self) -> str:
        """The line end of the file's first line."""
        found = _NEWLINE.search(self.text)
        return found.group() if found else "\n"

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines without their ends."""
        return _NEWLINE.split(self.text)

    # -- names ----------------------------------------------------------------------

    def qualified(self, node: cst.CSTNode) -> str:
        """Return the dotted name that an expression stands for by an import, or ``""``.

        Relative imports keep their dots: ``.consumers.connect``.
        """
        if isinstance(node, cst.Call):
            node = node.func
        root, _, rest = (get_full_name_for_node(node) or "").partition(".")
        if root not in self._imported:
            return ""
        meaning = self._imported[root]
        if meaning is not None:
            if node in self._in_imports:
                return ""
            return f"{meaning}.{rest}" if rest else meaning
        scope = self._scopes.get(node)
        if scope is None:
            return ""
        names = scope.get_qualified_names_for(node)
        imported = (one.name for one in names if one.source is QualifiedNameSource.IMPORT)
        return min(imported, default="")

    def is_unknown(self, node: cst.Name) -> bool:
        """Return whether a name is used here that neither the file nor Python defines."""
        return node in self._unknown

    @cached_property
    def _unknown(self) -> frozenset[cst.CSTNode]:
        if any(isinstance(node, cst.ImportStar) for node in walk(self.tree)):
            return frozenset()  # it may come with the others
        scopes = self.scopes()
        bound = {one.name for scope in scopes for one in scope.assignments}
        accesses = (access for scope in scopes for access in scope.accesses)
        return frozenset(
            access.node
            for access in accesses
            if isinstance(access.node, cst.Name)
            and not access.referents
            and access.node.value not in bound
        )

    def scopes(self) -> set[Scope]:
        """Return every scope of the file."""
        return {scope for scope in self._scopes.values() if scope is not None}

    def scope(self, node: cst.CSTNode) -> Scope | None:
        """Return the scope that the names of an import statement are bound in."""
        for scope in self.scopes():
            for one in scope.assignments:
                if getattr(one, "node", None) is node:
                    return scope
        return None

    def is_compared(self, node: cst.CSTNode) -> bool:
        """Return whether a string is compared with something: to change it may change a result."""
        return node in self._compared

    @cached_property
    def _compared(self) -> frozenset[cst.CSTNode]:
        compared: list[cst.CSTNode] = []
        for node in self.nodes:
            if isinstance(node, cst.Comparison):
                sides = [node.left, *(part.comparator for part in node.comparisons)]
                compared += [one for one in sides if _is_literal(one)]
            elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
                if node.func.attr.value in _COMPARING:
                    compared += [arg.value for arg in node.args]
            elif isinstance(node, cst.MatchValue):
                compared.append(node.value)
        return frozenset(part for one in compared for part in walk(one))

    def is_in_layers(self, node: cst.CSTNode) -> bool:
        """Return whether a node is in what is assigned to ``CHANNEL_LAYERS``, or below it."""
        return node in self._in_layers

    @cached_property
    def _in_layers(self) -> frozenset[cst.CSTNode]:
        values = [
            node.value
            for node in self.nodes
            if isinstance(node, cst.Assign)
            and any(root(one.target) == "CHANNEL_LAYERS" for one in node.targets)
        ]
        values += [
            node.value
            for node in self.nodes
            if isinstance(node, cst.AnnAssign)
            and node.value is not None
            and root(node.target) == "CHANNEL_LAYERS"
        ]
        return frozenset(part for value in values for part in walk(value))

    @cached_property
    def nodes(self) -> list[cst.CSTNode]:
        """What there is in the file, in the order of the text, but for code that never runs."""
        return list(walk(self.tree, dead))

    @cached_property
    def names(self) -> frozenset[str]:
        """Every identifier anywhere in the file."""
        return frozenset(node.value for node in walk(self.tree) if isinstance(node, cst.Name))

    @cached_property
    def taken(self) -> frozenset[str]:
        """Every name that means something in some scope of the file, or is used in one."""
        scopes = self.scopes()
        used = (access.node for scope in scopes for access in scope.accesses)
        return frozenset(
            {one.name for scope in scopes for one in scope.assignments}
            | {dotted(node).partition(".")[0] for node in used}
        )

    def mentions(self, key: str) -> bool:
        """Return whether a name is a string, or the name of an argument of ``dict()``."""
        return any(
            (isinstance(node, cst.SimpleString) and string(node) == key)
            or (isinstance(node, cst.Call) and dotted(node.func) == "dict" and argument(node, key))
            for node in self.nodes
        )

    @cached_property
    def exported(self) -> frozenset[str]:
        """The strings in ``__all__``."""
        return frozenset(
            value
            for statement in statements(self.tree)
            if (found := assigned(statement)) and found[0] == "__all__"
            for part in walk(found[1])
            if (value := string(part))
        )


def _is_literal(node: cst.BaseExpression) -> bool:
    """Whether it is a string, or a collection of such things; what a call is given is not."""
    if isinstance(node, cst.Tuple | cst.List | cst.Set):
        return all(_is_literal(one.value) for one in node.elements)
    return isinstance(node, cst.SimpleString | cst.ConcatenatedString)


def bases(module: Module, klass: cst.ClassDef) -> list[str]:
    """Return the dotted names of a class's bases."""
    found = (module.qualified(arg.value) or dotted(arg.value) for arg in klass.bases)
    return [name for name in found if name]


def derives(module: Module, klass: cst.ClassDef, names: frozenset[str]) -> bool:
    """Return whether a class comes from one of ``channels`` with one of these names.

    Classes between the two are known if they are in the same file.
    """
    here = {node.name.value: node for node in module.nodes if isinstance(node, cst.ClassDef)}
    seen: set[str] = set()
    waiting = [klass]
    while waiting:
        for base in bases(module, waiting.pop()):
            if base.startswith("channels.") and base.rpartition(".")[2] in names:
                return True
            if base in here and base not in seen:
                seen.add(base)
                waiting.append(here[base])
    return False
