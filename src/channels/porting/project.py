"""What a project's files say about one another, as far as their text shows."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from channels.porting.module import Module, dotted, string

_ROUTES = frozenset({"channels.route", "channels.routing.route", "channels.routing.Route"})

#: With this setting a connect consumer need not answer.
_IMPLICIT_ACCEPT = re.compile(r"^CHANNELS_IMPLICIT_ACCEPT\s*=\s*True", re.MULTILINE)
_URLS = re.compile(r"^urlpatterns\b", re.MULTILINE)
_NAMED = re.compile(r"^app_name\s*=", re.MULTILINE)
_INSTALLED = re.compile(r"\bINSTALLED_APPS\b[^\n\[(]*[\[(]([^\])]*)")
_APP = re.compile(r"""["']([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)["']""")

#: A dotted name, without dots; what is known of it may begin above the project's folder.
_Parts = tuple[str, ...]


class Project:
    """Collects from every file, then answers for each.

    Modules are compared by as many parts of their names as are known, so two apps may have
    ``consumers.py`` each.
    """

    def __init__(self) -> None:
        self.accepts_by_itself = False
        self._routes: dict[_Parts, set[str]] = defaultdict(set)
        self._urls: dict[_Parts, bool] = {}
        self._apps: set[_Parts] = set()

    def collect(self, text: str, path: Path) -> None:
        """Take a Python file.

        Raises:
            UnparsableError: It has routes, and can't be parsed.
        """
        self.accepts_by_itself |= bool(_IMPLICIT_ACCEPT.search(text))
        if _URLS.search(text):
            self._urls[_module(path)] = bool(_NAMED.search(text))
        for apps in _INSTALLED.findall(text):
            self._apps |= {tuple(name.split(".")) for name in _APP.findall(apps)}
        if "websocket." in text:
            self._collect_routes(Module(text, path, self), path)

    def _collect_routes(self, module: Module, path: Path) -> None:
        """Take ``route("channel", consumer)``, and a dict in the oldest style."""
        for node in module.nodes:
            if isinstance(node, ast.Call) and module.qualified(node) in _ROUTES:
                pairs = [(node.args[0], node.args[1])] if len(node.args) >= 2 else []
            elif isinstance(node, ast.Dict):
                pairs = [
                    (key, value) for key, value in zip(node.keys, node.values, strict=True) if key
                ]
            else:
                continue
            for channel, consumer in pairs:
                channels = {name for name in _strings(channel) if "." in name}
                name = module.qualified(consumer) or string(consumer)
                target = _resolved(path, name) if name else (*_module(path), dotted(consumer))
                if channels and len(target) > 1 and target[-1]:
                    self._routes[target] |= channels

    def handles(self, path: Path, function: str) -> frozenset[str]:
        """Return the channels that are routed to a function of a file."""
        here = _module(path)
        found = (
            channels
            for target, channels in self._routes.items()
            if target[-1] == function and _is_same(target[:-1], here)
        )
        return frozenset().union(*found)

    def has_app_name(self, path: Path, name: str) -> bool | None:
        """Return whether URLs that a file calls so set ``app_name``; ``None``: not known."""
        target = _resolved(path, name)
        found = {named for parts, named in self._urls.items() if parts[-len(target) :] == target}
        return found.pop() if len(found) == 1 else None

    def other_app(self, path: Path, name: str) -> str | None:
        """Return what the app of an ``apps.py`` is called; ``None`` if that is ``name``.

        ``None`` also if the settings do not say.
        """
        here = path.parent.parts
        found = {".".join(app) for app in self._apps if here[-len(app) :] == app}
        return None if not found or name in found else max(found, key=len)


def _strings(node: ast.expr) -> Iterator[str]:
    for one in node.elts if isinstance(node, ast.List | ast.Tuple) else [node]:
        value = string(one)
        if value is not None:
            yield value


def _is_same(one: _Parts, other: _Parts) -> bool:
    known = min(len(one), len(other))
    return one[-known:] == other[-known:]


def _resolved(path: Path, name: str) -> _Parts:
    """Return the parts of a dotted name; what a relative one means in this file."""
    if not name.startswith("."):
        return tuple(name.split("."))
    # ``from . import consumers`` in chat/routing.py is chat.consumers.
    here = path.with_suffix("").parts
    ups = len(name) - len(name.lstrip("."))
    return (*here[: len(here) - ups], *name.lstrip(".").split("."))


def _module(path: Path) -> _Parts:
    """Return the name of the module that a file is, with the folders above it."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1:] == ("__init__",) else parts
