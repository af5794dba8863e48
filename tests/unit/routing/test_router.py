"""The router: the whole routing of a layer, with the routes that every project has."""

from __future__ import annotations

import copy
import threading

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels.routing import Router, connect_consumer, include, null_consumer, route
from tests.support.recording import RecordingLayer
from tests.unit.routing.handlers import consumer, other_consumer

DEFAULT_CHANNELS = {
    "http.request",
    "websocket.connect",
    "websocket.receive",
    "websocket.disconnect",
}


def test_a_router_knows_its_channels_and_its_entries():
    mine = [route("a.one", consumer), include([route("a.two", consumer)], path="/x")]

    router = Router(mine)

    assert router.channels == {"a.one", "a.two"}
    assert router.root.routing == mine
    assert router.root.routing is not mine


@pytest.mark.parametrize(
    "routing",
    [
        {"mail.send": consumer},
        (route("mail.send", consumer),),
        "tests.unit.routing.handlers.by_channel",
    ],
    ids=["dict", "tuple", "dotted"],
)
def test_a_router_takes_every_form_of_routing(message, routing):
    assert Router(routing).match(message("mail.send")) == (consumer, {})


def test_a_message_without_a_route_has_no_match(message):
    assert Router([]).match(message("a.one")) is None


def test_an_added_route_comes_last_and_brings_its_channels(message):
    mine = (route("a.one", consumer),)
    router = Router(mine)

    router.add_route(route(["a.one", "a.two"], other_consumer))

    assert router.match(message("a.one")) == (consumer, {})
    assert router.match(message("a.two")) == (other_consumer, {})
    assert router.channels == {"a.one", "a.two"}
    assert len(mine) == 1


def test_what_is_added_must_be_a_routing_object():
    with pytest.raises(ImproperlyConfigured, match="the route to add"):
        Router([]).add_route("a.one")


def test_the_defaults_stand_behind_the_routes_of_the_project(message):
    router = Router([route("websocket.receive", consumer, path="^/mine")])

    router.check_default(http_consumer=other_consumer)

    assert router.match(message("websocket.receive", path="/mine")) == (consumer, {})
    assert router.match(message("websocket.receive", path="/x")) == (null_consumer, {})
    assert router.match(message("websocket.connect", path="/x")) == (connect_consumer, {})
    assert router.match(message("websocket.disconnect", path="/x")) == (null_consumer, {})
    assert router.match(message("http.request", path="/x")) == (other_consumer, {})
    assert router.channels == DEFAULT_CHANNELS


def test_the_defaults_come_in_the_order_of_the_contract():
    router = Router([route("a.one", consumer)])

    router.check_default(http_consumer=other_consumer)

    assert [str(one) for one in router.root.routing] == [
        "a.one -> tests.unit.routing.handlers.consumer",
        "http.request -> tests.unit.routing.handlers.other_consumer",
        "websocket.connect -> channels.routing.router.connect_consumer",
        "websocket.receive -> channels.routing.router.null_consumer",
        "websocket.disconnect -> channels.routing.router.null_consumer",
    ]


def test_the_defaults_are_added_once():
    router = Router([])

    router.check_default(http_consumer=consumer)
    router.check_default(http_consumer=other_consumer)

    assert len(router.root.routing) == 4


def test_without_another_consumer_http_goes_to_the_views(message):
    from channels.handler import ViewConsumer

    router = Router([])
    router.check_default()

    found = router.match(message("http.request", path="/"))

    assert found is not None
    assert isinstance(found[0], ViewConsumer)


def test_the_stock_consumers_do_what_they_say(message):
    from channels.message import Message

    layer = RecordingLayer()

    null_consumer(message(), room="x")
    connect_consumer(Message({"reply_channel": "web!a"}, "websocket.connect", layer), room="x")

    assert layer.sent == [("web!a", {"accept": True})]


def test_the_static_helpers_are_reachable():
    assert Router.normalise_re_arg(b"^/x") == "^/x"
    assert Router.normalise_re_arg("^/x") == "^/x"
    assert [str(one) for one in Router.resolve_routing({"a.one": consumer})] == [
        "a.one -> tests.unit.routing.handlers.consumer"
    ]


def test_routing_keeps_nothing_between_threads(message):
    """Many threads match different messages on one router, as workers do."""
    nested = include([route("a.one", consumer, path=r"/(?P<n>\d+)$")], path="/(?P<who>[a-z]+)")
    router = Router([nested])
    wrong = []

    def work(who):
        for n in range(200):
            found = router.match(message("a.one", path=f"/{who}/{n}"))
            if found != (consumer, {"who": who, "n": str(n)}):
                wrong.append(copy.copy(found))

    threads = [threading.Thread(target=work, args=(who,)) for who in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert wrong == []
