"""Layers without a worker's client: one message at a time, through the wrapper."""

from __future__ import annotations

from unittest import mock

import pytest

from channels import Channel, Group
from channels.backoff import Backoff
from channels.exceptions import ChannelFull, ConsumeLater, LayerUnavailable
from channels.worker.source import Source
from tests.support.scripted import Clock, CountedWorker, PlainLayer, Send, wrap


def run(layer, consumer, turns, channel="test", **options):
    wrapper = wrap(layer, (channel, consumer))
    worker = CountedWorker(wrapper, signal_handlers=False, **options)
    worker.termed = turns
    worker.run()
    return wrapper


def reply(message):
    """A consumer, for its name."""


def source_of(layer, clock):
    return Source(
        wrap(layer),
        {"test"},
        listening=None,
        backoff=Backoff(first=1.0, rand=lambda: 1.0),
        clock=clock,
        sleep=clock.sleep,
        pause=clock.sleep,
    )


def test_a_message_is_run_and_its_replies_go_one_by_one():
    def consumer(message):
        message.reply_channel.send({"text": "a"})
        Group("all", channel_layer=message.channel_layer).send({"text": "b"})
        message.reply_channel.send({"text": "c"})

    layer = PlainLayer(("test", {"reply_channel": "web.a!x"}))

    run(layer, consumer, 1)

    assert layer.sent == [("web.a!x", {"text": "a"}), ("web.a!x", {"text": "c"})]
    assert layer.groups == [("all", {"text": "b"})]


def test_a_layer_that_fails_is_tried_again_in_growing_pauses(caplog):
    clock = Clock(0.0)
    layer = PlainLayer(LayerUnavailable("gone"), OSError("gone"), ("test", {"n": 1}))
    source = source_of(layer, clock)

    assert [source.next(), source.next()] == [None, None]
    assert source.next() == ("test", {"n": 1}, False, False, None)
    assert clock.slept == [1.0, 2.0]
    # An outage is no bug: its traceback would say nothing.
    assert [(one.levelname, bool(one.exc_info)) for one in caplog.records] == [
        ("WARNING", False),
        ("ERROR", True),
        ("INFO", False),  # it answers again
    ]


def test_pauses_start_small_again_after_an_outage():
    clock = Clock(0.0)
    outage = LayerUnavailable("gone")
    source = source_of(PlainLayer(outage, outage, ("test", {}), outage), clock)

    for _ in range(3):
        source.next()
    source.done([], None)
    source.next()

    assert clock.slept == [1.0, 2.0, 1.0]


def test_consume_later_goes_through_send_after_what_was_queued():
    def consumer(message):
        message.reply_channel.send({"text": "a"})
        raise ConsumeLater

    layer = PlainLayer(("test", {"reply_channel": "web.a!x"}))

    run(layer, consumer, 1)

    assert layer.sent == [
        ("web.a!x", {"text": "a"}),
        ("test", {"reply_channel": "web.a!x", "__retries__": 1}),
    ]


def test_a_message_is_put_back_for_two_seconds_at_most(caplog):
    clock, layer = Clock(0.0), PlainLayer(("test", {}))
    layer.full.add("test")
    source = source_of(layer, clock)
    source.next()

    source.later([], reply, {"n": 1})

    assert clock.now == pytest.approx(2.0)
    assert "Dropped a message for channel 'test'" in caplog.text


def test_our_own_word_for_full_counts_as_well_as_the_layers():
    clock, layer = Clock(0.0), PlainLayer(("test", {}))
    layer.send = mock.Mock(side_effect=[ChannelFull("test", 1), layer.ChannelFull(), None])
    source = source_of(layer, clock)
    source.next()

    source.later([], None, {"n": 1})

    assert layer.send.mock_calls == [mock.call("test", {"n": 1})] * 3
    assert clock.slept == [0.05, pytest.approx(0.075)]


def test_a_message_that_cannot_go_back_is_not_tried_again(caplog):
    layer = PlainLayer(("test", {}))
    layer.send = mock.Mock(side_effect=TypeError("a set"))
    source = source_of(layer, Clock(0.0))
    source.next()

    source.later([], reply, {"n": {1}})

    assert layer.send.call_count == 1
    assert "Dropped a message for channel 'test'" in caplog.text


def test_a_full_channel_holds_back_only_what_follows_to_the_same_mailbox(caplog):
    clock, layer = Clock(0.0), PlainLayer(("test", {}))
    layer.full.add("web.a!x")
    source = source_of(layer, clock)
    source.next()

    source.done([Send("web.a!x", {}), Send("web.a!y", {}), Send("web.b!z", {})], reply)

    assert layer.sent == [("web.b!z", {})]
    assert clock.now == pytest.approx(2.0)
    assert caplog.text.count("Dropped a message") == 2


def test_what_a_layer_lost_on_its_way_is_not_repeated(caplog):
    layer = PlainLayer(("test", {}))
    layer.send = mock.Mock(side_effect=LayerUnavailable("gone"))
    source = source_of(layer, Clock(0.0))
    source.next()

    source.done([Send("a", {}), Send("b", {})], None)

    assert layer.send.call_count == 1
    assert "2 message(s)" in caplog.text


def test_a_message_that_the_layer_refuses_does_not_stop_the_others(caplog):
    layer = PlainLayer(("test", {}))
    layer.send = mock.Mock(side_effect=[TypeError("bad name"), None])
    source = source_of(layer, Clock(0.0))
    source.next()

    source.done([Send("a b", {}), Send("b", {})], reply)

    assert layer.send.call_count == 2
    assert "bad name" in caplog.text


def test_a_send_put_on_the_wrapper_before_the_start_sees_every_message():
    def consumer(message):
        Channel("other", channel_layer=message.channel_layer).send({"n": 1})

    layer = PlainLayer(("test", {}))
    wrapper = wrap(layer, ("test", consumer))
    wrapper.send = mock.Mock()
    worker = CountedWorker(wrapper, signal_handlers=False)
    worker.termed = 1
    worker.run()

    assert wrapper.send.mock_calls == [mock.call("other", {"n": 1})]
