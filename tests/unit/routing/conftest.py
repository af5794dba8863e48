"""Messages for routing tests."""

from __future__ import annotations

import pytest

from channels.message import Message


@pytest.fixture
def message():
    """Build a message: ``message(channel, **content)``."""

    def build(channel="websocket.connect", **content):
        return Message(content, channel, "any layer")

    return build
