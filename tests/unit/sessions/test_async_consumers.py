"""``async def`` consumers find their sessions loaded, and saved when they end."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.db import SessionStore

from channels.exceptions import ConsumeLater
from channels.message import Message
from channels.sessions import channel_and_http_session, channel_session
from tests.support.recording import RecordingLayer
from tests.unit.sessions.messages import (
    COOKIE,
    NAME,
    connect,
    cookie,
    receive,
    remember,
    stored,
    stored_http_session,
)

pytestmark = pytest.mark.django_db


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
