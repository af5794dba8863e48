"""Rules for names that have moved or are gone: imports with their uses, and names in strings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from channels.backends import CONSEQUENCE, translate
from channels.porting.findings import Edit, Finding, rule
from channels.porting.module import FunctionDef, Module, dotted, string
from channels.porting.moved import gone, moved

#: Fields that Django keeps importable for the sake of old migrations.
_KEPT_FOR_MIGRATIONS = ("django.contrib.postgres.fields.", "django.db.models.IPAddressField")

_SESSION_MIDDLEWARE = "django.contrib.auth.middleware.SessionAuthenticationMiddleware"

#: Layers of other distributions, and of Channels before 1.0.
_GONE_LAYERS = re.compile(
    r"asgi_(?!redis\.)\w+\.(?:\w+\.)*\w+|channels_\w+\.(?:\w+\.)*\w*ChannelLayer"
    r"|channels\.database_layer\.\w+|channels\.backends\.(?:database|memory|redis_py)\.\w+"
)

#: Loggers have names like those of modules.
_LOGGERS = re.compile(r"daphne\.(?:server|\w+_protocol)|django\.(?:db\.backends\.schema|[a-z_]+)")

_DOTTED = re.compile(r"(?:django|channels|asgi_redis|asgiref|daphne)(?:\.[A-Za-z_]\w*)+")


def _told(module: Module, node: ast.AST, name: str, edits: tuple[Edit, ...] = ()) -> Finding | None:
    """Return what there is to say of a name, if it has moved or is gone."""
    if "migrations" in module.path.parts and name.startswith(_KEPT_FOR_MIGRATIONS):
        return None
    new = moved(name)
    message = f"{name} is {new} now" if new else gone(name)
    return Finding("moved", module.line(node), message, edits) if message else None


@rule(ast.ImportFrom)
def moved_from_import(module: Module, node: ast.ImportFrom) -> Iterator[Finding]:
    """``from old import a, b``."""
    if node.level or not node.module:
        return
    if node.names[0].name == "*":
        yield from _starred(module, node, node.module)
        return
    found = [(alias, _told(module, node, f"{node.module}.{alias.name}")) for alias in node.names]
    if any(told for _, told in found):
        edits = _rewritten(module, node)
        for alias, told in found:
            if told:
                fixed = moved(f"{node.module}.{alias.name}") or _is_unused(module, alias)
                yield replace(told, edits=edits if fixed else ())


def _starred(module: Module, node: ast.ImportFrom, source: str) -> Iterator[Finding]:
    """What ``from old import *`` no longer brings, if it is used."""
    told = _told(module, node, source)
    if told:
        new = moved(source)
        yield replace(told, edits=(module.rename(node, source, new),) if new else ())
        return
    for name in sorted(module.names - module.bound - module.imported.keys()):
        told = _told(module, node, f"{source}.{name}") if moved(f"{source}.{name}") else None
        if told:
            new, _, last = (moved(f"{source}.{name}") or "").rpartition(".")
            end, indent = module.line_end(node), module.indent(node)
            text = f"{module.newline}{indent}from {new} import {last} as {name}"
            yield replace(told, edits=() if indent is None else (Edit(end, end, text),))


def _is_unused(module: Module, alias: ast.alias) -> bool:
    """Return whether nothing in the file uses a name that stays, so that its import can go."""
    name = alias.asname or alias.name
    uses = [one for one in ast.walk(module.tree) if isinstance(one, ast.Name) and one.id == name]
    if alias.name == "python_2_unicode_compatible":
        uses = [one for one in uses if not isinstance(module.parents.get(one), ast.ClassDef)]
    return not uses


def _rewritten(module: Module, node: ast.ImportFrom) -> tuple[Edit, ...]:
    """Return the edits of a statement and of all uses of its names; none if it is not plain."""
    kept: list[tuple[ast.alias, str, str]] = []
    uses: list[Edit] = []
    for alias in node.names:
        name = f"{node.module}.{alias.name}"
        new = moved(name) or name
        if new == name and gone(name) and _is_unused(module, alias):
            continue
        source, _, last = new.rpartition(".")
        local = alias.asname or alias.name
        if local != last and not alias.asname and (renamed := _uses(module, local, new)):
            uses += renamed
            local = last
        kept.append((alias, source, last if local == last else f"{last} as {local}"))
    if not kept:
        return module.delete(node)
    code = module.code(node)
    sources = {source: [text for _, of, text in kept if of == source] for _, source, _ in kept}
    texts = {text for _, _, text in kept}
    if len(sources) == 1 and len(texts) == len(node.names) and "" not in sources:
        (source,) = sources
        edits = [
            module.replace(alias, text) for alias, _, text in kept if module.code(alias) != text
        ]
        if source != node.module:
            edits.append(module.rename(node, node.module or "", source))
        return (*edits, *uses)
    if "#" in code:
        return ()  # a comment would lose its place
    indent = module.indent(node)
    lines = (
        f"from {source} import {', '.join(dict.fromkeys(names))}"
        if source
        else f"import {names[0]}"
        for source, names in sources.items()
    )
    between = "; " if indent is None else module.newline + indent
    return (module.replace(node, between.join(lines)), *uses)


def _uses(module: Module, old: str, new: str) -> list[Edit]:
    """Return the edits of every use of an imported name; none if one name has two meanings."""
    last = new.rpartition(".")[2]
    is_free = last not in module.names or set(module.imported.get(last, ())) == {new}
    exported = any(
        string(one) == old for value in module.assigned("__all__") for one in ast.walk(value)
    )
    if not is_free or last in module.bound or old in module.bound or exported:
        return []
    if len(set(module.imported[old])) > 1:
        return []
    names = (one for one in ast.walk(module.tree) if isinstance(one, ast.Name) and one.id == old)
    return [module.replace(one, last) for one in names]


@rule(ast.Import)
def moved_import(module: Module, node: ast.Import) -> Iterator[Finding]:
    """``import old.module``, with or without ``as``."""
    for alias in node.names:
        told = _told(module, node, alias.name)
        if told is None:
            continue
        new = moved(alias.name)
        edits: list[Edit] = []
        if new and (alias.asname or "." not in alias.name):
            local = alias.asname or alias.name
            edits = [module.replace(alias, new if new == local else f"{new} as {local}")]
        elif new:
            edits = [module.replace(alias, new)]
            for one in module.nodes:
                name = dotted(one)
                if name == alias.name:
                    edits.append(module.replace(one, new))
                elif moved(name) and moved(name) != name.replace(alias.name, new):
                    edits = []  # it is elsewhere, or has another name
                    break
        yield replace(told, edits=tuple(edits))


@rule(ast.Attribute)
def moved_attribute(module: Module, node: ast.Attribute) -> Iterator[Finding]:
    """``encoding.force_unicode``, where the module itself has stayed."""
    name = module.qualified(node)
    source, _, last = name.rpartition(".")
    told = _told(module, node, name) if name and not _told(module, node, source) else None
    if told is None:
        return
    new = (moved(name) or "").rpartition(".")
    edits = (module.rename(node, last, new[2]),) if new[0] == source else ()
    yield replace(told, edits=edits)


@rule(ast.ClassDef)
def unneeded_decorator(module: Module, node: ast.ClassDef) -> Iterator[Finding]:
    """``@python_2_unicode_compatible`` of Django's own."""
    for one in node.decorator_list:
        name = module.qualified(one)
        if name.startswith("django.utils.") and name.endswith(".python_2_unicode_compatible"):
            message = "python_2_unicode_compatible is gone and not needed"
            yield Finding("moved", module.line(one), message, module.delete(one))


