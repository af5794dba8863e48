"""Rooms by path, names by session: function consumers and groups."""

import json
from urllib.parse import parse_qs

from channels import Group, route
from channels.exceptions import DenyConnection
from channels.sessions import channel_session


def room_group(room):
    return Group(f"chat-{room}")


@channel_session
def ws_connect(message, room):
    params = parse_qs(message.content["query_string"].decode("utf8"))
    if "username" not in params:
        raise DenyConnection("nameless")
    message.channel_session["username"] = params["username"][0]
    message.channel_session["room"] = room
    message.reply_channel.send({"accept": True})
    room_group(room).add(message.reply_channel)
    room_group(room).send({"text": json.dumps({"join": message.channel_session["username"]})})


@channel_session
def ws_message(message, room):
    assert message.channel_session["room"] == room
    text = json.dumps({"from": message.channel_session["username"], "text": message["text"]})
    room_group(room).send({"text": text})


@channel_session
def ws_disconnect(message, room):
    if "room" not in message.channel_session:  # denied
        return
    group = room_group(message.channel_session["room"])
    group.discard(message.reply_channel)
    group.send({"text": json.dumps({"leave": message.channel_session["username"]})})


routing = [
    route("websocket.connect", ws_connect, path=r"^/(?P<room>[a-zA-Z0-9_]+)/$"),
    route("websocket.receive", ws_message, path=r"^/(?P<room>[a-zA-Z0-9_]+)/$"),
    route("websocket.disconnect", ws_disconnect, path=r"^/(?P<room>[a-zA-Z0-9_]+)/$"),
]
