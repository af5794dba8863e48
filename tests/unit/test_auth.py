"""Users of connections: who they are, for how long, and what logging out does to their sockets."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction

import channels.auth
from channels import channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user,
    channel_session_user_from_http,
    close_sockets,
    http_session_user,
    session_group,
    transfer_user,
)
from channels.layers.inmemory import InMemoryChannelLayer
from channels.message import Message
from channels.sessions import (
    channel_and_http_session,
    channel_session,
    http_session,
    session_for_reply_channel,
)
from channels.sessions.stores import channel_session_store
from tests.unit.recording import RecordingLayer
from tests.unit.test_sessions import NAME, connect, cookie, receive, remember

pytestmark = pytest.mark.django_db

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


@pytest.fixture
def user():
    return User.objects.create_user("ann", password="secret")


@pytest.fixture
def http_key(user):
    """The key of a browser's session that is logged in."""
    session = SessionStore()
    log_in(session, user)
    return session.session_key


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


# -- transfer_user ---------------------------------------------------------------------


def test_a_user_is_copied_from_one_session_to_another():
    source = {
        auth.SESSION_KEY: "1",
        auth.BACKEND_SESSION_KEY: "b",
        auth.HASH_SESSION_KEY: "h",
        "n": 1,
    }
    target = {}

    transfer_user(source, target)

    assert target == {key: source[key] for key in USER_KEYS}


@pytest.mark.parametrize("missing", sorted(USER_KEYS))
def test_an_incomplete_user_is_not_copied(missing):
    target = {}

    transfer_user(dict.fromkeys(USER_KEYS - {missing}, "x"), target)

    assert target == {}


# -- who it is ---------------------------------------------------------------------------


@pytest.mark.parametrize("decorator", DECORATORS)
def test_nobody_is_an_anonymous_user(decorator):
    for message in (connect(), receive()):
        assert type(user_seen_by(decorator, message)) is AnonymousUser


@pytest.mark.parametrize("decorator", DECORATORS)
def test_a_worthless_cookie_is_an_anonymous_user(decorator):
    message = connect(cookie("0" * 32))

    assert type(user_seen_by(decorator, message)) is AnonymousUser
    assert not USER_KEYS & set(session_for_reply_channel(NAME).keys())


@pytest.mark.parametrize("decorator", DECORATORS[1:])
def test_the_browsers_user_is_there_while_connecting(decorator, http_key, user):
    seen = user_seen_by(decorator, connect(cookie(http_key)))

    assert seen == user
    assert type(seen) is User


@pytest.mark.parametrize("decorator", FROM_HTTP)
def test_the_user_is_kept_for_the_connection(decorator, http_key, user):
    user_seen_by(decorator, connect(cookie(http_key)))

    assert user_seen_by(channel_session_user, receive()) == user


def test_the_http_session_is_there_with_later_messages_but_its_user_is_not(http_key, user):
    user_seen_by(channel_and_http_session_user_from_http, connect(cookie(http_key)))
    message = receive()

    seen = channel_and_http_session_user_from_http(lambda m: (m.user, m.http_session))(message)

    assert type(seen[0]) is AnonymousUser
    assert seen[1].session_key == http_key


def test_with_channel_session_user_inside_later_messages_have_both(http_key, user):
    user_seen_by(channel_and_http_session_user_from_http, connect(cookie(http_key)))
    stacked = channel_and_http_session_user_from_http(
        channel_session_user(lambda m: (m.user, m.http_session.session_key))
    )

    seen = stacked(receive())

    assert (seen[0], seen[1]) == (user, http_key)


def test_a_later_message_takes_over_the_user_that_connecting_did_not(http_key, user):
    channels.auth.channel_and_http_session(lambda m: None)(connect(cookie(http_key)))
    stacked = channel_and_http_session_user_from_http(channel_session_user(lambda m: m.user))

    assert stacked(receive()) == user
    assert user_seen_by(channel_session_user, receive()) == user


