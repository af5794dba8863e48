"""Rules for URL configurations, and for how views render templates."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from channels.porting.findings import Edit, Finding, rule
from channels.porting.module import (
    Module,
    argument,
    dotted,
    has_star,
    parameters,
    string,
    walk,
)
from channels.porting.moved import AUTH_VIEWS

_ROUTES = frozenset({"django.conf.urls.url", "django.urls.re_path", "django.urls.path"})
_INCLUDES = frozenset({"django.conf.urls.include", "django.urls.include"})
_AUTH = "django.contrib.auth.views."

#: What the functions of django.contrib.auth took, and what the classes call otherwise.
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

_CONTEXTS = frozenset(
    f"django.template.{path}{name}"
    for path in ("", "context.")
    for name in ("Context", "RequestContext")
)
_SHORTCUT = "django.shortcuts.render_to_response"
_TO_STRING = "django.template.loader.render_to_string"
_LOADERS = frozenset(
    {"django.template.loader.get_template", "django.template.loader.select_template"}
)


@rule(ast.Call)
def route(module: Module, node: ast.Call) -> Iterator[Finding]:
    """``url(r"^a/$", "app.views.a")``, and the views of ``django.contrib.auth``."""
    view = argument(node, "view", 1)
    if module.qualified(node) not in _ROUTES or view is None or has_star(node):
        return
    name = string(view)
    if name is not None:
        message = f"a view is no text any more: import {name} and give it itself"
        yield Finding("view-name", module.line(node), message)
    source, _, name = module.qualified(view).rpartition(".")
    if isinstance(view, ast.Call) or f"{source}." != _AUTH or name not in AUTH_VIEWS:
        return
    message = f"the view {name} is {AUTH_VIEWS[name]}.as_view()"
    if name == "logout":
        message += ", which answers POST only: a form instead of a link"
    yield Finding("auth-view", module.line(view), message, _as_view(module, node, view, name))


def _as_view(module: Module, node: ast.Call, view: ast.expr, name: str) -> tuple[Edit, ...]:
    options = argument(node, "kwargs", 2)
    passed = []
    if options is not None:
        if not isinstance(options, ast.Dict) or "#" in module.code(options):
            return ()
        for key, value in zip(options.keys, options.values, strict=True):
            if string(key) not in _OPTIONS:
                return ()
            passed.append(f"{_OPTIONS[string(key) or '']}={module.code(value)}")
    new = AUTH_VIEWS[name]
    imported = () if isinstance(view, ast.Attribute) else module.add_import(_AUTH[:-1], new)
    if imported is None:
        return ()
    prefix = dotted(view).rpartition(".")
    edits = (
        *imported,
        module.replace(view, f"{prefix[0]}{prefix[1]}{new}.as_view({', '.join(passed)})"),
    )
    return edits if options is None else (*edits, module.without_argument(node, options))


@rule(ast.Call)
def patterns(module: Module, node: ast.Call) -> Iterator[Finding]:
    """``patterns("", …)`` is a list; its import is told if it is more than that."""
    if module.qualified(node) != "django.conf.urls.patterns" or node.keywords:
        return
    if not node.args or string(node.args[0]) != "":
        return
    start, end = module.span(node)[0], module.span(node.args[0])[1]
    if len(node.args) > 1:
        comma = module.text.index(",", end) + 1
        if "#" in module.text[end:comma]:
            return
        end = comma + module.text[comma:].startswith(" ")
    last = module.span(node)[1]
    edits = (Edit(start, end, "["), Edit(last - 1, last, "]"))
    yield Finding("patterns", module.line(node), "urlpatterns is a plain list", edits)


@rule(ast.Call)
def included(module: Module, node: ast.Call) -> Iterator[Finding]:
    """``include(admin.site.urls)``, and ``include("app.urls", namespace="app")``."""
    if module.qualified(node) not in _INCLUDES or has_star(node) or not node.args:
        return
    target = node.args[0]
    edits: tuple[Edit, ...] = ()
    if dotted(target).endswith("site.urls"):
        is_alone = len(node.args) + len(node.keywords) == 1
        edits = (module.replace(node, module.code(target)),) if is_alone else ()
        message = f"{dotted(target)} is given itself, without include()"
        yield Finding("include", module.line(node), message, edits)
        return
    space, app = argument(node, "namespace", 1), argument(node, "app_name", 2)
    name = app or space
    if name is None or isinstance(target, ast.Tuple):
        return
    if app is None and not _is_nameless(module, target):
        return
    if isinstance(name, ast.Constant | ast.Name | ast.Attribute):
        text = f"({module.code(target)}, {module.code(name)})"
        text += f", namespace={module.code(space)}" if space is not None else ""
        # The parentheses stay, and what stood between the arguments goes.
        start = module.span(target)[0]
        end = max(module.span(one)[1] for one in (*node.args, *node.keywords))
        edits = (Edit(start, end, text),) if "#" not in module.text[start:end] else ()
    message = "a namespace needs the name of its application: include((urls, name), namespace=…)"
    yield Finding("include", module.line(node), message, edits)


def _is_nameless(module: Module, target: ast.expr) -> bool:
    """Whether these URLs certainly don't say which application they are of."""
    name = string(target) or module.qualified(target)
    if name:
        return module.project.has_app_name(module.path, name) is False
    values = module.assigned(dotted(target))
    if values or isinstance(target, ast.List):
        return all(isinstance(value, ast.List) for value in values)
    # The ``urls`` of a router made here.
    router, _, last = dotted(target).rpartition(".")
    made = (one for one in module.assigned(router) if isinstance(one, ast.Call))
    return last == "urls" and any(dotted(one.func).endswith("Router") for one in made)


