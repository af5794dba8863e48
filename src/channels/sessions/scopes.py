"""Sessions for consumers: the decorators, and the scopes that they are made of."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from channels import conf
from channels.handler.request import AsgiRequest, header_pairs
from channels.message import Message
from channels.sessions.stores import (
    channel_session_store,
    http_session_store,
    note_socket,
    save_changes,
)

logger = logging.getLogger("django.channels")


def channel_session(func: Consumer) -> Consumer:
    """Give a consumer the session of its connection, as ``message.channel_session``.

    It is loaded when it is first read, and saved after the consumer, also if that
    raised, if it was modified.  So it costs nothing where it is not used.

    The consumer raises ``ValueError`` without a message, and for a message that has no
    ``reply_channel``.
    """
    return wrap(func, channel_session_scope, "channel_session")


def http_session(func: Consumer) -> Consumer:
    """Give a consumer the browser's session, as ``message.http_session``.

    It is found by the ``session_key`` of the query string or by Django's cookie, so only
    with messages that have them (``http.request``, ``websocket.connect``); None otherwise.
    Whether the key is any good shows when it is read.  It is saved if it was modified,
    unless the consumer raised; sessions and cookies are never created.
    """
    return wrap(func, http_session_scope, "http_session")


def channel_and_http_session(func: Consumer) -> Consumer:
    """Give a consumer both sessions; the browser's also with the later messages of a socket.

    The key of the http session is kept in the channel session.  Changes that later
    messages make to ``message.http_session`` are saved only if the consumer does so.
    """
    return wrap(func, channel_and_http_session_scope, "channel_and_http_session")


@contextlib.contextmanager
def channel_session_scope(message: Message) -> Iterator[Any]:
    """Open ``message.channel_session``; saved at the end, also if it was open before.

    Raises:
        ValueError: The message has no reply channel, or the engine uses cookies.
    """
    consumer = consumer_of(message)
    first = getattr(message, "channel_session", None) is None
    if first:
        message.channel_session = _open_channel_session(message)
    session = message.channel_session
    with _finally(lambda: _leave(session, consumer, ends=first and _ends(message))):
        yield session


def _leave(session: Any, consumer: object, ends: bool) -> None:
    if ends:
        session.end()
    else:
        save_changes(session, consumer)


def _ends(message: Message) -> bool:
    return message.channel.name == "websocket.disconnect" and conf.delete_sessions()


def _open_channel_session(message: Message) -> Any:
    if message.reply_channel is None:
        raise ValueError(
            f"a message on channel {message.channel.name!r} has no reply_channel, so no channel"
            " session: only messages of a connection have one"
        )
    session = channel_session_store(message.reply_channel.name)
    if message.ordered:
        # Nothing else of this connection runs, and names are never used twice, so
        # a connection that was just opened can't have anything stored.
        if message.channel.name == "websocket.connect" and "__retries__" not in message:
            session.start_empty()
    elif "order" in message:
        # Others may be running.  What enforce_ordering compares is this moment's
        # state with a later one.
        session.load_now()
    return session


@contextlib.contextmanager
def http_session_scope(message: Message) -> Iterator[Any]:
    """Open ``message.http_session``; yields what the message itself brought, or None.

    Raises:
        ValueError: The message cannot be read as a request.
    """
    consumer = consumer_of(message)
    if message.provides("http_session"):
        # Only if it was read: one that is deferred has no changes.
        with _finally(lambda: _save_if_any(vars(message).get("http_session"), consumer)):
            yield vars(message).get("http_session")
        return
    key = _http_session_key(message)
    if key:
        # Before anything is looked up: a log-out from here on finds the socket.
        note_socket(message, key)
    session = message.http_session = http_session_store(key) if key else None
    yield session
    _save_if_any(session, consumer)


def _save_if_any(session: Any, consumer: object) -> None:
    if session is not None:
        save_changes(session, consumer)


def _http_session_key(message: Message) -> str | None:
    if "method" not in message:
        message["method"] = "FAKE"  # a WebSocket's messages have none, requests must
    # Consumers find both as if the request below were always made, and of their message.
    header_pairs(message)
    if "path" in message and not message.get("headers") and not message.get("query_string"):
        return None  # nearly every message of an open socket
    # Without its body, which can be read only once and is not ours.
    head = {k: v for k, v in message.items() if k not in ("body", "body_channel")}
    try:
        request = AsgiRequest(Message(head, message.channel.name, message.channel_layer))
        key = request.GET.get("session_key") if conf.session_key_in_url() else None
        return key or request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    except Exception as error:
        raise ValueError(
            f"Cannot parse HTTP message ({error!r}): http_session is for messages with the keys"
            " of a request, such as websocket.connect"
        ) from error


@contextlib.contextmanager
def channel_and_http_session_scope(message: Message) -> Iterator[Any]:
    """Open both sessions; yields as :func:`http_session_scope`.

    Raises:
        ValueError: As of the two scopes.
    """
    with http_session_scope(message) as from_request, channel_session_scope(message) as session:
        name = settings.SESSION_COOKIE_NAME
        if from_request is not None:
            if name not in session:
                session[name] = from_request.session_key
        elif vars(message).get("http_session") is None:
            message.defer("http_session", lambda: _kept_http_session(session))
        yield from_request


def _kept_http_session(session: Any) -> Any:
    key = session.get(settings.SESSION_COOKIE_NAME)
    return http_session_store(key) if key else None


@contextlib.contextmanager
def _finally(finish: Callable[[], None]) -> Iterator[None]:
    """Do something at the end; its errors never hide what the consumer raised."""
    try:
        yield
    except BaseException:
        try:
            finish()
        except Exception:
            logger.exception("Could not save a session after its consumer failed")
        raise
    finish()


# -- how decorators go round consumers -------------------------------------------------
#
# A decorator is written as a scope: a context manager that is opened with the message, and
# may yield SKIP to leave the consumer out.

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
