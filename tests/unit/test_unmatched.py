"""What is said, once a minute, about messages that no route takes.

Tried: sockets without any route, with routes of other paths, of one channel only, and such as
take defaults on purpose; other channels by their filters.
"""

from __future__ import annotations

import logging

import pytest

from channels import unrouted
from channels.asgi import ChannelLayerWrapper
from channels.layers.inmemory import InMemoryChannelLayer
from channels.routing import connect_consumer, include, null_consumer, route
from channels.seldom import Seldom
from channels.worker.dispatch import Dispatcher


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(unrouted, "_seldom", Seldom(lambda: now[0]))
    return now


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


def run(routes, channel, **content):
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
        run(CHAT, "websocket.connect", path="/chats/a/")

    (line,) = said()
    assert "WebSocket at '/chats/a/' is accepted and deaf" in line
    assert "The nearest is websocket.connect (path=^/chat/" in line
    assert f"{__file__}:" in line
    assert "server!one" not in line
    clock[0] += 60
    run(CHAT, "websocket.connect", path="/chats/a/")
    assert len(said()) == 1


@pytest.mark.parametrize(
    ("channel", "path"),
    [("websocket.connect", "/scan/{}"), ("websocket.receive", "/inbox/{}/")],
)
def test_a_path_for_each_client_does_not_fill_the_log(said, clock, channel, path):
    routes = [*CHAT, route("websocket.connect", consume, path="^/inbox/(?P<user>[0-9]+)/$")]
    for minute in range(2):
        for user in range(100):
            run(routes, channel, path=path.format(user))

        assert len(said()) == 1
        clock[0] += 60 * (minute + 1)


def test_without_any_route_one_is_proposed(said):
    run([], "websocket.connect", path="/chat/")

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
    run(routes, channel, path=path)

    assert said() == []


def test_a_socket_that_is_not_listened_to_is_told_as_it_speaks(said):
    for _ in range(2):
        run(CHAT, "websocket.receive", path="/ticker/", text="hello", order=1)

    (line,) = said()
    assert "What the WebSocket at '/ticker/' sends is dropped" in line
    assert "The nearest is websocket.receive (path=" in line


def test_a_message_that_no_route_of_its_channel_takes_is_told_with_what_routes_ask(said):
    routes = [route("chat.receive", consume, command="^join$")]
    for command in ("dance", "dance", "sing"):
        run(routes, "chat.receive", command=command, secret="sesame")

    lines = said()
    assert [line.partition("!")[0] for line in lines] == [
        f"Could not find match for message on chat.receive with {{'command': '{command}'}}"
        for command in ("dance", "sing")
    ]
    assert "The nearest is chat.receive (command=^join$)" in lines[0]
