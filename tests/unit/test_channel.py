"""Channels and groups outside of a consumer; inside of one see test_outbox.py."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from channels import Channel, Group, channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.exceptions import ChannelFull
from channels.layers.inmemory import InMemoryChannelLayer
from tests.support.recording import RecordingLayer


@pytest.fixture
def layer():
    return RecordingLayer()


def test_a_channel_sends_at_once_outside_of_a_consumer(layer):
    Channel("a.one", channel_layer=layer).send({"n": 1})

    assert layer.sent == [("a.one", {"n": 1})]


def test_a_full_channel_is_reported_to_the_caller(layer):
    layer.full.add("a.one")

    with pytest.raises(ChannelFull):
        Channel("a.one", channel_layer=layer).send({"n": 1})
    with pytest.raises(ChannelFull):
        Channel("a.one", channel_layer=layer).send({"n": 1}, immediately=True)


@pytest.mark.parametrize("content", [None, [("n", 1)], "text", b"", 7])
def test_only_a_dict_can_be_sent(layer, content):
    """A channel says TypeError and a group ValueError: applications catch them so."""
    for immediately in (False, True):
        with pytest.raises(TypeError, match="must be a dict"):
            Channel("a.one", channel_layer=layer).send(content, immediately)
        with pytest.raises(ValueError, match="must be a dict"):
            Group("g", channel_layer=layer).send(content, immediately)

    assert layer.sent == []


def test_send_is_looked_up_on_the_layer_at_each_call(layer):
    """Tests replace it after the channel was built."""
    channel, group = Channel("a.one", channel_layer=layer), Group("g", channel_layer=layer)
    calls = []

    layer.send = lambda *args: calls.append(args)
    layer.send_group = lambda *args: calls.append(args)
    channel.send({"n": 1})
    group.send({"n": 2})

    assert calls == [("a.one", {"n": 1}), ("g", {"n": 2})]


def test_a_name_may_be_ascii_bytes(layer):
    assert Channel(b"a.one", channel_layer=layer).name == "a.one"
    assert Group(b"g", channel_layer=layer).name == "g"
    with pytest.raises(UnicodeDecodeError):
        Channel("a.öne".encode(), channel_layer=layer)


@pytest.mark.parametrize("name", [None, "not valid!!", 7])
def test_a_name_is_not_checked_until_it_is_used(layer, name):
    assert Channel(name, channel_layer=layer).name == name


def test_the_layer_may_be_anything_true_and_else_comes_by_alias(settings):
    settings.CHANNEL_LAYERS = {}
    previous = channel_layers.set("other", "another layer")
    try:
        assert Channel("a", channel_layer="text").channel_layer == "text"
        assert Channel("a", alias="other").channel_layer == "another layer"
        assert Group("a", "other", None).channel_layer == "another layer"
        with pytest.raises(KeyError):
            Channel("a", alias="missing")
    finally:
        channel_layers.set("other", previous)


@pytest.mark.parametrize("kind", [Channel, Group])
@pytest.mark.parametrize("no_layer", [None, "", 0])
def test_without_a_layer_and_an_alias_it_is_the_wrapper_of_the_default_one(kind, no_layer):
    wrapper = ChannelLayerWrapper(RecordingLayer(), "default", [])
    previous = channel_layers.set("default", wrapper)
    try:
        assert kind("a").channel_layer is wrapper
        assert kind("a", channel_layer=no_layer).channel_layer is wrapper
    finally:
        channel_layers.set("default", previous)


def test_a_channel_reads_as_its_name(layer):
    assert str(Channel("a.one", channel_layer=layer)) == "a.one"
    assert repr(Channel("a.one", channel_layer=layer)) == "Channel('a.one')"
    assert repr(Group("g", channel_layer=layer)) == "Group('g')"


def test_a_group_adds_and_discards_channels_and_names(layer):
    group = Group("g", channel_layer=layer)

    group.add(Channel("a.one", channel_layer=layer))
    group.add("a.two")
    group.discard(Channel("a.one", channel_layer=layer))
    group.discard("a.two")

    assert layer.members == [
        ("add", "g", "a.one"),
        ("add", "g", "a.two"),
        ("discard", "g", "a.one"),
        ("discard", "g", "a.two"),
    ]


@pytest.mark.parametrize("member", [None, 7, b"a.one"])
def test_a_group_leaves_odd_members_to_the_layer_to_refuse(layer, member):
    Group("g", channel_layer=layer).add(member)
    Group("g", channel_layer=layer).discard(member)

    assert layer.members == [("add", "g", member), ("discard", "g", member)]

    refusing = Group("g", channel_layer=InMemoryChannelLayer())
    for change in (refusing.add, refusing.discard):
        with pytest.raises(TypeError, match="a channel name must be a str"):
            change(member)


def test_channels_of_one_name_are_not_equal(layer):
    """Nothing was ever defined; sets and ``in`` of applications go by identity."""
    assert Channel("a.one", channel_layer=layer) != Channel("a.one", channel_layer=layer)
    assert Group("g", channel_layer=layer) != Group("g", channel_layer=layer)


def test_a_subclass_of_dict_can_be_sent(layer):
    Channel("a.one", channel_layer=layer).send(OrderedDict(n=1))
    Group("g", channel_layer=layer).send(OrderedDict(n=2))

    assert layer.sent == [("a.one", {"n": 1}), ("*g", {"n": 2})]


def test_a_group_sends_at_once_outside_of_a_consumer(layer):
    Group("g", channel_layer=layer).send({"n": 1})
    Group("g", channel_layer=layer).send({"n": 2}, immediately=True)

    assert layer.sent == [("*g", {"n": 1}), ("*g", {"n": 2})]
