"""The outbox without a sink: full channels are tried again in order, other errors raised late."""

from __future__ import annotations

import pytest

from channels import Channel, Group, outbox
from channels.exceptions import ChannelFull
from channels.outbox import PendingMessageStore, deliver, pending_message_store
from channels.signals import consumer_finished, consumer_started
from tests.support.recording import RecordingLayer


@pytest.fixture
def layer():
    return RecordingLayer()


@pytest.fixture
def channel(layer):
    return Channel("a.one", channel_layer=layer)


class Clock:
    """Seconds that pass only by sleeping."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept.append(seconds)


def run(consumer):
    """Run a consumer as a worker does."""
    consumer_started.send(sender=run, environ={})
    try:
        return consumer()
    finally:
        consumer_finished.send(sender=run)


def test_a_full_channel_is_tried_again_and_order_is_kept(layer, channel):
    clock = Clock()
    other = Channel("a.two", channel_layer=layer)
    layer.full.add("a.one")

    def sleep(seconds):
        clock.sleep(seconds)
        if len(clock.slept) == 2:
            layer.full.clear()

    items = [(channel, {"n": 1}), (other, {"n": 2}), (channel, {"n": 3})]
    errors = deliver(items, clock=clock.time, sleep=sleep)

    assert errors == []
    assert layer.sent == [("a.two", {"n": 2}), ("a.one", {"n": 1}), ("a.one", {"n": 3})]
    assert clock.slept == [0.2, 0.2]


def test_what_stays_full_is_dropped_in_time_and_the_rest_is_sent(layer, channel, caplog):
    clock = Clock()
    before = outbox.dropped().get("full", 0)
    layer.full.update({"a.one", "a.two"})
    others = [Channel(name, channel_layer=layer) for name in ("a.two", "a.three")]

    errors = deliver(
        [(one, {"n": 1}) for one in (channel, channel, *others)],
        clock=clock.time,
        sleep=clock.sleep,
    )

    assert errors == []
    assert layer.sent == [("a.three", {"n": 1})]
    assert clock.now == pytest.approx(2.0, abs=0.21)  # for all of them, not for each
    assert outbox.dropped()["full"] == before + 3
    assert "channel 'a.one' was full for 2 seconds" in caplog.text


def test_nothing_overtakes_a_full_mailbox(layer):
    """A group may reach any process, so it waits behind a reply, and replies behind it."""
    clock = Clock()
    reply, neighbour = (Channel(n, channel_layer=layer) for n in ("web!a", "web!b"))
    elsewhere, plain = (Channel(n, channel_layer=layer) for n in ("api!c", "a.one"))
    group = Group("g", channel_layer=layer)
    layer.full.add("web!a")

    def sleep(seconds):
        clock.sleep(seconds)
        layer.full.clear()

    order = [elsewhere, reply, neighbour, plain, group, elsewhere]
    deliver([(sender, {"n": n}) for n, sender in enumerate(order)], clock=clock.time, sleep=sleep)

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
    clock = Clock()
    reply, elsewhere, plain = (Channel(n, channel_layer=layer) for n in ("web!a", "api!b", "a.one"))
    group = Group("g", channel_layer=layer)
    layer.full.add("web!a")

    def sleep(seconds):
        clock.sleep(seconds)
        layer.full.clear()

    order = [reply, elsewhere, group, plain, elsewhere]
    deliver([(sender, {"n": n}) for n, sender in enumerate(order)], clock=clock.time, sleep=sleep)

    assert [content["n"] for _, content in layer.sent] == [1, 3, 0, 2, 4]


def test_an_error_loses_one_message_only_and_is_raised_at_the_end(layer, channel, caplog):
    class Broken(RecordingLayer):
        def send(self, channel, message):
            raise TypeError("no such name")

    broken = Channel("bad name", channel_layer=Broken())
    before = outbox.dropped().get("error", 0)

    def consumer():
        broken.send({"n": 1})
        channel.send({"n": 2})

    with pytest.raises(TypeError, match="no such name"):
        run(consumer)

    assert layer.sent == [("a.one", {"n": 2})]
    assert outbox.dropped()["error"] == before + 1
    assert "Could not send to channel 'bad name'" in caplog.text
    assert not pending_message_store.active


def test_a_full_error_of_the_layers_own_counts_too():
    class OwnFull(Exception):
        pass

    class Elsewhere(RecordingLayer):
        ChannelFull = OwnFull

        def send(self, channel, message):
            raise OwnFull(channel)

    clock = Clock()
    channel = Channel("a.one", channel_layer=Elsewhere())

    assert deliver([(channel, {})], clock=clock.time, sleep=clock.sleep) == []
    assert clock.slept


@pytest.mark.parametrize("own", [{}, {"ChannelFull": type("OwnFull", (Exception,), {})}])
def test_our_full_error_counts_whatever_class_the_layer_has(own):
    def send(self, channel, message):
        raise ChannelFull(channel, 1)

    layer = type("Odd", (), {"send": send, **own})()
    clock = Clock()

    assert (
        deliver([(Channel("a", channel_layer=layer), {})], clock=clock.time, sleep=clock.sleep)
        == []
    )
    assert clock.slept


def test_a_sender_on_a_layer_without_the_error_class_is_sent_to():
    sent = []

    class Bare:
        def send(self, *args):
            sent.append(args)

    assert deliver([(Channel("a.one", channel_layer=Bare()), {"n": 1})]) == []
    assert sent == [("a.one", {"n": 1})]


def test_the_times_of_a_store_are_its_attributes(layer, channel, monkeypatch):
    """Tests of applications assign them, to the class or to the store."""
    clock = Clock()
    real = deliver
    monkeypatch.setattr(
        outbox,
        "deliver",
        lambda items, **times: real(items, clock=clock.time, sleep=clock.sleep, **times),
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
