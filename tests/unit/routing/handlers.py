"""Consumers and routings that the routing tests name by dotted path."""

from __future__ import annotations

from channels.routing import route


def consumer(message, **kwargs):
    return message, kwargs


def other_consumer(message, **kwargs):
    return message, kwargs


class ConsumerClass:
    @classmethod
    def channel_names(cls):
        return {"websocket.receive", "websocket.connect"}

    def __init__(self, message, **kwargs):
        self.message = message


not_callable = 42

a_text = "tests.unit.routing.handlers.chat"

chat = [
    route("websocket.connect", consumer, path=r"^/chat/(?P<room>\w+)$"),
    route("websocket.receive", consumer),
]

by_channel = {"mail.send": consumer, "mail.bounce": "tests.unit.routing.handlers.other_consumer"}
