"""Rules for URL configurations."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from channels.porting.analysis import Module
from channels.porting.findings import Edit, Finding
from channels.porting.nodes import argument, assigned, dotted, has_star, positional, string, walk

_ROUTES = frozenset(
    {"django.conf.urls.url", "django.urls.re_path", "django.urls.path", "django.conf.urls.patterns"}
)
_INCLUDES = frozenset({"django.conf.urls.include", "django.urls.include"})


def view_by_name(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``url(r"^a/$", "app.views.a")``."""
    if module.qualified(node) not in _ROUTES - {"django.conf.urls.patterns"}:
        return
    given = argument(node, "view") or next(iter(positional(node)[1:2]), None)
    name = string(given.value) if given else None
    if name is not None:
        message = f"a view is no text any more: import {name} and give it itself"
        yield Finding("view-name", module.line(node), message)


def patterns(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``patterns("", …)`` is a list; its import is told if it is more than that."""
    if module.qualified(node) != "django.conf.urls.patterns" or not node.args:
        return
    first, *others = node.args
    if string(first.value) != "" or any(arg.keyword for arg in others):
        return
    start = module.span(node)[0]
    end = module.span(first.value)[1]
    if others:
        end = module.text.index(",", end) + 1
        if "#" in module.text[module.span(first.value)[1] : end]:
            return
        if module.text[end] == " ":
            end += 1
    last = module.span(node)[1]
    edits = (Edit(start, end, "["), Edit(last - 1, last, "]"))
    yield Finding("patterns", module.line(node), "urlpatterns is a plain list", edits)


def included_admin(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``include(admin.site.urls)``."""
    if module.qualified(node) not in _INCLUDES or not node.args:
        return
    given = node.args[0].value
    if dotted(given).endswith("site.urls"):
        edits = (module.replace(node, module.code(given)),) if len(node.args) == 1 else ()
        message = f"{dotted(given)} is given itself, without include()"
        yield Finding("include", module.line(node), message, edits)


def namespace(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``include("app.urls", namespace="app")`` needs the name of an application."""
    if module.qualified(node) not in _INCLUDES or has_star(node) or not node.args:
        return
    given = positional(node)
    app_name = argument(node, "app_name") or next(iter(given[2:3]), None)
    space = argument(node, "namespace") or next(iter(given[1:2]), None)
    if not given or isinstance(given[0].value, cst.Tuple) or (space is None and app_name is None):
        return
    target = given[0].value
    if dotted(target).endswith("site.urls"):
        return
    if app_name is None and not _is_nameless(module, target):
        return
    name = (app_name or space).value  # type: ignore[union-attr]  # one of them is there
    edits: tuple[Edit, ...] = ()
    if isinstance(name, cst.SimpleString | cst.Name | cst.Attribute):
        text = f"({module.code(target)}, {module.code(name)})"
        if space is not None:
            text += f", namespace={module.code(space.value)}"
        # The parentheses stay, and what stood between the arguments goes.
        start, end = module.span(target)[0], module.span(node.args[-1])[1]
        if "#" not in module.text[start:end]:
            edits = (Edit(start, end, text),)
    message = "a namespace needs the name of its application: include((urls, name), namespace=…)"
    yield Finding("include", module.line(node), message, edits)


def _is_nameless(module: Module, target: cst.BaseExpression) -> bool:
    """Whether these URLs certainly don't say which application they are of."""
    name = string(target)
    if name is None and isinstance(target, cst.Name | cst.Attribute):
        name = module.qualified(target)
        if not name:
            return _is_list(module, target)
    if name is None:
        return isinstance(target, cst.List)
    return module.has_app_name(name) is False


def _is_list(module: Module, target: cst.BaseExpression) -> bool:
    """Whether it is a list of this file, or the ``urls`` of a router made here."""
    name = dotted(target)
    values = [found[1] for node in module.nodes if (found := assigned(node)) and found[0] == name]
    if values:
        return all(isinstance(value, cst.List) for value in values)
    root, _, last = name.rpartition(".")
    return last == "urls" and any(
        isinstance(found[1], cst.Call) and dotted(found[1].func).endswith("Router")
        for node in module.nodes
        if (found := assigned(node)) and found[0] == root
    )


def sets_app_name(module: Module) -> bool:
    """Return whether a URL configuration says of which application it is."""
    return any(
        isinstance(node, cst.AssignTarget) and dotted(node.target) == "app_name"
        for node in walk(module.tree)
    )


RULES = [
    (cst.Call, view_by_name),
    (cst.Call, patterns),
    (cst.Call, included_admin),
    (cst.Call, namespace),
]
