"""What is told of messages that nobody listens for."""

from __future__ import annotations

import logging

import pytest

from channels import Channel, route, unrouted
from channels.asgi import ChannelLayerWrapper
from channels.exceptions import LayerUnavailable
from channels.layers.base import BaseChannelLayer
from channels.layers.inmemory import InMemoryChannelLayer
from channels.seldom import Seldom
from tests.unit.worker.scripted import Frame, PlainLayer, ScriptedLayer, run_until_idle


class Layer(InMemoryChannelLayer):
    """Not local by its module, and counts how often it is asked who listens."""

    asked = 0
    error: Exception | None = None

    def listened_on(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return super().listened_on()


@pytest.fixture
def clock(monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr(unrouted, "_seldom", Seldom(lambda: seconds[0]))
    return seconds


@pytest.fixture
def told(caplog, clock):
    def texts():
        found = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
        caplog.clear()
        return found

    return texts


def wrapper(layer):
    return ChannelLayerWrapper(layer, "main", [route("chat.receive", len), route("mail", len)])


def send(layer, name):
    Channel(name, channel_layer=layer).send({})


def test_a_misspelt_channel_is_told_with_the_one_that_was_meant(told):
    layer = wrapper(Layer())

    send(layer, "chat.recieve")
    (text,) = told()
    assert text.startswith("A message for channel 'chat.recieve' was sent, but no route has that")
    assert "Did you mean 'chat.receive'?" in text
    assert 'CHANNEL_LAYERS["main"]["ROUTING"]' in text

    send(layer, "something.else")
    assert "something.else" in told()[0]


def test_it_is_told_once_a_minute_for_each_channel_and_asked_no_more_often(told, clock):
    raw = Layer(capacity=100)
    layer = wrapper(raw)
    for seconds in (0, 30, 59, 61):
        clock[0] = seconds
        for name in ("a", "b"):
            send(layer, name)

    assert len(told()) == raw.asked == 4


@pytest.mark.parametrize("name", ["chat.receive", "reply!a", "body?a"])
def test_what_is_routed_or_read_by_its_maker_is_never_looked_at(told, name):
    raw = Layer()

    send(wrapper(raw), name)

    assert (told(), raw.asked) == ([], 0)


def test_what_a_worker_of_another_project_listens_on_is_fine(told):
    raw = Layer()
    worker = raw.open_worker(["elsewhere"], held=tuple)
    worker.start()

    send(wrapper(raw), "elsewhere")
    send(wrapper(raw), "nowhere")

    assert ["nowhere" in text for text in told()] == [True]
    worker.close()


def test_delayed_messages_without_rundelay_are_told_what_to_run(told, settings, clock):
    send(wrapper(Layer()), "asgi.delay")
    assert "'manage.py rundelay'" in told()[0]

    settings.INSTALLED_APPS = ["channels"]
    clock[0] = 61
    send(wrapper(Layer()), "asgi.delay")
    assert "'channels.delay' in INSTALLED_APPS" in told()[0]


class WithoutClients(Layer):
    """Its workers receive one by one, and are on no register."""

    open_worker = BaseChannelLayer.open_worker


def test_layers_that_can_not_tell_or_do_not_answer_are_left_alone(told):
    away = Layer()
    away.error = LayerUnavailable("connection refused")

    for raw in (away, WithoutClients(), PlainLayer()):
        send(wrapper(raw), "nowhere")
        send(raw, "nowhere")

    assert told() == []


def test_a_test_without_workers_hears_nothing(told):
    send(wrapper(InMemoryChannelLayer()), "nowhere")

    assert told() == []


def test_in_a_worker_the_consumer_is_named(told, monkeypatch):
    def consumer(message):
        Channel("nowhere", channel_layer=message.channel_layer).send({})
        message.reply_channel.send({})

    layer = ScriptedLayer(Frame("test", [{"reply_channel": "web!a"}]))
    monkeypatch.setattr(layer, "listened_on", lambda: frozenset(["test"]), raising=False)
    run_until_idle(layer, ("test", consumer))

    (text,) = told()
    assert f"was sent by {__name__}." in text
    assert "consumer, but" in text


def test_who_asks_for_replies_on_a_channel_receives_there(told, monkeypatch):
    def consumer(message):
        message.reply_channel.send({})

    layer = ScriptedLayer(Frame("test", [{"reply_channel": "results"}]))
    monkeypatch.setattr(layer, "listened_on", lambda: frozenset(["test"]), raising=False)
    run_until_idle(layer, ("test", consumer))

    assert told() == []


def test_delayed_messages_of_a_layer_in_memory_need_another_layer(told):
    raw = InMemoryChannelLayer()
    worker = raw.open_worker(["mail"], held=tuple)  # as of runserver
    worker.start()

    send(wrapper(raw), "asgi.delay")

    assert "configure one in Redis" in told()[0]
    worker.close()
