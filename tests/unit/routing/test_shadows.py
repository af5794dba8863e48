"""Which routes are found to be out of reach, and which are not."""

from __future__ import annotations

import pytest

from channels.routing import include, route
from channels.routing.includes import Include
from channels.routing.shadows import find_shadowed


def consumer(message):
    pass


def connect(**filters):
    return route("websocket.connect", consumer, **filters)


def blamed(*routing):
    return [entry for entry, _ in find_shadowed(Include(list(routing)))]


def test_a_route_behind_one_without_filters_is_out_of_reach():
    first, second = connect(), connect(path=r"^/chat/")

    assert list(find_shadowed(Include([first, second]))) == [(second, first)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (connect(path=r"^/chat/"), connect()),
        (connect(path=r"^/chat/"), connect(path=r"^/chat")),
        (connect(path=r"^/", method="GET"), connect(path=r"^/")),
        (route("websocket.receive", consumer), connect()),
    ],
)
def test_a_route_that_asks_for_less_or_something_else_is_reached(first, second):
    assert blamed(first, second) == []


def test_the_same_filters_or_more_are_out_of_reach():
    same, more = connect(path=r"^/"), connect(path=r"^/", method="GET")

    assert blamed(connect(path=r"^/"), same, more) == [same, more]


def test_a_route_of_several_channels_must_be_shadowed_on_each():
    both = route(["websocket.connect", "websocket.receive"], consumer)

    assert blamed(connect(), both) == []
    assert blamed(connect(), route("websocket.receive", consumer), both) == [both]


def test_an_include_is_looked_into_or_blamed_as_a_whole():
    hidden = connect(path=r"^/a")
    inner = include([connect(), hidden], path=r"^/chat")

    assert blamed(inner) == [hidden]
    assert blamed(connect(), inner) == [inner]
    assert blamed(inner, connect()) == [hidden]


def test_routing_objects_from_elsewhere_are_neither_blamed_nor_trusted():
    class Foreign:
        def match(self, message):
            return None

        def channel_names(self):
            return {"websocket.connect"}

    assert blamed(Foreign(), connect()) == []
    assert blamed(connect(), Foreign()) == []
