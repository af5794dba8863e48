"""A connection whose messages come in any order."""

from __future__ import annotations

from channels.asgi import ChannelLayerWrapper
from channels.layers.inmemory import InMemoryChannelLayer
from channels.message import Message
from channels.sessions import enforce_ordering, session_for_reply_channel

REPLY = "test-reply!b"
WAIT = "__wait__.test-reply?b"


class Connection:
    """One connection's messages on an in-memory layer, run by hand."""

    def __init__(self, **config):
        self.layer = ChannelLayerWrapper(InMemoryChannelLayer(**config), "default", [])
        self.ran = []
        self.consumer = enforce_ordering(self._consume)
        self.act = lambda message: None

    def _consume(self, message):
        self.ran.append(message["order"])
        self.act(message)
        return "a result"

    def message(self, order, channel="websocket.receive", **attributes):
        content = {"reply_channel": REPLY, "path": "/", "order": order}
        message = Message(content, channel, self.layer)
        vars(message).update(attributes)
        return message

    def run(self, *orders):
        for order in orders:
            self.consumer(self.message(order))

    def run_waiting(self, channel="websocket.receive"):
        """Run what is on the channel now, and return how many messages that were."""
        waiting = self.waiting(channel)
        for content in waiting:
            self.consumer(Message(content, channel, self.layer))
        return len(waiting)

    def waiting(self, channel):
        found = []
        while True:
            name, content = self.layer.receive([channel])
            if name is None:
                return found
            found.append(content)

    @property
    def turn(self):
        return session_for_reply_channel(REPLY).get("__channels_next_order", 0)
