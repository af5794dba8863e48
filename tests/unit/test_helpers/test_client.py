"""The client: what it sends, and how it runs a consumer."""

import re

import pytest
from django.db import close_old_connections

from channels import Channel, Group, channel_layers, route
from channels.asgi import ChannelLayerWrapper
from channels.exceptions import (
    ChannelSocketException,
    ConsumeLater,
    DenyConnection,
    WebsocketCloseException,
)
from channels.generic import BaseConsumer
from channels.layers.inmemory import InMemoryChannelLayer
from channels.signals import consumer_finished, consumer_started
from channels.test import ChannelTestCase, Client, apply_routes


class Classy(BaseConsumer):
    method_mapping = {"class": "handle"}

    def handle(self, message, **kwargs):
        self.handled = message.content


def connected():
    """Whether the very function object of Django is a receiver."""
    return any(lookup[0] == id(close_old_connections) for lookup, *_ in consumer_finished.receivers)


class TestMessages(ChannelTestCase):
    def test_a_reply_channel_is_the_alias_and_letters(self):
        names = {Client().reply_channel for _ in range(20)}

        assert len(names) == 20
        assert all(re.fullmatch("default[A-Za-z]{5}", name) for name in names)

    def test_a_reply_channel_may_start_with_something_else(self):
        assert re.fullmatch("room[A-Za-z]{5}", Client(reply_channel="room").reply_channel)

    def test_what_is_sent_is_a_copy_with_a_reply_channel(self):
        client, content = Client(), {"list": [1]}
        client.send("test", content)
        content["list"].append(2)

        message = client.get_next_message("test")
        assert message.content == {"list": [1], "reply_channel": client.reply_channel}
        assert message.reply_channel.name == client.reply_channel
        assert "reply_channel" not in content

    def test_a_reply_channel_of_the_content_is_kept(self):
        client = Client()
        client.send("test", {"reply_channel": "other"})

        assert client.get_next_message("test").content == {"reply_channel": "other"}

    def test_replies_are_received_in_order_and_then_nothing(self):
        client = Client()
        for n in range(2):
            Channel(client.reply_channel).send({"n": n})

        assert [client.receive() for _ in range(3)] == [{"n": 0}, {"n": 1}, None]

    def test_a_client_in_a_group_gets_what_is_sent_to_it(self):
        client = Client()
        client.join_group("g")
        Group("g").send({"n": 1})

        assert client.receive() == {"n": 1}

    def test_another_layer_is_used_throughout(self):
        second = ChannelLayerWrapper(InMemoryChannelLayer(), "second", [route("test", print)])
        before = channel_layers.set("second", second)
        self.addCleanup(channel_layers.set, "second", before)

        client = Client("second")
        client.join_group("g")
        Group("g", alias="second").send({"n": 1})
        Channel(client.reply_channel, alias="second").send({"n": 2})
        client.send("test", {})

        assert client.alias == "second"
        assert re.fullmatch("second[A-Za-z]{5}", client.reply_channel)
        assert client.channel_layer is second
        assert [client.receive(), client.receive()] == [{"n": 1}, {"n": 2}]
        assert client.get_consumer_by_channel("test") is print
        assert client.get_next_message("test").channel_layer is second
        assert self.get_next_message("test") is None

    def test_the_layer_is_that_of_the_alias_and_of_the_moment(self):
        client = Client()
        assert client.alias == "default"
        assert client.channel_layer is channel_layers["default"]


