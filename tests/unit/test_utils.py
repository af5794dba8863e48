"""Names of things: they end up in logs, so they must never raise."""

from __future__ import annotations

import functools
import math
from unittest import mock

import pytest

from channels.utils import name_that_thing


class Thing:
    @classmethod
    def for_all(cls):
        pass

    @staticmethod
    def free():
        pass

    def method(self):
        pass

    def __call__(self):
        pass


class Nameless:
    """Says nothing useful about itself."""

    def __getattribute__(self, name):
        if name == "__class__":
            return object.__getattribute__(self, name)
        raise AttributeError(name)


def function():
    pass


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (function, "tests.unit.test_utils.function"),
        (Thing, "tests.unit.test_utils.Thing"),
        (Thing.for_all, "tests.unit.test_utils.Thing"),
        (Thing.free, "tests.unit.test_utils.free"),
        (Thing(), "tests.unit.test_utils.Thing"),
        (Thing().method, "tests.unit.test_utils.Thing.method"),
        (Nameless(), "tests.unit.test_utils.Nameless"),
        (functools.partial(function), "functools.partial"),
        (len, "builtins.len"),
        (math.floor, "math.floor"),
        ([].append, "builtins.list.append"),
        (dict.fromkeys, "builtins.dict"),
        (int, "builtins.int"),
        (None, "builtins.NoneType"),
        ("text", "builtins.str"),
    ],
)
def test_everything_has_a_name(thing, name):
    assert name_that_thing(thing) == name


@pytest.mark.parametrize("kind", [mock.Mock, mock.MagicMock])
def test_mocks_are_named_after_their_class(kind):
    assert name_that_thing(kind()).startswith("unittest.mock.")
    assert name_that_thing(kind().method).startswith("unittest.mock.")


def test_a_method_bound_to_an_odd_function_has_a_name_too():
    import types

    bound = types.MethodType(mock.Mock(), Thing())

    assert name_that_thing(bound).startswith("tests.unit.test_utils.Thing.")
