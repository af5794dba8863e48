"""Sessions for consumers: the decorators, and the scopes that they are made of."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings

from channels import conf
from channels.handler.request import AsgiRequest, header_pairs
from channels.message import Message
from channels.sessions.stores import (
    channel_session_store,
    http_session_store,
    note_socket,
    save_changes,
)
from channels.sessions.wrapping import Consumer, consumer_of, wrap

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
