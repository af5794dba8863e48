"""What is said about routes that are legal and hardly meant.

Tried for paths: each converter of Django, a part without one, a slash that is missing or doubled,
in routes, in includes and inside of nested ones, and class consumers.
"""

from __future__ import annotations

import pytest

from channels.routing import Include, include, route, route_class
from channels.routing.doubts import (
    asked_keys,
    find_doubts,
    find_shadowed,
    is_wanted,
    nearest_route,
)


def consume(message, **kwargs):
    """A consumer."""


class Consumer:
    """A class consumer, as far as routing looks at it."""

    @classmethod
    def channel_names(cls):
        return {"websocket.recieve", "websocket.connect"}


def doubts(*entries):
    return list(find_doubts(Include(list(entries))))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("websocket.recieve", "websocket.receive"),
        ("Websocket.Connect", "websocket.connect"),
        ("websocket.disconect", "websocket.disconnect"),
        ("websockets.connect", "websocket.connect"),
        ("http.requests", "http.request"),
    ],
)
def test_a_misspelt_channel_is_doubted(name, meant):
    ((problem, remedy),) = doubts(include([route(name, consume)], path="^/a"))

    assert f"channel {name!r}" in problem
    assert f"{__file__}:" in problem
    assert repr(meant) in remedy


def test_the_channels_of_a_class_are_looked_at_as_well():
    ((problem, _),) = doubts(route_class(Consumer, path="^/a"))

    assert "'websocket.recieve'" in problem


@pytest.mark.parametrize(
    "name",
    [
        "websocket.receive",
        "chat.receive",
        "binding.values",
        "http",
        "websocket.keepalive",
        "websocket.connect.auth",
        "websocket.receive.chat",
    ],
)
def test_names_of_a_project_are_its_own(name):
    assert doubts(route(name, consume)) == []


@pytest.mark.parametrize(
    ("path", "better"),
    [
        ("chat/<str:room>/", "^/chat/(?P<room>[^/]+)/$"),
        ("/chat/<room>", "^/chat/(?P<room>[^/]+)$"),
        ("^/n/<int:n>/<slug:s>/$", "^/n/(?P<n>[0-9]+)/(?P<s>[-a-zA-Z0-9_]+)/$"),
        ("<uuid:key>", "^/(?P<key>[0-9a-f-]{36})$"),
        ("<own:key>/<path:rest>", "^/(?P<key>[^/]+)/(?P<rest>.+)$"),
    ],
)
def test_the_syntax_of_django_is_translated(path, better):
    ((problem, remedy),) = doubts(route("websocket.connect", consume, path=path))

    assert "Django" in problem
    assert remedy == f'Write path=r"{better}".'


@pytest.mark.parametrize(
    "path", ["^chat/", "chat/", r"^(?P<room>\\w+)/".replace("\\\\", "\\"), r"(?:\d+)/", "^-/"]
)
def test_a_path_without_its_slash_is_doubted(path):
    for entry in (
        route("websocket.connect", consume, path=path),
        include([route("websocket.connect", consume)], path=path),
        include([include([route("websocket.connect", consume)], path=path)], text="x"),
    ):
        ((problem, remedy),) = doubts(entry)
        assert "matches no path" in problem
        assert remedy == f'Write path=r"^/{path.removeprefix("^")}".'


@pytest.mark.parametrize(
    "path",
    [
        "^/chat/",
        "/",
        "",
        "^",
        "$",
        r"^\/chat",
        ".*",
        "[^x]+",
        "a?/b",
        "^chat|^/chat",
        r"^(?P<x>/a)",
        r"^(?P<language>\w+)?/chat/",
        r"^(?:en){0,1}/chat/",
    ],
)
def test_a_path_that_can_match_is_not(path):
    assert doubts(route("websocket.connect", consume, path=path)) == []


def test_a_path_of_a_project_s_own_message_is_its_own():
    assert doubts(route("jobs.copy", consume, path="^home/")) == []