@pytest.mark.parametrize("decorator", FROM_HTTP)
def test_an_http_session_that_a_decorator_outside_brought_back_has_its_user(
    decorator, http_key, user
):
    both = channels.auth.channel_and_http_session
    both(lambda m: None)(connect(cookie(http_key)))

    assert both(decorator(lambda m: m.user))(receive()) == user
    both(decorator(lambda m: m.channel_session.get("n")))(receive())
    assert user_seen_by(channel_session_user, receive()) == user


def test_a_session_that_was_read_already_is_completed_too(http_key, user):
    channels.auth.channel_and_http_session(lambda m: None)(connect(cookie(http_key)))
    stacked = channel_session(
        channel_and_http_session_user_from_http(channel_session_user(lambda m: m.user))
    )
    message = receive(order=1)  # loaded at once

    assert stacked(message) == user


def test_methods_and_arguments_pass_through(http_key, user):
    class Consumers:
        def consume(self, message, room):
            return message.user, room

    handler = channel_session_user_from_http(channel_session_user(Consumers().consume))

    assert handler(connect(cookie(http_key)), room="one") == (user, "one")


@pytest.mark.parametrize("decorator", DECORATORS)
def test_without_a_message_it_is_an_error(decorator):
    with pytest.raises(ValueError, match="called without Message instance"):
        decorator(pytest.fail)("no message")


@pytest.mark.parametrize("decorator", [channel_session_user, *FROM_HTTP])
def test_without_a_reply_channel_it_is_an_error(decorator):
    message = Message({"path": "/"}, "some.channel", RecordingLayer())

    with pytest.raises(ValueError, match="no reply_channel"):
        decorator(pytest.fail)(message)


# -- while it lasts --------------------------------------------------------------------


def test_a_user_who_is_deleted_while_connected_is_anonymous_from_then_on(http_key, user):
    user_seen_by(channel_session_user_from_http, connect(cookie(http_key)))

    user.delete()

    assert type(user_seen_by(channel_session_user, receive())) is AnonymousUser


@pytest.mark.parametrize("decorator", DECORATORS[1:])
def test_the_cookie_of_a_user_who_was_deleted_is_nobodys(decorator, http_key, user):
    user.delete()

    assert type(user_seen_by(decorator, connect(cookie(http_key)))) is AnonymousUser


def test_who_is_connected_stays_so_when_the_browsers_session_ends(http_key, user):
    """The connection's own session knows; closing its socket is another matter."""
    user_seen_by(channel_and_http_session_user_from_http, connect(cookie(http_key)))
    SessionStore(http_key).delete()
    stacked = channel_and_http_session_user_from_http(
        channel_session_user(lambda m: (m.user, dict(m.http_session.items())))
    )

    assert stacked(receive()) == (user, {})
    assert Session.objects.count() == 1


def test_a_changed_password_ends_the_channel_sessions_login(http_key, user):
    user_seen_by(channel_session_user_from_http, connect(cookie(http_key)))

    user.set_password("another")
    user.save()

    assert type(user_seen_by(channel_session_user, receive())) is AnonymousUser
    session = channel_session_store(NAME)
    assert not session.exists(session.session_key)


def test_an_invalid_http_session_is_not_taken_over(http_key, user):
    user.set_password("another")
    user.save()

    assert (
        type(user_seen_by(channel_session_user_from_http, connect(cookie(http_key))))
        is AnonymousUser
    )

    assert not USER_KEYS & set(session_for_reply_channel(NAME).keys())
    assert Session.objects.count() == 0  # emptied, and none made in its place


def test_the_channel_session_keeps_its_key_when_the_secret_is_rotated(http_key, user, settings):
    user_seen_by(channel_session_user_from_http, connect(cookie(http_key)))
    before = dict(session_for_reply_channel(NAME).items())
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next one"

    assert user_seen_by(channel_session_user, receive()) == user

    after = dict(session_for_reply_channel(NAME).items())
    assert after[auth.HASH_SESSION_KEY] != before[auth.HASH_SESSION_KEY]
    settings.SECRET_KEY_FALLBACKS = []
    assert user_seen_by(channel_session_user, receive()) == user
    assert Session.objects.count() == 2


