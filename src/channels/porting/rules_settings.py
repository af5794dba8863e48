"""Rules for settings, layers, apps, and what ``setup.py`` requires."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from channels.backends import IN_MEMORY, REDIS, translate
from channels.porting.findings import Edit, Finding, rule
from channels.porting.module import (
    Module,
    argument,
    assignments,
    dotted,
    methods,
    parameters,
    string,
    walk,
)
from channels.porting.texts import VERSIONS, from_source, verdict

_GONE = {
    **{
        f"TEMPLATE_{name}": "move it into TEMPLATES"
        for name in ("CONTEXT_PROCESSORS", "DEBUG", "DIRS", "LOADERS", "STRING_IF_INVALID")
    },
    "DEFAULT_FILE_STORAGE": "move it into STORAGES",
    "STATICFILES_STORAGE": "move it into STORAGES",
    "USE_ETAGS": "add ConditionalGetMiddleware",
    "FILE_CHARSET": "files are UTF-8",
}

#: They do nothing any more and may be deleted.
_IDLE = frozenset(
    {"USE_L10N", "USE_DEPRECATED_PYTZ", "SECURE_BROWSER_XSS_FILTER", "DEFAULT_CONTENT_TYPE"}
)

#: What a setting was while it was not set.
_DEFAULTS = {
    "USE_TZ": ("False", "is True by default since Django 5.0"),
    "DEFAULT_AUTO_FIELD": (
        '"django.db.models.AutoField"',
        "is BigAutoField by default since Django 6.0, which means migrations",
    ),
}

_RUNNER = frozenset({"build_suite", "run_tests"})


@rule(ast.Module)
def settings(module: Module, node: ast.Module) -> Iterator[Finding]:
    """Names of settings, set at the top of a module."""
    names = dict(assignments(node.body))
    for name, statement in names.items():
        if name in _GONE:
            yield Finding("setting", module.line(statement), f"{name} is gone: {_GONE[name]}")
        elif name in _IDLE:
            message = f"{name} does nothing any more"
            yield Finding("setting", module.line(statement), message, note=True)
    if "INSTALLED_APPS" in names and "ROOT_URLCONF" in names:
        yield from _defaults(module, node, names["INSTALLED_APPS"])


def _defaults(module: Module, node: ast.Module, apps: ast.stmt) -> Iterator[Finding]:
    """Settings that are not set; those of the machine, imported at the end, may still do so."""
    end = len(module.text)
    for statement in node.body:
        if any(isinstance(part, ast.alias) and part.name == "*" for part in walk(statement)):
            if module.line(statement) < module.line(apps):
                return  # the base of these settings has them, or should
            end = module.line_start(statement)
            break
    for name, (value, why) in _DEFAULTS.items():
        if name not in module.names:
            is_line = not module.text[:end] or module.text[end - 1] in "\r\n"
            before = "" if is_line else module.newline
            # One edit a pass: both are at the same place.
            edits = (Edit(end, end, f"{before}{name} = {value}{module.newline}"),)
            message = f"{name} {why}: set it to {value} to keep what it was"
            yield Finding("setting-default", module.line(apps), message, edits)


@rule(ast.Name)
def middleware_classes(module: Module, node: ast.Name) -> Iterator[Finding]:
    """``MIDDLEWARE_CLASSES`` is ``MIDDLEWARE``."""
    if node.id == "MIDDLEWARE_CLASSES":
        edits = (module.replace(node, "MIDDLEWARE"),) if "MIDDLEWARE" not in module.names else ()
        message = "MIDDLEWARE_CLASSES is MIDDLEWARE, whose classes are called in another way"
        yield Finding("setting", module.line(node), message, edits)


@rule(ast.Constant)
def backend(module: Module, node: ast.Constant) -> Iterator[Finding]:
    """``"BACKEND": "a.layer.of.another"`` within ``CHANNEL_LAYERS``, in whatever notation."""
    value = string(node) or ""
    if "." not in value or value.startswith("channels.layers.") or translate(value)[0] != value:
        return
    if re.match(r"asgi_|channels_|channels\.", value) or not _is_backend(module, node):
        return
    message = (
        f"{value} is no layer of channels-classic. If it is yours, test it with"
        f" channels.layers.conformance; else use {REDIS}, or {IN_MEMORY} in one process"
    )
    yield Finding("layer", module.line(node), message, note=True)


def _is_backend(module: Module, node: ast.Constant) -> bool:
    parent = module.parents[node]
    if module.layers_around(node) is None:
        return False
    if isinstance(parent, ast.Dict):
        pairs = zip(parent.keys, parent.values, strict=True)
        return any(value is node and string(key) == "BACKEND" for key, value in pairs)
    if isinstance(parent, ast.Assign):
        target = parent.targets[0]
        return isinstance(target, ast.Subscript) and string(target.slice) == "BACKEND"
    return isinstance(parent, ast.keyword) and parent.arg == "BACKEND"


@rule(ast.Constant)
def delay_app(module: Module, node: ast.Constant) -> Iterator[Finding]:
    """The app of delayed messages has a label that Django accepts."""
    if string(node) != "channels.delay":
        return
    if "migrations" not in module.path.parts:
        message = (
            "its label is channels_delay now: adopt an existing table once with"
            " 'manage.py migrate channels_delay --fake-initial'"
        )
        yield Finding("delay-label", module.line(node), message, note=True)
        return
    parent = module.parents[node]
    if isinstance(parent, ast.Tuple) and len(parent.elts) == 2 and parent.elts[0] is node:
        edits = (module.replace(node, module.code(node).replace(".", "_")),)
        yield Finding("delay-label", module.line(node), "the app's label is channels_delay", edits)


@rule(ast.ClassDef)
def app_config(module: Module, node: ast.ClassDef) -> Iterator[Finding]:
    """``AppConfig.name`` that is not the app's, and labels with a dot."""
    is_config = any(base.rpartition(".")[2] == "AppConfig" for base in module.bases(node))
    for name, statement in assignments(node.body):
        value = string(statement.value) or ""
        if is_config and name == "name" and module.path.name == "apps.py":
            app = module.project.other_app(module.path, value)
            if app is not None and value:
                message = (
                    f"name is {value}, the app is {app}: Django takes the one configuration of"
                    " apps.py by itself now, and must be able to import its name"
                )
                yield Finding("app-config", module.line(statement), message)
        is_label = (name == "label" and is_config) or (name == "app_label" and node.name == "Meta")
        if is_label and "." in value:
            last = value.rpartition(".")[2]
            message = (
                f"a label has no dots: {value} may be {value.replace('.', '_')}, or {last};"
                " tables and migrations go by it"
            )
            yield Finding("app-label", module.line(statement), message)


