"""A channel layer with its alias and its routing, as ``channel_layers["default"]`` gives it."""

from __future__ import annotations

import copy

import pytest

from channels.asgi import ChannelLayerWrapper
from channels.layers.base import BaseChannelLayer, is_customised
from channels.layers.inmemory import InMemoryChannelLayer
from channels.routing import Router, route
from tests.support.recording import RecordingLayer
from tests.unit.routing.handlers import consumer


@pytest.fixture
def wrapper():
    return ChannelLayerWrapper(RecordingLayer(), "default", [route("a.one", consumer)])


def test_a_wrapper_is_its_layer_with_a_routing(wrapper):
    wrapper.send("a.one", {"n": 1})

    assert wrapper.sent == [("a.one", {"n": 1})]
    assert wrapper.ChannelFull is RecordingLayer.ChannelFull
    assert wrapper.extensions == ["groups"]
    assert wrapper
    with pytest.raises(AttributeError):
        wrapper.no_such_thing  # noqa: B018 - looking it up is the test


def test_everything_on_a_wrapper_may_be_assigned(wrapper):
    calls = []

    assert not is_customised(wrapper)
    wrapper.send = lambda *args: calls.append(args)
    wrapper.routing, wrapper.router = [], Router([])
    wrapper.send("a.one", {})

    assert is_customised(wrapper)
    assert calls == [("a.one", {})]
    assert wrapper.channel_layer.sent == []
    assert wrapper.router.channels == set()

    del wrapper.send
    assert not is_customised(wrapper)


@pytest.mark.parametrize("method", ["send", "send_group", "receive", "receive_many"])
def test_a_method_that_was_put_on_a_wrapper_is_noticed(wrapper, method):
    setattr(wrapper, method, None)

    assert is_customised(wrapper)


def test_methods_of_a_subclass_of_our_layers_are_noticed():
    class Mine(InMemoryChannelLayer):
        def send(self, channel, message):
            super().send(channel, message)

    assert is_customised(ChannelLayerWrapper(Mine(), "default", []))
    assert not is_customised(ChannelLayerWrapper(InMemoryChannelLayer(), "default", []))


class OldNameOnly:
    """A layer from when receiving was only called ``receive_many``."""

    def receive_many(self, channels, block=False):
        return "the layer's", channels


def test_receiving_goes_by_either_name(wrapper):
    old = ChannelLayerWrapper(OldNameOnly(), "default", [])
    assert old.receive(["a"]) == old.receive_many(["a"]) == ("the layer's", ["a"])

    new = ChannelLayerWrapper(InMemoryChannelLayer(), "default", [])
    new.send("a.one", {"n": 1})
    assert new.receive(["a.one"]) == ("a.one", {"n": 1})

    for layer in (old, new):
        layer.receive_many = lambda channels: ("a test's", channels)
        assert layer.receive(["a"]) == ("a test's", ["a"])

    with pytest.raises(AttributeError):
        wrapper.receive  # noqa: B018 - the layer has neither


def test_a_wrapper_keeps_the_routing_as_it_was_given():
    wrapper = ChannelLayerWrapper(RecordingLayer(), "default", "tests.consumers.routing")

    assert wrapper.routing == "tests.consumers.routing"
    assert wrapper.router.root.routing == []


def test_a_wrapper_reads_as_alias_and_class(wrapper):
    assert str(wrapper) == "default (tests.support.recording.RecordingLayer)"


def test_a_wrapper_can_be_copied(wrapper):
    assert copy.copy(wrapper).channel_layer is wrapper.channel_layer


def test_a_layer_is_local_by_the_module_of_its_class():
    class Elsewhere(BaseChannelLayer):
        pass

    class Here(BaseChannelLayer):
        __module__ = "channels.layers.inmemory"

    assert ChannelLayerWrapper(Here(), "default", []).local_only()
    assert not ChannelLayerWrapper(Elsewhere(), "default", []).local_only()


def test_a_subclass_of_the_memory_layer_elsewhere_is_not_local():
    class Mine(InMemoryChannelLayer):
        pass

    assert ChannelLayerWrapper(InMemoryChannelLayer(), "default", []).local_only()
    assert not ChannelLayerWrapper(Mine(), "default", []).local_only()
