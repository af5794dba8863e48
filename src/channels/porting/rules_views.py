"""Rules for how templates are rendered: contexts are dicts, and the request is given."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from channels.porting.analysis import Module
from channels.porting.findings import Edit, Finding
from channels.porting.nodes import (
    argument,
    assigned,
    dotted,
    has_star,
    parameters,
    positional,
    walk,
)

_SHORTCUT = "django.shortcuts.render_to_response"
_CONTEXTS = frozenset(
    f"django.template.{path}{name}"
    for path in ("", "context.")
    for name in ("Context", "RequestContext")
)
_FROM_LOADERS = frozenset(
    f"django.template.loader.{name}" for name in ("get_template", "select_template")
)


def render_to_response(module: Module, node: cst.FunctionDef) -> Iterator[Finding]:
    """``render_to_response(template, …)`` in a view, which has a request."""
    if "request" not in parameters(node):
        return
    for call in walk(node.body):
        if isinstance(call, cst.Call) and module.qualified(call) == _SHORTCUT:
            edits = _rendered(module, call)
            if edits:
                message = "render_to_response() is render(), which takes the request first"
                yield Finding("render", module.line(call), message, edits)


def _rendered(module: Module, call: cst.Call) -> tuple[Edit, ...]:
    given = positional(call)
    import_ = _import_of(module, "render")
    if not given or has_star(call) or import_ is None or not isinstance(call.func, cst.Name):
        return ()
    edits = [*import_, module.replace(call.func, "render")]
    start = module.span(call.args[0])[0]
    edits.append(Edit(start, start, "request, "))
    for arg in call.args:
        if not _is_context(module, arg.value):
            continue
        content = _content(module, arg.value)
        is_instance = arg.keyword is not None and arg.keyword.value == "context_instance"
        if content is None or (is_instance and content):
            return ()
        edits.append(_without(module, call, arg) if not content else _instead(module, arg, content))
    if argument(call, "context_instance") and len(edits) == len(import_) + 2:
        return ()
    return tuple(edits)


def _import_of(module: Module, name: str) -> list[Edit] | None:
    """Return what makes a name of django.shortcuts known; ``None`` if that is not simple."""
    for node in module.nodes:
        if not isinstance(node, cst.ImportFrom) or isinstance(node.names, cst.ImportStar):
            continue
        if dotted(node.module) != "django.shortcuts" or node.relative:
            continue
        names = [dotted(alias.name) for alias in node.names if alias.asname is None]
        if name in names:
            return []
        if "render_to_response" in names and name not in module.taken:
            first = module.span(node.names[0])[0]
            return [Edit(first, first, f"{name}, ")]
    return None


def context_instance(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``render(request, template, context_instance=RequestContext(request))``."""
    given = argument(node, "context_instance")
    if given is None or module.qualified(node) == _SHORTCUT:
        return
    edits: tuple[Edit, ...] = ()
    if _is_context(module, given.value) and _content(module, given.value) == "":
        if module.qualified(node) == "django.shortcuts.render":
            edits = (_without(module, node, given),)
        elif module.qualified(node) == "django.template.loader.render_to_string":
            request = _request(module, given.value)
            edits = (_instead(module, given, f"request={request}"),) if request else ()
    message = "context_instance is gone: give the request and a dict"
    yield Finding("render", module.line(node), message, edits)


def context_object(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``get_template(…).render(Context({…}))``."""
    func = node.func
    if not isinstance(func, cst.Attribute) or func.attr.value != "render" or len(node.args) != 1:
        return
    arg = node.args[0]
    if arg.keyword is not None or not _is_context(module, arg.value):
        return
    if not _is_loaded(module, func.value):
        return
    content = _content(module, arg.value)
    request = _request(module, arg.value)
    edits: tuple[Edit, ...] = ()
    if content is not None:
        parts = [content or "{}", *([request] if request else [])]
        edits = (_instead(module, arg, ", ".join(parts)),)
    message = "a template from get_template() is rendered with a dict, and the request"
    yield Finding("render", module.line(node), message, edits)


def _is_loaded(module: Module, template: cst.BaseExpression) -> bool:
    if isinstance(template, cst.Call):
        return module.qualified(template) in _FROM_LOADERS
    name = dotted(template)
    made = [found[1] for node in module.nodes if (found := assigned(node)) and found[0] == name]
    return bool(made) and all(
        isinstance(one, cst.Call) and module.qualified(one) in _FROM_LOADERS for one in made
    )


def _is_context(module: Module, value: cst.BaseExpression) -> bool:
    return isinstance(value, cst.Call) and module.qualified(value) in _CONTEXTS


def _content(module: Module, context: cst.BaseExpression) -> str | None:
    """Return the text of a context's dict, ``""`` if it has none; ``None`` if it has more."""
    assert isinstance(context, cst.Call)
    takes_request = module.qualified(context).endswith("RequestContext")
    given = positional(context)
    if len(given) != len(context.args) or len(given) > 1 + takes_request:
        return None
    content = given[1:] if takes_request else given
    return module.code(content[0].value) if content else ""


def _request(module: Module, context: cst.BaseExpression) -> str:
    """Return the text of a context's request, ``""`` if it has none."""
    assert isinstance(context, cst.Call)
    if not module.qualified(context).endswith("RequestContext") or not context.args:
        return ""
    return module.code(context.args[0].value)


def _without(module: Module, call: cst.Call, arg: cst.Arg) -> Edit:
    """Return the edit that deletes an argument that is not the first one."""
    before = call.args[call.args.index(arg) - 1]
    return Edit(module.span(before.value)[1], module.span(arg.value)[1], "")


def _instead(module: Module, arg: cst.Arg, text: str) -> Edit:
    start = module.span(arg.keyword)[0] if arg.keyword else module.span(arg.value)[0]
    return Edit(start, module.span(arg.value)[1], text)


RULES = [
    (cst.FunctionDef, render_to_response),
    (cst.Call, context_instance),
    (cst.Call, context_object),
]
