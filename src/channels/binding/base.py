"""What all bindings have in common (docs/channels1.md#bindings).

Outbound: when an object of the model is saved, deleted or related, the groups
that it belonged to are compared with those that it belongs to now, and each
group is told what happened from where it stands::

    left the group     DELETE
    stays in it        UPDATE
    is new in it       CREATE

in that order.  Members are told when the transaction is committed (see
``send_on_commit``), with the content as it was saved.

Inbound: a message asks for an object to be created, updated or deleted, which
is done if ``has_permission`` says so.

``QuerySet.update()`` and the bulk methods send no signals in Django; tell with
:meth:`Binding.touch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import signals

from channels.binding.changes import CREATE, DELETE, UPDATE, Relation, check_selection
from channels.binding.inbound import Inbound
from channels.binding.outbound import Outbound
from channels.utils import name_that_thing

__all__ = ["CREATE", "DELETE", "UPDATE", "Binding", "BindingMetaclass"]

#: Objects of a queryset that are in memory at once while they are told of.
_CHUNK = 2000


class BindingMetaclass(type):
    """Registers bindings: when Django is ready, or at once if they come later.

    Attributes:
        binding_classes: Every binding but the root, in the order of declaration.
        register_immediately: Whether Django is ready.
    """

    binding_classes: list[type[Binding]] = []
    register_immediately: bool = False

    def __new__(
        mcs, name: str, bases: tuple[type, ...], attrs: dict[str, Any], **kwargs: Any
    ) -> Any:
        """Make a class and register it if it is time.

        Raises:
            ValueError: The binding is incomplete; then it is not on the list.
        """
        made: Any = super().__new__(mcs, name, bases, attrs, **kwargs)
        if any(isinstance(base, BindingMetaclass) for base in bases):
            if BindingMetaclass.register_immediately:
                made.register()
            BindingMetaclass.binding_classes.append(made)
        return made

    @classmethod
    def register_all(mcs) -> None:
        """Register every binding; harmless when called again.

        Raises:
            ValueError: One of them is incomplete.
            LookupError: One of them names a model that does not exist.
        """
        for binding in BindingMetaclass.binding_classes:
            binding.register()
        BindingMetaclass.register_immediately = True


class Binding(Outbound, Inbound, metaclass=BindingMetaclass):
    """Binds a model to groups.  One instance for each signal or message.

    Attributes:
        model: The model, or its ``"app.Model"``.  A class that sets it to
            ``None`` itself is abstract.
        fields: Names of the fields to send and accept; ``"__all__"`` for all.
        exclude: Names of the fields to leave out.
        stream: What the client knows this binding by.
        channel_session_user: Give inbound messages the session and its ``user``.
        channel_session: Give inbound messages the session.
        send_on_commit: Whether to wait for the commit; ``None`` for the setting
            ``CHANNELS_BINDINGS_ON_COMMIT``, which is on by default.
        groups_from_database: Ask ``group_names`` also about the object as it was
            stored before an update, at one query for each save.  Without, an
            object whose fields decide on its groups is not taken out of those
            that it leaves, since it was changed before Django tells of its saving.
        signal_kwargs: What the signal in progress came with, such as ``using``.
        instance: Outbound only: the object.
        message: Inbound only, as all that follow: the message.
        kwargs: Arguments from the route.
        action: ``CREATE``, ``UPDATE`` or ``DELETE``, unchecked.
        pk: Primary key of the object.
        data: Values of its fields.
        user: The sender of the message; ``AnonymousUser`` if there is none.
    """

    model: Any = None
    model_label: str

    #: Of the class itself, set by :meth:`register`.
    _models: tuple[type[models.Model], ...] = ()

    @classmethod
    def register(cls) -> None:
        """Listen to the signals of the models; once, however often it is called.

        Raises:
            ValueError: The binding is incomplete.
            LookupError: There is no such model.
        """
        found = cls.get_registered_models()
        relations = [
            Relation(model, field) for model in found for field in model._meta.many_to_many
        ]
        for model in found:
            signals.pre_save.connect(cls.pre_save_receiver, sender=model)
            signals.post_save.connect(cls.post_save_receiver, sender=model)
            signals.pre_delete.connect(cls.pre_delete_receiver, sender=model)
            signals.post_delete.connect(cls.post_delete_receiver, sender=model)
        for relation in relations:
            signals.m2m_changed.connect(cls.m2m_changed_receiver, sender=relation.through)
        cls._models = tuple(found)
        cls._relations = {relation.through: relation for relation in relations}

    @classmethod
    def get_registered_models(cls) -> list[Any]:
        """Return the models to listen to: the one of ``model``, or none if this is abstract.

        Raises:
            ValueError: ``model`` is missing, or both ``fields`` and ``exclude`` are.
            LookupError: There is no such model.
        """
        name = f"{cls.__module__}.{cls.__qualname__}"
        if cls.model is None:
            if "model" in vars(cls):
                return []
            raise ValueError(f"{name} must set model; model = None makes it abstract")
        check_selection(name, cls.fields, cls.exclude)
        if isinstance(cls.model, str):
            cls.model = apps.get_model(cls.model)
        meta = cls.model._meta
        cls.model_label = f"{meta.app_label}.{meta.object_name}".lower()
        return [cls.model]

    @classmethod
    def touch(cls, objects: Any, action: str = UPDATE) -> None:
        """Tell groups of changes that Django sends no signals for.

        For ``QuerySet.update()``, ``bulk_create()`` and the like, after the fact.  Called
        on an abstract binding or on ``Binding`` itself, every binding below it
        that is bound to the model of an object tells.

        Args:
            objects: A queryset, some objects, or one.
            action: What happened to them, from where their present groups stand.

        Raises:
            TypeError: No binding is bound to the model of an object; those
                before it have been told of.
        """
        for instance in _each(objects):
            tellers = [one for one in cls._and_below() if type(instance) in one._models]
            if not tellers:
                raise TypeError(
                    f"{name_that_thing(cls)}: nothing is bound to the model of {instance!r}, or"
                    " Django is not ready yet"
                )
            for teller in tellers:
                groups = set(teller.group_names(instance))
                old = set() if action == CREATE else groups
                new = set() if action == DELETE else groups
                teller._tell(instance, old, new, using=instance._state.db)

    @classmethod
    def _and_below(cls) -> list[type[Binding]]:
        known = dict.fromkeys([cls, *BindingMetaclass.binding_classes])
        return [one for one in known if issubclass(one, cls)]


def _each(objects: Any) -> Iterator[Any]:
    if isinstance(objects, models.Model):
        yield objects
    elif isinstance(objects, models.QuerySet):
        yield from objects.iterator(chunk_size=_CHUNK)
    else:
        yield from objects
