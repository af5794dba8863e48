"""Sessions of connections and browsers: keys, laziness, saving, and what goes wrong meanwhile."""

from __future__ import annotations

import asyncio
import importlib
import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.utils import timezone

from channels.exceptions import ConsumeLater
from channels.message import Message
from channels.sessions import (
    channel_and_http_session,
    channel_session,
    http_session,
    session_for_reply_channel,
)
from channels.sessions.stores import channel_session_store, http_session_store
from tests.unit.recording import RecordingLayer

pytestmark = pytest.mark.django_db

NAME = "web.Zk81!Qx3f"
COOKIE = django_settings.SESSION_COOKIE_NAME


def receive(ordered=False, channel="websocket.receive", **content):
    message = Message({"reply_channel": NAME, "path": "/", **content}, channel, RecordingLayer())
    message.ordered = ordered
    return message


def connect(*pairs, **content):
    return receive(channel="websocket.connect", headers=[*pairs], query_string=b"", **content)


def cookie(key):
    return (b"cookie", f"{COOKIE}={key}".encode())


def stored_http_session(**data):
    session = importlib.import_module(django_settings.SESSION_ENGINE).SessionStore()
    session.update(data)
    session.create()
    session.update(data)
    session.save()
    return session.session_key


def stored():
    return dict(session_for_reply_channel(NAME).items())


@channel_session
def remember(message, value="frog"):
    message.channel_session["animal"] = value
    return value


# -- the key -------------------------------------------------------------------------


def test_the_key_is_derived_from_the_reply_channel():
    session = session_for_reply_channel("test-reply-channel")

    assert session.session_key.startswith("chn")
    assert len(session.session_key) == 32
    assert set(session.session_key[3:]) <= set("0123456789abcdef")
    assert session.session_key == session_for_reply_channel("test-reply-channel").session_key
    assert session.session_key != session_for_reply_channel("another").session_key


def test_the_key_is_that_of_every_earlier_version():
    assert session_for_reply_channel("test").session_key == "chna94a8fe5ccb19ba61c4c0873d391e"


def test_it_is_loaded_at_once_and_not_stored(django_assert_num_queries):
    with django_assert_num_queries(1):
        session = session_for_reply_channel(NAME)
    with django_assert_num_queries(0):
        assert session.get("n") is None

    assert Session.objects.count() == 0


def test_what_is_stored_is_found_again(engine):
    session = session_for_reply_channel(NAME)
    session["n"] = 42
    session.save(must_create=True)

    assert session_for_reply_channel(NAME)["n"] == 42
    assert isinstance(session, engine)


def test_the_engine_itself_reads_what_is_stored(engine):
    """The signature's salt has the class's name in it."""
    remember(receive())

    assert engine(session_for_reply_channel(NAME).session_key)["animal"] == "frog"


def test_looking_does_not_store(engine):
    session = session_for_reply_channel(NAME)

    assert session.get("n") is None
    assert not session.exists(session.session_key)
    assert session.session_key is not None


def test_saving_stores_a_session_that_was_not(engine):
    session = session_for_reply_channel(NAME)
    session["n"] = 1

    session.save()

    assert stored() == {"n": 1}


def test_what_was_taken_out_between_two_saves_stays_out(engine):
    session = session_for_reply_channel(NAME)
    session.update({"n": 1, "m": 2})
    session.save()
    del session["n"]

    session.save()

    assert stored() == {"m": 2}


def test_creating_what_exists_is_an_error(engine):
    session_for_reply_channel(NAME).create()

    with pytest.raises(CreateError):
        session_for_reply_channel(NAME).save(must_create=True)


def test_creating_empties(engine):
    remember(receive())
    session = session_for_reply_channel(NAME)

    session.create()

    assert session.session_key == channel_session_store(NAME).session_key
    assert stored() == {}


def test_a_cycled_key_stays(engine):
    remember(receive())
    session = channel_session_store(NAME)
    key = session.session_key

    session.cycle_key()
    session.save()

    assert session.session_key == key
    assert session.modified
    assert stored() == {"animal": "frog"}


def test_a_flushed_session_keeps_its_key_and_can_be_used_on(engine):
    remember(receive())
    session = session_for_reply_channel(NAME)
    key = session.session_key

    session.flush()
    assert (session.session_key, session.is_empty()) == (key, True)
    assert not session.exists(key)

    session["n"] = 1
    session.save()
    assert stored() == {"n": 1}