def test_what_an_include_leaves_is_looked_at_with_it():
    inner = [route("websocket.connect", consume, path="^/room$")]
    assert doubts(include(inner, path="^/chat")) == []
    rest = [route("websocket.connect", consume, path="^room$")]
    assert doubts(include(rest, path="^/chat/")) == []
    assert doubts(include(rest, path=r"^/chat\\$".replace("\\\\", "\\"))) == []

    ((twice, remedy),) = doubts(include(inner, path="^/chat/"))
    assert "two slashes" in twice
    assert remedy == 'Write path=r"^room$".'
    ((nothing, remedy),) = doubts(include(rest, path="^/chat/$"))
    assert "sees nothing of a path" in nothing
    assert remedy == 'Write path=r"^/chat/" for the include.'
    ((_, remedy),) = doubts(include([route("http.request", consume, path="<room>")], path="^/a/"))
    assert remedy == 'Write path=r"^(?P<room>[^/]+)$".'


@pytest.mark.parametrize(
    ("outer", "path"),
    [
        ("^/chat/$", "^$"),
        ("^/chat/$", ""),
        ("^/chat/$", "^/?$"),
        ("^/chat/", "^/?room$"),
        ("^/chat/", "/*$"),
        ("^/chat/", "^/old|^new"),
        ("^/chat|/talk/", "^/room"),
    ],
)
def test_what_can_match_behind_an_include_is_not_doubted(outer, path):
    entry = include([route("websocket.connect", consume, path=path)], path=outer)

    assert doubts(entry) == []


class Foreign:
    """A routing object from elsewhere."""

    def match(self, message):
        return None

    def channel_names(self):
        return {"websocket.receive"}


ROUTES = [
    route("websocket.connect", consume, path="^/chat/(?P<room>[a-z]+)/$"),
    include(
        [
            route("websocket.connect", consume, path="^/private/$"),
            route("websocket.receive", consume, text="^x"),
        ],
        path="^/staff",
    ),
]


@pytest.mark.parametrize(
    ("channel", "path", "wanted"),
    [
        ("websocket.connect", "/chat/a/", True),
        ("websocket.connect", "/chats/a/", False),
        ("websocket.connect", "/staff/private/", True),
        ("websocket.connect", "/private/", False),
        ("websocket.receive", "/staff/anything/", True),
        ("websocket.receive", "/chat/a/", False),
    ],
)
def test_a_socket_is_wanted_if_a_route_may_take_its_path(channel, path, wanted):
    assert is_wanted(ROUTES, channel, path) is wanted


def test_who_cannot_be_asked_may_want_it():
    assert is_wanted([*ROUTES, Foreign()], "websocket.receive", "/x")
    assert is_wanted([include([route("a", consume)], text="x"), *ROUTES], "a", "/x")


@pytest.mark.parametrize(
    ("path", "near"),
    [("/chat/room", "(path=^/chat/"), ("/stuff/private/", "(path=^/private/$)"), ("", "websocket")],
)
def test_the_nearest_route_is_named_with_its_place(path, near):
    found = nearest_route([*ROUTES, Foreign()], "websocket.connect", path)

    assert near in found
    assert f"{__file__}:" in found


def test_there_is_no_nearest_route_where_there_is_none():
    assert nearest_route(ROUTES, "http.request", "/") is None


def test_what_the_routes_of_a_channel_ask_about_is_known():
    assert asked_keys(ROUTES, "websocket.receive") == {"path", "text"}
    assert asked_keys([*ROUTES, Foreign()], "websocket.connect") == {"path"}
    assert asked_keys(ROUTES, "jobs") == set()


# -- routes out of reach ----------------------------------------------------------------------


def connect(**filters):
    return route("websocket.connect", consume, **filters)


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
        (route("websocket.receive", consume), connect()),
    ],
)
def test_a_route_that_asks_for_less_or_something_else_is_reached(first, second):
    assert blamed(first, second) == []


def test_the_same_filters_or_more_are_out_of_reach():
    same, more = connect(path=r"^/"), connect(path=r"^/", method="GET")

    assert blamed(connect(path=r"^/"), same, more) == [same, more]


def test_a_route_of_several_channels_must_be_shadowed_on_each():
    both = route(["websocket.connect", "websocket.receive"], consume)

    assert blamed(connect(), both) == []
    assert blamed(connect(), route("websocket.receive", consume), both) == [both]


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
