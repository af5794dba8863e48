"""``channel_session``: saving, what goes wrong meanwhile, and the end of a connection."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.base import UpdateError
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
from channels.sessions.stores import channel_session_store
from tests.support.recording import RecordingLayer
from tests.unit.sessions.messages import NAME, receive, remember, stored

pytestmark = pytest.mark.django_db


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


# -- the end of a connection -------------------------------------------------------------


@channel_session
def ignore(message):
    """Touch nothing."""


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
