"""Rules for what Django itself has changed, in code."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from channels.porting.analysis import Module, bases
from channels.porting.findings import Edit, Finding
from channels.porting.nodes import (
    argument,
    assigned,
    dotted,
    has_star,
    methods,
    parameters,
    positional,
    statements,
    string,
)

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
    "assertQuerysetEqual": "assertQuerySetEqual",
    "assertFormsetError": "assertFormSetError",
}

_MIDDLEWARE_HOOKS = frozenset(
    {"process_request", "process_response", "process_view", "process_exception"}
)


def on_delete(module: Module, node: cst.Call) -> Iterator[Finding]:
    """ForeignKey and OneToOneField must say what happens on deletion."""
    if module.qualified(node) not in _RELATIONS or argument(node, "on_delete"):
        return
    given = positional(node)
    if not node.args or (len(given) > 1 and string(given[1].value) is None):
        return
    if has_star(node) and module.mentions("on_delete"):
        return  # it is among what is handed on
    message = "on_delete must be given; CASCADE was what it did without"
    edits: tuple[Edit, ...] = ()
    if len(given) < 2 and not has_star(node):
        edits = _cascade(module, node)
    yield Finding("on-delete", module.line(node), message, edits)


def _cascade(module: Module, node: cst.Call) -> tuple[Edit, ...]:
    """Return the edits that give ``on_delete``, and import what it is."""
    prefix = dotted(node.func).rpartition(".")[0]
    if prefix.endswith("models"):
        return (_add_argument(module, node, f"on_delete={prefix}.CASCADE", after=0),)
    text = _add_argument(module, node, "on_delete=CASCADE", after=0)
    for one in module.nodes:
        if not isinstance(one, cst.ImportFrom) or isinstance(one.names, cst.ImportStar):
            continue
        if dotted(one.module) != "django.db.models" or one.relative:
            continue
        if any(dotted(alias.name) == "CASCADE" and alias.asname is None for alias in one.names):
            return (text,)
        if "CASCADE" not in module.taken:
            start = module.span(one.names[0])[0]
            return (text, Edit(start, start, "CASCADE, "))
    return ()


def null_boolean(module: Module, node: cst.Call) -> Iterator[Finding]:
    """NullBooleanField is ``BooleanField(null=True)``."""
    if module.qualified(node) != "django.db.models.NullBooleanField":
        return
    if "migrations" in module.parts:
        return  # Django keeps the name for them
    edits: tuple[Edit, ...] = ()
    if isinstance(node.func, cst.Attribute) and not has_star(node):
        implied = [name for name in ("null", "blank") if argument(node, name) is None]
        edits = (module.replace(node.func.attr, "BooleanField"),)
        if implied:
            text = ", ".join(f"{name}=True" for name in implied)
            edits += (_add_argument(module, node, text),)
    message = "NullBooleanField is gone: BooleanField(null=True, blank=True)"
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
        request = module.code(node.func).removesuffix(".is_ajax")
        text = f'({request}.headers.get("X-Requested-With") == "XMLHttpRequest")'
        message = "is_ajax() is gone: compare the header X-Requested-With"
        yield Finding("is-ajax", module.line(node), message, (module.replace(node, text),))


def safe_url_host(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``is_safe_url(host=…)``."""
    given = argument(node, "host")
    if module.qualified(node).startswith("django.utils.http.") and given and given.keyword:
        message = "url_has_allowed_host_and_scheme() takes allowed_hosts, one or a set, not host"
        edits = (module.replace(given.keyword, "allowed_hosts"),)
        yield Finding("safe-url", module.line(node), message, edits)


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
    elif "#" not in module.code(node):
        others = [module.code(arg) for arg in node.args if arg is not (given or node.args[0])]
        edits = (module.replace(node, f"{module.code(node.func)}({', '.join(others)})"),)
    message = "Signal takes no providing_args: it was documentation only"
    yield Finding("providing-args", module.line(node), message, edits)


def test_assertions(module: Module, node: cst.Attribute) -> Iterator[Finding]:
    """Assertions that unittest has renamed."""
    if dotted(node) == "self.assertDictContainsSubset":
        message = "assertDictContainsSubset is gone: compare {**whole, **part} with the whole"
        yield Finding("assertion", module.line(node), message)
    new = _ASSERTIONS.get(node.attr.value)
    if new is not None and dotted(node.value) == "self":
        message = f"{node.attr.value} is {new}"
        if new == "assertQuerySetEqual":
            message += ", and compares objects: transform=repr for texts"
        edits = (module.replace(node.attr, new),)
        yield Finding("assertion", module.line(node), message, edits)


