"""A connection, a clock that stands still, and a user who is logged in."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore

from channels.sessions import parking
from tests.unit.sessions.connection import Connection
from tests.unit.sessions.users import log_in


@pytest.fixture
def connection():
    return Connection()


@pytest.fixture
def clock(monkeypatch):
    """Wall-clock time that stands still unless a test moves it."""

    class Clock:
        seconds = 1_000_000.0

        def time(self):
            return self.seconds

    clock = Clock()
    monkeypatch.setattr(parking, "time", clock)
    return clock


@pytest.fixture
def user():
    return User.objects.create_user("ann", password="secret")


@pytest.fixture
def http_key(user):
    """The key of a browser's session that is logged in."""
    session = SessionStore()
    log_in(session, user)
    return session.session_key
