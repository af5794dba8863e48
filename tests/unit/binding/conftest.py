"""Bindings that end with their test, and the default layer, recording."""

from __future__ import annotations

import json

import pytest
from django.db.models import signals

from channels import channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.binding.base import BindingMetaclass
from channels.message import Message
from tests.support.recording import RecordingLayer

SIGNALS = [
    signals.pre_save,
    signals.post_save,
    signals.pre_delete,
    signals.post_delete,
    signals.m2m_changed,
]


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """An empty registry of an application that is ready; what it connects is disconnected."""
    monkeypatch.setattr(BindingMetaclass, "binding_classes", [])
    monkeypatch.setattr(BindingMetaclass, "register_immediately", True)
    before = [list(signal.receivers) for signal in SIGNALS]
    yield BindingMetaclass
    for signal, receivers in zip(SIGNALS, before, strict=True):
        signal.receivers[:] = receivers
        signal.sender_receivers_cache.clear()


class Told(RecordingLayer):
    """Records, and reads what bindings have sent."""

    @property
    def payloads(self):
        """Pairs of group and payload."""
        return [(name[1:], json.loads(content["text"])["payload"]) for name, content in self.sent]

    @property
    def actions(self):
        """Pairs of group and action."""
        return [(group, payload["action"]) for group, payload in self.payloads]

    def forget(self):
        self.sent.clear()


@pytest.fixture
def layer():
    recording = Told()
    before = channel_layers.set("default", ChannelLayerWrapper(recording, "default", []))
    yield recording
    channel_layers.set("default", before)


@pytest.fixture
def message(layer):
    """Make the message that a binding gets from a demultiplexer."""

    def make(channel="websocket.receive", **payload):
        content = {"reply_channel": "server!socket", "path": "/", "text": json.dumps(payload)}
        made = Message(content, channel, channel_layers["default"])
        made.ordered = True
        return made

    return make
