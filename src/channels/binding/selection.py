"""Which fields of a model a binding lets through: ``fields`` and ``exclude``."""

from __future__ import annotations

from collections.abc import Iterable
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
        ValueError: Neither is given, or one is a single text, which would be
            read as a list of its letters.
    """
    if fields is None and exclude is None:
        raise ValueError(f"{owner} must set fields or exclude; fields = ['{ALL}'] is all of them")
    for name, value in (("fields", fields), ("exclude", exclude)):
        if isinstance(value, str) and not (name == "fields" and value == ALL):
            raise ValueError(f"{owner}.{name} must be a list of names, not {value!r}")


def is_selected(name: str, fields: Any, exclude: Any) -> bool:
    """Whether a binding lets a field through; what is excluded stays out in any case."""
    if exclude is not None and name in exclude:
        return False
    return fields is None or is_all(fields) or name in fields


def is_all(fields: Any) -> bool:
    """Whether ``fields`` is ``"__all__"`` or ``["__all__"]``."""
    return fields == ALL or (fields is not None and ALL in fields)


def serialised_names(model: type[models.Model], fields: Any, exclude: Any) -> Iterable[str] | None:
    """Return the names to serialise; ``None`` for all."""
    if not exclude and (fields is None or is_all(fields)):
        return None
    if fields is None or is_all(fields):
        fields = [field.name for field in model._meta.get_fields()]
    return [name for name in fields if is_selected(name, None, exclude)]


def writable_names(
    model: type[models.Model], fields: Any, exclude: Any, *, creating: bool
) -> set[str]:
    """Return the names of the fields that a client may set.

    Names that were not spelled out, but came by ``"__all__"`` or ``exclude``, do not
    include fields that are not editable, nor primary keys: a client that chose
    the key of a new object could write over one that it may not update.  An
    existing object never changes its key.
    """
    listed = set() if fields is None or is_all(fields) else set(fields)
    keys = {field.name for field in model._meta.pk_fields}
    names = set()
    for field in [*model._meta.concrete_fields, *model._meta.many_to_many]:
        if not is_selected(field.name, fields, exclude):
            continue
        is_key = field.primary_key or field.name in keys
        if is_key and not creating:
            continue
        if field.name in listed or (field.editable and not field.primary_key):
            names.add(field.name)
    return names
