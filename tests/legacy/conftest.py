"""One set of processes for each legacy project, shared by its tests."""

from __future__ import annotations

import pytest

from tests.conftest import _need_redis
from tests.legacy.stack import Stack
from tests.support.redis_server import RedisServer

#: Users with a session each, and one object of every app.
PREPARE = """
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from chat.models import Room
from liveblog.models import Liveblog
from tokens.models import Token

def log_in(user):
    request = HttpRequest()
    request.session = SessionStore()
    login(request, user)
    request.session.save()
    return request.session.session_key

names = ["ben", "liz", "ann", "tom", "eve", "kim"]
users = {
    name: User.objects.create_user(name, password="pw", is_staff=name == "liz") for name in names
}
Room.objects.create(title="Lobby")
Room.objects.create(title="Staff", staff_only=True)
Room.objects.create(title="Quiet")
Liveblog.objects.create(title="News", slug="news")
Token.objects.create(key="s3cret", user=users["ben"])
result = {name: log_in(user) for name, user in users.items()}
"""


@pytest.fixture(scope="package")
def own_redis():
    _need_redis()
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(scope="package")
def portal(own_redis, tmp_path_factory):
    """The project of seven apps; ``sessions`` is user name to session key."""
    stack = Stack(
        "project",
        "portal.settings",
        own_redis.url,
        tmp_path_factory.mktemp("portal"),
        layer="portal.asgi:channel_layer",
        workers=2,
        delay=True,
        prepare=PREPARE,
    )
    stack.sessions = stack.result
    yield stack
    stack.close()


@pytest.fixture(scope="package")
def guestbook(own_redis, tmp_path_factory):
    """The project from before 1.0, on the same Redis under another prefix."""
    stack = Stack(
        "old",
        "settings",
        own_redis.url,
        tmp_path_factory.mktemp("old"),
        layer="asgi:channel_layer",
        workers=1,
    )
    yield stack
    stack.close()
