"""Names of modules, classes and functions are the field's, and no two classes have one name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("interface_server", "worker", "routing", "src/channels")

#: Words that were ours alone, or stood for more than one thing.
PRIVATE = frozenset(
    [
        "face",
        "faces",
        "register",
        "registers",
        "registry",
        "listeners",
        "lane",
        "lanes",
        "rota",
        "farewell",
        "lean",
        "eager",
        "intake",
        "erasing",
        "held",
        "taken",
        "core",
        "place",
        "places",
    ]
)

#: What a framework calls so: Django's commands and their checks, and Twisted's protocols.
THEIRS = {"Command", "register", "register_all"}

#: Public names of the interface that applications know.
PUBLIC = {"Worker"}


def files():
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def definitions():
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for path in files():
        yield path, path.stem, None
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, kinds):
                yield path, node.name, node


def words(name):
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_every_word_is_one_of_the_fields():
    private = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name, _ in definitions()
        if name not in THEIRS and words(name) & PRIVATE
    ]

    assert not private


def test_no_two_classes_have_one_name():
    homes = defaultdict(set)
    for path, name, node in definitions():
        if isinstance(node, ast.ClassDef) and not name.startswith("_"):
            homes[name].add(str(path.relative_to(ROOT)))

    twice = {name: found for name, found in homes.items() if len(found) > 1}
    assert not twice.keys() - THEIRS - PUBLIC, twice
