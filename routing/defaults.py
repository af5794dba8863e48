"""The two consumers that every project has without writing them."""

from __future__ import annotations

from typing import Any


def null_consumer(*args: Any, **kwargs: Any) -> None:
    """Do nothing with the message."""


def connect_consumer(message: Any, *args: Any, **kwargs: Any) -> None:
    """Accept the WebSocket."""
    message.reply_channel.send({"accept": True})
