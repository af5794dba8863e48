"""Which functions a project's routes send which channels to, as far as its text shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import libcst as cst

from channels.porting.analysis import Module
from channels.porting.nodes import dotted, positional, string

_ROUTES = frozenset({"channels.route", "channels.routing.route", "channels.routing.Route"})


class Routes:
    """Collects ``route("channel", consumer)`` of any file, then answers for functions."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], set[str]] = defaultdict(set)

    def collect(self, module: Module, path: Path) -> None:
        """Take the routes of a file, and those of a dict in the oldest style."""
        for node in module.nodes:
            if isinstance(node, cst.Call) and module.qualified(node) in _ROUTES:
                given = positional(node)
                if len(given) >= 2:
                    self._add(module, path, given[0].value, given[1].value)
            elif isinstance(node, cst.DictElement):
                self._add(module, path, node.key, node.value)

    def handled(self, path: Path, function: str) -> frozenset[str]:
        """Return the channels of a function in a file.

        Modules are compared by as many parts of their names as are known, so
        two apps may have ``consumers.py`` each.
        """
        here = module_parts(path)
        found: set[str] = set()
        for target, channels in self._found.items():
            if target[-1] == function and _same_module(target[:-1], here):
                found |= channels
        return frozenset(found)

    def lead_to(self, path: Path) -> bool:
        """Return whether any function of a file is routed to."""
        here = module_parts(path)
        return any(_same_module(target[:-1], here) for target in self._found)

    def _add(
        self, module: Module, path: Path, channel: cst.BaseExpression, consumer: cst.BaseExpression
    ) -> None:
        channels = {name for name in _strings(channel) if "." in name}
        if not channels:
            return
        name = module.qualified(consumer) or string(consumer)
        target = resolved(path, name) if name else (*module_parts(path), dotted(consumer))
        if len(target) > 1 and target[-1]:
            self._found[target] |= channels


def _strings(node: cst.BaseExpression) -> Iterator[str]:
    value = string(node)
    if value is not None:
        yield value
    elif isinstance(node, cst.List | cst.Tuple):
        for element in node.elements:
            yield from _strings(element.value)


def _same_module(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    known = min(len(one), len(other))
    return one[-known:] == other[-known:]


def resolved(path: Path, name: str) -> tuple[str, ...]:
    """Return the parts of a dotted name; what a relative one means in this file."""
    if not name.startswith("."):
        return tuple(name.split("."))
    # ``from . import consumers`` in chat/routing.py is chat.consumers.
    here = path.with_suffix("").parts
    ups = len(name) - len(name.lstrip("."))
    return (*here[: len(here) - ups], *name.lstrip(".").split("."))


def module_parts(path: Path) -> tuple[str, ...]:
    """Return the name of the module that a file is, with the folders above it."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1:] == ("__init__",) else parts
