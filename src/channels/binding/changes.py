"""Changes of an object: what can happen to it, when and of which fields it is told.

The actions are what clients read and write, in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

CREATE = "create"
UPDATE = "update"
DELETE = "delete"


def when_committed(tell: Callable[[], object], using: str | None) -> None:
    """Call ``tell`` when the open transaction is committed, and never if it is rolled back.

    Without a transaction it is called now.  So it is in two cases in which Django
    would never call it: inside a ``TestCase``, whose own transaction is always
    rolled back (use ``TransactionTestCase`` to test what a rollback keeps quiet),
    and with autocommit switched off by hand, where Django does not know of commits.

    Args:
        tell: Called without arguments.
        using: Alias of the database that was changed.
    """
    connection = transaction.get_connection(using)
    if connection.in_atomic_block:
        told_on_commit = not _in_test_case(connection)
    else:
        told_on_commit = connection.get_autocommit()
    if told_on_commit:
        transaction.on_commit(tell, using=using)
    else:
        tell()


def _in_test_case(connection: BaseDatabaseWrapper) -> bool:
    """Whether the outermost transaction is that of a ``TestCase``.

    Django marks it for itself, to let ``atomic(durable=True)`` work inside one.  Both
    names are private, so without them a transaction counts as a real one.
    """
    blocks = getattr(connection, "atomic_blocks", ())
    return any(getattr(block, "_from_testcase", False) for block in blocks)


class Relation:
    """A many-to-many field of a model that is bound.

    Of a symmetrical relation only the end that was changed is followed: Django sends
    its signal before it stores the other direction.

    Args:
        model: The model.
        field: The field, which may be inherited.

    Attributes:
        through: The sender of the relation's ``m2m_changed`` signals.
        name: Name of the field.
    """

    def __init__(self, model: type[models.Model], field: Any) -> None:
        self.name: str = field.name
        self.through: type[models.Model] = field.remote_field.through
        self._model = model

    def concerned(
        self, instance: Any, reverse: bool, keys: Iterable[Any] | None, using: str
    ) -> list[Any]:
        """Return the objects of the model whose relation is about to change.

        Args:
            instance: The object that is changed; of the model, or with
                ``reverse`` of the model at the other end.
            reverse: As of the signal.
            keys: Primary keys of the objects at the other side of ``instance``;
                ``None`` if it is cleared.
            using: Alias of the database.
        """
        if keys is not None and not keys:
            return []
        if not reverse:
            # Objects of parent or child models are left out: their saves are not sent either.
            return [instance] if type(instance) is self._model else []
        found: models.QuerySet[Any] = self._model._base_manager.using(using)
        if keys is None:
            found = found.filter(**{self.name: instance}).distinct()
        else:
            found = found.filter(pk__in=keys)
        return list(found)


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
