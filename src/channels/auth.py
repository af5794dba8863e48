"""Users for consumers (docs/channels1.md#users).

====================================================  ==========================================
:func:`channel_session_user_from_http`                for ``websocket.connect``: who the browser is
                                                      logged in as, kept for the connection
:func:`channel_session_user`                          for its later messages
:func:`http_session_user`                             from the browser's session only
:func:`channel_and_http_session_user_from_http`       with both sessions, for all messages
====================================================  ==========================================

``message.user`` is never None: an ``AnonymousUser`` stands for nobody.  It is looked up when
it is first read, so a message whose consumer does not ask for it costs no query.

Logging out closes the sockets that were opened with the session (:func:`close_sockets`), as
the setting ``CHANNELS_CLOSE_ON_LOGOUT`` says; see :func:`channels.conf.close_on_logout`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction

from channels import conf
from channels.asgi import channel_layers
from channels.channel import Group
from channels.message import Message
from channels.sessions import channel_and_http_session, channel_session, http_session
from channels.sessions.scopes import (
    Consumer,
    channel_and_http_session_scope,
    channel_session_scope,
    http_session_scope,
    wrap,
)
from channels.sessions.stores import HttpSession, http_session_store, session_group

__all__ = [
    "channel_and_http_session",
    "channel_and_http_session_user_from_http",
    "channel_session",
    "channel_session_user",
    "channel_session_user_from_http",
    "close_sockets",
    "http_session",
    "http_session_user",
    "transfer_user",
]

logger = logging.getLogger("django.channels")

#: Close code for sockets whose session was logged out: registered for "unauthorized".
LOGGED_OUT = 3000

#: Key in the http session: the group of the sockets that were opened before the log-in.
_BEFORE_LOGIN = "_channels_before_login"

_USER_KEYS = (auth.BACKEND_SESSION_KEY, auth.SESSION_KEY, auth.HASH_SESSION_KEY)


def transfer_user(from_session: Any, to_session: Any) -> None:
    """Copy who is logged in from one session to another; nothing if nobody is."""
    if all(key in from_session for key in _USER_KEYS):
        for key in _USER_KEYS:
            to_session[key] = from_session[key]


def channel_session_user(func: Consumer) -> Consumer:
    """Give a consumer ``message.user`` from its channel session; implies channel_session."""
    return wrap(func, _channel_session_user_scope, "channel_session_user")


def http_session_user(func: Consumer) -> Consumer:
    """Give a consumer ``message.user`` from the browser's session; implies http_session.

    The user is anonymous with messages that have no http session, see there.
    """
    return wrap(func, _http_session_user_scope, "http_session_user")


def channel_session_user_from_http(func: Consumer) -> Consumer:
    """Give a ``websocket.connect`` consumer ``message.user``, and keep it for the connection.

    The other consumers of the socket use :func:`channel_session_user`.
    """
    return wrap(func, _from_http_scope, "channel_session_user_from_http")


def channel_and_http_session_user_from_http(func: Consumer) -> Consumer:
    """Give any consumer of a socket both sessions, and keep the user for the connection.

    After ``websocket.connect`` the http session comes without a user: put
    :func:`channel_session_user` inside if you need it.
    """
    return wrap(func, _both_from_http_scope, "channel_and_http_session_user_from_http")


# -- scopes --------------------------------------------------------------------------


@contextlib.contextmanager
def _channel_session_user_scope(message: Message) -> Iterator[None]:
    with channel_session_scope(message) as session:
        message.defer("user", lambda: _user_of(session))
        yield


@contextlib.contextmanager
def _http_session_user_scope(message: Message) -> Iterator[Any]:
    with http_session_scope(message) as session:
        message.defer("user", lambda: _user_of(message.http_session))
        yield session


@contextlib.contextmanager
def _from_http_scope(message: Message) -> Iterator[None]:
    with _http_session_user_scope(message) as from_request, channel_session_scope(message):
        if from_request is not None:
            _take_over(message, from_request)
        elif _is_rehydrated(message):
            message.channel_session.when_loaded(_complete_user)
        yield


@contextlib.contextmanager
def _both_from_http_scope(message: Message) -> Iterator[None]:
    with _http_session_user_scope(message) as from_request:
        if from_request is None and not _is_rehydrated(message):
            message.defer("user", lambda: _user_of(None))
        with channel_and_http_session_scope(message):
            if from_request is not None:
                _take_over(message, from_request)
            else:
                message.channel_session.when_loaded(_complete_user)
            yield


def _is_rehydrated(message: Message) -> bool:
    """Whether a decorator further out gives the http session of an earlier message."""
    return "http_session" not in vars(message)  # then it is deferred


def _take_over(message: Message, session: Any) -> None:
    """Keep for the connection who the browser's session says is logged in."""
    # Look now: an invalid session is emptied by that, and must not be copied.
    _ = message.user
    transfer_user(session, message.channel_session)


