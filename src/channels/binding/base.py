"""What all bindings have in common (contract api.md section 13).

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

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import signals
from django.utils.functional import SimpleLazyObject

from channels import conf
from channels.auth import channel_session_user
from channels.binding.commit import when_committed
from channels.binding.relations import Relation
from channels.binding.selection import check_selection, is_selected
from channels.channel import Group
from channels.exceptions import LayerUnavailable
from channels.message import Message
from channels.sessions import channel_session
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")

CREATE = "create"
UPDATE = "update"
DELETE = "delete"

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


class Binding(metaclass=BindingMetaclass):
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
        user: Whoever sent the message; ``AnonymousUser`` if nobody is known.
    """

    model: Any = None
    fields: Any = None
    exclude: Any = None
    stream: str | None = None
    channel_session_user: bool = True
    channel_session: bool = False
    send_on_commit: bool | None = None
    groups_from_database: bool = False

    signal_kwargs: dict[str, Any] | None = None
    model_label: str

    instance: Any
    message: Message
    kwargs: dict[str, Any]
    action: Any
    pk: Any
    data: Any
    user: Any

    #: Of the class itself, set by :meth:`register`.
    _models: tuple[type[models.Model], ...] = ()
    _relations: dict[type[models.Model], Relation] = {}

    # -- registration ----------------------------------------------------------------

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

    # -- outbound: signals -----------------------------------------------------------

    @classmethod
    def pre_save_receiver(cls, instance: Any, **kwargs: Any) -> None:
        """Note the groups before a save."""
        # Not by the primary key: that of a new object may be chosen by the application.
        action = CREATE if instance._state.adding else UPDATE
        before = instance
        if action == UPDATE and cls.groups_from_database:
            rows = type(instance)._base_manager.using(kwargs["using"])
            before = rows.filter(pk=instance.pk).first() or instance
        _noted(instance)[cls] = set() if action == CREATE else set(cls.group_names(before))

    @classmethod
    def post_save_receiver(cls, instance: Any, created: bool, **kwargs: Any) -> None:
        """Tell the groups of a save."""
        cls.post_change_receiver(instance, CREATE if created else UPDATE, **kwargs)

    @classmethod
    def pre_delete_receiver(cls, instance: Any, **kwargs: Any) -> None:
        """Note the groups before a deletion."""
        _noted(instance)[cls] = set(cls.group_names(instance))

    @classmethod
    def post_delete_receiver(cls, instance: Any, **kwargs: Any) -> None:
        """Tell the groups of a deletion."""
        cls.post_change_receiver(instance, DELETE, **kwargs)

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
        relation = cls._relations.get(sender)
        if relation is None:
            return
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

    # -- outbound: sending -------------------------------------------------------------

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
                # The object is stored: whoever saved it must not be told otherwise.
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

    # -- inbound -----------------------------------------------------------------------

    @classmethod
    def consumer(cls, message: Message, **kwargs: Any) -> None:
        """Take a message from a client: the consumer to route to, or to demultiplex to."""
        cls.get_handler()(message, **kwargs)

    @classmethod
    def get_handler(cls) -> Callable[..., Any]:
        """Return :meth:`trigger_inbound` inside the decorators that the attributes ask for."""
        if cls.channel_session_user:
            return channel_session_user(cls.trigger_inbound)
        if cls.channel_session:
            return channel_session(cls.trigger_inbound)
        return cls.trigger_inbound

    @classmethod
    def trigger_inbound(cls, message: Message, **kwargs: Any) -> None:
        """Do what a message asks for."""
        binding = cls()
        binding.message = message
        binding.kwargs = kwargs
        binding.action, binding.pk, binding.data = binding.deserialize(message)
        binding.user = _user_of(message)
        binding.run_action(binding.action, binding.pk, binding.data)

    def run_action(self, action: Any, pk: Any, data: Any) -> None:
        """Create, update or delete an object, if that is permitted.

        Raises:
            ValueError: It is permitted, but no such action.
        """
        if not self.has_permission(self.user, action, pk):
            logger.warning(
                "Binding %s refused: action %.100r on primary key %.100r is not permitted for %s",
                name_that_thing(self),
                action,
                pk,
                self.user,
            )
        elif action == CREATE:
            self.create(data)
        elif action == UPDATE:
            self.update(pk, data)
        elif action == DELETE:
            self.delete(pk)
        else:
            raise ValueError(
                f"{name_that_thing(self)}: no action {action!r:.100}; there are"
                f" {CREATE!r}, {UPDATE!r} and {DELETE!r}"
            )

    def deserialize(self, message: Message) -> tuple[Any, Any, Any]:
        """Return action, primary key and data of a message; kinds of bindings define it."""
        raise NotImplementedError(f"{name_that_thing(self)} does not define deserialize()")

    def has_permission(self, user: Any, action: Any, pk: Any) -> bool:
        """Whether a user may do this; bindings define it."""
        raise NotImplementedError(
            f"{name_that_thing(self)} does not define has_permission(user, action, pk)"
        )

    def create(self, data: Any) -> None:
        """Create an object; kinds of bindings define it."""
        raise NotImplementedError(f"{name_that_thing(self)} does not define create()")

    def update(self, pk: Any, data: Any) -> None:
        """Change an object; kinds of bindings define it."""
        raise NotImplementedError(f"{name_that_thing(self)} does not define update()")

    def delete(self, pk: Any) -> None:
        """Delete an object; nothing happens if there is none."""
        self.model._default_manager.filter(pk=pk).delete()


def _noted(instance: Any) -> dict[Any, Any]:
    """Return what bindings noted on an object between the two signals of a change."""
    noted: dict[Any, Any] = vars(instance).setdefault("_binding_group_names", {})
    return noted


def _each(objects: Any) -> Iterator[Any]:
    if isinstance(objects, models.Model):
        yield objects
    elif isinstance(objects, models.QuerySet):
        yield from objects.iterator(chunk_size=_CHUNK)
    else:
        yield from objects


def _user_of(message: Message) -> Any:
    """Return whoever sent a message; looked up when first used, which may cost queries."""
    return SimpleLazyObject(lambda: getattr(message, "user", None) or _anonymous())


def _anonymous() -> Any:
    # Not at the top: bindings are imported while models are.
    from django.contrib.auth.models import AnonymousUser

    return AnonymousUser()
