"""Class-based consumers: strict ordering, the browser's user, streams and a bound model."""

from channels.binding.websockets import WebsocketBinding
from channels.exceptions import WebsocketCloseException
from channels.generic.websockets import (
    JsonWebsocketConsumer,
    WebsocketConsumer,
    WebsocketDemultiplexer,
)
from tests.legacy.site.models import Note


class Counter(JsonWebsocketConsumer):
    strict_ordering = True
    http_user_and_session = True
    method_mapping = dict(JsonWebsocketConsumer.method_mapping)

    def connection_groups(self, **kwargs):
        return ["counters-{}".format(kwargs["name"])]

    def connect(self, message, **kwargs):
        message.channel_session["count"] = 0
        message.reply_channel.send({"accept": True})

    def receive(self, content, **kwargs):
        session = self.message.channel_session
        session["count"] += content["add"]
        if content.get("leave"):
            raise WebsocketCloseException(4001)
        if content.get("everyone"):
            self.group_send("counters-{}".format(kwargs["name"]), {"count": session["count"]})
        else:
            self.send(
                {
                    "count": session["count"],
                    "path": self.path,
                    "anonymous": self.message.user.is_anonymous,
                    "name": (self.message.http_session or {}).get("name"),
                }
            )


class Echo(WebsocketConsumer):
    channel_session = True

    def receive(self, text=None, bytes=None, **kwargs):
        if text == "close":
            self.close(3000)
        else:
            self.send(text=text, bytes=bytes)


class Talk(JsonWebsocketConsumer):
    def connect(self, message, multiplexer, **kwargs):
        multiplexer.send({"status": "here", "kwargs": kwargs})

    def receive(self, content, multiplexer, **kwargs):
        multiplexer.send({"you said": content, "stream": multiplexer.stream})


class NoteBinding(WebsocketBinding):
    model = Note
    stream = "notes"
    fields = ["title"]

    @classmethod
    def group_names(cls, instance):
        return ["notes"]

    def has_permission(self, user, action, pk):
        return action != "delete"


class Demultiplexer(WebsocketDemultiplexer):
    consumers = {"talk": Talk, "notes": NoteBinding.consumer}

    def connection_groups(self, **kwargs):
        return ["notes"]


routing = [
    Counter.as_route(path=r"^/counter/(?P<name>\w+)/$"),
    Echo.as_route(path=r"^/echo/$"),
    Demultiplexer.as_route(path=r"^/streams/(?P<which>\w+)/$"),
]
