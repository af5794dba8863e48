"""Bindings over multiplexed WebSockets (docs/channels1.md#bindings).

Outbound payload::

    {"action": "update", "pk": 1, "data": {"name": "..."}, "model": "app.model"}

Inbound payload: ``action``, ``pk`` unless it creates, ``data`` unless it deletes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core import serializers
from django.core.serializers.json import DjangoJSONEncoder
from django.db import router, transaction

from channels.binding.base import Binding
from channels.binding.changes import serialised_names, writable_names
from channels.generic.websockets import WebsocketMultiplexer
from channels.message import Message
from channels.sessions.ordering import order_as_declared
from channels.utils import name_that_thing


class WebsocketBinding(Binding):
    """Binds a model to a stream of a :class:`~channels.generic.websockets.WebsocketDemultiplexer`.

    Outbound it needs ``group_names``, inbound ``has_permission``.

    Attributes:
        strict_ordering: As of class-based consumers.
        slight_ordering: As of class-based consumers.
    """

    model: Any = None

    strict_ordering: bool = False
    slight_ordering: bool = False

    @classmethod
    def encode(cls, stream: str, payload: Any) -> dict[str, Any]:
        """Return the message of a frame that carries a payload on a stream."""
        return WebsocketMultiplexer.encode(stream, payload)

    def serialize(self, instance: Any, action: str) -> Any:
        """Return the payload of a change."""
        return {
            "action": action,
            "pk": instance.pk,
            "data": self.serialize_data(instance),
            "model": self.model_label,
        }

    def serialize_data(self, instance: Any) -> dict[str, Any]:
        """Return the values of the selected fields as JSON has them; unknown names are left out."""
        names = serialised_names(self.model, self.fields, self.exclude)
        text = serializers.serialize("json", [instance], fields=names)
        data: dict[str, Any] = json.loads(text)[0]["fields"]
        return data

    @classmethod
    def get_handler(cls) -> Callable[..., Any]:
        """Return the handler, in order if that is asked for."""
        return order_as_declared(super().get_handler(), cls, name_that_thing(cls))

    @classmethod
    def trigger_inbound(cls, message: Message, **kwargs: Any) -> None:
        """Do what a frame asks for; connecting and disconnecting ask for nothing."""
        if message.channel.name == "websocket.receive":
            super().trigger_inbound(message, **kwargs)

    def deserialize(self, message: Message) -> tuple[Any, Any, Any]:
        """Return action, primary key and data of a frame.

        Raises:
            ValueError: The frame is no JSON object, or has no action.
        """
        body = json.loads(message["text"]) if "text" in message else None
        if not isinstance(body, dict) or "action" not in body:
            raise ValueError(
                f"{name_that_thing(self)}: a frame must be a JSON object with 'action'"
            )
        return body["action"], body.get("pk"), body.get("data")

    def create(self, data: Any) -> None:
        """Create an object from the selected fields of ``data``; others are ignored.

        It is saved as any object is: the model's own ``save()`` runs, and signals are not
        ``raw`` as for fixtures.

        Raises:
            ValueError: ``data`` is no object.
            DeserializationError: A value does not fit its field.
            IntegrityError: There is an object with this primary key.  Nothing changed.
        """
        node = {"fields": self._accepted(data, creating=True)}
        made, related = self._hydrate(node)
        # Django looks objects up by their natural key when it deserialises; a
        # client that may create must not write over one of them that way.
        self._store(made, related, force_insert=True)

    def update(self, pk: Any, data: Any) -> None:
        """Set the selected fields of ``data`` on an object; others are ignored.

        Raises:
            ValueError: ``data`` is no object.
            DeserializationError: A value does not fit its field.
            ObjectDoesNotExist: There is no such object.
        """
        accepted = self._accepted(data, creating=False)
        instance = self.model._default_manager.get(pk=pk)
        values, related = self._hydrate({"pk": instance.pk, "fields": accepted})
        for name in accepted.keys() - related.keys():
            attribute = self.model._meta.get_field(name).attname
            setattr(instance, attribute, getattr(values, attribute))
        self._store(instance, related)

    def _accepted(self, data: Any, *, creating: bool) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise ValueError(
                f"{name_that_thing(self)}: 'data' must be an object, not {type(data).__name__}"
            )
        names = writable_names(self.model, self.fields, self.exclude, creating=creating)
        return {name: value for name, value in data.items() if name in names}

    def _hydrate(self, node: dict[str, Any]) -> tuple[Any, Mapping[str, Iterable[Any]]]:
        """Return an unsaved object with the values of a node, and its many-to-many values."""
        using = router.db_for_write(self.model)
        node = {"model": self.model_label, **node}
        (made,) = serializers.deserialize("python", [node], using=using)
        return made.object, made.m2m_data or {}

    def _store(self, instance: Any, related: Mapping[str, Iterable[Any]], **kwargs: Any) -> None:
        with transaction.atomic(using=router.db_for_write(self.model, instance=instance)):
            instance.save(**kwargs)
            for name, objects in related.items():
                getattr(instance, name).set(objects)


class WebsocketBindingWithMembers(WebsocketBinding):
    """Sends attributes and the results of methods along with the fields.

    Attributes:
        send_members: Dotted paths from the object, such as ``"author.get_full_name"``; the
            client finds each as ``author__get_full_name``.
        encoder: Turns their values into JSON.
    """

    model: Any = None

    send_members: Iterable[str] = []
    encoder: json.JSONEncoder = DjangoJSONEncoder()

    def serialize_data(self, instance: Any) -> dict[str, Any]:
        """Return the selected fields and the members."""
        data = super().serialize_data(instance)
        members = {path.replace(".", "__"): _member(instance, path) for path in self.send_members}
        data.update(json.loads(self.encoder.encode(members)))
        return data


def _member(instance: Any, path: str) -> Any:
    value = instance
    for name in path.split("."):
        value = getattr(value, name)
    return value() if callable(value) else value
