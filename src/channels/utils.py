"""Names of things, for logs, and the objects that dotted names in settings and routes stand for."""

from __future__ import annotations

import importlib
import traceback
import types
from pathlib import Path
from typing import Any

#: What a slip of the pen raises while a module is imported.  Other errors are none of the
#: module's text: a database that is away, an app registry that is not ready.
_SLIPS = (ImportError, SyntaxError, AttributeError, NameError, TypeError)

#: Lines of code in here are not where a slip was made.
_OURS = str(Path(__file__).parent)


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


def import_object(path: str) -> Any:
    """Return the object that a dotted path names.

    Django's ``import_string`` says of a module that fails inside with an ``AttributeError`` (a
    misspelt consumer, mostly) that it lacks the name that was looked for.

    Raises:
        ImportError: There is no such module, it has no such name, or there is a mistake in what
            it runs or imports; then the text says in which file and line.
    """
    module_path, _, name = path.rpartition(".")
    if not module_path:
        raise ImportError(f"{path} is not a dotted path to a name in a module")
    try:
        module = importlib.import_module(module_path)
    except _SLIPS as error:
        if isinstance(error, ModuleNotFoundError) and _is_missing(module_path, error.name):
            raise
        raise ImportError(f"{_location(error)}{_describe(error)}") from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise ImportError(f"module {module_path} has no {name!r}") from error


def _is_missing(module_path: str, name: str | None) -> bool:
    """Whether it is the module itself, or a package that it is in, that isn't there."""
    return name is not None and f"{module_path}.".startswith(f"{name}.")


def _location(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: "
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(("<", _OURS, str(Path(importlib.__file__).parent))):
            return f"{frame.filename}:{frame.lineno}: "
    return ""


def _describe(error: Exception) -> str:
    if isinstance(error, ImportError):
        return str(error)
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {said}"