def test_clearing_before_loading_stores_nothing_under_a_new_key(engine):
    session = channel_session_store(NAME)

    session.clear()
    session["n"] = 1
    session.save()

    assert stored() == {"n": 1}


def test_deleting_another_key_changes_nothing_here(engine):
    remember(receive())
    session = session_for_reply_channel(NAME)

    session.delete("another1")

    assert not session.is_empty()
    assert stored() == {"animal": "frog"}


def test_coroutines_have_the_same_rules(engine, transactional_db):
    async def use():
        session = channel_session_store(NAME)
        key = session.session_key
        await session.aset("n", 1)
        await session.asave()
        again = channel_session_store(NAME)
        assert await again.aget("n") == 1
        await again.acycle_key()
        await again.asave()
        await again.aflush()
        assert again.session_key == key
        assert await channel_session_store(NAME).aget("n") is None
        await again.acreate()
        assert await channel_session_store(NAME).aload() == {}
        await again.adelete()
        assert again.is_empty()

    async_to_sync(use)()


def test_signed_cookies_cannot_hold_channel_sessions(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

    with pytest.raises(ValueError, match="CHANNEL_SESSION_ENGINE"):
        session_for_reply_channel(NAME)
    with pytest.raises(ValueError, match="signed cookies"):
        remember(receive())


def test_channel_sessions_may_have_an_engine_of_their_own(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.CHANNEL_SESSION_ENGINE = "django.contrib.sessions.backends.db"

    remember(receive())

    assert stored() == {"animal": "frog"}
    assert isinstance(session_for_reply_channel(NAME), SessionStore)


# -- channel_session -------------------------------------------------------------------


def test_changes_are_there_for_the_next_message(engine):
    @channel_session
    def count(message):
        message.channel_session["n"] = message.channel_session.get("n", -1) + 1

    count(receive())
    count(receive())

    assert stored() == {"n": 1}


def test_the_result_and_the_name_of_the_consumer_are_kept():
    assert remember(receive(), value="newt") == "newt"
    assert remember.__name__ == "remember"


def test_methods_have_their_message_second():
    class Consumers:
        @channel_session
        def consume(self, message, extra):
            message.channel_session["extra"] = extra

    Consumers().consume(receive(), "x")

    assert stored() == {"extra": "x"}


def test_the_message_may_have_no_layer():
    message = Message({"reply_channel": NAME}, None, None)

    remember(message)

    assert stored() == {"animal": "frog"}


@pytest.mark.parametrize("args", [(), (None,), (None, 1, receive())])
def test_without_a_message_it_is_an_error(args):
    with pytest.raises(ValueError, match=r"^channel_session called without Message instance$"):
        remember(*args)


@pytest.mark.parametrize("decorator", [channel_session, channel_and_http_session])
def test_without_a_reply_channel_it_is_an_error(decorator):
    message = Message({"path": "/"}, "some.channel", RecordingLayer())

    with pytest.raises(ValueError, match=r"'some\.channel' has no reply_channel"):
        decorator(pytest.fail)(message)


def test_a_session_that_is_there_already_is_used_and_saved():
    message = receive()
    own = message.channel_session = SessionStore()

    remember(message)

    assert message.channel_session is own
    assert SessionStore(own.session_key)["animal"] == "frog"
    assert stored() == {}


def test_a_session_that_could_not_be_saved_is_not_tried_again_by_each_decorator(monkeypatch):
    tries = []

    def broken(self, must_create=False):
        tries.append(1)
        raise OSError("the disk is full")

    monkeypatch.setattr(SessionStore, "save", broken)
    with pytest.raises(OSError, match="the disk is full"):
        channel_session(remember)(receive())

    assert tries == [1]


def test_a_session_that_was_saved_counts_as_unchanged():
    for session in (SessionStore(), channel_session_store("another!a")):
        message = receive()
        message.channel_session = session

        remember(message)

        assert not session.modified


def test_none_is_no_session():
    message = receive()
    message.channel_session = None

    remember(message)

    assert stored() == {"animal": "frog"}


def test_changes_are_saved_when_the_consumer_fails():
    @channel_session
    def fail(message):
        message.channel_session["n"] = 1
        raise ConsumeLater

    with pytest.raises(ConsumeLater):
        fail(receive())

    assert stored() == {"n": 1}


def test_it_can_be_stacked(django_assert_num_queries):
    seen = []

    @channel_session
    @channel_session
    def inner(message):
        seen.append(message.channel_session)
        message.channel_session["n"] = 1

    message = receive()
    inner(message)

    assert seen == [message.channel_session]
    assert stored() == {"n": 1}


def test_what_a_consumer_flushed_is_not_stored_again(engine):
    remember(receive())

    @channel_session
    def log_out(message):
        message.channel_session.flush()

    log_out(receive())

    session = channel_session_store(NAME)
    assert not session.exists(session.session_key)


def test_a_session_that_lost_its_last_key_is_stored_empty():
    remember(receive())

    @channel_session
    def forget(message):
        del message.channel_session["animal"]

    forget(receive())

    assert stored() == {}
    assert Session.objects.count() == 1


def test_a_session_deleted_between_two_messages_starts_anew(engine):
    remember(receive())
    channel_session_store(NAME).delete()

    remember(receive(), value="newt")

    assert stored() == {"animal": "newt"}


@pytest.mark.parametrize("backend", ["db", "cached_db"])
def test_an_expired_session_starts_anew(settings, backend):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{backend}"
    remember(receive())
    cache.clear()
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    seen = []

    @channel_session
    def look(message):
        seen.append(dict(message.channel_session.items()))
        message.channel_session["n"] = 1

    look(receive())

    assert seen == [{}]
    assert stored() == {"n": 1}


def test_an_expired_session_file_leaves_no_other_file_behind(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(FileStore, "_storage_path", str(tmp_path), raising=False)
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.file"
    remember(receive())
    settings.SESSION_COOKIE_AGE = -1

    assert stored() == {}
    assert list(tmp_path.iterdir()) == []

    settings.SESSION_COOKIE_AGE = 3600
    remember(receive())
    assert len(list(tmp_path.iterdir())) == 1


def test_a_session_that_another_worker_began_meanwhile_keeps_both(engine):
    @channel_session
    def slow(message):
        message.channel_session["mine"] = 1
        other = session_for_reply_channel(NAME)
        other["theirs"] = 2
        other.save()

    slow(receive())

    assert stored() == {"mine": 1, "theirs": 2}


def test_a_session_deleted_meanwhile_stays_deleted(engine, caplog):
    """Someone logged out: what this consumer had loaded must not come back."""
    remember(receive())

    @channel_session
    def slow(message):
        message.channel_session["n"] = 1
        channel_session_store(NAME).delete()

    slow(receive())

    assert stored() == {}
    name = f"{__name__}.slow"
    assert f"A session was deleted while consumer {name} ran; its changes" in caplog.text


def test_it_is_told_of_the_consumer_that_changed_the_session(caplog):
    """Not of one that it called, nor of a decorator."""

    class Page:
        @channel_session
        @channel_and_http_session
        def receive(self, message):
            channel_session(lambda message: None)(message)
            message.channel_session["n"] = 1
            channel_session_store(NAME).delete()

    for message in (receive(), receive()):
        remember(receive())
        http_session(channel_session(Page().receive))(message)

    assert [one.getMessage().split()[6] for one in caplog.records] == [f"{__name__}.receive"] * 2


def test_an_explicit_save_of_what_was_deleted_meanwhile_is_an_error(engine):
    remember(receive())
    session = session_for_reply_channel(NAME)
    session.load_now()
    channel_session_store(NAME).delete()

    with pytest.raises(UpdateError):
        session.save()


def test_an_error_while_saving_does_not_hide_the_consumers(monkeypatch, caplog):
    @channel_session
    def fail(message):
        message.channel_session["n"] = 1
        monkeypatch.setattr(SessionStore, "save", broken)
        raise ConsumeLater

    def broken(self, must_create=False):
        raise OSError("the disk is full")

    with pytest.raises(ConsumeLater):
        fail(receive())

    assert "the disk is full" in caplog.text


def test_an_error_while_loading_is_not_taken_for_an_empty_session(monkeypatch):
    remember(receive())

    def broken(self):
        raise OSError("no connection")

    with monkeypatch.context() as patch:
        patch.setattr(SessionStore, "load", broken)
        session = channel_session_store(NAME)
        with pytest.raises(OSError, match="no connection"):
            session.get("animal")

    assert session["animal"] == "frog"


# -- laziness --------------------------------------------------------------------------


@channel_session
def ignore(message):
    """Touch nothing."""


@pytest.mark.parametrize(
    "message",
    [
        receive(),
        receive(ordered=True, order=3),
        receive(ordered=True, order=9, channel="websocket.disconnect"),
        receive(ordered=True, order=0, channel="websocket.connect"),
    ],
    ids=["plain", "receive", "disconnect", "connect"],
)
@pytest.mark.parametrize("decorator", [channel_session, channel_and_http_session])
def test_a_message_that_does_not_touch_its_session_costs_no_query(
    decorator, message, django_assert_num_queries
):
    with django_assert_num_queries(0):
        decorator(lambda message: None)(message)


def test_reading_costs_one_query(django_assert_num_queries):
    remember(receive())

    @channel_session
    def read(message):
        assert message.channel_session["animal"] == "frog"
        assert "animal" in message.channel_session

    with django_assert_num_queries(1):
        read(receive(ordered=True, order=1))


def test_connecting_stores_without_looking(django_assert_num_queries):
    """The name of its reply channel was never used before."""
    with django_assert_num_queries(3):  # the savepoint, the row, its release
        remember(connect(ordered=True, order=0))

    assert stored() == {"animal": "frog"}


def test_a_connect_that_comes_again_finds_what_it_stored():
    remember(connect(ordered=True, order=0))
    seen = []

    @channel_session
    def again(message):
        seen.append(message.channel_session.get("animal"))

    again(connect(ordered=True, order=0, __retries__=1))

    assert seen == ["frog"]


def test_messages_that_may_be_out_of_order_are_compared_with_this_moment(
    django_assert_num_queries,
):
    with django_assert_num_queries(1):
        ignore(receive(order=1))


# -- the end of a connection -------------------------------------------------------------


def test_sessions_stay_after_the_socket_unless_told_otherwise():
    remember(receive())

    ignore(receive(ordered=True, channel="websocket.disconnect"))

    assert stored() == {"animal": "frog"}


def test_sessions_end_with_the_socket_if_told_so(engine, settings):
    settings.CHANNELS_DELETE_SESSIONS = True
    remember(receive())
    message = receive(ordered=True, channel="websocket.disconnect")
    seen = []

    @channel_session
    def leave(message):
        message.channel_session["n"] = 1

    @channel_session
    def also_leave(message):
        seen.append(message.channel_session["animal"])
        message.channel_session["m"] = 2

    leave(message)
    also_leave(message)  # as a demultiplexer calls one after the other

    assert seen == ["frog"]
    assert not channel_session_store(NAME).exists(message.channel_session.session_key)


def test_other_messages_end_nothing(settings):
    settings.CHANNELS_DELETE_SESSIONS = True
    remember(receive())

    ignore(receive())

    assert stored() == {"animal": "frog"}


# -- http_session ------------------------------------------------------------------------


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


# -- async def ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_coroutine_consumers_find_everything_loaded():
    key = stored_http_session(frog=True)

    @channel_and_http_session
    async def consume(message):
        await asyncio.sleep(0)
        message.channel_session["n"] = message.channel_session.get("n", 0) + 1
        return message.http_session["frog"]

    assert async_to_sync(consume)(connect(cookie(key))) is True
    assert async_to_sync(consume)(receive(ordered=True, order=1)) is True
    assert stored() == {COOKIE: key, "n": 2}


@pytest.mark.django_db(transaction=True)
def test_coroutine_consumers_that_fail_are_saved_too():
    @channel_session
    async def fail(message):
        message.channel_session["n"] = 1
        raise ConsumeLater

    with pytest.raises(ConsumeLater):
        async_to_sync(fail)(receive())

    assert stored() == {"n": 1}


def test_coroutine_consumers_need_a_message_too():
    @channel_session
    async def consume(message):
        pytest.fail("must not run")

    with pytest.raises(ValueError, match="channel_session called without Message instance"):
        async_to_sync(consume)(SimpleNamespace())
    with pytest.raises(ValueError, match="has no reply_channel"):
        async_to_sync(consume)(Message({}, "some.channel", RecordingLayer()))


@pytest.mark.django_db(transaction=True)
def test_what_fails_to_load_fails_before_the_coroutine_starts(monkeypatch):
    def broken(self):
        raise OSError("no connection")

    @channel_session
    async def consume(message):
        pytest.fail("must not run")

    monkeypatch.setattr(SessionStore, "load", broken)
    with pytest.raises(OSError, match="no connection"):
        async_to_sync(consume)(receive())


def test_sessions_travel_in_no_message():
    """A consumer that passes its message on passes its content on, which stays as it was."""
    message = receive()
    remember(message)

    assert json.loads(json.dumps(message.content)) == {"reply_channel": NAME, "path": "/"}
    assert not message.copy().provides("channel_session")
