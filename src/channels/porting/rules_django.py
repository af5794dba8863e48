"""Rules for what Django and Python 3 have changed, and django-upgrade and pyupgrade leave."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from channels.porting.findings import Edit, Finding, rule
from channels.porting.module import (
    Module,
    argument,
    assignments,
    dotted,
    has_star,
    methods,
    parameters,
    string,
)

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

_RELATIONS = frozenset(
    f"django.db.models.{path}{name}"
    for path in ("", "fields.related.")
    for name in ("ForeignKey", "OneToOneField")
)

_MIDDLEWARE_HOOKS = frozenset(
    {"process_request", "process_response", "process_view", "process_exception"}
)


@rule(ast.Name)
def builtin(module: Module, node: ast.Name) -> Iterator[Finding]:
    """``unicode``, ``xrange`` …, if nothing in the file gives them a meaning."""
    name = node.id
    new = _BUILTINS.get(name)
    if new is None and name not in _GONE_BUILTINS:
        return
    if name in module.bound or name in module.imported or "*" in module.imported:
        return
    if new:
        message = f"{name} is {new} in Python 3"
        yield Finding("python-2", module.line(node), message, (module.replace(node, new),))
    else:
        message = f"Python 3 has no {name}: {_GONE_BUILTINS[name]}"
        yield Finding("python-2", module.line(node), message)


@rule(ast.Call)
def called_method(module: Module, node: ast.Call) -> Iterator[Finding]:
    """Methods that are attributes, are called otherwise, or are gone."""
    func = node.func
    if not isinstance(func, ast.Attribute):
        return
    name, owner, line = func.attr, dotted(func.value), module.line(node)
    given = len(node.args) + len(node.keywords)
    if name in {"is_authenticated", "is_anonymous"} and not given:
        # One of this class; or code that asks first whether it is a method.
        if owner not in {"self", "cls"} and f"callable({module.code(func)})" not in module.text:
            edits = (Edit(module.span(func)[1], module.span(node)[1], ""),)
            yield Finding("user-attribute", line, f"{name} is no method any more", edits)
    elif name in _VIEWS and not given and owner != "six":
        edits = (module.rename(func, name, _VIEWS[name]),)
        yield Finding("python-2", line, f"{name}() is {_VIEWS[name]}()", edits)
    elif name == "has_key" and given == 1:
        has_it_still = owner.lower().endswith(("cache", "session"))
        if owner and not has_it_still and not owner.startswith(("self", "cls")):
            yield Finding("python-2", line, "dicts have no has_key(): use in")
    elif name == "is_ajax" and owner.endswith("request"):
        text = f'({owner}.headers.get("X-Requested-With") == "XMLHttpRequest")'
        message = "is_ajax() is gone: compare the header X-Requested-With"
        yield Finding("is-ajax", line, message, (module.replace(node, text),))
    elif name == "make_random_password":
        message = "make_random_password() is gone: use django.utils.crypto.get_random_string"
        yield Finding("random", line, message)
    elif name == "decode" and isinstance(func.value, ast.Call):
        if module.qualified(func.value) == "django.utils.http.urlsafe_base64_encode":
            edits = (Edit(module.span(func.value)[1], module.span(node)[1], ""),)
            yield Finding("encoded", line, "urlsafe_base64_encode() returns text", edits)
    elif owner == "self" and name == "assertDictContainsSubset":
        message = "assertDictContainsSubset is gone: compare {**whole, **part} with the whole"
        yield Finding("assertion", line, message)
    elif owner == "self" and name == "assertItemsEqual":
        edits = (module.rename(func, name, "assertCountEqual"),)
        yield Finding("assertion", line, "assertItemsEqual is assertCountEqual", edits)
    elif owner == "self" and name in {"assertFormError", "assertFormsetError"} and given > 1:
        is_response = dotted(node.args[0]).endswith(("response", "resp", "res", "r"))
        if is_response and len(node.args) > 1 and string(node.args[1]) is not None:
            message = "it takes the form, not a response and a name: response.context['form']"
            yield Finding("assertion", line, message)


@rule(ast.Call)
def called_function(module: Module, node: ast.Call) -> Iterator[Finding]:
    """Functions and fields that take other arguments, or have another name."""
    name, line = module.qualified(node), module.line(node)
    if name in _RELATIONS:
        to_field_only = len(node.args) < 2 or string(node.args[1]) is not None
        # It may be among what is handed on.
        may_be_given = has_star(node) and "on_delete" in module.text
        if to_field_only and not argument(node, "on_delete") and not may_be_given:
            message = "on_delete must be given; CASCADE was what it did without"
            yield Finding("on-delete", line, message)
    elif name == "django.db.models.NullBooleanField" and "migrations" not in module.path.parts:
        edits: tuple[Edit, ...] = ()
        if isinstance(node.func, ast.Attribute) and not has_star(node):
            implied = [f"{one}=True" for one in ("null", "blank") if not argument(node, one)]
            edits = (module.rename(node.func, "NullBooleanField", "BooleanField"),)
            edits += (module.add_argument(node, ", ".join(implied)),) if implied else ()
        message = "NullBooleanField is gone: BooleanField(null=True, blank=True)"
        yield Finding("null-boolean", line, message, edits)
    elif name.startswith("django.utils.http.") and argument(node, "host"):
        host = next(one for one in node.keywords if one.arg == "host")
        edits = (module.rename(host, "host", "allowed_hosts"),)
        message = "url_has_allowed_host_and_scheme() takes allowed_hosts, one or a set, not host"
        yield Finding("safe-url", line, message, edits)


@rule(ast.ClassDef)
def old_class(module: Module, node: ast.ClassDef) -> Iterator[Finding]:
    """What is defined in a class and is not called, or called otherwise."""
    defined = methods(node)
    names = {name for name, _ in assignments(node.body)}
    renamed = {"__unicode__": "__str__", "__nonzero__": "__bool__", "__div__": "__truediv__"}
    if "__iter__" in defined:
        renamed["next"] = "__next__"
    for old, new in renamed.items():
        if old in defined and new not in names:
            rule = "unicode" if old == "__unicode__" else "python-2"
            is_there = new in defined
            renaming = () if is_there else (module.rename(defined[old], old, new),)
            if not is_there or rule == "unicode":
                message = f"{old} is {new} in Python 3"
                yield Finding(rule, module.line(defined[old]), message, renaming, note=is_there)
    for name, statement in assignments(node.body):
        if name == "__metaclass__" and statement.value is not None:
            message = f"class {node.name}(metaclass={module.code(statement.value)})"
            yield Finding("python-2", module.line(statement), message)
        elif name == "index_together" and node.name == "Meta":
            message = "index_together is gone: indexes = [models.Index(fields=[…])]"
            yield Finding("index-together", module.line(statement), message)
    loader = defined.get("from_db_value")
    if loader is not None and "context" in parameters(loader):
        message = "from_db_value() gets no context any more"
        yield Finding("from-db-value", module.line(loader), message)
    login = defined.get("authenticate")
    if login is not None and "get_user" in defined and "request" not in parameters(login)[:2]:
        message = "authenticate() of a backend gets the request first, and is passed over without"
        yield Finding("authenticate", module.line(login), message)
    render = defined.get("render")
    takes_renderer = render and (render.args.kwarg or "renderer" in parameters(render))
    if render is not None and not takes_renderer and _is_widget(module, node):
        message = "render() of a widget gets renderer=None as well"
        yield Finding("widget", module.line(render), message)
    is_plain = module.bases(node) in ([], ["object"]) and "__call__" not in defined
    if is_plain and not _MIDDLEWARE_HOOKS.isdisjoint(defined):
        message = "middleware classes derive from django.utils.deprecation.MiddlewareMixin"
        edits = () if "__init__" in defined else _mixed_in(module, node)
        yield Finding("middleware", module.line(node), message, edits)


def _mixed_in(module: Module, klass: ast.ClassDef) -> tuple[Edit, ...]:
    """Return the edits that derive a class from ``MiddlewareMixin``."""
    imported = module.add_import("django.utils.deprecation", "MiddlewareMixin")
    if imported is None:
        return ()
    if klass.bases:
        return (*imported, module.replace(klass.bases[0], "MiddlewareMixin"))
    end = module.rename(klass, klass.name, "").end
    close = module.text[end:].startswith("()")
    return (*imported, Edit(end, end + 2 * close, "(MiddlewareMixin)"))


def _is_widget(module: Module, klass: ast.ClassDef) -> bool:
    names = [base.rpartition(".") for base in module.bases(klass)]
    return any(
        name in {"Textarea", "MultiWidget", "SelectMultiple"}
        or (source.endswith(("forms", "widgets")) and name.endswith(("Input", "Widget", "Select")))
        for source, _, name in names
    )


@rule(ast.Attribute)
def old_attribute(module: Module, node: ast.Attribute) -> Iterator[Finding]:
    """``register.assignment_tag``, and ``method.allow_tags = True`` of an admin class."""
    if node.attr == "assignment_tag":
        edits = (module.rename(node, "assignment_tag", "simple_tag"),)
        yield Finding("assignment-tag", module.line(node), "assignment_tag is simple_tag", edits)
    elif node.attr == "allow_tags" and isinstance(node.ctx, ast.Store):
        message = "allow_tags does nothing: its HTML is escaped unless it is from format_html()"
        yield Finding("allow-tags", module.line(node), message)
