"""From a model to groups: signals, the groups before and after, and the message.

Members are told with the content as it was saved, once that is committed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.db import models

from channels import conf
from channels.binding.changes import CREATE, DELETE, UPDATE, Relation, is_selected, when_committed
from channels.channel import Group
from channels.exceptions import LayerUnavailable
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")


class Outbound:
    """The half of a binding that sends; see :class:`~channels.binding.base.Binding`."""

    fields: Any = None
    exclude: Any = None
    stream: str | None = None
    send_on_commit: bool | None = None
    groups_from_database: bool = False
    signal_kwargs: dict[str, Any] | None = None
    instance: Any

    #: By the sender of their signals; of the class itself, set when it is registered.
    _relations: dict[type[models.Model], Relation] = {}

    # -- signals ---------------------------------------------------------------------

    @classmethod
    def pre_save_receiver(cls, instance: Any, **kwargs: Any) -> None:
        """Note the groups before a save."""
        # Not by the primary key: that of a new object may be chosen by the application.
        action = CREATE if instance._state.adding else UPDATE
        before = instance
        if action == UPDATE and cls.groups_from_database:
            rows = type(instance)._base_manager.using(kwargs["using"])
            before = rows.filter(pk=instance.pk).first() or instance
        if before is instance:
            cls.pre_change_receiver(instance, action)
        else:
            _noted(instance)[cls] = set(cls.group_names(before))

    @classmethod
    def post_save_receiver(cls, instance: Any, created: bool, **kwargs: Any) -> None:
        """Tell the groups of a save."""
        cls.post_change_receiver(instance, CREATE if created else UPDATE, **kwargs)

    @classmethod
    def pre_delete_receiver(cls, instance: Any, **kwargs: Any) -> None:
        """Note the groups before a deletion."""
        cls.pre_change_receiver(instance, DELETE)

    @classmethod
    def post_delete_receiver(cls, instance: Any, **kwargs: Any) -> None:
        """Tell the groups of a deletion."""
        cls.post_change_receiver(instance, DELETE, **kwargs)

    @classmethod
    def pre_change_receiver(cls, instance: Any, action: str, **kwargs: Any) -> None:
        """Note the groups before a change, for :meth:`post_change_receiver`.

        Legacy applications call the two around changes that Django sends no signals for,
        or override them.
        """
        _noted(instance)[cls] = set() if action == CREATE else set(cls.group_names(instance))

    @classmethod
    def post_change_receiver(cls, instance: Any, action: str, **kwargs: Any) -> None:
        """Compare the groups before and after, and tell each of them."""
        noted = _noted(instance).pop(cls, None)
        if not _noted(instance):
            del instance._binding_group_names  # it would be pickled with the object
        new = set() if action == DELETE else set(cls.group_names(instance))
        # A receiver that saved the same object again has used up the note.
        old = new if noted is None else noted
        cls._tell(instance, set() if action == CREATE else old, new, **kwargs)

    @classmethod
    def m2m_changed_receiver(
        cls,
        sender: Any,
        instance: Any,
        action: str,
        reverse: bool,
        pk_set: set[Any] | None,
        using: str,
        **kwargs: Any,
    ) -> None:
        """Note the groups before a relation changes, and tell them afterwards.

        Groups that an object stays in are told only if the field is one that is sent.
        """
        relation = cls._relations[sender]
        note = (cls, relation.name)
        if action.startswith("pre_"):
            objects = relation.concerned(instance, reverse, pk_set, using)
            _noted(instance)[note] = [(one, set(cls.group_names(one))) for one in objects]
            return
        noted = _noted(instance).pop(note, [])
        if not _noted(instance):
            del instance._binding_group_names
        is_sent = is_selected(relation.name, cls.fields, cls.exclude)
        for one, old in noted:
            new = set(cls.group_names(one))
            cls._tell(one, old, new, updated=is_sent, sender=sender, using=using, **kwargs)

    @classmethod
    def _tell(
        cls,
        instance: Any,
        old: set[Any],
        new: set[Any],
        *,
        updated: bool = True,
        **kwargs: Any,
    ) -> None:
        binding = cls()
        binding.instance = instance
        binding.send_messages(instance, old - new, DELETE, **kwargs)
        if updated:
            binding.send_messages(instance, old & new, UPDATE, **kwargs)
        binding.send_messages(instance, new - old, CREATE, **kwargs)

    # -- sending ---------------------------------------------------------------------

    def send_messages(
        self, instance: Any, group_names: Iterable[Any], action: str, **kwargs: Any
    ) -> None:
        """Serialise an object and send it to groups, once it is committed.

        Nothing is sent without groups, or if ``serialize`` returns ``{}``.

        Args:
            instance: The object.
            group_names: Where to.
            action: ``CREATE``, ``UPDATE`` or ``DELETE``.
            kwargs: From the signal.

        Raises:
            AssertionError: ``stream`` is not set.
        """
        names = sorted(group_names, key=str)
        if not names:
            return
        self.signal_kwargs = kwargs
        payload = self.serialize(instance, action)
        if payload == {}:
            return
        if self.stream is None:
            raise AssertionError(f"{name_that_thing(self)} must set stream to send anything")
        content = self.encode(self.stream, payload)

        def send() -> None:
            self._send(names, content)

        wait = conf.bindings_on_commit() if self.send_on_commit is None else self.send_on_commit
        if wait:
            when_committed(send, kwargs.get("using") or instance._state.db)
        else:
            send()

    def _send(self, group_names: list[Any], content: dict[str, Any]) -> None:
        for name in group_names:
            try:
                Group(name).send(dict(content))
            except LayerUnavailable:
                # The object is stored: its save must not fail for this.
                logger.exception(
                    "Binding %s could not tell group %r of a change", name_that_thing(self), name
                )

    @classmethod
    def group_names(cls, instance: Any) -> Iterable[Any]:
        """Return the names of the groups that an object belongs to; bindings define it."""
        raise NotImplementedError(f"{name_that_thing(cls)} does not define group_names(instance)")

    @classmethod
    def encode(cls, stream: str, payload: Any) -> dict[str, Any]:
        """Return the message of a payload; kinds of bindings define it."""
        raise NotImplementedError(f"{name_that_thing(cls)} does not define encode()")

    def serialize(self, instance: Any, action: str) -> Any:
        """Return the payload of a change, or ``{}`` for none; kinds of bindings define it."""
        raise NotImplementedError(f"{name_that_thing(self)} does not define serialize()")


def _noted(instance: Any) -> dict[Any, Any]:
    """Return what bindings noted on an object between the two signals of a change."""
    noted: dict[Any, Any] = vars(instance).setdefault("_binding_group_names", {})
    return noted
