"""Rules for what a Python 2 project has left in files that Python 3 can parse."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from channels.porting.analysis import Module
from channels.porting.findings import Edit, Finding
from channels.porting.nodes import assigned, dotted, has_star, methods, statements, string

_BUILTINS = {
    "basestring": "str",
    "long": "int",
    "raw_input": "input",
    "unichr": "chr",
    "unicode": "str",
    "xrange": "range",
}

_GONE_BUILTINS = {
    "cmp": "compare with < and >",
    "execfile": "use exec(open(…).read())",
    "reduce": "use functools.reduce",
    "reload": "use importlib.reload",
}

_VIEWS = {
    f"{kind}{name}": name for kind in ("iter", "view") for name in ("items", "keys", "values")
}

_METHODS = {"__nonzero__": "__bool__", "__div__": "__truediv__"}

#: Without any of these in a text no rule of this file has anything to say.
WORDS = (*_BUILTINS, *_GONE_BUILTINS, *_VIEWS, *_METHODS, "has_key", "__iter__", "__metaclass__")

#: They have this method still.
_HAVE_KEYS = ("cache", "session")

_SIX = "django.utils.six."


def builtin(module: Module, node: cst.Name) -> Iterator[Finding]:
    """``unicode``, ``xrange`` …, if nothing in the file gives them a meaning."""
    name = node.value
    if name not in _BUILTINS and name not in _GONE_BUILTINS:
        return
    if not module.is_unknown(node):
        return
    if name in _BUILTINS:
        message = f"{name} is {_BUILTINS[name]} in Python 3"
        edits = (module.replace(node, _BUILTINS[name]),)
        yield Finding("python-2", module.line(node), message, edits)
    else:
        message = f"Python 3 has no {name}: {_GONE_BUILTINS[name]}"
        yield Finding("python-2", module.line(node), message)


def dict_method(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``d.iteritems()`` and ``d.has_key(k)``."""
    func = node.func
    if not isinstance(func, cst.Attribute) or module.qualified(node).startswith(_SIX):
        return
    name = func.attr.value
    if name in _VIEWS and not node.args and dotted(func.value) != "six":
        message = f"{name}() is {_VIEWS[name]}()"
        edits = (module.replace(func.attr, _VIEWS[name]),)
        yield Finding("python-2", module.line(func.attr), message, edits)
    elif name == "has_key" and len(node.args) == 1:
        owner = dotted(func.value).lower()
        if owner and not owner.endswith(_HAVE_KEYS) and not owner.startswith(("self", "cls")):
            message = "dicts have no has_key(): use in"
            yield Finding("python-2", module.line(func.attr), message)


def six_iterator(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``six.iteritems(d)`` of the copy of six that Django had."""
    name = module.qualified(node).removeprefix(_SIX)
    if name not in _VIEWS or module.qualified(node) == name:
        return
    if len(node.args) != 1 or has_star(node) or node.args[0].keyword:
        return
    value = node.args[0].value
    text = module.code(value)
    if not isinstance(value, cst.Name | cst.Attribute | cst.Call | cst.Subscript):
        text = f"({text})"
    edits = (module.replace(node, f"{text}.{_VIEWS[name]}()"),)
    yield Finding("python-2", module.line(node), f"six.{name}(d) is d.{_VIEWS[name]}()", edits)


def decoded_text(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``message["path"].decode("ascii")``: both are text."""
    func = node.func
    if not isinstance(func, cst.Attribute) or func.attr.value != "decode":
        return
    item = func.value
    if not isinstance(item, cst.Subscript) or len(item.slice) != 1:
        return
    index = item.slice[0].slice
    key = string(index.value) if isinstance(index, cst.Index) else None
    if key in {"path", "text"} and dotted(item.value).split(".")[0] in {"message", "self"}:
        edits = (Edit(module.span(item)[1], module.span(node)[1], ""),)
        yield Finding("python-2", module.line(node), f'message["{key}"] is text already', edits)


def old_class(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """Methods that Python 3 calls otherwise."""
    defined = methods(node)
    renamed = dict(_METHODS)
    if "__iter__" in defined:
        renamed["next"] = "__next__"
    for old, new in renamed.items():
        if old in defined and new not in defined and not _is_given(node, new):
            edits = (module.replace(defined[old].name, new),)
            message = f"{old} is {new} in Python 3"
            yield Finding("python-2", module.line(defined[old]), message, edits)


def metaclass(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """``__metaclass__ = M`` does nothing."""
    for statement in statements(node):
        found = assigned(statement)
        if found and found[0] == "__metaclass__":
            message = f"class {node.name.value}(metaclass={module.code(found[1])})"
            yield Finding("python-2", module.line(statement), message)


def _is_given(klass: cst.ClassDef, name: str) -> bool:
    """Whether the class sets the other name itself: ``__bool__ = __nonzero__``."""
    return any(
        isinstance(target.target, cst.Name) and target.target.value == name
        for line in klass.body.body
        if isinstance(line, cst.SimpleStatementLine)
        for statement in line.body
        if isinstance(statement, cst.Assign)
        for target in statement.targets
    )


RULES = [
    (cst.Name, builtin),
    (cst.Call, dict_method),
    (cst.Call, six_iterator),
    (cst.Call, decoded_text),
    (cst.ClassDef, old_class),
    (cst.ClassDef, metaclass),
]