@pytest.mark.parametrize("decorator", DECORATORS[1:])
def test_the_browser_stays_logged_in_when_the_secret_is_rotated(
    decorator, http_key, user, settings
):
    """Its cookie can't be changed over a socket, so the key must not be."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next one"

    assert user_seen_by(decorator, connect(cookie(http_key))) == user

    assert SessionStore(http_key).exists(http_key)
    settings.SECRET_KEY_FALLBACKS = []
    assert user_seen_by(http_session_user, connect(cookie(http_key))) == user


def test_a_consumer_may_log_in_and_out(user):
    @channel_session_user
    def consumer(message, act):
        act(message.channel_session)

    consumer(receive(), act=lambda session: log_in(session, user))
    assert user_seen_by(channel_session_user, receive()) == user

    consumer(receive(), act=lambda session: auth.logout(SimpleNamespace(session=session)))
    assert type(user_seen_by(channel_session_user, receive())) is AnonymousUser


def test_logging_in_keeps_the_key_of_the_channel_session(engine, user):
    """Django gives a session a new key then, under which no worker would find it."""
    key = channel_session_store(NAME).session_key
    consumer = channel_session_user(lambda message: log_in(message.channel_session, user))
    remember(receive())

    consumer(receive())

    assert user_seen_by(channel_session_user, receive()) == user
    assert session_for_reply_channel(NAME)["animal"] == "frog"
    assert engine(key)[auth.SESSION_KEY] == str(user.pk)


def test_logging_in_gives_a_browsers_session_a_new_key(engine, user):
    """As everywhere in Django: what an attacker may have planted is worth nothing then."""
    before = engine()
    before["n"] = 1
    before.save()
    message = connect(cookie(before.session_key))

    @http_session_user
    def consumer(message):
        assert message.user.is_anonymous
        log_in(message.http_session, user)

    consumer(message)

    after = message.http_session.session_key
    assert after != before.session_key
    assert not engine().exists(before.session_key)
    assert engine(after)["n"] == 1


# -- what it costs -----------------------------------------------------------------------


@pytest.mark.parametrize("decorator", DECORATORS)
def test_a_message_whose_user_is_not_read_costs_no_query(
    decorator, http_key, django_assert_num_queries
):
    user_seen_by(channel_and_http_session_user_from_http, connect(cookie(http_key)))

    with django_assert_num_queries(0):
        decorator(lambda message: None)(receive(ordered=True, order=1))


def test_reading_the_user_costs_session_and_user(http_key, django_assert_num_queries):
    user_seen_by(channel_session_user_from_http, connect(cookie(http_key)))

    with django_assert_num_queries(2):
        user_seen_by(channel_session_user, receive(ordered=True, order=1))


def test_a_user_who_was_taken_over_is_not_taken_over_again(http_key, django_assert_num_queries):
    both = channel_and_http_session_user_from_http
    user_seen_by(both, connect(cookie(http_key)))
    stacked = both(channel_session_user(lambda message: str(message.user)))

    with django_assert_num_queries(2):  # the connection's session and its user
        assert stacked(receive(ordered=True, order=1)) == "ann"


def test_nobody_is_not_looked_for_again(django_assert_num_queries):
    both = channel_and_http_session_user_from_http
    user_seen_by(both, connect())
    stacked = both(channel_session_user(lambda message: str(message.user)))

    with django_assert_num_queries(1):  # the connection's session
        assert stacked(receive(ordered=True, order=1)) == "AnonymousUser"


def test_connecting_costs_session_user_and_storing(http_key, django_assert_num_queries):
    with django_assert_num_queries(5):  # two reads, and one row in a savepoint
        user_seen_by(
            channel_session_user_from_http, connect(cookie(http_key), ordered=True, order=0)
        )


# -- async def ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_coroutine_consumers_find_their_user(http_key, user):
    async def consumer(message):
        return message.user.username, message.user.is_authenticated

    opened = channel_session_user_from_http(consumer)
    later = channel_session_user(consumer)

    assert async_to_sync(opened)(connect(cookie(http_key))) == ("ann", True)
    assert async_to_sync(later)(receive()) == ("ann", True)


# -- logging out -------------------------------------------------------------------------


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
