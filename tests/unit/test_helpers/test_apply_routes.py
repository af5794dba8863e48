"""Other routes for a while: as a block, on a function, on a class."""

import asyncio
import unittest

import pytest

from channels import channel_layers, include, route
from channels.asgi import ChannelLayerWrapper
from channels.layers.inmemory import InMemoryChannelLayer
from channels.test import ChannelTestCase, Client, apply_routes

here = [route("by-path", print)]


def channels(alias="default"):
    return channel_layers[alias].router.channels


@pytest.fixture(autouse=True)
def layers():
    before = {}
    for alias in ("default", "second"):
        layer = ChannelLayerWrapper(InMemoryChannelLayer(), alias, [route(alias, print)])
        before[alias] = channel_layers.set(alias, layer)
    yield
    assert (channels(), channels("second")) == ({"default"}, {"second"})
    for alias, layer in before.items():
        channel_layers.set(alias, layer)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (route("a", print), {"a"}),
        ([route("a", print), route("b", print)], {"a", "b"}),
        ([[route("a", print)], [route("b", print)]], {"a", "b"}),
        ([[route("a", print)], route("b", print)], {"a", "b"}),
        ((route("a", print), include([route("b", print)])), {"a", "b"}),
        ("tests.unit.test_helpers.test_apply_routes.here", {"by-path"}),
        (["tests.unit.test_helpers.test_apply_routes.here"], {"by-path"}),
        ({"a": print}, {"a"}),
        ([], set()),
    ],
)
def test_routes_may_be_given_in_many_ways(routes, expected):
    with apply_routes(routes):
        assert channels() == expected


def test_routing_and_router_are_replaced_and_put_back():
    layer, one = channel_layers["default"], route("a", print)
    before = layer.routing, layer.router

    with apply_routes(one):
        assert layer.routing == [one]
        assert layer.router is not before[1]

    assert (layer.routing, layer.router) == before


def test_they_are_put_back_after_an_exception():
    with pytest.raises(ValueError), apply_routes([]):
        raise ValueError


def test_the_aliases_say_which_layers():
    with apply_routes(route("a", print), aliases=["second"]):
        assert (channels(), channels("second")) == ({"default"}, {"a"})
    with apply_routes(route("a", print), aliases=["default", "second"]):
        assert channels() == channels("second") == {"a"}
    with apply_routes(route("a", print), aliases="second"):
        assert channels("second") == {"a"}


def test_an_unknown_alias_changes_nothing():
    with pytest.raises(KeyError), apply_routes([], aliases=["default", "nobody"]):
        pass


def test_routes_that_are_none_change_nothing():
    with pytest.raises(Exception, match="no match"), apply_routes([42]):
        pass


def test_blocks_may_be_nested_also_the_same():
    a = apply_routes(route("a", print))
    with a, apply_routes(route("b", print)):
        assert channels() == {"b"}
        with a:
            assert channels() == {"a"}
        assert channels() == {"b"}


def test_a_function_has_them_while_it_runs():
    @apply_routes(route("a", print))
    def function(argument, *, other):
        """Its docstring."""
        return channels(), argument, other

    assert channels() == {"default"}
    assert function(1, other=2) == ({"a"}, 1, 2)
    assert function.__doc__ == "Its docstring."


def test_a_coroutine_function_has_them_until_its_end():
    @apply_routes(route("a", print))
    async def function(argument, *, other):
        await asyncio.sleep(0)
        return channels(), argument, other

    assert asyncio.run(function(1, other=2)) == ({"a"}, 1, 2)


def run(case_class):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case_class).run(result)
    return result


def test_each_test_of_a_class_has_them():
    seen = []

    @apply_routes([route("a", print)])
    class Case(unittest.TestCase):
        def setUp(self):
            seen.append(("setUp", channels()))

        def tearDown(self):
            seen.append(("tearDown", channels()))

        def test_one(self):
            seen.append(("one", channels()))

    class Heir(Case):
        def setUp(self):
            super().setUp()
            seen.append(("heir", channels()))

    assert run(Heir).wasSuccessful()
    assert [name for name, _ in seen] == ["setUp", "heir", "one", "tearDown"]
    assert all(found == {"a"} for _, found in seen)


def test_a_set_up_that_fails_leaves_no_routes_behind():
    @apply_routes([])
    class Case(unittest.TestCase):
        def setUp(self):
            raise ValueError

        def test_one(self):
            pass

    assert len(run(Case).errors) == 1


def test_a_class_that_is_no_test_case_is_refused():
    class Pytests:
        """Pytest would call it, but has no clean-ups for it."""

        def setUp(self):
            raise AssertionError("not called")

    for refused in (object, Pytests):
        with pytest.raises(TypeError, match="can decorate test cases"):
            apply_routes([])(refused)


def answer(message):
    message.reply_channel.send({"n": 1})


@apply_routes([route("test", answer)])
class TestDecoratedCase(ChannelTestCase):
    def test_its_routes_are_applied_to_the_layer_of_the_test(self):
        client = Client()
        client.send_and_consume("test")
        assert client.receive() == {"n": 1}

    @apply_routes([route("other", answer)])
    def test_a_method_may_have_its_own(self):
        assert channels() == {"other"}
