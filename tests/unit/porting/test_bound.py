"""Which names stand for what, where it is plain; else their scopes are asked."""

from pathlib import Path

import libcst as cst
import pytest

from channels.porting.analysis import Module
from channels.porting.bound import imported_names
from channels.porting.syntax import check_syntax


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import a", {"a": "a"}),
        ("import a.b, a.c", {"a": "a"}),
        ("import a.b as c", {"c": "a.b"}),
        ("from . import a\nfrom ..b import c as d", {"a": ".a", "d": "..b.c"}),
        ("def f():\n    from a import b\ndef g():\n    from a import b", {"b": "a.b"}),
        ("from a import b\nfrom c import b", {"b": None}),
        ("from a import *", {"*": "a.*"}),
    ],
)
def test_imports_alone_are_plain(text, expected):
    assert imported_names(check_syntax(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "b = 1",
        "def f(b): pass",
        "def b(): pass",
        "class b: pass",
        "for b in c: pass",
        "[b for b in c]",
        "def f(*b): pass",
        "def f(**b): pass",
        "lambda b: 1",
        "try: pass\nexcept E as b: pass",
        "with c as b: pass",
        "(b := 1)",
        "del b",
        "def f():\n    global b",
        "match c:\n    case [*b]: pass",
        "match c:\n    case {**b}: pass",
        "match c:\n    case {'a': b}: pass",
        "b: int = 1",
        "b += 1",
    ],
)
def test_what_is_bound_otherwise_too_is_asked_of_the_scopes(text):
    assert imported_names(check_syntax(f"from a import b\n{text}")) == {"b": None}


def test_both_ways_say_the_same():
    text = """
import django.db
from django.db import models
from django import forms
from . import consumers
a = django.db.models.ForeignKey, models.ForeignKey(1), consumers.connect, other, forms.Form
def f(forms):
    return forms.Form, f(models.F).x
"""
    quick, by_scopes = (Module(text, Path("a.py")) for _ in range(2))
    by_scopes._imported = dict.fromkeys(by_scopes._imported)

    told = [
        [module.qualified(node) for node in module.nodes if isinstance(node, cst.Call | cst.Arg)]
        + [module.qualified(element.value) for element in whole(module)]
        for module in (quick, by_scopes)
    ]
    assert told[0] == told[1]
    assert {"django.db.models.ForeignKey", ".consumers.connect", ""} <= {*told[0]}


def whole(module):
    return [node for node in module.nodes if isinstance(node, cst.Element)]
