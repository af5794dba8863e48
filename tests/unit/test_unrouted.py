"""What is told, once a minute, of messages that nothing listens for, or that no route takes.

Tried: sockets without any route, with routes of other paths, of one channel only, and such as
take defaults on purpose; other channels by their filters.
"""

from __future__ import annotations

import logging

import pytest

from channels import Channel, route, unrouted
from channels.asgi import ChannelLayerWrapper
from channels.exceptions import LayerUnavailable
from channels.layers.base import BaseChannelLayer
from channels.layers.inmemory import InMemoryChannelLayer
from channels.routing import connect_consumer, include, null_consumer
from channels.seldom import Seldom
from channels.worker.dispatch import Dispatcher
from tests.support.scripted import Frame, PlainLayer, ScriptedLayer, run_until_idle


class Layer(InMemoryChannelLayer):
    """Not local by its module, and counts how often it is asked who listens."""

    asked = 0
    error: Exception | None = None

    def listened_on(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return super().listened_on()


@pytest.fixture
def clock(monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr(unrouted, "_seldom", Seldom(lambda: seconds[0]))
    return seconds


@pytest.fixture
def told(caplog, clock):
    def texts():
        found = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
        caplog.clear()
        return found

    return texts


def wrapper(layer):
    return ChannelLayerWrapper(layer, "main", [route("chat.receive", len), route("mail", len)])


def send(layer, name):
    Channel(name, channel_layer=layer).send({})


def test_a_misspelt_channel_is_told_with_the_one_that_was_meant(told):
    layer = wrapper(Layer())

    send(layer, "chat.recieve")
    (text,) = told()
    assert text.startswith("A message for channel 'chat.recieve' was sent, but no route has that")
    assert "Did you mean 'chat.receive'?" in text
    assert 'CHANNEL_LAYERS["main"]["ROUTING"]' in text

    send(layer, "something.else")
    assert "something.else" in told()[0]


def test_it_is_told_once_a_minute_for_each_channel_and_asked_no_more_often(told, clock):
    raw = Layer(capacity=100)
    layer = wrapper(raw)
    for seconds in (0, 30, 59, 61):
        clock[0] = seconds
        for name in ("a", "b"):
            send(layer, name)

    assert len(told()) == raw.asked == 4


@pytest.mark.parametrize("name", ["chat.receive", "reply!a", "body?a"])
def test_what_is_routed_or_read_by_its_maker_is_never_looked_at(told, name):
    raw = Layer()

    send(wrapper(raw), name)

    assert (told(), raw.asked) == ([], 0)


def test_what_a_worker_of_another_project_listens_on_is_fine(told):
    raw = Layer()
    worker = raw.open_worker(["elsewhere"], held=tuple)
    worker.start()

    send(wrapper(raw), "elsewhere")
    send(wrapper(raw), "nowhere")

    assert ["nowhere" in text for text in told()] == [True]
    worker.close()


def test_delayed_messages_without_rundelay_are_told_what_to_run(told, settings, clock):
    send(wrapper(Layer()), "asgi.delay")
    assert "'manage.py rundelay'" in told()[0]

    settings.INSTALLED_APPS = ["channels"]
    clock[0] = 61
    send(wrapper(Layer()), "asgi.delay")
    assert "'channels.delay' in INSTALLED_APPS" in told()[0]


class WithoutClients(Layer):
    """Its workers receive one by one, and are on no register."""

    open_worker = BaseChannelLayer.open_worker


def test_layers_that_can_not_tell_or_do_not_answer_are_left_alone(told):
    away = Layer()
    away.error = LayerUnavailable("connection refused")

    for raw in (away, WithoutClients(), PlainLayer()):
        send(wrapper(raw), "nowhere")
        send(raw, "nowhere")

    assert told() == []


def test_a_test_without_workers_hears_nothing(told):
    send(wrapper(InMemoryChannelLayer()), "nowhere")

    assert told() == []


def test_in_a_worker_the_consumer_is_named(told, monkeypatch):
    def consumer(message):
        Channel("nowhere", channel_layer=message.channel_layer).send({})
        message.reply_channel.send({})

    layer = ScriptedLayer(Frame("test", [{"reply_channel": "web!a"}]))
    monkeypatch.setattr(layer, "listened_on", lambda: frozenset(["test"]), raising=False)
    run_until_idle(layer, ("test", consumer))

    (text,) = told()
    assert f"was sent by {__name__}." in text
    assert "consumer, but" in text


def test_who_asks_for_replies_on_a_channel_receives_there(told, monkeypatch):
    def consumer(message):
        message.reply_channel.send({})

    layer = ScriptedLayer(Frame("test", [{"reply_channel": "results"}]))
    monkeypatch.setattr(layer, "listened_on", lambda: frozenset(["test"]), raising=False)
    run_until_idle(layer, ("test", consumer))

    assert told() == []


def test_delayed_messages_of_a_layer_in_memory_need_another_layer(told):
    raw = InMemoryChannelLayer()
    worker = raw.open_worker(["mail"], held=tuple)  # as of runserver
    worker.start()

    send(wrapper(raw), "asgi.delay")

    assert "configure one in Redis" in told()[0]
    worker.close()


# -- messages that no route takes


@pytest.fixture
def said(caplog):
    """Returns what was logged since it was last asked."""

    def ask():
        told = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return told

    caplog.set_level(logging.WARNING, "django.channels")
    return ask


def consume(message, **kwargs):
    """A consumer."""


def dispatch(routes, channel, **content):
    layer = ChannelLayerWrapper(InMemoryChannelLayer(), "default", routes)
    layer.router.check_default()
    dispatcher = Dispatcher(layer, object, None, 1)
    dispatcher.run(channel, {"reply_channel": "server!one", **content})


CHAT = [
    route("websocket.connect", consume, path="^/chat/(?P<room>[a-z]+)/$"),
    route("websocket.receive", consume, path="^/chat/(?P<room>[a-z]+)/$"),
    route("websocket.receive", consume, path="^/news/$"),
    route("websocket.connect", consume, path="^/ticker/$"),
]


def test_a_deaf_socket_is_told_with_its_path_and_the_nearest_route(said, clock):
    for _ in range(3):
        dispatch(CHAT, "websocket.connect", path="/chats/a/")

    (line,) = said()
    assert "WebSocket at '/chats/a/' is accepted and deaf" in line
    assert "The nearest is websocket.connect (path=^/chat/" in line
    assert f"{__file__}:" in line
    assert "server!one" not in line
    clock[0] += 60
    dispatch(CHAT, "websocket.connect", path="/chats/a/")
    assert len(said()) == 1


@pytest.mark.parametrize(
    ("channel", "path"),
    [("websocket.connect", "/scan/{}"), ("websocket.receive", "/inbox/{}/")],
)
def test_a_path_for_each_client_does_not_fill_the_log(said, clock, channel, path):
    routes = [*CHAT, route("websocket.connect", consume, path="^/inbox/(?P<user>[0-9]+)/$")]
    for minute in range(2):
        for user in range(100):
            dispatch(routes, channel, path=path.format(user))

        assert len(said()) == 1
        clock[0] += 60 * (minute + 1)


def test_without_any_route_one_is_proposed(said, clock):
    dispatch([], "websocket.connect", path="/chat/")

    (line,) = said()
    assert 'Add one: route("websocket.connect", ' in line


@pytest.mark.parametrize(
    ("routes", "channel", "path"),
    [
        (CHAT, "websocket.connect", "/news/"),  # accepted by default and heard
        (CHAT, "websocket.receive", "/chats/a/"),  # told as it connected
        (CHAT, "websocket.disconnect", "/ticker/"),
        ([route("websocket.connect", connect_consumer)], "websocket.connect", "/"),
        (
            [
                route("websocket.connect", consume),
                include([route("websocket.receive", null_consumer)], path="^/quiet"),
            ],
            "websocket.receive",
            "/quiet/",
        ),
        (CHAT, "websocket.connect", None),
    ],
)
def test_what_is_meant_so_is_not_told(said, routes, channel, path):
    dispatch(routes, channel, path=path)

    assert said() == []


def test_a_socket_that_is_not_listened_to_is_told_as_it_speaks(said, clock):
    for _ in range(2):
        dispatch(CHAT, "websocket.receive", path="/ticker/", text="hello", order=1)

    (line,) = said()
    assert "What the WebSocket at '/ticker/' sends is dropped" in line
    assert "The nearest is websocket.receive (path=" in line


def test_a_message_that_no_route_of_its_channel_takes_is_told_with_what_routes_ask(said, clock):
    routes = [route("chat.receive", consume, command="^join$")]
    for command in ("dance", "dance", "sing"):
        dispatch(routes, "chat.receive", command=command, secret="sesame")

    lines = said()
    assert [line.partition("!")[0] for line in lines] == [
        f"Could not find match for message on chat.receive with {{'command': '{command}'}}"
        for command in ("dance", "sing")
    ]
    assert "The nearest is chat.receive (command=^join$)" in lines[0]
