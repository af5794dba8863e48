"""Consumer classes for WebSockets, plain and JSON."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore

from channels.generic.websockets import JsonWebsocketConsumer, WebsocketConsumer
from channels.message import pending_message_store

SOCKET = "server!socket"


class Recorder(WebsocketConsumer):
    def connect(self, message, **kwargs):
        self.called = ("connect", message, kwargs)

    def receive(self, text=None, bytes=None, **kwargs):
        self.called = ("receive", text, bytes, kwargs)

    def disconnect(self, message, **kwargs):
        self.called = ("disconnect", message, kwargs)


def test_each_message_has_its_method_and_the_arguments_of_the_route(message):
    opened, ended = message("websocket.connect"), message("websocket.disconnect", code=1000)

    assert Recorder(opened, room="a").called == ("connect", opened, {"room": "a"})
    assert Recorder(message("websocket.receive", text="hi"), room="a").called == (
        "receive",
        "hi",
        None,
        {"room": "a"},
    )
    assert Recorder(message("websocket.receive", bytes=b"hi")).called == (
        "receive",
        None,
        b"hi",
        {},
    )
    assert Recorder(ended, room="a").called == ("disconnect", ended, {"room": "a"})


def test_a_class_listens_on_the_three_channels_of_a_socket():
    assert WebsocketConsumer.channel_names() == {
        "websocket.connect",
        "websocket.receive",
        "websocket.disconnect",
    }


def test_an_empty_text_is_a_text(message):
    """Presence decides, not truth."""
    assert Recorder(message("websocket.receive", text="", bytes=b"x")).called[1:3] == ("", None)
    with pytest.raises(KeyError):
        Recorder(message("websocket.receive"))


def test_the_path_is_there_and_required(message):
    assert Recorder(message("websocket.receive", text="hi", path="/chat")).path == "/chat"

    pathless = message("websocket.receive", text="hi")
    del pathless.content["path"]
    with pytest.raises(KeyError):
        Recorder(pathless)


def test_connecting_accepts_unless_the_method_is_overridden(message, layer):
    WebsocketConsumer(message("websocket.connect"))
    assert layer.sent == [(SOCKET, {"accept": True})]

    Recorder(message("websocket.connect"))
    assert len(layer.sent) == 1


def test_the_other_methods_do_nothing_by_default(message, layer):
    WebsocketConsumer(message("websocket.receive", text="hi"))
    WebsocketConsumer(message("websocket.disconnect", code=1000))

    assert layer.sent == []


@pytest.mark.parametrize(
    ("arguments", "frame"),
    [
        ({"text": "hi"}, {"text": "hi"}),
        ({"text": ""}, {"text": ""}),
        ({"text": 7}, {"text": 7}),
        ({"bytes": b"hi"}, {"bytes": b"hi"}),
        ({"text": "hi", "bytes": b"no"}, {"text": "hi"}),
        ({"text": "hi", "close": True}, {"text": "hi", "close": True}),
        ({"text": "hi", "close": 3001}, {"text": "hi", "close": 3001}),
        ({"text": "hi", "close": 0}, {"text": "hi"}),
    ],
)
def test_a_frame_is_what_it_was_asked_to_be(message, layer, arguments, frame):
    Recorder(message("websocket.receive", text="x")).send(**arguments)
    WebsocketConsumer.group_send("everyone", **arguments)

    assert layer.sent == [(SOCKET, frame), ("*everyone", frame)]


def test_a_frame_without_content_is_refused(message):
    consumer = Recorder(message("websocket.receive", text="x"))

    for send in (consumer.send, lambda **kwargs: consumer.group_send("g", **kwargs)):
        with pytest.raises(ValueError, match="text or bytes"):
            send(close=True)


def test_closing_sends_the_status(message, layer):
    consumer = Recorder(message("websocket.receive", text="x"))

    consumer.close()
    consumer.close(3001)

    assert layer.sent == [(SOCKET, {"close": True}), (SOCKET, {"close": 3001})]


def test_answering_a_message_without_a_reply_channel_says_so(message):
    lost = message("websocket.receive", text="x", reply_channel=None)

    with pytest.raises(ValueError, match=r"Recorder: .*no reply_channel"):
        Recorder(lost).send("hi")


def test_sends_wait_for_the_end_of_the_consumer(message, layer):
    pending_message_store.prepare()
    WebsocketConsumer(message("websocket.connect"))
    assert layer.sent == []

    pending_message_store.send_and_flush()
    assert layer.sent == [(SOCKET, {"accept": True})]


# -- groups ------------------------------------------------------------------------


def test_a_socket_is_in_its_groups_while_it_is_connected(message, layer):
    class Grouped(WebsocketConsumer):
        groups = ["one", "two"]

    Grouped(message("websocket.connect"))
    Grouped(message("websocket.receive", text="hi"))
    Grouped(message("websocket.disconnect", code=1000))

    assert layer.members == [
        ("add", "one", SOCKET),
        ("add", "two", SOCKET),
        ("discard", "one", SOCKET),
        ("discard", "two", SOCKET),
    ]


def test_groups_may_depend_on_the_arguments_of_the_route(message, layer):
    class Room(WebsocketConsumer):
        def connection_groups(self, room, **kwargs):
            return [f"room-{room}"]

    Room(message("websocket.connect"), room="a")

    assert layer.members == [("add", "room-a", SOCKET)]


def test_groups_may_be_overridden_without_taking_arguments(message, layer):
    class Plain(WebsocketConsumer):
        def connection_groups(self):
            return ["one"]

    Plain(message("websocket.connect"))

    assert layer.members == [("add", "one", SOCKET)]


def test_the_groups_are_joined_before_the_socket_is_accepted(message, layer):
    class Eager(WebsocketConsumer):
        groups = ["one"]

        def connect(self, message, **kwargs):
            self.joined = list(layer.members)

    assert Eager(message("websocket.connect")).joined == [("add", "one", SOCKET)]


# -- sessions, users, order ------------------------------------------------------------


@pytest.mark.django_db
def test_a_message_that_touches_no_session_costs_no_query(message, django_assert_num_queries):
    class WithAll(Recorder):
        http_user_and_session = True
        strict_ordering = True

    class WithUser(Recorder):
        http_user = True

    for consumer in (Recorder, WithUser, WithAll):
        with django_assert_num_queries(0):
            consumer(message("websocket.receive", text="hi", order=1))


@pytest.fixture
def cookie(db, settings):
    """The headers of a browser whose user is logged in."""
    user = get_user_model().objects.create_user("ann", password="x")
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.save()
    text = f"{settings.SESSION_COOKIE_NAME}={session.session_key}"
    return [(b"cookie", text.encode("ascii"))]


class WhoAmI(WebsocketConsumer):
    def connect(self, message, **kwargs):
        self.name = message.user.username

    def receive(self, text=None, bytes=None, **kwargs):
        self.name = self.message.user.username


def test_the_http_user_is_kept_for_the_socket(message, cookie):
    class Known(WhoAmI):
        http_user = True

    assert Known(message("websocket.connect", headers=cookie)).name == "ann"
    assert Known(message("websocket.receive", text="hi")).name == "ann"
    assert not Known.channel_session_user  # the class is not changed by its instances


def test_the_http_session_is_there_with_every_message(message, cookie):
    class Known(WhoAmI):
        http_user_and_session = True

    first = Known(message("websocket.connect", headers=cookie))
    second = Known(message("websocket.receive", text="hi"))

    assert (first.name, second.name) == ("ann", "ann")
    assert first.message.http_session.session_key == second.message.http_session.session_key


@pytest.mark.django_db
def test_a_stranger_is_anonymous(message):
    class Known(WebsocketConsumer):
        http_user = True

        def connect(self, message, **kwargs):
            self.user = message.user

    assert isinstance(Known(message("websocket.connect")).user, AnonymousUser)


@pytest.mark.django_db
def test_strict_ordering_parks_what_comes_too_early(message, layer):
    class Strict(Recorder):
        strict_ordering = True

    late = Strict(message("websocket.receive", ordered=False, text="hi", order=1))

    assert not hasattr(late, "called")
    assert [channel for channel, _ in layer.sent] == ["__wait__.server?socket"]


def test_a_route_can_ask_for_ordering(message, layer, db):
    route = Recorder.as_route({"strict_ordering": True}, path="^/$")

    late = route.consumer(message("websocket.receive", ordered=False, text="hi", order=1))

    assert isinstance(late, Recorder)
    assert not hasattr(late, "called")
    assert not Recorder.strict_ordering


@pytest.mark.django_db
def test_slight_ordering_is_a_warning_once_and_no_error(message):
    class Slight(Recorder):
        slight_ordering = True

    with pytest.warns(DeprecationWarning, match=r"Slight\.slight_ordering = True"):
        Slight(message("websocket.receive", text="one"))
    consumer = Slight(message("websocket.receive", text="two"))  # a warning would be an error

    assert consumer.called
    assert consumer.message.channel_session.session_key.startswith("chn")
    strict = Slight.as_route({"strict_ordering": True}).consumer
    late = strict(message("websocket.receive", ordered=False, text="hi", order=1))
    assert not hasattr(late, "called")  # strict wins


# -- coroutines ----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_coroutine_methods_run_with_groups_session_and_user(message, layer):
    class Slow(WebsocketConsumer):
        groups = ["one"]
        http_user = True

        async def connect(self, message, **kwargs):
            self.anonymous = message.user.is_anonymous
            message.channel_session["room"] = kwargs["room"]
            message.reply_channel.send({"accept": True})

        async def receive(self, text=None, bytes=None, **kwargs):
            self.send(self.message.channel_session["room"] + text)

        async def disconnect(self, message, **kwargs):
            self.ended = True

    assert Slow(message("websocket.connect"), room="a").anonymous
    Slow(message("websocket.receive", text="hi"), room="a")
    assert Slow(message("websocket.disconnect", code=1000), room="a").ended

    assert layer.sent == [(SOCKET, {"accept": True}), (SOCKET, {"text": "ahi"})]
    assert layer.members == [("add", "one", SOCKET), ("discard", "one", SOCKET)]


# -- JSON ----------------------------------------------------------------------------


class Json(JsonWebsocketConsumer):
    def receive(self, content, **kwargs):
        self.content = content
        self.send({"got": content})


def test_json_is_decoded_and_encoded(message, layer):
    consumer = Json(message("websocket.receive", text='{"a": [1]}'))
    Json.group_send("everyone", [1], close=True)
    consumer.send(None)

    assert consumer.content == {"a": [1]}
    assert layer.sent == [
        (SOCKET, {"text": '{"got": {"a": [1]}}'}),
        ("*everyone", {"text": "[1]", "close": True}),
        (SOCKET, {"text": "null"}),
    ]


def test_the_notation_can_be_replaced(message, layer):
    class Shouting(Json):
        @classmethod
        def decode_json(cls, text):
            return {key.upper(): value for key, value in json.loads(text).items()}

        @classmethod
        def encode_json(cls, content):
            return json.dumps(content).upper()

    consumer = Shouting(message("websocket.receive", text='{"a": 1}'))
    Shouting.group_send("everyone", {"b": 2})

    assert consumer.content == {"A": 1}
    assert layer.sent == [
        (SOCKET, {"text": '{"GOT": {"A": 1}}'}),
        ("*everyone", {"text": '{"B": 2}'}),
    ]


def test_a_binary_frame_is_no_json(message):
    with pytest.raises(ValueError, match=r"test_websockets\.Json takes JSON text"):
        Json(message("websocket.receive", bytes=b"{}"))


@pytest.mark.parametrize("text", ["", "{", "nothing", '{"a": }'])
def test_what_is_no_json_is_said_with_the_name_of_the_consumer(message, text):
    with pytest.raises(json.JSONDecodeError, match=r"test_websockets\.Json .*no JSON"):
        Json(message("websocket.receive", text=text))


def test_a_coroutine_receives_json(message, layer):
    class Slow(JsonWebsocketConsumer):
        async def receive(self, content, **kwargs):
            self.send(content)

    Slow(message("websocket.receive", text='{"a": 1}'))

    assert layer.sent == [(SOCKET, {"text": '{"a": 1}'})]
