"""Imports of what has moved: the statement, and every use of a name that changes with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst
from libcst.metadata import GlobalScope, ImportAssignment, Scope

from channels.porting.analysis import Module
from channels.porting.findings import Edit, Finding
from channels.porting.moved import NAMES, find
from channels.porting.moved_python import Move
from channels.porting.nodes import dotted

#: Stays importable, and moves along with ``url`` so that one import remains.
_COMPANIONS = {"django.conf.urls.include": "django.urls.include"}

#: What ``from django.conf.urls import *`` brought.
_CONF_URLS = frozenset(
    {"handler400", "handler403", "handler404", "handler500", "include", "patterns", "url"}
)

#: Fields that Django keeps importable for the sake of old migrations.
_KEPT_FOR_MIGRATIONS = (
    "django.contrib.postgres.fields.",
    "django.db.models.IPAddressField",
)

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
        else:
            yield from _taken_with_all(module, node, source)
        return
    moves = {alias: _move(module, f"{source}.{dotted(alias.name)}") for alias in node.names}
    found = [(alias, move) for alias, move in moves.items() if move is not None]
    if not found:
        return
    statement = _Statement(module, node, source, moves)
    edits = statement.edits()
    for alias, move in found:
        name = f"{source}.{dotted(alias.name)}"
        fixed = move.to is not None or statement.drops(alias)
        yield _told(module, node, name, move, edits if fixed else ())


def _move(module: Module, name: str) -> Move | None:
    is_kept = "migrations" in module.parts and name.startswith(_KEPT_FOR_MIGRATIONS)
    return None if is_kept else find(name)


def _taken_with_all(module: Module, node: cst.ImportFrom, source: str) -> Iterator[Finding]:
    """What ``from django.conf.urls import *`` no longer brings, if it is used."""
    bound = {one.name for scope in module.scopes() for one in scope.assignments}
    unbound = sorted(module.names - bound)
    if source == "django.conf.urls":
        names = [name for name in unbound if name in _CONF_URLS]
        if {"url", "patterns"} & {*names}:
            # Once the names are there, they are found like others.
            edit = module.replace(node, f"from {source} import {', '.join(names)}")
            message = "django.conf.urls has neither url() nor patterns() any more"
            yield Finding("moved", module.line(node), message, (edit,))
        return
    for name in unbound:
        move = NAMES.get(f"{source}.{name}")
        if move is None:
            continue
        edits: tuple[Edit, ...] = ()
        indent = module.indent(node)
        if move.to and not move.to.startswith(_BUILTINS) and indent is not None:
            target, _, new = move.to.rpartition(".")
            text = f"{module.newline}{indent}from {target} import {new} as {name}"
            end = module.line_end(node)
            edits = (Edit(end, end, text),)
        yield _told(module, node, f"{source}.{name}", move, edits)


def moved_import(module: Module, node: cst.Import) -> Iterator[Finding]:
    """``import old.module``, with or without ``as``."""
    for alias in node.names:
        name = dotted(alias.name)
        move = find(name)
        if move is None:
            continue
        edits: tuple[Edit, ...] = ()
        if move.to and alias.asname is not None:
            is_same = dotted(alias.asname.name) == move.to
            edits = (module.replace(alias if is_same else alias.name, move.to),)
        elif move.to and "." in name:
            edits = _spelled_out(module, alias, name, move.to)
        elif move.to:
            edits = (module.replace(alias.name, f"{move.to} as {name}"),)
        yield _told(module, node, name, move, edits)


def _spelled_out(module: Module, alias: cst.ImportAlias, old: str, new: str) -> tuple[Edit, ...]:
    """Return the edits of ``import old.module`` and of every ``old.module.name``."""
    edits = [module.replace(alias.name, new)]
    for node in module.nodes:
        if not isinstance(node, cst.Attribute) or module.is_import(node):
            continue
        name = dotted(node)
        if name == old and module.qualified(node) == old:
            edits.append(module.replace(node, new))
        elif name.startswith(f"{old}.") and name in NAMES:
            return ()  # it is elsewhere, or called otherwise
    return tuple(edits)


def moved_attribute(module: Module, node: cst.Attribute) -> Iterator[Finding]:
    """``encoding.force_text``, where the module itself has stayed."""
    name = module.qualified(node)
    move = NAMES.get(name)
    if move is not None and (move.to or "").startswith(_BUILTINS) and dotted(node) != name:
        plain = module.replace(node, (move.to or "").removeprefix(_BUILTINS))
        yield _told(module, node, name, move, (plain,))
        return
    # Of a module that is gone, the import is told; and within an import nothing is an expression.
    if move is None or find(name.rpartition(".")[0]) or module.is_import(node):
        return
    if "migrations" in module.parts and name.startswith(_KEPT_FOR_MIGRATIONS):
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
        kept: list[tuple[cst.ImportAlias, str, str]] = []
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
            kept.append((alias, target, text))
        found = self._in_place(kept)
        if found is None:
            whole = self._rewritten(kept)
            found = (whole,) if whole else ()
        return (*found, *self._uses) if found else ()

    def _in_place(self, kept: list[tuple[cst.ImportAlias, str, str]]) -> tuple[Edit, ...] | None:
        """Return edits that keep the form of the statement, if they can."""
        targets = {target for _, target, _ in kept}
        texts = {text for _, _, text in kept}
        if len(targets) != 1 or not len(texts) == len(kept) == len(self.moves):
            return None
        target = targets.pop()
        assert self.node.module is not None
        if not target or (self._is_one_line() and self._is_long(target, texts)):
            return None
        module = (self.node.module, target)
        return tuple(
            self.module.replace(node, text)
            for node, text in (module, *((alias, text) for alias, _, text in kept))
            if self.module.code(node) != text
        )

    def _is_one_line(self) -> bool:
        code = self.module.code(self.node)
        return "(" not in code and "\\" not in code

    def _is_long(self, target: str, texts: set[str]) -> bool:
        indent = self.module.indent(self.node)
        line = f"from {target} import {', '.join(texts)}"
        return indent is not None and len(indent) + len(line) > _LINE_LENGTH

    def _rewritten(self, kept: list[tuple[cst.ImportAlias, str, str]]) -> Edit | None:
        if not kept:
            return self.module.delete_lines(self.node)
        if "#" in self.module.code(self.node):
            return None  # a comment would lose its place
        by_module: dict[str, list[str]] = {}
        for _, target, text in kept:
            names = by_module.setdefault(target, [])
            if text not in names:
                names.append(text)
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
        if found is None or not self._is_free(new, to) or self._is_handed_on(found, old):
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
        if name not in self.module.taken:
            return True
        # It may be there because it is imported already.
        scope: Scope | None = self.module.scope(self.node)
        if scope is None:
            return False
        found = [one for one in scope.assignments[name] if isinstance(one, ImportAssignment)]
        return bool(found) and all(
            one.get_module_name_for_import() + "." + name == to for one in found
        )

    def _is_handed_on(self, found: ImportAssignment, name: str) -> bool:
        """Return whether others may import the name from here: nothing here uses it itself."""
        if not isinstance(found.scope, GlobalScope):
            return False
        return not found.references or name in self.module.exported

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