@rule(ast.FunctionDef)
def render_to_response(module: Module, node: ast.FunctionDef) -> Iterator[Finding]:
    """``render_to_response(template, …)`` in a view, which has a request."""
    if "request" not in parameters(node):
        return
    for call in walk(node):
        if not isinstance(call, ast.Call) or module.qualified(call) != _SHORTCUT:
            continue
        imported = module.add_import("django.shortcuts", "render")
        if (
            call.args
            and not has_star(call)
            and imported is not None
            and dotted(call.func).isidentifier()
        ):
            start = module.span(call.args[0])[0]
            edits = (
                *imported,
                module.replace(call.func, "render"),
                Edit(start, start, "request, "),
            )
            message = "render_to_response() is render(), which takes the request first"
            yield Finding("render", module.line(call), message, edits)


@rule(ast.Call)
def rendered(module: Module, node: ast.Call) -> Iterator[Finding]:
    """Contexts that are given to ``render()`` and its like: they take a dict, and the request."""
    name = module.qualified(node)
    func = node.func
    if isinstance(func, ast.Attribute) and func.attr == "render" and _is_loaded(module, func.value):
        name = "a template"
    if name not in {"django.shortcuts.render", _TO_STRING, "a template"}:
        return
    for one in [*node.args, *(given.value for given in node.keywords)]:
        is_instance = one is argument(node, "context_instance")
        if not is_instance and module.qualified(one) not in _CONTEXTS:
            continue
        edits: tuple[Edit, ...] = ()
        parts = _parts(module, one)
        if parts is not None and not (is_instance and parts[0]):
            edits = _instead(module, node, one, name, *parts)
        message = f"{name.rpartition('.')[2]} is rendered with a dict, and the request; no context"
        yield Finding("render", module.line(node), message, edits)


def _instead(
    module: Module, call: ast.Call, given: ast.expr, name: str, content: str, request: str
) -> tuple[Edit, ...]:
    """Return the edits that put a dict, and the request where it is not given, for a context."""
    if name == "a template":
        return (module.replace(given, ", ".join(filter(None, [content or "{}", request]))),)
    if name == "django.shortcuts.render":
        return (
            module.replace(given, content) if content else module.without_argument(call, given),
        )
    if given in call.args:
        with_request = f"{content or '{}'}, request={request}" if request else content or "{}"
        return (module.replace(given, with_request),)
    keyword = next(one for one in call.keywords if one.value is given)
    return (module.replace(keyword, f"request={request}"),) if request else ()


def _parts(module: Module, context: ast.expr) -> tuple[str, str] | None:
    """Return the texts of a context's dict and request, ``None`` if it has more."""
    if not isinstance(context, ast.Call) or module.qualified(context) not in _CONTEXTS:
        return None
    takes_request = module.qualified(context).endswith("RequestContext")
    if context.keywords or has_star(context) or len(context.args) > 1 + takes_request:
        return None
    texts = [module.code(one) for one in context.args]
    request = texts.pop(0) if takes_request and texts else ""
    return (texts[0] if texts else ""), request


def _is_loaded(module: Module, template: ast.expr) -> bool:
    made = [template] if isinstance(template, ast.Call) else module.assigned(dotted(template))
    return bool(made) and all(
        isinstance(one, ast.Call) and module.qualified(one) in _LOADERS for one in made
    )
