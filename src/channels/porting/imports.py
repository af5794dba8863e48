"""Imports of what has moved: the statement, and every use of a name that changes with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst
from libcst.metadata import ImportAssignment, Scope

from channels.porting.analysis import Module, dotted
from channels.porting.findings import Edit, Finding
from channels.porting.moved import NAMES, Move, find

#: Stays importable, and moves along with ``url`` so that one import remains.
_COMPANIONS = {"django.conf.urls.include": "django.urls.include"}

_LINE_LENGTH = 100

#: What begins so needs no import.
_BUILTINS = "builtins."


def moved_from_import(module: Module, node: cst.ImportFrom) -> Iterator[Finding]:
    """``from old import a, b``."""
    source = dotted(node.module)
    if node.relative or not source:
        return
    if isinstance(node.names, cst.ImportStar):
        move = find(source)
        if move is not None:
            rename = (module.replace(node.module, move.to),) if move.to and node.module else ()
            yield _told(module, node, f"{source}.*", move, rename)
        return
    moves = {alias: find(f"{source}.{dotted(alias.name)}") for alias in node.names}
    found = [(alias, move) for alias, move in moves.items() if move is not None]
    if not found:
        return
    statement = _Statement(module, node, source, moves)
    edits = statement.edits()
    for alias, move in found:
        name = f"{source}.{dotted(alias.name)}"
        fixed = move.to is not None or statement.drops(alias)
        yield _told(module, node, name, move, edits if fixed else ())


def moved_import(module: Module, node: cst.Import) -> Iterator[Finding]:
    """``import old.module``, with or without ``as``."""
    for alias in node.names:
        name = dotted(alias.name)
        move = find(name)
        if move is None:
            continue
        edits: tuple[Edit, ...] = ()
        if move.to and alias.asname is not None:
            edits = (module.replace(alias.name, move.to),)
        yield _told(module, node, name, move, edits)


def moved_attribute(module: Module, node: cst.Attribute) -> Iterator[Finding]:
    """``encoding.force_text``, where the module itself has stayed."""
    name = module.qualified(node)
    move = NAMES.get(name)
    if move is not None and (move.to or "").startswith(_BUILTINS) and dotted(node) != name:
        plain = module.replace(node, (move.to or "").removeprefix(_BUILTINS))
        yield _told(module, node, name, move, (plain,))
        return
    # Of a module that is gone, the import is told; and within an import nothing is an expression.
    if move is None or find(name.rpartition(".")[0]) or dotted(node) == name:
        return
    edits: tuple[Edit, ...] = ()
    if move.to and move.to.rpartition(".")[0] == name.rpartition(".")[0]:
        edits = (module.replace(node.attr, move.to.rpartition(".")[2]),)
    yield _told(module, node, name, move, edits)


def _told(
    module: Module, node: cst.CSTNode, name: str, move: Move, edits: tuple[Edit, ...] = ()
) -> Finding:
    if move.to:
        what = f"{name} is {move.to} now"
    elif move.to == "":
        what = f"{name} is gone and not needed"
    else:
        what = f"{name} is gone"
    return Finding("moved", module.line(node), f"{what}: {move.why}" if move.why else what, edits)


@dataclass
class _Statement:
    """One ``from … import …`` that is rewritten as one or more."""

    module: Module
    node: cst.ImportFrom
    source: str
    moves: dict[cst.ImportAlias, Move | None]
    _uses: list[Edit] = field(default_factory=list)

    def edits(self) -> tuple[Edit, ...]:
        """Return the edits of the statement and of all uses; none if it is not that simple."""
        if "#" in self.module.code(self.node):
            return ()  # a comment would lose its place
        by_module: dict[str, list[str]] = {}
        moves_some = any(move is not None and move.to is not None for move in self.moves.values())
        for alias, move in self.moves.items():
            name = f"{self.source}.{dotted(alias.name)}"
            to = move.to if move is not None else None
            if to is None and moves_some:
                to = _COMPANIONS.get(name)
            if to == "":
                if not self._drop(alias):
                    return ()
                continue
            if self.drops(alias):
                continue
            target, _, new = (to or name).rpartition(".")
            text = self._imported(alias, new, to or name)
            if f"{target}." == _BUILTINS and " as " not in text:
                continue
            names = by_module.setdefault(target, [])
            if text not in names:
                names.append(text)
        whole = self._rewritten(by_module)
        return (whole, *self._uses) if whole else ()

    def _rewritten(self, by_module: dict[str, list[str]]) -> Edit | None:
        if not by_module:
            return self.module.delete_lines(self.node)
        indent = self.module.indent(self.node)
        between = "; " if indent is None else self.module.newline + indent
        lines = [self._line(target, names, indent) for target, names in by_module.items()]
        return self.module.replace(self.node, between.join(lines))

    def _line(self, target: str, names: list[str], indent: str | None) -> str:
        line = (
            f"from {target} import {', '.join(names)}" if target else f"import {', '.join(names)}"
        )
        if indent is None or len(indent) + len(line) <= _LINE_LENGTH:
            return line
        newline = self.module.newline + indent
        listed = "".join(f"{newline}    {name}," for name in names)
        return f"from {target} import ({listed}{newline})"

    def _imported(self, alias: cst.ImportAlias, new: str, to: str) -> str:
        """Return the alias with its new name; uses follow it unless another name is in the way."""
        old = dotted(alias.name)
        if alias.asname is not None:
            local = dotted(alias.asname.name)
            return new if local == new else f"{new} as {local}"
        if old == new:
            return new
        found = self._assignment(old)
        if found is None or not self._is_free(new, to):
            return f"{new} as {old}"
        for access in found.references:
            use: cst.CSTNode = access.node
            while isinstance(use, cst.Attribute):
                use = use.value
            self._uses.append(self.module.replace(use, new))
        return new

    def _assignment(self, name: str) -> ImportAssignment | None:
        """Return this statement's binding of a name, if nothing else binds it."""
        for scope in self.module.scopes():
            found = [one for one in scope.assignments[name] if one.scope is scope]
            if any(isinstance(one, ImportAssignment) and one.node is self.node for one in found):
                only = found[0] if len(found) == 1 else None
                return only if isinstance(only, ImportAssignment) else None
        return None

    def _is_free(self, name: str, to: str) -> bool:
        if name not in self.module.names:
            return True
        # It may be there because it is imported already.
        scope: Scope | None = self.module.scope(self.node)
        if scope is None:
            return False
        found = [one for one in scope.assignments[name] if isinstance(one, ImportAssignment)]
        return bool(found) and all(
            one.get_module_name_for_import() + "." + name == to for one in found
        )

    def drops(self, alias: cst.ImportAlias) -> bool:
        """Return whether a name that is gone is deleted, as nothing in the file uses it."""
        move = self.moves[alias]
        return move is not None and move.to is None and self._is_unused(alias)

    def _is_unused(self, alias: cst.ImportAlias) -> bool:
        found = self._assignment(dotted(alias.asname.name if alias.asname else alias.name))
        return found is not None and not found.references

    def _drop(self, alias: cst.ImportAlias) -> bool:
        """Delete the decorators that are this name; whether those were all of its uses."""
        name = dotted(alias.asname.name if alias.asname else alias.name)
        found = self._assignment(name)
        if found is None:
            return False
        decorators: dict[cst.CSTNode, cst.Decorator] = {
            node.decorator: node for node in self.module.nodes if isinstance(node, cst.Decorator)
        }
        for access in found.references:
            decorator = decorators.get(access.node)
            deleted = self.module.delete_lines(decorator) if decorator else None
            if deleted is None:
                return False
            self._uses.append(deleted)
        return True


RULES = [
    (cst.ImportFrom, moved_from_import),
    (cst.Import, moved_import),
    (cst.Attribute, moved_attribute),
]
