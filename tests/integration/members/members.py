"""A club with members: views that log in and out, and sockets that know who is there."""

from django.contrib.auth import get_user_model, login, logout
from django.http import HttpResponse
from django.urls import path

from channels import Channel, Group, route
from channels.auth import (
    channel_and_http_session,
    channel_and_http_session_user_from_http,
    channel_session,
    channel_session_user,
    channel_session_user_from_http,
    http_session,
    http_session_user,
)
from channels.binding.websockets import WebsocketBinding
from channels.generic.websockets import WebsocketConsumer, WebsocketDemultiplexer
from channels.security.websockets import BaseOriginValidator
from channels.sessions import enforce_ordering, session_for_reply_channel

DECORATORS = [
    channel_session,
    http_session,
    channel_and_http_session,
    channel_session_user,
    http_session_user,
    channel_session_user_from_http,
    channel_and_http_session_user_from_http,
    enforce_ordering,
]

# -- views -------------------------------------------------------------------------------


def visit(request):
    request.session["visited"] = True
    return HttpResponse("welcome")


def log_in(request, name):
    user, _ = get_user_model().objects.get_or_create(username=name)
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse(name)


def log_out(request):
    logout(request)
    return HttpResponse("bye")


def leave(request, name):
    get_user_model().objects.filter(username=name).delete()
    return HttpResponse("gone")


def end_session(request, how):
    """End the session of a socket, as ``clearsessions`` or the passing of time would."""
    session = session_for_reply_channel(request.GET["socket"])
    if how == "delete":
        session.delete()
    else:
        session.set_expiry(-1)
        session.save()
    return HttpResponse(how)


def send(request, channel):
    Channel(channel).send({"path": "/", "text": "{}", "order": 0})
    return HttpResponse("sent")


urlpatterns = [
    path("visit/", visit),
    path("login/<name>/", log_in),
    path("logout/", log_out),
    path("leave/<name>/", leave),
    path("session/<how>/", end_session),
    path("send/<channel>/", send),
]

# -- a page ------------------------------------------------------------------------------


@channel_session_user_from_http
def open_page(message):
    message.channel_session["note"] = "first"
    message.reply_channel.send({"text": message.user.username or "nobody"})


@channel_session_user
def page(message):
    what, _, rest = message["text"].partition(" ")
    message.reply_channel.send({"text": DO[what](message, rest)})


def write(message, note):
    message.channel_session["note"] = note
    return "written"


def lose(message, save):
    """Write to a session that somebody deletes meanwhile."""
    message.channel_session["note"] += " and more"
    session_for_reply_channel(message.reply_channel.name).delete()
    if save:
        message.reply_channel.send({"text": "saving"})
        message.channel_session.save()
    return "lost"


DO = {
    "who": lambda message, _: message.user.username or "nobody",
    "name": lambda message, _: message.reply_channel.name,
    "note": lambda message, _: message.channel_session.get("note", "none"),
    "write": write,
    "lose": lose,
}

# -- others ------------------------------------------------------------------------------


def accept(message):
    message.reply_channel.send({"accept": True})


class PartnersOnly(BaseOriginValidator):
    def validate_origin(self, message, origin):
        return origin == "https://partner.example"


def watch(message):
    accept(message)
    Group("watchers").add(message.reply_channel)


def bare(message, name):
    Group("watchers").send({"text": f"{name} ran"})


def bare_consumer(decorator):
    def consumer(message):
        bare(message, decorator.__name__)

    consumer.__name__ = f"with_{decorator.__name__}"
    return decorator(consumer)


class Talk(WebsocketConsumer):
    http_user = True
    method_mapping = {"bare.Talk": "raw_receive"}


class Answering(WebsocketConsumer):
    method_mapping = {"bare.Answering": "raw_receive"}

    def receive(self, text=None, bytes=None, **kwargs):
        self.send(text="whom?")


class Streams(WebsocketDemultiplexer):
    method_mapping = {"bare.Streams": "raw_connect"}


class Members(WebsocketBinding):
    stream = "members"
    model = "auth.User"
    fields = ["username"]

    @classmethod
    def group_names(cls, instance):
        return []


routing = [
    route("websocket.connect", open_page, path="^/page/$"),
    route("websocket.receive", page, path="^/page/$"),
    route("websocket.connect", PartnersOnly(accept), path="^/partners/$"),
    route("websocket.connect", watch, path="^/watch/$"),
    *[
        route("websocket.connect", decorator(accept), path=f"^/by/{decorator.__name__}/$")
        for decorator in DECORATORS
    ],
    *[route(f"bare.{one.__name__}", bare_consumer(one)) for one in DECORATORS],
    Talk.as_route(),
    Answering.as_route(),
    Streams.as_route(),
    route("bare.Members", Members.consumer),
]
