"""Rules for what Django itself has changed, in code."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from channels.porting.analysis import (
    Module,
    argument,
    assigned,
    bases,
    dotted,
    has_star,
    methods,
    parameters,
    positional,
    statements,
    string,
)
from channels.porting.findings import Edit, Finding

_RELATIONS = frozenset(
    f"django.db.models.{path}{name}"
    for path in ("", "fields.related.")
    for name in ("ForeignKey", "OneToOneField")
)

#: Methods of users that are attributes now.
_ATTRIBUTES = frozenset({"is_authenticated", "is_anonymous"})

#: Methods of TestCase that Python 3.12 removed.
_ASSERTIONS = {
    "assertEquals": "assertEqual",
    "assertNotEquals": "assertNotEqual",
    "assertAlmostEquals": "assertAlmostEqual",
    "assertItemsEqual": "assertCountEqual",
    "assertRaisesRegexp": "assertRaisesRegex",
    "assertRegexpMatches": "assertRegex",
    "assertNotRegexpMatches": "assertNotRegex",
    "assert_": "assertTrue",
}

_MIDDLEWARE_HOOKS = frozenset(
    {"process_request", "process_response", "process_view", "process_exception"}
)


def on_delete(module: Module, node: cst.Call) -> Iterator[Finding]:
    """ForeignKey and OneToOneField must say what happens on deletion."""
    if module.qualified(node) not in _RELATIONS or argument(node, "on_delete"):
        return
    if len(positional(node)) > 1 or not node.args:
        return
    message = "on_delete must be given; CASCADE was what it did without"
    prefix = dotted(node.func).rpartition(".")[0]
    edits: tuple[Edit, ...] = ()
    if prefix.endswith("models") and not has_star(node):
        edits = (_add_argument(module, node, f"on_delete={prefix}.CASCADE", after=0),)
    yield Finding("on-delete", module.line(node), message, edits)


def null_boolean(module: Module, node: cst.Call) -> Iterator[Finding]:
    """NullBooleanField is ``BooleanField(null=True)``."""
    if module.qualified(node) != "django.db.models.NullBooleanField":
        return
    if "migrations" in module.parts:
        return  # Django keeps the name for them
    edits: tuple[Edit, ...] = ()
    if isinstance(node.func, cst.Attribute) and not has_star(node):
        edits = (module.replace(node.func.attr, "BooleanField"),)
        if argument(node, "null") is None:
            edits += (_add_argument(module, node, "null=True"),)
    message = "NullBooleanField is gone: BooleanField(null=True)"
    yield Finding("null-boolean", module.line(node), message, edits)


def _add_argument(module: Module, call: cst.Call, text: str, after: int | None = None) -> Edit:
    """Return the edit that adds an argument behind the one with index ``after``, or last."""
    if not call.args:
        position = module.span(call)[1] - 1
        return Edit(position, position, text)
    arg = call.args[-1 if after is None else after]
    position = module.span(arg.value)[1]
    return Edit(position, position, f", {text}")


def called_attribute(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``user.is_authenticated()`` is an attribute."""
    func = node.func
    if not isinstance(func, cst.Attribute) or func.attr.value not in _ATTRIBUTES or node.args:
        return
    if dotted(func.value) in {"self", "cls"}:
        return  # a method of this class
    end = module.span(func)[1]
    name = func.attr.value
    edits = (Edit(end, module.span(node)[1], ""),)
    yield Finding("user-attribute", module.line(node), f"{name} is no method any more", edits)


def is_ajax(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``request.is_ajax()`` is gone."""
    if dotted(node.func).endswith("request.is_ajax"):
        message = "is_ajax() is gone: compare request.headers.get('X-Requested-With')"
        yield Finding("is-ajax", module.line(node), message)


def safe_url_host(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``is_safe_url(host=…)``."""
    if module.qualified(node).startswith("django.utils.http.") and argument(node, "host"):
        message = "url_has_allowed_host_and_scheme() takes allowed_hosts={…}, not host"
        yield Finding("safe-url", module.line(node), message)


def providing_args(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``Signal(providing_args=…)``."""
    if module.qualified(node) not in {
        "django.dispatch.Signal",
        "django.dispatch.dispatcher.Signal",
    }:
        return
    given = argument(node, "providing_args")
    if given is None and not (node.args and isinstance(node.args[0].value, cst.List)):
        return
    edits: tuple[Edit, ...] = ()
    if len(node.args) == 1:
        edits = (module.replace(node, f"{module.code(node.func)}()"),)
    message = "Signal takes no providing_args: it was documentation only"
    yield Finding("providing-args", module.line(node), message, edits)


def test_assertions(module: Module, node: cst.Attribute) -> Iterator[Finding]:
    """Assertions that unittest has renamed."""
    new = _ASSERTIONS.get(node.attr.value)
    if new is not None and dotted(node.value) == "self":
        message = f"{node.attr.value} is {new} since Python 3.12"
        edits = (module.replace(node.attr, new),)
        yield Finding("assertion", module.line(node), message, edits)


def assignment_tag(module: Module, node: cst.Attribute) -> Iterator[Finding]:
    """``register.assignment_tag`` is ``simple_tag``."""
    if node.attr.value == "assignment_tag":
        edits = (module.replace(node.attr, "simple_tag"),)
        yield Finding("assignment-tag", module.line(node), "assignment_tag is simple_tag", edits)


def old_methods(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """What is defined in a class and is not called, or called otherwise."""
    defined = methods(node)
    text = defined.get("__unicode__")
    if text is not None:
        edits: tuple[Edit, ...] = ()
        if "__str__" not in defined:
            edits = (module.replace(text.name, "__str__"),)
        message = "__unicode__ is never called: Python 3 has __str__"
        yield Finding("unicode", module.line(text), message, edits)
    loader = defined.get("from_db_value")
    if loader is not None and "context" in parameters(loader):
        message = "from_db_value() gets no context any more"
        yield Finding("from-db-value", module.line(loader), message)
    hooks = defined.keys() & _MIDDLEWARE_HOOKS
    if hooks and "__call__" not in defined and bases(module, node) in ([], ["object"]):
        message = "middleware classes derive from django.utils.deprecation.MiddlewareMixin"
        yield Finding("middleware", module.line(node), message)


def model_meta(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """Options of ``class Meta``."""
    if node.name.value != "Meta":
        return
    for statement in statements(node):
        found = assigned(statement)
        if found and found[0] == "index_together":
            message = "index_together is gone: indexes = [models.Index(fields=[…])]"
            yield Finding("index-together", module.line(statement), message)


def default_app_config(module: Module, node: cst.Assign) -> Iterator[Finding]:
    """``default_app_config`` is found by itself."""
    found = assigned(node)
    if found is None or found[0] != "default_app_config":
        return
    edits: tuple[Edit, ...] = ()
    # With one configuration there is nothing to choose.
    if string(found[1]) and module.sibling("apps.py").count("AppConfig)") == 1:
        deleted = module.delete_lines(node)
        edits = (deleted,) if deleted else ()
    message = "default_app_config is ignored: Django finds the one AppConfig, or default = True"
    yield Finding("app-config", module.line(node), message, edits)


RULES = [
    (cst.Call, on_delete),
    (cst.Call, null_boolean),
    (cst.Call, called_attribute),
    (cst.Call, is_ajax),
    (cst.Call, safe_url_host),
    (cst.Call, providing_args),
    (cst.Attribute, test_assertions),
    (cst.Attribute, assignment_tag),
    (cst.ClassDef, old_methods),
    (cst.ClassDef, model_meta),
    (cst.Assign, default_app_config),
]
