"""Users who log in and out, and the decorators that let consumers know them."""

from __future__ import annotations

from types import SimpleNamespace

from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore

from channels.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user,
    channel_session_user_from_http,
    http_session_user,
)
from channels.sessions import channel_and_http_session, http_session

USER_KEYS = {auth.SESSION_KEY, auth.BACKEND_SESSION_KEY, auth.HASH_SESSION_KEY}
DECORATORS = [
    channel_session_user,
    http_session_user,
    channel_session_user_from_http,
    channel_and_http_session_user_from_http,
]
FROM_HTTP = DECORATORS[2:]
#: All that let a consumer know the browser's session.
OF_THE_BROWSER = [http_session, channel_and_http_session, *DECORATORS[1:]]


def log_in(session, user):
    auth.login(
        SimpleNamespace(session=session, META={}, user=AnonymousUser()),
        user,
        backend="django.contrib.auth.backends.ModelBackend",
    )
    session.save()


def log_out(key):
    auth.logout(SimpleNamespace(session=SessionStore(key)))


def user_seen_by(decorator, message):
    """Return the user that a consumer sees."""

    def consumer(message):
        str(message.user)
        return message.user

    return decorator(consumer)(message)
