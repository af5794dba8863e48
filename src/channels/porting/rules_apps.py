"""Rules for app configurations, labels of apps, and test runners."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from channels.porting.analysis import Module, bases
from channels.porting.findings import Finding
from channels.porting.nodes import assigned, dotted, methods, statements, string, walk

_RUNNER = frozenset({"build_suite", "run_tests"})


def app_config(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """``AppConfig.name`` that is not the app's: nobody noticed while Django did not look for it."""
    if not any(base.rpartition(".")[2] == "AppConfig" for base in bases(module, node)):
        return
    for statement in statements(node):
        found = assigned(statement)
        value = string(found[1]) if found else None
        if found is None or value is None:
            continue
        if found[0] == "name" and module.parts[-1] == "apps.py":
            app = module.app_name(value)
            if app is not None:
                message = (
                    f"name is {value}, the app is {app}: Django takes the one configuration of"
                    " apps.py by itself now, and must be able to import its name"
                )
                yield Finding("app-config", module.line(statement), message)
        elif found[0] == "label" and "." in value:
            yield Finding("app-label", module.line(statement), _no_dots(value))


def meta_label(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """``app_label`` of a model."""
    if node.name.value != "Meta":
        return
    for statement in statements(node):
        found = assigned(statement)
        value = string(found[1]) if found and found[0] == "app_label" else None
        if value is not None and "." in value:
            yield Finding("app-label", module.line(statement), _no_dots(value))


def _no_dots(label: str) -> str:
    last = label.rpartition(".")[2]
    return (
        f"a label has no dots: {label} may be {label.replace('.', '_')}, or {last};"
        " tables and migrations go by it"
    )


def test_runner(module: Module, node: cst.ClassDef) -> Iterator[Finding]:
    """Methods of a test runner that take or hand on what Django 5.0 removed."""
    for name, method in methods(node).items():
        if name not in _RUNNER:
            continue
        params = method.params
        named = [*params.params, *params.kwonly_params]
        takes = any(param.name.value == "extra_tests" for param in named)
        hands_on = any(
            isinstance(call, cst.Call)
            and isinstance(call.func, cst.Attribute)
            and call.func.attr.value in _RUNNER
            and any(dotted(arg.keyword or arg.value) == "extra_tests" for arg in call.args)
            for call in walk(method.body)
        )
        if takes or hands_on:
            message = f"{name}() takes test_labels and **kwargs: Django 5.0 removed extra_tests"
            yield Finding("test-runner", module.line(method), message)


RULES = [
    (cst.ClassDef, app_config),
    (cst.ClassDef, meta_label),
    (cst.ClassDef, test_runner),
]
