"""Consumers and their routes."""

import time

from benchmarks.apps import SLOW, USERNAME
from channels import Group, route, route_class
from channels.generic.websockets import WebsocketConsumer
from channels.message import Message


def echo(message: Message) -> None:
    """Send back what came."""
    message.reply_channel.send({"text": message["text"]})


def accept(message: Message) -> None:
    """Accept a socket."""
    message.reply_channel.send({"accept": True})


def slow(message: Message) -> None:
    """Send back what came, after a while in which the worker can do nothing else."""
    time.sleep(SLOW)
    message.reply_channel.send({"text": message["text"]})


def join(message: Message) -> None:
    """Become a member, and say so."""
    message.reply_channel.send({"accept": True})
    Group("bench").add(message.reply_channel)
    message.reply_channel.send({"text": "joined"})


def broadcast(message: Message) -> None:
    """Send what came to every member."""
    Group("bench").send({"text": message["text"]})


def leave(message: Message) -> None:
    """Be a member no longer."""
    Group("bench").discard(message.reply_channel)


class User(WebsocketConsumer):
    """Send back what a known user says."""

    http_user = True

    def receive(self, text=None, bytes=None, **kwargs):
        self.send(text=text if self.message.user.username == USERNAME else "who are you?")


channel_routing = [
    route("websocket.receive", echo, path=r"^/echo/$"),
    route("websocket.connect", accept, path=r"^/accept/$"),
    route("websocket.receive", echo, path=r"^/accept/$"),
    route("websocket.receive", slow, path=r"^/slow/$"),
    route("websocket.connect", join, path=r"^/group/$"),
    route("websocket.receive", broadcast, path=r"^/group/$"),
    route("websocket.disconnect", leave, path=r"^/group/$"),
    route_class(User, path=r"^/user/$"),
]