@rule(ast.Constant)
def names_in_strings(module: Module, node: ast.Constant) -> Iterator[Finding]:
    """Dotted names in strings: settings, mock.patch, dotted routes."""
    value = string(node)
    if value is None or not 5 < len(value) < 200 or "." not in value or " " in value:
        return
    if _LOGGERS.fullmatch(value):
        if value.startswith("daphne."):
            message = "loggers of the server are below channels.interface_server now"
            yield Finding("logger", module.line(node), message, note=True)
        return
    for found in _named(module, node, value):
        if not module.is_compared(node):
            yield found
            continue
        message = f"{found.message}; it is compared here, so look at both sides of that"
        yield replace(found, message=message, edits=())


def _named(module: Module, node: ast.Constant, value: str) -> Iterator[Finding]:
    backend, note = translate(value)
    new = moved(value) if _DOTTED.fullmatch(value) else None
    if backend != value:
        found = _renamed(module, node, value, backend, f"{note}. {CONSEQUENCE}")
        yield replace(found, edits=(*found.edits, *_sockets_stay(module, node)))
    elif _GONE_LAYERS.fullmatch(value):
        message = (
            f"{value} is gone: use channels.layers.redis.RedisChannelLayer, or"
            " channels.layers.inmemory.InMemoryChannelLayer in one process"
        )
        yield Finding("gone-name", module.line(node), message)
    elif new:
        yield _renamed(module, node, value, new)
    elif _DOTTED.fullmatch(value) and (message := gone(value) or ""):
        edits = module.delete(node) if value == _SESSION_MIDDLEWARE else ()
        yield Finding("gone-name", module.line(node), message, edits)


def _renamed(module: Module, node: ast.AST, old: str, new: str, note: str = "") -> Finding:
    edits = (module.replace(node, module.code(node).replace(old, new)),)
    return Finding("renamed", module.line(node), f"{old} is {new} now{note}", edits)


def _sockets_stay(module: Module, node: ast.AST) -> tuple[Edit, ...]:
    """Return the edit that sets ``CHANNELS_CLOSE_ON_LOGOUT`` to what it was, if there is a place.

    That is behind the ``CHANNEL_LAYERS`` that the string is in, so that it holds in the same
    branch or class.
    """
    layers = module.layers_around(node)
    if layers is None or "CHANNELS_CLOSE_ON_LOGOUT" in module.names:
        return ()
    indent = module.indent(layers)
    if indent is None or any(isinstance(one, FunctionDef) for one in module.around(layers)):
        return ()
    at = module.line_end(layers)
    return (Edit(at, at, f"{module.newline}{indent}CHANNELS_CLOSE_ON_LOGOUT = False"),)
