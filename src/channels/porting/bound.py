"""Which dotted names a file's imports bind, where that is plain to see.

To resolve a name by its scopes takes most of the time of looking at a file.  Nearly every
imported name is bound by imports alone, and means one thing: then its scopes have nothing to add.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator


def imported_names(nodes: Iterable[ast.AST]) -> dict[str, str | None]:
    """Return what each name that an import binds stands for, from all nodes of a file.

    Relative names keep their dots.  ``None``: only its scopes tell, as imports disagree or
    something else in the file binds it too.
    """
    bound: set[str] = set()
    imported: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, meaning in _bindings(node):
                imported.setdefault(name, set()).add(meaning)
        else:
            bound.update(_bound_by(node))
    return {
        name: None if name in bound or len(meanings) > 1 else meanings.pop()
        for name, meanings in imported.items()
    }


def _bindings(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield each name that an import binds, and what it is then."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            dot = "" if source.endswith(".") else "."
            yield alias.asname or alias.name, f"{source}{dot}{alias.name}"
        elif alias.asname:
            yield alias.asname, alias.name
        else:
            first = alias.name.partition(".")[0]
            yield first, first


def _bound_by(node: ast.AST) -> list[str]:
    """Return the names that a node binds, in whatever scope; other words in it do no harm."""
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.Global | ast.Nonlocal):
        return node.names
    # Functions, classes, handlers, patterns and type parameters, of any version of Python.
    if isinstance(node, ast.alias):
        return []
    found = [getattr(node, field, None) for field in ("name", "rest")]
    return [name for name in found if isinstance(name, str)]
