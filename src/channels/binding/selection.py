"""Which fields of a model a binding lets through: ``fields`` and ``exclude``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db import models

#: In the place of the names of all fields.
ALL = "__all__"


def check_selection(owner: str, fields: Any, exclude: Any) -> None:
    """Refuse a binding that does not say what it lets through.

    Args:
        owner: Name of the binding, for the error message.
        fields: As of the binding.
        exclude: As of the binding.

    Raises:
        ValueError: Neither is given, or everything is excluded by a name that only
            ``fields`` knows: then nothing would be.
    """
    if fields is None and exclude is None:
        raise ValueError(f"{owner} must set fields or exclude; fields = ['{ALL}'] is all of them")
    if ALL in _names(exclude):
        raise ValueError(f"{owner}.exclude must be a list of names; fields = [] sends none of them")


def is_selected(name: str, fields: Any, exclude: Any) -> bool:
    """Whether a binding lets a field through; what is excluded stays out in any case."""
    if name in _names(exclude):
        return False
    return fields is None or is_all(fields) or name in _names(fields)


def is_all(fields: Any) -> bool:
    """Whether ``fields`` is ``"__all__"`` or ``["__all__"]``."""
    return ALL in _names(fields)


def serialised_names(model: type[models.Model], fields: Any, exclude: Any) -> Iterable[str] | None:
    """Return the names to serialise; ``None`` for all."""
    if not exclude and (fields is None or is_all(fields)):
        return None
    if fields is None or is_all(fields):
        fields = [field.name for field in model._meta.get_fields()]
    return [name for name in _names(fields) if is_selected(name, None, exclude)]


def writable_names(
    model: type[models.Model], fields: Any, exclude: Any, *, creating: bool
) -> set[str]:
    """Return the names of the fields that a client may set.

    Of primary keys only one that is spelled out, and only for a new object: a client that
    chose the key of a new object could write over one that it may not update, and one
    that changed the key of an object would change another than it was permitted to.
    """
    listed = () if is_all(fields) else _names(fields)
    keys = {field.name for field in model._meta.pk_fields}
    names = set()
    for field in [*model._meta.concrete_fields, *model._meta.many_to_many]:
        if not is_selected(field.name, fields, exclude):
            continue
        if not creating and (field.primary_key or field.name in keys):
            continue
        if field.primary_key and field.name not in listed:
            continue
        names.add(field.name)
    return names


def _names(value: Any) -> Collection[str]:
    """Return the names in ``fields`` or ``exclude``; a text is one name, not its letters."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
