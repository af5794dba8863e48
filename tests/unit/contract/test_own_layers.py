"""Layers that a project or a test has changed: what it put in place is what is called."""

from __future__ import annotations

import unittest
from unittest import mock

from channels import Channel, Group, route
from channels.asgi import ChannelLayerWrapper
from channels.exceptions import ChannelFull
from channels.interface_server.bridge.hub import open_client
from channels.layers.base import clients_may_replace
from channels.layers.inmemory import InMemoryChannelLayer
from channels.layers.plain import PlainServerClient
from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer
from channels.worker import Worker


class NotingLayer(InMemoryChannelLayer):
    """As a project would write it, to count or to look into messages."""

    def __init__(self, **config):
        super().__init__(**config)
        self.notes = []

    def send(self, channel, message):
        self.notes.append(("send", channel))
        super().send(channel, message)

    def send_group(self, group, message):
        self.notes.append(("send_group", group))
        super().send_group(group, message)

    def receive(self, channels, block=False):
        channel, message = super().receive(channels, block)
        if channel is not None:
            self.notes.append(("receive", channel))
        return channel, message


class OldLayer:
    """As one was written when ``receive`` still had its old name."""

    ChannelFull = ChannelFull

    def __init__(self):
        self.waiting = [("work", {"reply_channel": "back!1"})]
        self.sent = []

    def receive_many(self, channels, block=False):
        return self.waiting.pop() if self.waiting else (None, None)

    def send(self, channel, message):
        self.sent.append((channel, message))


class CountedWorker(Worker):
    """Takes as many turns as its ``termed`` is set to."""

    _turns = 0

    @property
    def termed(self):
        self._turns -= 1
        return self._turns < 0

    @termed.setter
    def termed(self, turns):
        self._turns = turns


def consumer(message):
    message.reply_channel.send({"text": "reply"})
    Group("all", channel_layer=message.channel_layer).send({"text": "all"})


def wrap(layer):
    return ChannelLayerWrapper(layer, "some", [route("work", consumer)])


def run(layer, turns=1):
    worker = CountedWorker(layer, signal_handlers=False)
    worker.termed = turns
    worker.run()


class TestSubclasses(unittest.TestCase):
    def test_every_message_goes_through_the_methods_of_a_subclass(self):
        layer = NotingLayer()
        wrapper = wrap(layer)
        Channel("work", channel_layer=wrapper).send({"reply_channel": "back"})

        run(wrapper)

        assert layer.notes == [
            ("send", "work"),
            ("receive", "work"),
            ("send", "back"),
            ("send_group", "all"),
        ]

    def test_an_interface_server_uses_them_too(self):
        assert isinstance(open_client(NotingLayer()), PlainServerClient)
        assert isinstance(open_client(wrap(NotingLayer())), PlainServerClient)
        assert not isinstance(open_client(InMemoryChannelLayer()), PlainServerClient)
        assert not isinstance(open_client(wrap(InMemoryChannelLayer())), PlainServerClient)

    def test_other_subclasses_keep_the_fast_way(self):
        class Named(InMemoryChannelLayer):
            def new_channel(self, pattern):
                return f"{pattern}mine"

        class Faced(NotingLayer):
            def open_worker(self, channels, *, held):
                raise NotImplementedError

        assert clients_may_replace(Named())
        assert clients_may_replace(Faced())
        for layer in (RedisChannelLayer(), RedisSentinelChannelLayer(services=["main"])):
            assert clients_may_replace(layer)
            assert clients_may_replace(layer, "open_server")


class TestPatches(unittest.TestCase):
    def test_a_send_put_on_the_layer_itself_sees_what_a_consumer_sends(self):
        layer = InMemoryChannelLayer()
        wrapper = wrap(layer)
        layer.send("work", {"reply_channel": "back"})

        with mock.patch.object(layer, "send") as send:
            run(wrapper)

        send.assert_called_once_with("back", {"text": "reply"})

    def test_a_receive_put_on_layer_or_wrapper_is_what_a_worker_takes_from(self):
        taken = ("work", {"reply_channel": "back"})
        for name in ("receive", "receive_many"):
            wrapper = wrap(InMemoryChannelLayer())
            with mock.patch.object(wrapper, name, create=True, return_value=taken) as receive:
                run(wrapper)
            with self.subTest(name=name):
                receive.assert_called_once_with({"work"}, block=True)
                assert wrapper.receive(["back"]) == ("back", {"text": "reply"})

        wrapper = wrap(InMemoryChannelLayer())
        with mock.patch.object(wrapper.channel_layer, "receive", return_value=taken):
            run(wrapper)
        assert wrapper.receive(["back"]) == ("back", {"text": "reply"})


class TestTheOldNameOfReceive(unittest.TestCase):
    def test_a_layer_that_has_no_other_serves_workers(self):
        layer = OldLayer()

        run(ChannelLayerWrapper(layer, "some", [route("work", lambda message: reply(message))]))

        assert layer.sent == [("back!1", {"text": "reply"})]


def reply(message):
    message.reply_channel.send({"text": "reply"})
