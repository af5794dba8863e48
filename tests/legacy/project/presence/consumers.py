import json
import threading

from django.contrib.auth import authenticate, login, logout
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

from channels import Channel, Group
from channels.asgi import channel_layers, get_channel_layer
from channels.auth import channel_session_user, http_session_user
from channels.exceptions import ConsumeLater
from channels.generic import BaseConsumer
from channels.generic.websockets import JsonWebsocketConsumer, WebsocketConsumer
from channels.handler import AsgiHandler, AsgiRequest, ViewConsumer
from channels.sessions import channel_session, enforce_ordering
from channels.signals import worker_process_ready, worker_ready

ready = []


def on_ready(sender, **kwargs):
    ready.append(type(sender).__name__)


worker_ready.connect(on_ready)
worker_process_ready.connect(on_ready)


class PresenceConsumer(JsonWebsocketConsumer):
    """
    Who is in a room; people log in over the socket itself.
    """

    channel_session_user = True
    strict_ordering = False

    def connection_groups(self, room=None):
        return ["presence-%s" % room]

    def connect(self, message, room=None):
        self.message.reply_channel.send({"accept": True})
        self.send({"count": len(self.members(room)), "you": str(self.message.user)})

    def members(self, room):
        return get_channel_layer().group_channels("presence-%s" % room)

    def receive(self, content, room=None):
        handler = getattr(self, "do_" + content["do"])
        handler(content, room)

    def fake_request(self):
        request = HttpRequest()
        request.session = self.message.channel_session
        request.user = self.message.user
        return request

    def do_login(self, content, room):
        user = authenticate(username=content["username"], password=content["password"])
        if user is None:
            self.send({"error": "wrong password"}, close=4003)
            return
        login(self.fake_request(), user)
        self.send({"you": str(user)})

    def do_logout(self, content, room):
        logout(self.fake_request())
        self.send({"you": "logged out"})

    def do_who(self, content, room):
        self.send({"you": self.message.user.username, "count": len(self.members(room))})

    def do_ready(self, content, room):
        self.send({"ready": ready})

    def do_forget(self, content, room):
        self.message.channel_session.flush()
        self.send({"forgotten": sorted(self.message.channel_session.keys())})

    def do_remember(self, content, room):
        self.message.channel_session["what"] = content["what"]
        self.send({"ok": True})

    def do_recall(self, content, room):
        self.send({"what": self.message.channel_session.get("what")})

    def do_whisper(self, content, room):
        # To one socket, by the name that it was given.
        others = set(self.members(room)) - {self.message.reply_channel.name}
        for name in others:
            Channel(name).send({"text": json.dumps({"whispered": content["text"]})})

    def do_thread(self, content, room):
        # What a thread sends does not wait for the consumer.
        name = self.message.reply_channel.name
        thread = threading.Thread(target=lambda: Channel(name).send({"text": '{"from": "thread"}'}))
        self.send({"from": "consumer"})
        thread.start()
        thread.join()

    def do_layer(self, content, room):
        layer = channel_layers["default"]
        layer.send(self.message.reply_channel.name, {"text": '{"from": "layer"}'})
        layer.send_group("presence-%s" % room, {"text": '{"from": "layer group"}'})
        Group("presence-%s" % room).send({"text": '{"from": "now"}'}, immediately=True)

    def do_later(self, content, room):
        Channel("presence.later").send(
            {
                "reply_channel": self.message.reply_channel.name,
                "key": content["key"],
            }
        )

    def disconnect(self, message, room=None):
        Group("presence-%s" % room).send(
            {
                "text": json.dumps({"left": self.message.user.username}),
            }
        )


class Decorated(WebsocketConsumer):
    """
    Decorators on methods instead of flags.
    """

    @http_session_user
    def connect(self, message, **kwargs):
        super(Decorated, self).connect(message, **kwargs)
        self.send(text=str(message.user))

    @channel_session
    def receive(self, text=None, bytes=None, **kwargs):
        pass

    @channel_session_user
    def raw_receive(self, message, **kwargs):
        n = message.channel_session.get("n", 0) + 1
        message.channel_session["n"] = n
        self.send(text="%s %d" % (message["text"], n))


class LaterConsumer(BaseConsumer):
    method_mapping = {
        "presence.later": "later",
        "presence.report": "report",
    }

    def later(self, message, **kwargs):
        tries = cache.get_or_set(message["key"], 0) + 1
        cache.set(message["key"], tries)
        if tries < 3 and "__retries__" in message.content:
            raise ConsumeLater()
        if "__retries__" not in message.content:
            raise ConsumeLater
        Channel("presence.report").send(
            {
                "reply_channel": message.reply_channel.name,
                "retries": message["__retries__"],
            }
        )

    def report(self, message, **kwargs):
        message.reply_channel.send({"text": json.dumps({"retries": message["retries"]})})


@enforce_ordering
@channel_session_user
def ordered_connect(message):
    message.reply_channel.send({"accept": True})


@enforce_ordering()
@channel_session_user
def ordered_receive(message, **kwargs):
    seen = message.channel_session.setdefault("seen", [])
    seen.append(message["text"])
    message.channel_session.modified = True
    if message["text"] == "fail":
        raise ValueError("as asked")
    message.reply_channel.send({"text": json.dumps([message["order"], len(seen)])})


@enforce_ordering(slight=False)
@channel_session
def ordered_disconnect(message):
    pass


@http_session_user
def http_whoami(message):
    request = AsgiRequest(message)
    body = "%s %s %d" % (message.user, request.method, len(request.body))
    for part in AsgiHandler.encode_response(HttpResponse(body)):
        message.reply_channel.send(part)


class ShoutingHandler(AsgiHandler):
    chunk_size = 5

    def get_response(self, request):
        response = super(ShoutingHandler, self).get_response(request)
        response.content = response.content.upper()
        if "Content-Length" in response:
            del response["Content-Length"]
        return response


class ShoutingConsumer(ViewConsumer):
    handler_class = ShoutingHandler
