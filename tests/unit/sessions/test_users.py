"""Users of connections: who they are, and for how long."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

import channels.auth
from channels.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user,
    channel_session_user_from_http,
    http_session_user,
    transfer_user,
)
from channels.message import Message
from channels.sessions import channel_session, session_for_reply_channel
from channels.sessions.stores import channel_session_store
from tests.support.recording import RecordingLayer
from tests.unit.sessions.messages import NAME, connect, cookie, receive, remember
from tests.unit.sessions.users import DECORATORS, FROM_HTTP, USER_KEYS, log_in, user_seen_by

pytestmark = pytest.mark.django_db

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
