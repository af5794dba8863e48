"""The default layer, recording; and messages of one socket."""

from __future__ import annotations

import pytest

from channels import channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.message import Message
from tests.support.recording import RecordingLayer


@pytest.fixture
def layer():
    """The default layer; what was sent is in ``layer.sent``."""
    recording = RecordingLayer()
    before = channel_layers.set("default", ChannelLayerWrapper(recording, "default", []))
    yield recording
    channel_layers.set("default", before)


@pytest.fixture
def message(layer):
    """Make a message of one socket, as it arrives from an interface server of ours."""

    def make(channel, ordered=True, **content):
        defaults = {"reply_channel": "server!socket", "path": "/"}
        if channel == "websocket.connect":
            defaults |= {"headers": [], "query_string": b"", "order": 0}
        made = Message({**defaults, **content}, channel, channel_layers["default"])
        made.ordered = ordered
        return made

    return make
