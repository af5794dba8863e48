"""Which objects a change of a many-to-many relation concerns, seen from one of its models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models


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
