"""Rules for channel layers that are not ours, and for patterns of routes that are bytes."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from channels.backends import IN_MEMORY, REDIS, translate
from channels.porting.analysis import Module
from channels.porting.findings import Edit, Finding
from channels.porting.nodes import dotted, positional, string
from channels.porting.rules_settings import GONE_LAYERS

_ROUTES = frozenset(
    f"channels.{home}{name}"
    for home in ("", "routing.")
    for name in ("route", "route_class", "include", "Route", "RouteClass", "Include")
)
_URLS = frozenset({"django.conf.urls.url", "django.urls.re_path"})


def backend(module: Module, node: cst.DictElement) -> Iterator[Finding]:
    """``"BACKEND": "a.layer.of.somebody"`` within ``CHANNEL_LAYERS``."""
    if string(node.key) == "BACKEND":
        yield from _judged(module, node.value)


def backend_argument(module: Module, node: cst.Arg) -> Iterator[Finding]:
    """``dict(BACKEND="…")``."""
    if node.keyword is not None and node.keyword.value == "BACKEND":
        yield from _judged(module, node.value)


def backend_item(module: Module, node: cst.Assign) -> Iterator[Finding]:
    """``CHANNEL_LAYERS["default"]["BACKEND"] = "…"``."""
    for target in node.targets:
        if isinstance(target.target, cst.Subscript):
            index = target.target.slice[-1].slice
            if isinstance(index, cst.Index) and string(index.value) == "BACKEND":
                yield from _judged(module, node.value)


def _judged(module: Module, node: cst.BaseExpression) -> Iterator[Finding]:
    value = string(node)
    if value is None or "." not in value or value.startswith("channels.layers."):
        return
    if translate(value)[0] != value or GONE_LAYERS.fullmatch(value):
        return  # told by the string
    if not module.is_in_layers(node):
        return
    message = (
        f"{value} is no layer of channels-classic. If it is yours, test it with"
        f" channels.layers.conformance; else use {REDIS}, or {IN_MEMORY} in one process"
    )
    yield Finding("layer", module.line(node), message, note=True)


def bytes_pattern(module: Module, node: cst.Call) -> Iterator[Finding]:
    """``route(…, path=b"^/chat/")`` and ``url(b"^chat/$", …)``."""
    name = module.qualified(node)
    if name in _ROUTES or dotted(node.func).endswith(".as_route"):
        for arg in node.args:
            if arg.keyword is None or not _bytes(arg.value):
                continue
            if isinstance(arg.value, cst.Call):
                message = f"a pattern for {arg.keyword.value} is compiled from text: drop the b"
                yield Finding("bytes", module.line(arg), message, _as_text(module, arg.value))
            else:
                message = f"{arg.keyword.value} is text now; a pattern of ASCII bytes still works"
                yield Finding("bytes", module.line(arg), message, note=True)
    elif name in _URLS:
        for arg in positional(node)[:1]:
            if _bytes(arg.value):
                message = "the pattern of a URL is text: drop the b"
                yield Finding("bytes", module.line(arg), message, _as_text(module, arg.value))


def _bytes(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.Call) and dotted(node.func) == "re.compile" and node.args:
        return _bytes(node.args[0].value)
    return isinstance(node, cst.SimpleString) and isinstance(node.evaluated_value, bytes)


def _as_text(module: Module, node: cst.BaseExpression) -> tuple[Edit, ...]:
    if isinstance(node, cst.Call):
        node = node.args[0].value
    code = module.code(node)
    quote = min(at for at in map(code.find, "\"'") if at >= 0)
    prefix = code[:quote].translate(dict.fromkeys(map(ord, "bB")))
    return (module.replace(node, prefix + code[quote:]),)


RULES = [
    (cst.DictElement, backend),
    (cst.Arg, backend_argument),
    (cst.Assign, backend_item),
    (cst.Call, bytes_pattern),
]
