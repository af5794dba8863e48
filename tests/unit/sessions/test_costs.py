"""A message whose consumer does not touch its session costs nothing, whatever decorates it."""

from __future__ import annotations

import pytest
from django.contrib.sessions.backends.base import SessionBase

from channels.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user,
    channel_session_user_from_http,
    http_session_user,
)
from channels.generic import BaseConsumer
from channels.generic.websockets import (
    JsonWebsocketConsumer,
    WebsocketConsumer,
    WebsocketDemultiplexer,
)
from channels.message import Message
from channels.sessions import (
    channel_and_http_session,
    channel_session,
    enforce_ordering,
    http_session,
)
from tests.support.recording import RecordingLayer
from tests.unit.sessions.messages import NAME, cookie, stored_http_session

pytestmark = pytest.mark.django_db

SESSION_DECORATORS = [channel_session, channel_and_http_session, enforce_ordering]
USER_DECORATORS = [
    channel_session_user,
    channel_session_user_from_http,
    channel_and_http_session_user_from_http,
]
HTTP_DECORATORS = [http_session, http_session_user]
DECORATORS = [*SESSION_DECORATORS, *USER_DECORATORS, *HTTP_DECORATORS]

CHANNELS = ["websocket.connect", "websocket.receive", "websocket.disconnect"]
FLAGS = [
    {},
    {"channel_session": True},
    {"channel_session_user": True},
    {"http_user": True},
    {"http_user_and_session": True},
    {"strict_ordering": True},
    {"channel_session": True, "strict_ordering": True},
    {"http_user": True, "http_user_and_session": True, "strict_ordering": True},
]
USES = [
    "load",
    "save",
    "create",
    "delete",
    "exists",
    "flush",
    "cycle_key",
]


def message_on(channel, *, ordered=True, headers=(), **content):
    """Return a message as our interface server sends it, but for ``ordered``."""
    content = {"reply_channel": NAME, "path": "/", **content}
    if ordered:
        content["order"] = CHANNELS.index(channel) if channel in CHANNELS else 0
    if channel == "websocket.connect":
        content |= {"headers": list(headers), "query_string": b""}
    elif channel == "websocket.receive":
        content["text"] = "{}"
    message = Message(content, channel, RecordingLayer())
    message.ordered = ordered
    return message


@pytest.fixture
def untouched(engine, django_assert_num_queries):
    """Assert that the engine, which need not be a database's, is not asked for anything."""

    class Untouched:
        def __enter__(self):
            self._queries = django_assert_num_queries(0)
            self._queries.__enter__()
            self._patch = pytest.MonkeyPatch()
            for name in USES:
                self._patch.setattr(engine, name, self._refuse(name))
                self._patch.setattr(SessionBase, name, self._refuse(name))

        def __exit__(self, *error):
            self._patch.undo()
            self._queries.__exit__(*error)

        def _refuse(self, name):
            def refuse(session, *args, **kwargs):
                raise AssertionError(f"the session's {name}() was called")

            return refuse

    return Untouched()


def test_the_check_can_fail(untouched):
    touching = channel_session(lambda message: message.channel_session.get("n"))

    with pytest.raises(AssertionError, match=r"load\(\) was called"), untouched:
        touching(message_on("websocket.receive"))


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("decorator", DECORATORS)
def test_decorators_cost_nothing(decorator, channel, untouched):
    ran = []

    with untouched:
        decorator(ran.append)(message_on(channel))

    assert len(ran) == 1


@pytest.mark.parametrize("decorator", [one for one in DECORATORS if one is not enforce_ordering])
def test_decorators_cost_nothing_on_channels_of_ones_own(decorator, untouched):
    """Such messages are not from a socket: there is nothing to keep in order."""
    ran = []

    with untouched:
        decorator(ran.append)(message_on("chat.messages", ordered=False))

    assert len(ran) == 1


@pytest.mark.parametrize("decorator", [*HTTP_DECORATORS, channel_session, channel_session_user])
def test_a_cookie_alone_costs_nothing(decorator, untouched):
    key = stored_http_session(n=1)
    ran = []

    with untouched:
        decorator(ran.append)(message_on("websocket.connect", headers=[cookie(key)]))

    assert len(ran) == 1


@pytest.mark.parametrize("base", [WebsocketConsumer, JsonWebsocketConsumer])
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("flags", FLAGS, ids=lambda flags: "+".join(flags) or "none")
def test_class_consumers_cost_nothing(flags, channel, base, untouched):
    """`untouched` fails for a query or a session that is loaded."""
    consumer = type("Flagged", (base,), flags)

    with untouched:
        consumer(message_on(channel))


@pytest.mark.parametrize("flags", FLAGS, ids=lambda flags: "+".join(flags) or "none")
def test_demultiplexers_cost_nothing(flags, untouched):
    """`untouched` fails for a query or a session that is loaded."""
    stream = type("Stream", (JsonWebsocketConsumer,), flags)
    consumer = type("Streams", (WebsocketDemultiplexer,), {**flags, "consumers": {"s": stream}})

    with untouched:
        for channel in CHANNELS:
            message = message_on(channel)
            if "text" in message:
                message["text"] = '{"stream": "s", "payload": {}}'
            consumer(message)


@pytest.mark.parametrize("flag", ["channel_session", "channel_session_user"])
def test_class_consumers_of_other_channels_cost_nothing(flag, untouched):
    """`untouched` fails for a query or a session that is loaded."""
    consumer = type(
        "Flagged",
        (BaseConsumer,),
        {
            flag: True,
            "method_mapping": {"chat.messages": "handle"},
            "handle": lambda self, message, **kwargs: None,
        },
    )

    with untouched:
        consumer(message_on("chat.messages", ordered=False))


@pytest.mark.parametrize("decorator", [*SESSION_DECORATORS, *USER_DECORATORS])
def test_without_a_reply_channel_the_error_says_so(decorator):
    message = message_on("websocket.receive", reply_channel=None)

    with pytest.raises(ValueError, match=r"'websocket\.receive' has no reply_channel"):
        decorator(pytest.fail)(message)


@pytest.mark.parametrize("decorator", HTTP_DECORATORS)
def test_browsers_sessions_need_no_reply_channel(decorator):
    message = message_on("websocket.receive", reply_channel=None)

    assert decorator(lambda message: message.http_session)(message) is None


@pytest.mark.parametrize("flags", FLAGS[1:], ids="+".join)
def test_class_consumers_without_a_reply_channel_say_so(flags):
    consumer = type("Flagged", (WebsocketConsumer,), flags)

    with pytest.raises(ValueError, match=r"'websocket\.receive' has no reply_channel"):
        consumer(message_on("websocket.receive", reply_channel=None))
