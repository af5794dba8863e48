"""When the client of a request counts as gone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from channels.exceptions import LayerUnavailable
from channels.handler.replies import SILENCE, ClientMonitor
from channels.layers.base import Presence
from tests.support.clock import Clock


class Layer:
    """Answers with what it was told last."""

    def __init__(self):
        self.answer = Presence.HERE
        self.asked = 0

    def presence(self, channel):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def layer():
    return Layer()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def monitor(layer, clock):
    return ClientMonitor(SimpleNamespace(channel_layer=layer), clock=clock)


def test_a_mark_of_the_server_is_believed_at_once_and_for_good(monitor, layer, clock):
    clock.now += 1
    assert not monitor.gone()

    layer.answer = Presence.GONE
    clock.now += 1

    assert monitor.gone()
    layer.answer = Presence.HERE
    clock.now += 1
    assert monitor.gone()


def test_the_layer_is_asked_at_once_and_then_twice_a_second_at_most(monitor, layer, clock):
    monitor.gone()
    assert layer.asked == 1

    for _ in range(200):
        clock.now += 0.01
        monitor.gone()

    assert layer.asked in (4, 5)


def test_a_server_without_a_heartbeat_is_dead_after_some_seconds(monitor, layer, clock):
    layer.answer = Presence.SILENT
    clock.now += 1
    assert not monitor.gone()
    clock.now += SILENCE - 0.1
    assert not monitor.gone()
    clock.now += 1
    assert monitor.gone()


def test_a_server_that_writes_its_heartbeat_again_is_not(monitor, layer, clock):
    for answer in (Presence.SILENT, Presence.HERE, Presence.SILENT):
        layer.answer = answer
        clock.now += SILENCE - 1
        assert not monitor.gone()


def test_nothing_is_known_of_a_layer_that_does_not_answer_or_cannot_tell(monitor, layer, clock):
    layer.answer = LayerUnavailable("away")
    clock.now += 10
    assert not monitor.gone()

    plain = ClientMonitor(SimpleNamespace(channel_layer=object()), clock=clock)
    nobody = ClientMonitor(None, clock=clock)
    clock.now += 10
    assert not plain.gone()
    assert not nobody.gone()
