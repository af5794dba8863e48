"""From a client to a model: what a message asks for, if it is permitted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.utils.functional import SimpleLazyObject

from channels.auth import channel_session_user
from channels.binding.changes import CREATE, DELETE, UPDATE
from channels.message import Message
from channels.sessions import channel_session
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")


class Inbound:
    """The half of a binding that receives; see :class:`~channels.binding.base.Binding`."""

    model: Any = None
    channel_session_user: bool = True
    channel_session: bool = False

    message: Message
    kwargs: dict[str, Any]
    action: Any
    pk: Any
    data: Any
    user: Any

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


def _user_of(message: Message) -> Any:
    """Return the user who sent a message; looked up on first use, as that may cost queries."""
    return vars(message).get("user") or SimpleLazyObject(
        lambda: getattr(message, "user", None) or _anonymous()
    )


def _anonymous() -> Any:
    # Not at the top: bindings are imported while models are.
    from django.contrib.auth.models import AnonymousUser

    return AnonymousUser()
