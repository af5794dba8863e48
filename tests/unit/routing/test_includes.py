"""Includes: prefixes, nesting, and the order in which entries are asked."""

from __future__ import annotations

import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels.routing import Include, Route, Router, include, route
from tests.unit.routing.handlers import consumer, other_consumer


class Foreign:
    """A routing object of somebody else; writes down what it was asked."""

    def __init__(self, found, names=()):
        self.found = found
        self.names = set(names)
        self.asked = []

    def match(self, message):
        self.asked.append(message)
        return self.found

    def channel_names(self):
        return self.names


def test_an_include_cuts_its_prefix_for_its_entries_only(message):
    original = message(path="/api/chat/lobby", order=0)

    found = include("tests.unit.routing.handlers.chat", path="^/api").match(original)

    assert found == (consumer, {"room": "lobby"})
    assert original.content == {"path": "/api/chat/lobby", "order": 0}


@pytest.mark.parametrize("inner", ["^/chat", "/chat"])
def test_inner_patterns_work_with_and_without_an_anchor(message, inner):
    nested = include([route("websocket.connect", consumer, path=inner)], path="/api")

    assert nested.match(message(path="/api/chat")) == (consumer, {})


def test_a_prefix_that_does_not_match_hides_the_entries(message):
    nested = include([route("websocket.connect", consumer)], path="^/api")

    assert nested.match(message(path="/other")) is None
    assert nested.match(message()) is None
    assert nested.match(message(path=7)) is None


def test_every_prefix_must_match(message):
    nested = include([route("websocket.connect", consumer)], path="^/api", method="GET")

    assert nested.match(message(path="/api", method="GET")) == (consumer, {})
    assert nested.match(message(path="/api", method="POST")) is None


def test_prefixes_and_values_may_be_bytes_and_the_rest_is_text(message):
    foreign = Foreign((consumer, {}))

    found = include([foreign], path=b"^/api").match(message(path=b"/api/x"))

    assert found == (consumer, {})
    assert foreign.asked[0]["path"] == "/x"


def test_entries_see_the_keys_that_no_prefix_cuts(message):
    foreign = Foreign(None)
    routes = [foreign, route("websocket.connect", consumer, path="/x", method="(?P<how>GET)")]

    found = include(routes, path="^/api").match(message(path="/api/x", method="GET", order=7))

    assert found == (consumer, {"how": "GET"})
    assert foreign.asked[0].content == {"path": "/x", "method": "GET", "order": 7}


def test_arguments_of_entries_win_over_those_of_prefixes(message):
    nested = include(
        [route("websocket.connect", consumer, path=r"/(?P<name>\w+)")],
        path=r"/(?P<name>\w+)/(?P<version>v\d)",
    )

    assert nested.match(message(path="/api/v1/inner")) == (
        consumer,
        {"name": "inner", "version": "v1"},
    )


def test_unnamed_groups_in_a_prefix_are_let_through(message):
    nested = include([route("websocket.connect", consumer)], path="/(a|b)")

    assert nested.match(message(path="/b")) == (consumer, {})


def test_includes_nest_and_each_cuts_its_part(message):
    inner = include([route("websocket.connect", consumer, path="^/room$")], path="^/chat")
    outer = include([inner], path="^/api")

    assert outer.match(message(path="/api/chat/room")) == (consumer, {})
    assert outer.match(message(path="/chat/room")) is None


def test_the_first_entry_that_matches_wins(message):
    both = include([route("a.one", consumer, path="/x"), route("a.one", other_consumer)])

    assert both.match(message("a.one", path="/x")) == (consumer, {})
    assert both.match(message("a.one", path="/y")) == (other_consumer, {})


def test_nothing_matches_an_unknown_channel(message):
    assert include("tests.unit.routing.handlers.chat").match(message("a.one")) is None


def test_a_dict_routes_whole_channels(message):
    by_channel = include("tests.unit.routing.handlers.by_channel")

    assert by_channel.match(message("mail.bounce")) == (other_consumer, {})
    assert by_channel.channel_names() == {"mail.send", "mail.bounce"}


def test_channel_names_are_those_of_all_entries():
    nested = include([route("a.one", consumer), include({"a.two": consumer}), Foreign(None, "b")])

    assert nested.channel_names() == {"a.one", "a.two", "b"}


def test_routes_of_other_channels_are_not_asked(message):
    class Expensive(Route):
        def find(self, *args):
            raise AssertionError("asked for a message of another channel")

    many = include([Expensive(f"other.{n}", consumer) for n in range(3)] + [Route("a", consumer)])

    assert many.match(message("a")) == (consumer, {})


def test_a_foreign_object_gets_the_message_itself_if_nothing_was_cut(message):
    foreign = Foreign((consumer, {"a": 1}), ["a.one"])
    original = message("a.one", path="/x")
    original.user = "mia"

    assert include([foreign]).match(original) == (consumer, {"a": 1})
    assert foreign.asked == [original]


def test_a_foreign_object_behind_a_prefix_gets_a_copy_that_was_cut(message):
    foreign = Foreign(None, ["a.one"])
    original = message("a.one", path="/api/x")

    assert include([foreign], path="/api").match(original) is None
    assert foreign.asked[0].content == {"path": "/x"}
    assert foreign.asked[0].channel.name == "a.one"
    assert original["path"] == "/api/x"