class TestConsuming(ChannelTestCase):
    def test_the_consumer_gets_what_the_route_found(self):
        def consumer(message, **kwargs):
            message.reply_channel.send(kwargs)
            return "returned"

        client = Client()
        with apply_routes(route("test", consumer, path=r"^/(?P<room>\w+)")):
            assert client.send_and_consume("test", {"path": "/lobby"}) == "returned"

        assert client.receive() == {"room": "lobby"}

    def test_a_class_consumer_is_returned(self):
        client = Client()
        with apply_routes(Classy.as_route()):
            consumer = client.send_and_consume("class", {"n": 1})

        assert isinstance(consumer, Classy)
        assert consumer.handled["n"] == 1

    def test_an_async_consumer_is_awaited(self):
        async def consumer(message):
            message.reply_channel.send({"n": 1})
            return "returned"

        client = Client()
        with apply_routes(route("test", consumer)):
            assert client.send_and_consume("test") == "returned"
        assert client.receive() == {"n": 1}

    def test_the_consumer_of_a_channel_can_be_looked_up(self):
        def consumer(message):
            pass

        with apply_routes(route("test", consumer)):
            assert Client().get_consumer_by_channel("test") is consumer
            assert Client().get_consumer_by_channel(Channel("test")) is consumer
            assert Client().get_consumer_by_channel("other") is None

    def test_no_message_is_an_error_unless_it_is_expected(self):
        client = Client()
        with pytest.raises(AssertionError, match="no message on channel test"):
            client.consume("test")
        assert client.consume("test", fail_on_none=False) is None

    def test_no_consumer_is_an_error_unless_it_is_expected(self):
        client = Client()
        with apply_routes([]):
            with pytest.raises(AssertionError, match="No consumer"):
                client.send_and_consume("test")
            assert client.send_and_consume("test", fail_on_none=False) is None

    def test_what_a_consumer_sends_leaves_when_it_ends(self):
        client, seen = Client(), []

        def consumer(message):
            Channel("other").send({})
            seen.append(client.get_next_message("other"))

        with apply_routes(route("test", consumer)):
            client.send_and_consume("test")

        assert seen == [None]
        assert client.get_next_message("other") is not None

    def test_exceptions_reach_the_test_and_what_was_sent_leaves(self):
        client = Client()
        for error in (ValueError, ConsumeLater, DenyConnection):

            def consumer(message, error=error):
                message.reply_channel.send({"before": error.__name__})
                raise error

            with apply_routes(route("test", consumer)), pytest.raises(error):
                client.send_and_consume("test")

            assert client.receive() == {"before": error.__name__}
            assert connected()

    def test_a_socket_exception_is_carried_out(self):
        class Odd(ChannelSocketException):
            def run(self, message):
                message.reply_channel.send({"odd": True})

        def consumer(message):
            raise {"odd": Odd(), "close": WebsocketCloseException(3001)}[message["kind"]]

        client = Client()
        with apply_routes(route("test", consumer)):
            assert client.send_and_consume("test", {"kind": "odd"}) is None
            client.send_and_consume("test", {"kind": "close"})

        assert [client.receive(), client.receive()] == [{"odd": True}, {"close": 3001}]

    def test_database_connections_are_left_alone(self):
        seen = []

        def consumer(message):
            seen.append(("consumer", connected()))

        def started(sender, **kwargs):
            seen.append(("started", connected()))

        def finished(sender, **kwargs):
            seen.append(("finished", connected()))

        consumer_started.connect(started)
        consumer_finished.connect(finished)
        try:
            with apply_routes(route("test", consumer)):
                Client().send_and_consume("test")
        finally:
            consumer_started.disconnect(started)
            consumer_finished.disconnect(finished)

        assert seen == [("started", True), ("consumer", True), ("finished", False)]
        assert connected()

    def test_the_signals_come_from_the_client_s_class_and_without_environ(self):
        class Mine(Client):
            pass

        seen = []

        def receiver(signal, sender, **kwargs):
            seen.append((signal, sender, kwargs))

        consumer_started.connect(receiver)
        consumer_finished.connect(receiver)
        try:
            with apply_routes(route("test", print)):
                Mine().send_and_consume("test")
        finally:
            consumer_started.disconnect(receiver)
            consumer_finished.disconnect(receiver)

        assert seen == [(consumer_started, Mine, {}), (consumer_finished, Mine, {})]

    def test_a_receiver_that_fails_leaves_the_signal_as_it_was(self):
        def finished(sender, **kwargs):
            raise ValueError

        consumer_finished.connect(finished)
        try:
            with apply_routes(route("test", print)), pytest.raises(ValueError):
                Client().send_and_consume("test")
        finally:
            consumer_finished.disconnect(finished)

        assert connected()
