"""Code that never runs today: what a project kept for an older Django or Python.

Such code needs no change, so nothing of it is told.  What is not certain counts as
code that runs.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator

import libcst as cst

from channels.porting.moved import find

#: Two numbers that every comparison with a version comes out the same for.
_VERSIONS = {
    "django.VERSION": ((5, 2), (6, 1)),
    "sys.version_info": ((3, 10), (3, 13)),
}

_FLAGS = {"PY2": False, "PY3": True, "six.PY2": False, "six.PY3": True}

_OPERATORS = {
    cst.LessThan: operator.lt,
    cst.LessThanEqual: operator.le,
    cst.GreaterThan: operator.gt,
    cst.GreaterThanEqual: operator.ge,
    cst.Equal: operator.eq,
    cst.NotEqual: operator.ne,
}

#: Packages that are there; the modules of them that are not are in the table of moves.
#: Whoever falls back on six has it, and who takes setuptools before distutils has that.
_PRESENT = frozenset({"django", "channels", "setuptools", "six", *sys.stdlib_module_names})

#: Names that can still be imported although they can't be used.
_HOLLOW = ("django.contrib.postgres.", "channels.")

_MISSING = frozenset({"ImportError", "ModuleNotFoundError", "Exception"})


def dead(node: cst.CSTNode) -> list[cst.CSTNode]:
    """Return the children of a node that never run, or whose failure is taken care of."""
    if isinstance(node, cst.If):
        return _dead_branches(node)
    if isinstance(node, cst.IfExp):
        known = _truth(node.test)
        return [] if known is None else [node.orelse if known else node.body]
    if isinstance(node, cst.BooleanOperation):
        decides = isinstance(node.operator, cst.Or)
        return [node.right] if _truth(node.left) is decides else []
    if isinstance(node, cst.Try):
        return _dead_attempts(node)
    return []


def _dead_branches(node: cst.If) -> list[cst.CSTNode]:
    known = _truth(node.test)
    if known is False:
        return [node.body]
    return [node.orelse] if known and node.orelse else []


def _dead_attempts(node: cst.Try) -> list[cst.CSTNode]:
    """Return what there is in ``try: import …`` / ``except ImportError: …`` that needs nothing."""
    handlers = [one for one in node.handlers if _handles_missing(one)]
    if not handlers:
        return []
    if _succeeds(node.body):
        return list(handlers)
    fails = any(find(name) and not _is_hollow(name) for name in _imported(node.body))
    # What the handler does instead is then what runs.
    return [node.body] if fails and all(_copes(one.body) for one in handlers) else []


def _copes(body: cst.BaseSuite) -> bool:
    """Return whether a block imports nothing that may not be there, and does not give up."""
    if any(isinstance(line, cst.Raise) for line in _statements(body)):
        return False
    return _succeeds(body) or not any(_imported(body))


def _succeeds(body: cst.BaseSuite) -> bool:
    """Return whether a block imports something, and nothing that may not be there."""
    imported = list(_imported(body))
    return bool(imported) and all(
        name.partition(".")[0] in _PRESENT and not find(name) for name in imported
    )


def _is_hollow(name: str) -> bool:
    return name.startswith(_HOLLOW) and not name.startswith("channels.decorators")


def _handles_missing(handler: cst.ExceptHandler) -> bool:
    kind = handler.type
    if isinstance(kind, cst.Tuple):
        return any(_name(one.value) in _MISSING for one in kind.elements)
    return kind is None or _name(kind) in _MISSING


def _imported(body: cst.BaseSuite) -> Iterator[str]:
    """Yield the dotted names that the statements of a block import."""
    for statement in _statements(body):
        if isinstance(statement, cst.Import):
            yield from (_name(alias.name) for alias in statement.names)
        elif isinstance(statement, cst.ImportFrom):
            source = _name(statement.module) if not statement.relative else "."
            if isinstance(statement.names, cst.ImportStar):
                yield source
            else:
                yield from (f"{source}.{_name(alias.name)}" for alias in statement.names)


def _statements(body: cst.BaseSuite) -> Iterator[cst.BaseSmallStatement]:
    if isinstance(body, cst.SimpleStatementSuite):
        yield from body.body
        return
    for line in body.body:
        if isinstance(line, cst.SimpleStatementLine):
            yield from line.body


def _truth(test: cst.BaseExpression) -> bool | None:
    """Return what a condition on versions comes out as; ``None`` if that is not known."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        known = _truth(test.expression)
        return None if known is None else not known
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        return _compared(test.left, test.comparisons[0])
    if isinstance(test, cst.Call) and _name(test.func) == "callable" and len(test.args) == 1:
        attribute = _name(test.args[0].value).rpartition(".")[2]
        return False if attribute in {"is_authenticated", "is_anonymous"} else None
    if isinstance(test, cst.BooleanOperation):
        return _combined(_truth(test.left), _truth(test.right), isinstance(test.operator, cst.Or))
    return _FLAGS.get(_name(test))


def _combined(left: bool | None, right: bool | None, decides: bool) -> bool | None:
    """Return the result of ``or`` if True decides it, of ``and`` if False does."""
    if decides in (left, right):
        return decides
    return None if None in (left, right) else not decides


def _compared(left: cst.BaseExpression, part: cst.ComparisonTarget) -> bool | None:
    compare = _OPERATORS.get(type(part.operator))
    given = _numbers(part.comparator)
    versions = _versions(left)
    if compare is None or not given or versions is None:
        return None
    least, most = versions
    if isinstance(part.operator, cst.Equal | cst.NotEqual) and least != most:
        return None if least <= given <= most else compare(least, given)
    one, other = compare(least, given), compare(most, given)
    return one if one == other else None


def _versions(node: cst.BaseExpression) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the least and the most of a version, or of its beginning."""
    if isinstance(node, cst.Attribute) and node.attr.value == "major":
        return _cut(node.value, 1)
    if isinstance(node, cst.Subscript) and len(node.slice) == 1:
        index = node.slice[0].slice
        if isinstance(index, cst.Index) and _numbers(index.value) == (0,):
            return _cut(node.value, 1)
        if isinstance(index, cst.Slice) and index.lower is None and index.upper is not None:
            return _cut(node.value, *_numbers(index.upper)[:1])
        return None
    return _cut(node, 2)


def _cut(
    node: cst.BaseExpression, length: int = 0
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    found = _VERSIONS.get(_name(node))
    return (found[0][:length], found[1][:length]) if found and length else None


def _numbers(node: cst.BaseExpression) -> tuple[int, ...]:
    """Return the numbers of a tuple, or the one number as such; ``()`` of anything else."""
    if isinstance(node, cst.Integer):
        return (node.evaluated_value,)
    if isinstance(node, cst.Tuple | cst.List):
        parts = [_numbers(one.value) for one in node.elements]
        return tuple(part[0] for part in parts if len(part) == 1) if all(parts) else ()
    return ()


def _name(node: cst.CSTNode | None) -> str:
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return f"{_name(node.value)}.{node.attr.value}"
    return ""
