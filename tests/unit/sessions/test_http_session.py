"""``http_session``, and both sessions together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.utils import timezone

from channels.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user_from_http,
    http_session_user,
)
from channels.exceptions import ConsumeLater
from channels.message import Message
from channels.sessions import channel_and_http_session, http_session
from channels.sessions.stores import http_session_store
from tests.support.recording import RecordingLayer
from tests.unit.sessions.messages import (
    COOKIE,
    NAME,
    connect,
    cookie,
    receive,
    stored,
    stored_http_session,
)

pytestmark = pytest.mark.django_db


def seen_by(decorator, message):
    """Return the http session that a consumer sees."""
    return decorator(lambda message: message.http_session)(message)


def test_the_cookie_names_the_session(engine):
    key = stored_http_session(species="horse")

    session = seen_by(http_session, connect(cookie(key)))

    assert session["species"] == "horse"
    assert session.session_key == key
    assert isinstance(session, engine)


@pytest.mark.parametrize("query_string", ["session_key={}", b"a=1&session_key={}"])
def test_the_query_string_comes_before_the_cookie(query_string):
    key = stored_http_session(species="horse")
    message = connect(cookie("0" * 32))
    if isinstance(query_string, bytes):
        message["query_string"] = query_string.replace(b"{}", key.encode())
    else:
        message["query_string"] = query_string.format(key)

    assert seen_by(http_session, message)["species"] == "horse"


def test_the_query_string_can_be_turned_off(settings):
    settings.CHANNELS_SESSION_KEY_IN_URL = False
    key = stored_http_session(species="horse")
    message = connect()
    message["query_string"] = f"session_key={key}".encode()

    assert seen_by(http_session, message) is None


def test_old_dicts_of_headers_are_read():
    key = stored_http_session(species="horse")
    message = receive(headers={"cookie": f"{COOKIE}={key}".encode("ascii")})

    assert seen_by(http_session, message)["species"] == "horse"


DECORATORS = [
    http_session,
    channel_and_http_session,
    http_session_user,
    channel_session_user_from_http,
    channel_and_http_session_user_from_http,
]


@pytest.mark.parametrize("decorator", DECORATORS)
@pytest.mark.parametrize("channel", ["websocket.connect", "websocket.receive"])
@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"cookie": b"a=1", "x-a": "1"}, [[b"cookie", b"a=1"], [b"x-a", b"1"]]),
        ({}, []),
        ([(b"x-a", b"1")], [(b"x-a", b"1")]),
    ],
)
def test_consumers_find_pairs_of_headers_and_a_method(decorator, channel, given, found):
    """As if a request had been made of the message; clients of tests send dicts of headers."""
    message = receive(channel=channel, headers=given, query_string=b"")

    decorator(lambda message: None)(message)

    assert (message["headers"], message["method"]) == (found, "FAKE")


def test_a_message_without_headers_gets_none():
    message = receive()

    seen_by(http_session, message)

    assert "headers" not in message


@pytest.mark.parametrize("message", [connect(), receive(), connect((b"cookie", b"other=1"))])
def test_without_a_key_there_is_no_session(message):
    assert seen_by(http_session, message) is None
    assert message["method"] == "FAKE"


def test_an_own_method_is_kept():
    message = connect()
    message["method"] = "GET"

    seen_by(http_session, message)

    assert message["method"] == "GET"


@pytest.mark.parametrize("content", [{}, {"headers": [(b"cookie", b"a=1")], "path": None}])
def test_what_is_no_request_is_an_error(content):
    message = Message({"reply_channel": NAME, **content}, "some.channel", RecordingLayer())
    message.content.pop("path", None)

    with pytest.raises(ValueError, match="Cannot parse HTTP message"):
        seen_by(http_session, message)


def test_the_body_is_left_alone():
    message = connect(cookie(stored_http_session(species="horse")))
    message["body_channel"] = "http.request.body?x"  # reading it would take it away

    assert seen_by(http_session, message)["species"] == "horse"
    assert message["body_channel"] == "http.request.body?x"


def test_changes_of_the_http_session_are_saved(engine):
    key = stored_http_session(species="horse")

    @http_session
    def change(message):
        message.http_session["species"] = "zebra"

    change(connect(cookie(key)))

    assert engine(key)["species"] == "zebra"


def test_changes_are_not_saved_when_the_consumer_fails_unless_it_was_there_before():
    key = stored_http_session(species="horse")

    @http_session
    def fail(message):
        message.http_session["species"] = "zebra"
        raise ConsumeLater

    message = connect(cookie(key))
    with pytest.raises(ConsumeLater):
        fail(message)
    assert SessionStore(key)["species"] == "horse"

    with pytest.raises(ConsumeLater):
        fail(message)
    assert SessionStore(key)["species"] == "zebra"


def test_a_key_that_nothing_is_stored_under_creates_nothing(engine, tmp_path):
    @http_session
    def change(message):
        message.http_session["species"] = "zebra"

    message = connect(cookie("0" * 32))
    change(message)

    assert message.http_session.session_key is None
    assert not engine().exists("0" * 32)
    assert Session.objects.count() == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("backend", ["db", "cached_db"])
def test_an_expired_session_of_a_browser_is_empty_and_stays_so(settings, backend):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{backend}"
    key = stored_http_session(species="horse")
    cache.clear()
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))

    @http_session
    def change(message):
        seen = dict(message.http_session.items())
        message.http_session["species"] = "zebra"
        return seen

    assert change(connect(cookie(key))) == {}
    assert not Session.objects.filter(expire_date__gt=timezone.now()).exists()


def test_a_browsers_session_deleted_meanwhile_stays_deleted(engine, caplog):
    key = stored_http_session(species="horse")

    @http_session
    def change(message):
        message.http_session["species"] = "zebra"
        engine(key).delete()

    change(connect(cookie(key)))

    assert not engine().exists(key)
    assert "deleted while" in caplog.text


def test_a_browsers_session_that_ended_is_empty_with_later_messages(engine):
    key = stored_http_session(frog=True)
    seen_by(channel_and_http_session, connect(cookie(key)))
    engine(key).delete()

    @channel_and_http_session
    def change(message):
        seen = dict(message.http_session.items())
        message.http_session["n"] = 1
        return seen

    assert change(receive()) == {}
    assert not engine().exists(key)


def test_creating_one_is_up_to_the_consumer(engine):
    @http_session
    def create(message):
        message.http_session.create()
        message.http_session["n"] = 1

    message = connect(cookie("0" * 32))
    create(message)

    assert message.http_session.session_key != "0" * 32
    assert engine(message.http_session.session_key)["n"] == 1


def test_an_expired_session_file_of_a_browser_leaves_no_other_file(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(FileStore, "_storage_path", str(tmp_path), raising=False)
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.file"
    key = stored_http_session(n=1)
    settings.SESSION_COOKIE_AGE = -1

    session = http_session_store(key)

    assert session.get("n") is None
    assert session.session_key is None
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_cycled_where_a_consumer_asks_for_it():
    key = stored_http_session(n=1)
    session = http_session_store(key)

    session.cycle_key()

    assert session.session_key != key
    assert SessionStore(session.session_key)["n"] == 1


def test_a_session_in_a_signed_cookie_can_be_read(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieStore

    made = CookieStore()
    made["species"] = "horse"
    made.save()

    assert seen_by(http_session, connect(cookie(made.session_key)))["species"] == "horse"


# -- both --------------------------------------------------------------------------------


def test_later_messages_have_the_http_session_too(engine):
    key = stored_http_session(frog=True)

    seen_by(channel_and_http_session, connect(cookie(key)))
    assert stored() == {COOKIE: key}

    later = receive()
    assert seen_by(channel_and_http_session, later)["frog"] is True
    assert later.http_session.session_key == key


def test_the_first_http_session_is_the_one_that_is_kept():
    first, second = stored_http_session(n=1), stored_http_session(n=2)
    seen_by(channel_and_http_session, connect(cookie(first)))

    assert seen_by(channel_and_http_session, connect(cookie(second)))["n"] == 2
    assert stored() == {COOKIE: first}


def test_later_messages_of_a_socket_without_one_have_none():
    seen_by(channel_and_http_session, connect())

    assert seen_by(channel_and_http_session, receive()) is None


def test_changes_of_later_messages_are_saved_by_the_consumer_only():
    key = stored_http_session(n=1)
    seen_by(channel_and_http_session, connect(cookie(key)))

    @channel_and_http_session
    def change(message, save):
        message.http_session["n"] += 1
        if save:
            message.http_session.save()

    change(receive(), save=False)
    assert SessionStore(key)["n"] == 1
    change(receive(), save=True)
    assert SessionStore(key)["n"] == 2


def test_both_decorators_can_be_stacked():
    key = stored_http_session(n=1)
    both = channel_and_http_session(channel_and_http_session(lambda m: m.http_session["n"]))

    assert both(connect(cookie(key))) == 1
    assert both(receive()) == 1
