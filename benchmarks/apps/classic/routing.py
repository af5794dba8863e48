"""Consumers and their routes."""

from channels import Group, route
from channels.message import Message


def echo(message: Message) -> None:
    """Send back what came."""
    message.reply_channel.send({"text": message["text"]})


def join(message: Message) -> None:
    """Become a member."""
    message.reply_channel.send({"accept": True})
    Group("bench").add(message.reply_channel)


def broadcast(message: Message) -> None:
    """Send what came to every member."""
    Group("bench").send({"text": message["text"]})


def leave(message: Message) -> None:
    """Be a member no longer."""
    Group("bench").discard(message.reply_channel)


channel_routing = [
    route("websocket.receive", echo, path=r"^/echo/$"),
    route("websocket.connect", join, path=r"^/group/$"),
    route("websocket.receive", broadcast, path=r"^/group/$"),
    route("websocket.disconnect", leave, path=r"^/group/$"),
]
