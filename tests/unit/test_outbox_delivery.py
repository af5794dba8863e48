"""Sending without a client: full channels are tried again in order, errors told at the end."""

from __future__ import annotations

import pytest

from channels import Channel, outbox
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.clients import GroupSend, Send
from channels.outbox import PendingMessageStore, deliver, dropped, pending_message_store
from channels.signals import consumer_finished, consumer_started
from tests.support.clock import Clock
from tests.support.recording import RecordingLayer


@pytest.fixture
def layer():
    return RecordingLayer()


@pytest.fixture
def channel(layer):
    return Channel("a.one", channel_layer=layer)


def sends(layer, *names):
    """Return numbered messages for channels, and for groups by names with a ``*``."""
    return [
        (layer, GroupSend(name[1:], {"n": n}) if name[0] == "*" else Send(name, {"n": n}))
        for n, name in enumerate(names)
    ]


def run(consumer):
    """Run a consumer as a worker does."""
    consumer_started.send(sender=run, environ={})
    try:
        return consumer()
    finally:
        consumer_finished.send(sender=run)


def test_a_full_channel_is_tried_again_and_order_is_kept(layer):
    clock = Clock(0.0)
    layer.full.add("a.one")

    def sleep(seconds):
        clock.sleep(seconds)
        if len(clock.slept) == 2:
            layer.full.clear()

    errors = deliver(sends(layer, "a.one", "a.two", "a.one"), clock=clock, sleep=sleep)

    assert errors == []
    assert layer.sent == [("a.two", {"n": 1}), ("a.one", {"n": 0}), ("a.one", {"n": 2})]
    assert clock.slept == [0.05, pytest.approx(0.075)]


def test_what_stays_full_is_dropped_in_time_and_the_rest_is_sent(layer, caplog):
    clock = Clock(0.0)
    before = dropped().get("full", 0)
    layer.full.update({"a.one", "a.two"})

    errors = deliver(
        sends(layer, "a.one", "a.one", "a.two", "a.three"), clock=clock, sleep=clock.sleep
    )

    assert errors == []
    assert layer.sent == [("a.three", {"n": 3})]
    assert clock.now == pytest.approx(2.0)  # for all of them, not for each
    assert dropped()["full"] == before + 3
    assert "channel 'a.one' was full for 2 seconds" in caplog.text


def test_nothing_overtakes_a_full_mailbox(layer):
    """A group may reach any process, so it waits behind a reply, and replies behind it."""
    clock = Clock(0.0)
    layer.full.add("web!a")

    def sleep(seconds):
        clock.sleep(seconds)
        layer.full.clear()

    items = sends(layer, "api!c", "web!a", "web!b", "a.one", "*g", "api!c")
    deliver(items, clock=clock, sleep=sleep)

    assert layer.sent == [
        ("api!c", {"n": 0}),
        ("a.one", {"n": 3}),
        ("web!a", {"n": 1}),
        ("web!b", {"n": 2}),
        ("*g", {"n": 4}),
        ("api!c", {"n": 5}),
    ]


def test_only_what_could_be_overtaken_waits(layer):
    """Replies of another server behind a full mailbox, and plain channels behind a group."""
    clock = Clock(0.0)
    layer.full.add("web!a")

    def sleep(seconds):
        clock.sleep(seconds)
        layer.full.clear()

    items = sends(layer, "web!a", "api!b", "*g", "a.one", "api!b")
    deliver(items, clock=clock, sleep=sleep)

    assert [content["n"] for _, content in layer.sent] == [1, 3, 0, 2, 4]


def test_two_layers_do_not_wait_for_each_other_and_a_dead_one_is_told(layer, caplog):
    class Dead(RecordingLayer):
        def send(self, channel, message):
            raise LayerUnavailable("gone")

    items = sends(Dead(), "a.one", "a.one") + sends(layer, "a.one")
    (error,) = deliver(items)

    assert isinstance(error, LayerUnavailable)
    assert layer.sent == [("a.one", {"n": 0})]
    assert "2 message(s) were on their way" in caplog.text


def test_an_error_loses_one_message_only_and_is_raised_at_the_end(layer, channel, caplog):
    class Broken(RecordingLayer):
        def send(self, channel, message):
            raise TypeError("no such name")

    broken = Channel("bad name", channel_layer=Broken())
    before = dropped().get("error", 0)

    def consumer():
        broken.send({"n": 1})
        channel.send({"n": 2})

    with pytest.raises(TypeError, match="no such name"):
        run(consumer)

    assert layer.sent == [("a.one", {"n": 2})]
    assert dropped()["error"] == before + 1
    assert "Could not send to channel 'bad name'" in caplog.text
    assert not pending_message_store.active


def test_a_full_error_of_the_layers_own_counts_too():
    class OwnFull(Exception):
        pass

    class Elsewhere(RecordingLayer):
        ChannelFull = OwnFull

        def send(self, channel, message):
            raise OwnFull(channel)

    clock = Clock(0.0)

    assert deliver(sends(Elsewhere(), "a.one"), clock=clock, sleep=clock.sleep) == []
    assert clock.slept


@pytest.mark.parametrize("own", [{}, {"ChannelFull": type("OwnFull", (Exception,), {})}])
def test_our_full_error_counts_whatever_class_the_layer_has(own):
    def send(self, channel, message):
        raise ChannelFull(channel, 1)

    layer = type("Odd", (), {"send": send, **own})()
    clock = Clock(0.0)

    assert deliver(sends(layer, "a"), clock=clock, sleep=clock.sleep) == []
    assert clock.slept


def test_a_layer_without_an_error_class_is_sent_to():
    sent = []

    class Bare:
        def send(self, *args):
            sent.append(args)

    assert deliver(sends(Bare(), "a.one")) == []
    assert sent == [("a.one", {"n": 0})]


def test_the_times_of_a_store_are_its_attributes(layer, channel, monkeypatch):
    """Tests of applications assign them, to the class or to the store."""
    clock = Clock(0.0)
    real = deliver
    monkeypatch.setattr(
        outbox,
        "deliver",
        lambda items, **times: real(items, clock=clock, sleep=clock.sleep, **times),
    )

    class Impatient(PendingMessageStore):
        retry_time = 1

    assert (PendingMessageStore.retry_time, PendingMessageStore.retry_interval) == (2, 0.2)

    layer.full.add("a.one")
    store = Impatient()
    store.retry_interval = 0.5
    store.prepare()
    store.append(channel, {"n": 1})
    store.send_and_flush()

    assert clock.slept == [0.5, 0.5]
    assert not store.active
    assert layer.sent == []