def _complete_user(data: dict[str, Any]) -> bool:
    """Take the user over that ``connect`` did not, while loading; return whether that changed."""
    key = data.get(settings.SESSION_COOKIE_NAME)
    if not key or auth.SESSION_KEY in data:
        return False
    transfer_user(http_session_store(key), data)
    return auth.SESSION_KEY in data


def _user_of(session: Any) -> Any:
    if session is None:
        from django.contrib.auth.models import AnonymousUser  # models: not while apps load

        return AnonymousUser()
    keeping = session.keeping_key() if isinstance(session, HttpSession) else None
    with keeping or contextlib.nullcontext():
        # All that it reads of a request is its session.
        return auth.get_user(SimpleNamespace(session=session))  # type: ignore[arg-type]


# -- logging out ---------------------------------------------------------------------


def close_sockets(session_key: str) -> None:
    """Close the sockets that were opened with an http session.

    It knows those whose consumer of ``websocket.connect`` has a decorator that gives it the
    http session or its user, if ``CHANNELS_CLOSE_ON_LOGOUT`` was on as they were opened.

    They are known by the session's key as they were opened; a log-out finds those from before
    the log-in too.  Lost from sight are those from before another change of the key: a new
    password (``update_session_auth_hash``), and each change of a session in a signed cookie.

    Raises:
        LayerUnavailable: They may or may not be closed.
    """
    _close_group(session_group(session_key))


def _close_group(name: str) -> None:
    for alias in channel_layers.configs:
        if "groups" in getattr(channel_layers[alias], "extensions", ()):
            Group(name, alias=alias).send({"close": LOGGED_OUT})


def _on_logged_in(request: Any = None, **kwargs: Any) -> None:
    """Note for a log-out the sockets of the session's old key, which the request's cookie has."""
    session: Any = getattr(request, "session", None)
    before = getattr(request, "COOKIES", {}).get(settings.SESSION_COOKIE_NAME)
    now = getattr(session, "session_key", None)
    if before and now and before != now and conf.close_on_logout():
        session[_BEFORE_LOGIN] = session_group(before)


def _on_logged_out(request: Any = None, **kwargs: Any) -> None:
    """Close the sockets of a session, which is not deleted yet."""
    session: Any = getattr(request, "session", None)
    session_key = getattr(session, "session_key", None)
    if not session_key or not conf.close_on_logout():
        return
    before = session.get(_BEFORE_LOGIN)

    def close() -> None:
        try:
            close_sockets(session_key)
            if before:
                _close_group(before)
        except Exception:  # any layer's: nothing may keep anyone from logging out
            logger.exception("Could not close the sockets of a session that was logged out")

    if transaction.get_connection().in_atomic_block:
        # Until the commit the session is valid, and a socket could reconnect with it.
        transaction.on_commit(close)
    else:
        close()


def connect_signals() -> None:
    """Listen for log-ins and log-outs; harmless when called again."""
    user_logged_in.connect(_on_logged_in, dispatch_uid="channels.auth.logged_in")
    user_logged_out.connect(_on_logged_out, dispatch_uid="channels.auth.close_sockets")