@rule(ast.Assign)
def default_app_config(module: Module, node: ast.Assign) -> Iterator[Finding]:
    """``default_app_config`` is found by itself."""
    if [dotted(one) for one in node.targets] != ["default_app_config"]:
        return
    try:
        apps = module.path.with_name("apps.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        apps = ""
    # With one configuration there is nothing to choose.
    edits = module.delete(node) if string(node.value) and apps.count("AppConfig)") == 1 else ()
    message = "default_app_config is ignored: Django finds the one AppConfig, or default = True"
    yield Finding("app-config", module.line(node), message, edits)


@rule(ast.ClassDef)
def test_runner(module: Module, node: ast.ClassDef) -> Iterator[Finding]:
    """Methods of a test runner that take or hand on what Django 5.0 removed."""
    for name, method in methods(node).items():
        calls = (one for one in walk(method) if isinstance(one, ast.Call))
        hands_on = any(
            isinstance(call.func, ast.Attribute)
            and call.func.attr in _RUNNER
            and (argument(call, "extra_tests") or "extra_tests" in map(dotted, call.args))
            for call in calls
        )
        if name in _RUNNER and (hands_on or "extra_tests" in parameters(method)):
            message = f"{name}() takes test_labels and **kwargs: Django 5.0 removed extra_tests"
            yield Finding("test-runner", module.line(method), message)


@rule(ast.Constant)
def requirements(module: Module, node: ast.Constant) -> Iterator[Finding]:
    """Distributions in ``setup.py``."""
    value = string(node)
    if value is None or module.path.name != "setup.py":
        return
    # What ``setup(name=…)`` or ``packages=…`` says is of the project itself.
    before = module.text[module.line_start(node) : module.span(node)[0]]
    if re.search(r"\b(name|packages|py_modules|keywords)\s*=\s*\[?\s*$", before):
        return
    source = from_source(value)
    found = re.fullmatch(rf"([A-Za-z][\w.-]*)\s*(?:\[[^]]*\])?((?:{VERSIONS.pattern})*)", value)
    judged = verdict(source, "") if source else found and verdict(found[1], found[2])
    if judged:
        message, new = judged
        edits = (module.replace(node, module.code(node).replace(value, new or value)),)
        yield Finding(
            "requirement", module.line(node), message, edits if new and not source else ()
        )
