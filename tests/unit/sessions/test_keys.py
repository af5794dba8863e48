"""The key of a connection's session, and how an engine keeps to it."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.base import CreateError
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from channels.sessions import session_for_reply_channel
from channels.sessions.stores import channel_session_store
from tests.unit.sessions.messages import NAME, receive, remember, stored

pytestmark = pytest.mark.django_db


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
