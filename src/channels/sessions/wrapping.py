"""How decorators go round consumers: functions, methods and ``async def``.

A decorator is written as a *scope*: a context manager that is opened with the message
and may yield :data:`SKIP` to leave the consumer out.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.sessions.backends.base import SessionBase

from channels.message import Message

Consumer = TypeVar("Consumer", bound=Callable[..., Any])
Scope = Callable[[Message], AbstractContextManager[object]]

#: What a scope yields if the consumer must not run.
SKIP = object()


def find_message(args: tuple[Any, ...], name: str) -> Message:
    """Return the message of ``f(message, …)`` or ``f(self, message, …)``.

    Args:
        args: Positional arguments of a consumer.
        name: Name of the decorator, for the error.

    Raises:
        ValueError: Neither of the first two is a message.
    """
    for argument in args[:2]:
        if isinstance(argument, Message):
            return argument
    raise ValueError(f"{name} called without Message instance")


def consumer_of(message: Message) -> object:
    """Return what a scope is opened around; ask as it opens, since consumers call others."""
    consumer: Any = vars(message).get("_consumer")
    return inspect.unwrap(consumer)


def wrap(consumer: Consumer, scope: Scope, name: str, *, returns: bool = True) -> Consumer:
    """Return the consumer within a scope.

    An ``async def`` consumer finds sessions and user loaded, because reading them would
    wait for the database; the scope itself runs in the thread for synchronous code.

    Args:
        consumer: Called with a message among its first two arguments.
        scope: Opened around each call.
        name: Name of the decorator, for errors.
        returns: Whether the consumer's result is passed on.
    """
    wrapper: Any
    if iscoroutinefunction(consumer):
        wrapper = _wrap_async(consumer, scope, name, returns)
    else:
        wrapper = _wrap_sync(consumer, scope, name, returns)
    functools.update_wrapper(wrapper, consumer)
    wrapped: Consumer = wrapper
    return wrapped


def _wrap_sync(
    consumer: Callable[..., Any], scope: Scope, name: str, returns: bool
) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        message = find_message(args, name)
        vars(message)["_consumer"] = consumer
        result = None
        with scope(message) as go:
            if go is not SKIP:
                result = consumer(*args, **kwargs)
        return result if returns else None

    return wrapper


def _wrap_async(
    consumer: Callable[..., Any], scope: Scope, name: str, returns: bool
) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        message = find_message(args, name)
        vars(message)["_consumer"] = consumer
        opened = scope(message)
        go = await sync_to_async(_enter_and_load)(opened, message)
        leave = sync_to_async(opened.__exit__)
        result = None
        try:
            if go is not SKIP:
                result = await consumer(*args, **kwargs)
        except BaseException as error:
            await leave(type(error), error, error.__traceback__)
            raise
        await leave(None, None, None)
        return result if returns else None

    return wrapper


def _enter_and_load(opened: AbstractContextManager[object], message: Message) -> object:
    go = opened.__enter__()
    if go is not SKIP:
        try:
            for name in ("channel_session", "http_session", "user"):
                value = getattr(message, name, None)
                if isinstance(value, SessionBase):
                    value.keys()  # loads
        except BaseException as error:
            opened.__exit__(type(error), error, error.__traceback__)
            raise
    return go
