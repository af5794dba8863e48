"""Routes: what they match, what they pass on, and what is wrong with them."""

from __future__ import annotations

import re

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels.routing import Route, RouteClass, Router, route, route_class
from tests.unit.routing import handlers
from tests.unit.routing.handlers import ConsumerClass, consumer


def test_a_route_without_filters_takes_every_message_of_its_channel(message):
    assert route("websocket.connect", consumer).match(message(path="/")) == (consumer, {})


def test_a_route_leaves_other_channels_alone(message):
    assert route("websocket.receive", consumer).match(message()) is None


@pytest.mark.parametrize(
    "channels",
    [["a.one", "a.two"], ("a.one", "a.two"), (name for name in ["a.one", "a.two"])],
    ids=["list", "tuple", "generator"],
)
def test_a_route_may_have_several_channels(message, channels):
    several = route(channels, consumer)

    assert several.match(message("a.two")) == (consumer, {})
    assert several.channels == ["a.one", "a.two"]
    assert several.channel_names() == {"a.one", "a.two"}


def test_channels_may_be_bytes(message):
    assert route(b"a.one", consumer).channels == ["a.one"]
    assert route([b"a.one", "a.two"], consumer).channels == ["a.one", "a.two"]


def test_named_groups_become_arguments_and_later_filters_win(message):
    both = route(
        "websocket.connect",
        consumer,
        path=r"^/(?P<room>\w+)/(?P<page>\d+)?",
        method=r"(?P<room>GET)",
    )

    assert both.match(message(path="/lobby/", method="GET")) == (
        consumer,
        {"room": "GET", "page": None},
    )


def test_every_filter_must_match(message):
    both = route("websocket.connect", consumer, path="^/", method="GET")

    assert both.match(message(path="/", method="POST")) is None


def test_a_filter_on_a_missing_key_does_not_match(message):
    assert route("websocket.connect", consumer, name="x").match(message(path="/")) is None


def test_patterns_are_anchored_at_the_start_only(message):
    plain = route("websocket.connect", consumer, path="/chat")

    assert plain.match(message(path="/chat/room")) == (consumer, {})
    assert plain.match(message(path="/a/chat")) is None


@pytest.mark.parametrize("pattern", [rb"/(?P<room>\w+)", r"/(?P<room>\w+)"])
@pytest.mark.parametrize("path", [b"/lobby", "/lobby"])
def test_patterns_and_values_may_be_bytes(message, pattern, path):
    found = route("websocket.connect", consumer, path=pattern).match(message(path=path))

    assert found == (consumer, {"room": "lobby"})


def test_a_pattern_may_be_compiled_already(message):
    loud = route("websocket.connect", consumer, path=re.compile("/CHAT", re.IGNORECASE))

    assert loud.match(message(path="/chat")) == (consumer, {})


@pytest.mark.parametrize("value", [7, None, ["/"], {"a": 1}, b"/\xff", True])
def test_a_value_that_is_no_text_never_matches_and_never_raises(message, value):
    assert route("websocket.connect", consumer, path="").match(message(path=value)) is None


def test_an_unnamed_group_is_refused_by_name():
    with pytest.raises(ValueError, match="unnamed group") as caught:
        route("websocket.connect", consumer, path=r"^/(?P<a>x)(\d+)")

    assert "route 'websocket.connect' to tests.unit.routing.handlers.consumer" in str(caught.value)


def test_a_group_that_only_groups_is_fine(message):
    found = route("websocket.connect", consumer, path="/(?:a|b)").match(message(path="/b"))

    assert found == (consumer, {})


@pytest.mark.parametrize("pattern", ["(", 42, "\xe9".encode(), re.compile(b"/")])
def test_a_bad_pattern_is_refused_by_name(pattern):
    with pytest.raises(ValueError, match=r"route 'a\.one'.*: path=") as caught:
        route("a.one", consumer, path=pattern)

    assert len(str(caught.value).splitlines()) == 1


def test_a_consumer_may_be_a_dotted_path():
    assert route("a.one", "tests.unit.routing.handlers.consumer").consumer is consumer


@pytest.mark.parametrize(
    "path",
    [
        "tests.unit.routing.handlers.missing",
        "tests.no_such_module.consumer",
        "nodots",
        ".relative",
        "with space.x",
        "",
    ],
)
def test_a_dotted_path_that_does_not_import_is_refused_by_name(path):
    with pytest.raises(ImproperlyConfigured, match=r"route 'a\.one' in .*: consumer") as caught:
        route("a.one", path)

    assert __file__ in str(caught.value)
    assert repr(path) in str(caught.value)


def test_a_consumer_that_cannot_be_called_is_refused_by_the_router():
    mistaken = route("a.one", "tests.unit.routing.handlers.not_callable")

    with pytest.raises(ImproperlyConfigured, match=f"route 'a.one' in {__file__}.*cannot be call"):
        Router([mistaken])


def test_a_class_route_listens_where_its_class_does(message):
    for given in (ConsumerClass, "tests.unit.routing.handlers.ConsumerClass"):
        by_class = route_class(given, path="^/(?P<room>x)")

        assert by_class.consumer is ConsumerClass
        assert by_class.channel_names() == {"websocket.receive", "websocket.connect"}
        assert by_class.match(message(path="/x")) == (ConsumerClass, {"room": "x"})


def test_a_class_route_needs_channel_names():
    with pytest.raises(ValueError, match=r"handlers\.consumer has none"):
        route_class(consumer)


def test_a_route_describes_itself():
    plain = route(["a.one", "a.two"], consumer)
    filtered = route("a.one", consumer, path="^/x", method=b"GET")

    assert str(plain) == "a.one/a.two -> tests.unit.routing.handlers.consumer"
    assert str(filtered) == ("a.one (path=^/x, method=GET) -> tests.unit.routing.handlers.consumer")
    assert repr(plain) == f"<Route {plain}>"


def test_the_short_names_are_the_classes():
    assert route is Route
    assert route_class is RouteClass
    assert handlers.chat[0].consumer is consumer
