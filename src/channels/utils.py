"""Names of things, for logs and error messages."""

from __future__ import annotations

import types
from typing import Any


def name_that_thing(thing: Any) -> str:
    """Return a dotted name for a consumer, a layer or anything else; never raises.

    ================================  =====================================
    function, class                   ``module.name``
    method of a class (classmethod)   ``module.Class``
    method of an instance             ``module.Class.name``
    any other object                  the name of its class
    ================================  =====================================

    Only what the type of the thing says is looked at, so a mock, which has every
    attribute that it is asked for, is simply an instance of its class.
    """
    if isinstance(thing, type):
        return _join(thing, thing.__name__)
    if isinstance(thing, types.FunctionType):
        return _join(thing, thing.__name__)
    if isinstance(thing, (types.MethodType, types.BuiltinMethodType)):
        return _name_method(thing, thing.__self__)
    return name_that_thing(type(thing))


def _name_method(method: Any, owner: Any) -> str:
    if isinstance(owner, type):
        return name_that_thing(owner)
    name = getattr(method, "__name__", "?")
    if owner is None or isinstance(owner, types.ModuleType):
        return _join(method, name)  # a built-in function: its owner is its module
    return f"{name_that_thing(type(owner))}.{name}"


def _join(thing: Any, name: str) -> str:
    module = getattr(thing, "__module__", None)
    return f"{module}.{name}" if module else name