def form_error(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``assertFormError(response, "form", …)``."""
    if dotted(node.func) not in {"self.assertFormError", "self.assertFormsetError"}:
        return
    given = positional(node)
    first = dotted(given[0].value) if len(given) > 1 else ""
    if first.endswith(("response", "resp", "res", "r")) and string(given[1].value) is not None:
        message = "it takes the form, not a response and a name: response.context['form']"
        yield Finding("assertion", module.line(node), message)


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
        is_there = "__str__" in defined
        renamed = () if is_there else (module.replace(text.name, "__str__"),)
        message = "__unicode__ is never called: Python 3 has __str__"
        yield Finding("unicode", module.line(text), message, renamed, note=is_there)
    loader = defined.get("from_db_value")
    if loader is not None and "context" in parameters(loader):
        message = "from_db_value() gets no context any more"
        yield Finding("from-db-value", module.line(loader), message)
    login = defined.get("authenticate")
    if login is not None and "get_user" in defined and "request" not in parameters(login)[:2]:
        message = "authenticate() of a backend gets the request first, and is passed over without"
        yield Finding("authenticate", module.line(login), message)
    render = defined.get("render")
    if render is not None and _is_widget(module, node) and "renderer" not in _taken(render):
        message = "render() of a widget gets renderer=None as well"
        yield Finding("widget", module.line(render), message)
    hooks = defined.keys() & _MIDDLEWARE_HOOKS
    if hooks and "__call__" not in defined and bases(module, node) in ([], ["object"]):
        message = "middleware classes derive from django.utils.deprecation.MiddlewareMixin"
        edits = () if "__init__" in defined else _mixed_in(module, node)
        yield Finding("middleware", module.line(node), message, edits)


def _mixed_in(module: Module, klass: cst.ClassDef) -> tuple[Edit, ...]:
    """Return the edits that derive a class from ``MiddlewareMixin``."""
    imported = module.add_import("django.utils.deprecation", "MiddlewareMixin")
    if imported is None:
        return ()
    if klass.bases:
        return (*imported, module.replace(klass.bases[0].value, "MiddlewareMixin"))
    end = module.span(klass.name)[1]
    close = module.text[end:].startswith("()")
    return (*imported, Edit(end, end + 2 * close, "(MiddlewareMixin)"))


def _is_widget(module: Module, klass: cst.ClassDef) -> bool:
    names = [base.rpartition(".") for base in bases(module, klass)]
    return any(
        source.endswith(("forms", "widgets")) and name.endswith(("Input", "Widget", "Select"))
        for source, _, name in names
    ) or any(name in {"Textarea", "MultiWidget", "SelectMultiple"} for _, _, name in names)


def _taken(function: cst.FunctionDef) -> list[str]:
    """Return the names of a function's parameters; ``renderer`` is among them if any name is."""
    params = function.params
    names = [*parameters(function), *(param.name.value for param in params.kwonly_params)]
    return [*names, "renderer"] if params.star_kwarg is not None else names


def allow_tags(module: Module, node: cst.Assign) -> Iterator[Finding]:
    """``method.allow_tags = True`` of an admin class."""
    target = node.targets[0].target
    if isinstance(target, cst.Attribute) and target.attr.value == "allow_tags":
        message = "allow_tags does nothing: its HTML is escaped unless it is from format_html()"
        yield Finding("allow-tags", module.line(node), message)


def encoded_text(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``urlsafe_base64_encode(…).decode()``: it is text already."""
    func = node.func
    if not isinstance(func, cst.Attribute) or func.attr.value != "decode":
        return
    made = func.value
    if not isinstance(made, cst.Call):
        return
    if module.qualified(made) == "django.utils.http.urlsafe_base64_encode":
        edits = (Edit(module.span(made)[1], module.span(node)[1], ""),)
        message = "urlsafe_base64_encode() returns text"
        yield Finding("encoded", module.line(node), message, edits)


def random_text(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``get_random_string()`` and ``make_random_password()``."""
    if module.qualified(node) == "django.utils.crypto.get_random_string" and not node.args:
        edits = (module.replace(node, f"{module.code(node.func)}(12)"),)
        message = "get_random_string() must be told a length; 12 was what it took"
        yield Finding("random", module.line(node), message, edits)
    elif dotted(node.func).endswith(".make_random_password"):
        message = "make_random_password() is gone: use django.utils.crypto.get_random_string"
        yield Finding("random", module.line(node), message)


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
    (cst.Call, form_error),
    (cst.Call, encoded_text),
    (cst.Call, random_text),
    (cst.Assign, allow_tags),
    (cst.Attribute, test_assertions),
    (cst.Attribute, assignment_tag),
    (cst.ClassDef, old_methods),
    (cst.ClassDef, model_meta),
    (cst.Assign, default_app_config),
]
