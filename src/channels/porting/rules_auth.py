"""The rule for the views of ``django.contrib.auth``, which are classes now."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from channels.porting.analysis import Module
from channels.porting.findings import Edit, Finding
from channels.porting.moved import AUTH_VIEWS
from channels.porting.nodes import argument, dotted, has_star, positional, string

_SOURCE = "django.contrib.auth.views."

#: What the functions took, and what the classes call it.
_OPTIONS = {
    **{
        name: name
        for name in (
            *("authentication_form", "email_template_name", "extra_context", "from_email"),
            *("extra_email_context", "html_email_template_name", "next_page"),
            *("redirect_authenticated_user", "redirect_field_name", "subject_template_name"),
            *("template_name", "token_generator"),
        )
    },
    "password_change_form": "form_class",
    "password_reset_form": "form_class",
    "set_password_form": "form_class",
    "post_change_redirect": "success_url",
    "post_reset_redirect": "success_url",
}

_ROUTES = frozenset({"django.conf.urls.url", "django.urls.re_path", "django.urls.path"})


def auth_view(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``url(r"^login/$", login, {"template_name": "a.html"})``."""
    if module.qualified(node) not in _ROUTES or has_star(node):
        return
    given = positional(node)
    view = argument(node, "view") or next(iter(given[1:2]), None)
    if view is None or isinstance(view.value, cst.Call):
        return
    name = module.qualified(view.value).removeprefix(_SOURCE)
    if name not in AUTH_VIEWS or module.qualified(view.value) == name:
        return
    options = argument(node, "kwargs") or next(iter(given[2:3]), None)
    passed = _passed(module, options.value) if options else ""
    imported = _imported(module, view.value, AUTH_VIEWS[name])
    edits: tuple[Edit, ...] = ()
    if passed is not None and imported is not None:
        prefix, _, _ = dotted(view.value).rpartition(".")
        text = f"{prefix}{'.' if prefix else ''}{AUTH_VIEWS[name]}.as_view({passed})"
        edits = (*imported, module.replace(view.value, text))
        if options:
            before = node.args[node.args.index(options) - 1]
            edits += (Edit(module.span(before.value)[1], module.span(options.value)[1], ""),)
    message = f"the view {name} is {AUTH_VIEWS[name]}.as_view()"
    if name == "logout":
        message += ", which answers POST only: a form instead of a link"
    yield Finding("auth-view", module.line(view.value), message, edits)


def _passed(module: Module, options: cst.BaseExpression) -> str | None:
    """Return a dict of options as arguments of ``as_view()``; ``None`` if it can't be."""
    if not isinstance(options, cst.Dict) or "#" in module.code(options):
        return None
    parts = []
    for element in options.elements:
        key = string(element.key) if isinstance(element, cst.DictElement) else None
        if key not in _OPTIONS:
            return None
        parts.append(f"{_OPTIONS[key]}={module.code(element.value)}")
    return ", ".join(parts)


def _imported(module: Module, view: cst.BaseExpression, name: str) -> list[Edit] | None:
    """Return what imports a class beside the view that it takes the place of."""
    if isinstance(view, cst.Attribute):
        return []
    for node in module.nodes:
        if not isinstance(node, cst.ImportFrom) or isinstance(node.names, cst.ImportStar):
            continue
        if dotted(node.module) != _SOURCE.rstrip(".") or node.relative:
            continue
        if any(dotted(alias.name) == name and alias.asname is None for alias in node.names):
            return []
        if name not in module.taken:
            first = module.span(node.names[0])[0]
            return [Edit(first, first, f"{name}, ")]
    return None


RULES = [(cst.Call, auth_view)]
