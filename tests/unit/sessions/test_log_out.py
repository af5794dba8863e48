"""What logging in and out does to the sockets of a session."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.conf import settings as django_settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction

from channels import channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.auth import (
    channel_session_user,
    channel_session_user_from_http,
    close_sockets,
    session_group,
)
from channels.layers.inmemory import InMemoryChannelLayer
from channels.message import Message
from channels.sessions import channel_session, http_session
from tests.support.recording import RecordingLayer
from tests.unit.sessions.messages import NAME, connect, cookie, receive
from tests.unit.sessions.users import OF_THE_BROWSER, USER_KEYS, log_out

pytestmark = pytest.mark.django_db


@pytest.fixture
def layer(settings):
    """The default layer, with log-outs closing sockets."""
    settings.CHANNELS_CLOSE_ON_LOGOUT = True
    layer = InMemoryChannelLayer()
    before = channel_layers.set("default", ChannelLayerWrapper(layer, "default", []))
    yield layer
    channel_layers.set("default", before)


def open_socket(layer, key, reply="web.Zk81!one", decorator=channel_session_user_from_http):
    message = Message(
        {
            "reply_channel": reply,
            "path": "/",
            "headers": [cookie(key)],
            "query_string": b"",
        },
        "websocket.connect",
        layer,
    )
    decorator(lambda message: None)(message)


def closed(layer):
    """Return the sockets that were told to close, with how."""
    found = []
    while True:
        channel, content = layer.receive(["web.Zk81!"])
        if channel is None:
            return found
        found.append((channel, content))


@pytest.mark.parametrize("decorator", OF_THE_BROWSER)
def test_logging_out_closes_the_sockets_of_the_session(
    decorator, layer, http_key, transactional_db
):
    open_socket(layer, http_key, "web.Zk81!one", decorator)
    open_socket(layer, http_key, "web.Zk81!two", decorator)
    open_socket(layer, "0" * 32, "web.Zk81!other", decorator)

    log_out(http_key)

    assert closed(layer) == [
        ("web.Zk81!one", {"close": 3000}),
        ("web.Zk81!two", {"close": 3000}),
    ]
    assert not SessionStore().exists(http_key)


def browser(key):
    """Return a request that came with a session's cookie."""
    return SimpleNamespace(
        session=SessionStore(key),
        META={},
        COOKIES={django_settings.SESSION_COOKIE_NAME: key},
        user=AnonymousUser(),
    )


def test_sockets_from_before_the_log_in_belong_to_the_session(layer, user, transactional_db):
    """Logging in gives the session a new key."""
    anonymous = SessionStore()
    anonymous["basket"] = 1
    anonymous.save()
    open_socket(layer, anonymous.session_key, "web.Zk81!before")

    request = browser(anonymous.session_key)
    auth.login(request, user)
    request.session.save()
    key = request.session.session_key
    assert key != anonymous.session_key
    open_socket(layer, key, "web.Zk81!after")
    assert closed(layer) == []

    auth.logout(browser(key))
    assert closed(layer) == [
        ("web.Zk81!after", {"close": 3000}),
        ("web.Zk81!before", {"close": 3000}),
    ]


@pytest.mark.parametrize("close", [True, False])
def test_logging_in_leaves_the_session_alone_where_nothing_is_to_be_found_again(
    layer, user, http_key, settings, close
):
    settings.CHANNELS_CLOSE_ON_LOGOUT = close
    request = browser("0" * 32) if not close else SimpleNamespace(session=SessionStore(), META={})

    auth.login(request, user)

    assert set(request.session.keys()) == USER_KEYS


def test_logging_out_closes_nothing_unless_told_so(layer, http_key, settings, transactional_db):
    settings.CHANNELS_CLOSE_ON_LOGOUT = False
    open_socket(layer, http_key)

    settings.CHANNELS_CLOSE_ON_LOGOUT = True
    log_out(http_key)
    assert closed(layer) == []

    open_socket(layer, http_key)
    settings.CHANNELS_CLOSE_ON_LOGOUT = False
    log_out(http_key)
    assert closed(layer) == []


def test_within_a_transaction_sockets_close_once_it_is_committed(
    layer, http_key, django_capture_on_commit_callbacks
):
    """Before, the session is valid for everyone else: a socket could come back."""
    open_socket(layer, http_key)

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        log_out(http_key)
        assert closed(layer) == []

    assert len(closed(layer)) == 1


def test_a_layer_that_fails_keeps_nobody_from_logging_out(
    layer, http_key, caplog, transactional_db, monkeypatch
):
    open_socket(layer, http_key)

    def broken(group, message):
        raise OSError("the layer is down")

    monkeypatch.setattr(layer, "send_group", broken)
    log_out(http_key)

    assert not SessionStore().exists(http_key)
    assert "the layer is down" in caplog.text


def test_only_sockets_are_closed(layer, http_key, transactional_db):
    message = connect(cookie(http_key))
    message.channel.name = "http.request"
    message.channel_layer = layer

    channel_session_user_from_http(lambda message: None)(message)

    assert layer.group_channels(session_group(http_key)) == []


@pytest.mark.parametrize("decorator", OF_THE_BROWSER)
def test_it_costs_one_group_when_connecting_and_nothing_afterwards(decorator, http_key):
    layer = RecordingLayer()
    consumer = http_session(decorator(decorator(lambda message: None)))
    opened, later, bare = connect(cookie(http_key)), receive(), connect()
    for message in (opened, later, bare):
        message.channel_layer = layer
        consumer(message)

    assert layer.members == [("add", session_group(http_key), NAME)]


def test_sockets_without_the_browsers_session_join_no_group(http_key):
    message = connect(cookie(http_key))

    channel_session(channel_session_user(lambda message: str(message.user)))(message)

    assert message.channel_layer.members == []


@pytest.mark.parametrize("decorator", OF_THE_BROWSER)
def test_layers_without_groups_and_messages_without_layer_are_fine(
    decorator, http_key, transactional_db, caplog
):
    bare = RecordingLayer()
    bare.extensions = []
    message = connect(cookie(http_key))
    for message.channel_layer in (bare, object(), None):
        decorator(lambda message: None)(message)
    before = channel_layers.set("default", ChannelLayerWrapper(bare, "default", []))
    try:
        log_out(http_key)
    finally:
        channel_layers.set("default", before)

    assert (bare.members, bare.sent, caplog.records) == ([], [], [])


def test_logging_out_without_a_session_key_is_fine(layer, transactional_db):
    auth.logout(SimpleNamespace(session=SessionStore()))

    assert closed(layer) == []


def test_an_app_can_close_the_sockets_itself(layer, http_key):
    open_socket(layer, http_key)

    close_sockets(http_key)

    assert len(closed(layer)) == 1


def test_the_group_does_not_tell_the_key(http_key):
    assert http_key not in session_group(http_key)
    assert session_group("any cookie: <é>\n") != session_group("another")
