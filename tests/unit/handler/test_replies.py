"""Which way each reply takes, and what happens while there is no room for it."""

from __future__ import annotations

import logging

import pytest

from channels.asgi import ChannelLayerWrapper
from channels.channel import Channel
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.handler.replies import MAILBOX_SHARE, ReplySender
from channels.layers.base import Presence
from channels.outbox import dropped, pending_message_store
from channels.signals import consumer_finished, consumer_started
from tests.support.clock import Clock
from tests.unit.handler.messages import REPLY_CHANNEL

CHUNK = MAILBOX_SHARE // 2


class PlainLayer:
    """Notes what is sent; refuses as often as it is told to."""

    expiry = 60

    def __init__(self, refusals=0, error=None):
        self.sent = []
        self.refusals = refusals
        self.tries = 0
        self.error = error or ChannelFull("full", 1)

    def send(self, channel, message):
        self._take("send", channel, message)

    def _take(self, way, channel, message):
        self.tries += 1
        if self.refusals:
            self.refusals -= 1
            raise self.error
        self.sent.append((way, channel, message))


class LeftLayer(PlainLayer):
    """Knows whether the client is there."""

    presence_now = Presence.HERE

    def presence(self, channel):
        return self.presence_now


class BodyLayer(PlainLayer):
    """Has a list for response bodies as well."""

    def send_body(self, channel, message):
        self._take("send_body", channel, message)


def make_sender(layer, clock=None, name=REPLY_CHANNEL):
    clock = clock or Clock()
    return ReplySender(Channel(name, channel_layer=layer), clock=clock, sleep=clock.sleep)


def send_long(sender, chunks=4):
    """Send a streamed response of some half mebibytes."""
    assert sender.send({"status": 200, "content": b"x" * CHUNK, "more_content": True})
    for _ in range(chunks - 1):
        assert sender.send({"content": b"x" * CHUNK, "more_content": True})
    assert sender.send({"more_content": False})


def ways(layer):
    return [way for way, _, _ in layer.sent]


@pytest.fixture
def _in_consumer():
    consumer_started.send(sender=None)
    yield
    consumer_finished.send(sender=None)


class TestACompleteResponse:
    REPLY = {"status": 200, "headers": [], "content": b"Hi", "more_content": False}

    def test_outside_of_a_consumer_it_goes_at_once(self):
        layer = PlainLayer()

        assert make_sender(layer).send(self.REPLY)

        assert layer.sent == [("send", REPLY_CHANNEL, self.REPLY)]

    @pytest.mark.usefixtures("_in_consumer")
    def test_inside_of_one_it_goes_first_when_that_ends(self):
        layer = PlainLayer()
        Channel("news", channel_layer=layer).send({"text": "sent by the view"})

        assert make_sender(layer).send(self.REPLY)

        assert layer.sent == []
        consumer_finished.send(sender=None)
        assert [(channel, message) for _, channel, message in layer.sent] == [
            (REPLY_CHANNEL, self.REPLY),
            ("news", {"text": "sent by the view"}),
        ]

    @pytest.mark.usefixtures("_in_consumer")
    def test_one_of_several_replies_goes_at_once_even_inside_of_one(self):
        layer = PlainLayer()

        send_long(make_sender(layer), chunks=1)

        assert len(layer.sent) == 2
        assert pending_message_store.kept() == ()


class TestALongResponse:
    def test_past_a_mebibyte_it_takes_the_way_for_bodies(self):
        layer = BodyLayer()

        send_long(make_sender(layer))

        assert ways(layer) == ["send", "send", "send_body", "send_body", "send_body"]
        assert layer.sent[-1][1:] == (REPLY_CHANNEL, {"more_content": False})

    def test_the_first_reply_takes_the_common_way_however_large(self):
        layer = BodyLayer()
        sender = make_sender(layer)

        sender.send({"status": 200, "content": b"x" * 3 * CHUNK, "more_content": True})
        sender.send({"content": b"x"})

        assert ways(layer) == ["send", "send_body"]

    def test_up_to_a_mebibyte_it_does_not(self):
        layer = BodyLayer()

        send_long(make_sender(layer), chunks=2)

        assert ways(layer) == ["send"] * 3

    def test_a_layer_without_that_way_gets_everything(self):
        layer = PlainLayer()

        send_long(make_sender(layer))

        assert ways(layer) == ["send"] * 5

    def test_a_wrapped_layer_is_asked_itself(self):
        layer = BodyLayer()

        send_long(make_sender(ChannelLayerWrapper(layer, "default", [])))

        assert "send_body" in ways(layer)

    @pytest.mark.parametrize("wrapped", [True, False])
    def test_whoever_replaced_send_sees_everything(self, wrapped):
        layer = BodyLayer()
        outer = ChannelLayerWrapper(layer, "default", []) if wrapped else layer
        seen = []
        outer.send = lambda channel, message: seen.append(message)

        send_long(make_sender(outer))

        assert len(seen) == 5
        assert layer.sent == []

    def test_a_reader_that_is_no_server_gets_messages(self):
        layer = BodyLayer()

        send_long(make_sender(layer, name="test-client"))

        assert ways(layer) == ["send"] * 5


class TestNoRoom:
    def test_it_tries_again_with_growing_pauses(self):
        clock = Clock()
        layer = PlainLayer(refusals=3)

        assert make_sender(layer, clock).send({"status": 200, "more_content": True})

        assert clock.slept == pytest.approx([0.05, 0.075, 0.1125])
        assert len(layer.sent) == 1

    @pytest.mark.parametrize("layer_class", [PlainLayer, BodyLayer])
    def test_after_an_expiry_it_is_dropped_logged_and_counted(self, layer_class, caplog):
        clock = Clock()
        layer = layer_class()
        sender = make_sender(layer, clock)
        sender.send({"status": 200, "content": b"x" * MAILBOX_SHARE, "more_content": True})
        layer.refusals = 10_000
        before = dropped().get("full", 0)

        with caplog.at_level(logging.ERROR, "django.channels"):
            assert not sender.send({"content": b"y"})

        assert sum(clock.slept) == pytest.approx(60)
        assert max(clock.slept) == 0.5
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert REPLY_CHANNEL in caplog.text
        assert dropped()["full"] == before + 1

    def test_a_layers_own_error_counts_as_full(self):
        class OwnFull(Exception):
            pass

        class OwnLayer(PlainLayer):
            ChannelFull = OwnFull

        layer = OwnLayer(refusals=1, error=OwnFull())

        assert make_sender(layer).send({"status": 200, "more_content": True})
        assert layer.tries == 2

    def test_a_layer_that_is_gone_is_not_tried_again(self):
        layer = PlainLayer(refusals=1, error=LayerUnavailable("gone"))

        with pytest.raises(LayerUnavailable):
            make_sender(layer).send({"status": 200, "more_content": True})

        assert layer.tries == 1


class TestTheClientIsGone:
    def test_the_next_part_is_not_sent(self):
        layer, clock = LeftLayer(), Clock()
        sender = make_sender(layer, clock)
        assert sender.send({"status": 200, "more_content": True})

        layer.presence_now = Presence.GONE
        clock.now += 1

        assert not sender.send({"content": b"x", "more_content": True})
        assert len(layer.sent) == 1

    def test_one_that_waits_for_room_waits_no_longer(self, caplog):
        layer, clock = LeftLayer(refusals=1000), Clock()
        layer.presence_now = Presence.GONE

        assert not make_sender(layer, clock).send({"status": 200, "more_content": True})

        assert sum(clock.slept) < 1
        assert not caplog.records
