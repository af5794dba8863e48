"""What parts of a parsed file say by themselves, whatever their names stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst


def walk(
    node: cst.CSTNode, without: Callable[[cst.CSTNode], list[cst.CSTNode]] = lambda _: []
) -> Iterator[cst.CSTNode]:
    """Yield a node and everything in it, in the order of the text.

    Args:
        node: Where to begin.
        without: Which children of a node to leave out.
    """
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        left_out = without(current)
        waiting.extend(child for child in reversed(current.children) if not _is_in(child, left_out))


def _is_in(node: cst.CSTNode, nodes: list[cst.CSTNode]) -> bool:
    return any(node is one for one in nodes)


def dotted(node: cst.CSTNode | None) -> str:
    """Return ``a.b.c`` of such an expression, ``""`` of any other."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr.value}" if before else ""
    return ""


def argument(call: cst.Call, name: str) -> cst.Arg | None:
    """Return the argument of a call that is given by a name."""
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value == name:
            return arg
    return None


def positional(call: cst.Call) -> list[cst.Arg]:
    """Return the plain positional arguments of a call."""
    return [arg for arg in call.args if arg.keyword is None and not arg.star]


def has_star(call: cst.Call) -> bool:
    """Return whether arguments come from elsewhere (``*args``, ``**kwargs``)."""
    return any(arg.star for arg in call.args)


def string(node: cst.CSTNode | None) -> str | None:
    """Return the value of a plain string, and ``None`` of anything else."""
    if isinstance(node, cst.SimpleString | cst.ConcatenatedString):
        value = node.evaluated_value
        return value if isinstance(value, str) else None
    return None


def parameters(function: cst.FunctionDef) -> list[str]:
    """Return the names of a function's positional parameters."""
    params = function.params
    return [param.name.value for param in (*params.posonly_params, *params.params)]


def statements(klass: cst.ClassDef | cst.Module) -> Iterator[cst.BaseSmallStatement]:
    """Yield the simple statements directly in a class or module."""
    body = klass.body if isinstance(klass, cst.Module) else klass.body.body
    for line in body:
        if isinstance(line, cst.SimpleStatementLine):
            yield from line.body


def assigned(statement: cst.CSTNode) -> tuple[str, cst.BaseExpression] | None:
    """Return name and value of ``name = value``."""
    if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        target = statement.targets[0].target
        if isinstance(target, cst.Name):
            return target.value, statement.value
    return None


def methods(klass: cst.ClassDef) -> dict[str, cst.FunctionDef]:
    """Return the methods of a class by name."""
    return {node.name.value: node for node in klass.body.body if isinstance(node, cst.FunctionDef)}