def test_a_foreign_object_is_asked_in_its_turn_and_for_every_channel(message):
    before, foreign = route("a.one", consumer, path="/x"), Foreign((other_consumer, {}))
    after = route("a.one", consumer)
    mixed = include([before, foreign, after])

    assert mixed.match(message("a.one", path="/x")) == (consumer, {})
    assert mixed.match(message("a.one", path="/y")) == (other_consumer, {})
    assert mixed.match(message("unheard.of")) == (other_consumer, {})


def test_a_foreign_object_in_a_nested_include_is_asked_for_every_channel_too(message):
    nested = include([route("a.one", consumer), include([Foreign((other_consumer, {}))])])

    assert nested.match(message("a.one")) == (consumer, {})
    assert nested.match(message("unheard.of")) == (other_consumer, {})

    behind = include([include([Foreign((other_consumer, {}))]), route("a.one", consumer)])
    assert behind.match(message("a.one")) == (other_consumer, {})


def test_a_subclass_that_replaces_match_is_asked_through_it(message):
    class Never(Route):
        def match(self, message):
            return None

    assert include([Never("a.one", consumer)]).match(message("a.one")) is None


@pytest.mark.parametrize("prefixes", [{}, {"path": "^/api"}])
def test_a_subclass_that_listens_elsewhere_still_matches_by_its_own_channels(message, prefixes):
    """``channel_names`` says where a worker listens; what matches is for ``match`` to say."""

    class Listening(Route):
        def channel_names(self):
            return {"b.two"}

    class ListeningInclude(Include):
        def channel_names(self):
            return {"b.two"}

    for entry in (
        Listening("a.one", consumer, path="/?x"),
        ListeningInclude([route("a.one", consumer, path="/?x")]),
    ):
        nested = include([entry, route("b.two", other_consumer)], **prefixes)

        assert nested.channel_names() == {"b.two"}
        assert nested.match(message("a.one", path="/api/x" if prefixes else "/x")) == (consumer, {})
        assert nested.match(message("b.two", path="/api/x")) == (other_consumer, {})


def test_the_given_list_is_copied():
    mine = [route("a.one", consumer)]

    nested = include(mine)
    nested.append(route("a.two", consumer))

    assert len(mine) == 1
    assert nested.channel_names() == {"a.one", "a.two"}


def refusal(use, *args):
    """Return how it is refused, and check that this is at its first use."""
    with pytest.raises(ImproperlyConfigured) as caught:
        use(*args)
    return str(caught.value)


def line_here():
    return f"{__file__}:{sys._getframe(1).f_lineno}"


@pytest.mark.parametrize("given", [42, None, b"bytes", consumer, include([])])
def test_what_is_no_routing_is_refused_where_it_is_used_and_not_before(message, given):
    mistaken, place = include(given), line_here()

    for use in (
        mistaken.channel_names,
        lambda: mistaken.match(message()),
        lambda: Router([mistaken]),
    ):
        text = refusal(use)
        assert text.startswith(f"the routing given in {place} is of type {type(given).__name__}")
        assert "not a list of routes" in text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tests.unit.routing.handlers.missing", "cannot be imported"),
        ("tests.unit.routing.handlers.not_callable", "is of type int, not a list of routes"),
        ("tests.unit.routing.handlers.a_text", "is of type str, not a list of routes"),
        ("no path", "is not a dotted path"),
    ],
)
def test_a_dotted_path_that_is_no_routing_is_refused_by_name(path, said):
    text = refusal(lambda: Router([include(path)]))

    assert said in text
    assert repr(path) in text


class OnlyMatch:
    def match(self, message):
        return None


class OnlyNames:
    def channel_names(self):
        return {"a.one"}


@pytest.mark.parametrize("entry", ["a.one", [], consumer, None, OnlyMatch(), OnlyNames()])
def test_an_entry_that_is_no_routing_object_is_refused_by_its_place(entry):
    mistaken, place = include([route("a.one", consumer), entry]), line_here()

    text = refusal(mistaken.channel_names)

    assert text.startswith(f"entry 1 of the routing given in {place} is {entry!r}, which has no")
    assert text.endswith("use route(), route_class() or include()")


def test_a_router_names_all_mistakes_of_its_routing_at_once():
    inner = [route("a.one", "tests.unit.routing.handlers.not_callable"), include(include([])), 7]

    lines = refusal(Router, [route("a.two", consumer), include(inner)]).splitlines()

    assert [line.partition(__file__)[0] for line in lines] == [
        "route 'a.one' in ",
        "the routing given in ",
        "entry 2 of the routing given in ",
    ]
    assert "the consumer 42 cannot be called" in lines[0]
    assert "is of type Include" in lines[1]


def test_what_is_added_before_the_first_use_is_routed(message):
    mine = include([])
    mine.routing.append(route("a.one", consumer))

    assert mine.match(message("a.one")) == (consumer, {})


def test_a_bad_prefix_is_refused_by_name():
    with pytest.raises(ValueError, match=r"include\('tests.*chat'\) in .*: path='\('"):
        include("tests.unit.routing.handlers.chat", path="(")


def test_the_short_name_is_the_class():
    assert include is Include
