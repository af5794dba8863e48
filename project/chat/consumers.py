"""A chat without any state of its own: the path says which room a socket is in."""

import json

from django.core.exceptions import ValidationError

from channels import Group
from chat.models import ChatMessage


def room_group(room):
    return Group(f"chat-{room}")


def connect(message, room):
    message.reply_channel.send({"accept": True})
    room_group(room).add(message.reply_channel)


def receive(message, room):
    try:
        said = parse(message["text"], room)
    except (AttributeError, KeyError, TypeError, ValueError, ValidationError):
        # One client's nonsense is that client's problem: tell it, and nobody else.
        message.reply_channel.send({"text": json.dumps({"error": "That message was not sent."})})
        return
    said.save()
    room_group(room).send({"text": json.dumps(said.as_json())})


def disconnect(message, room):
    room_group(room).discard(message.reply_channel)


def parse(text, room):
    content = json.loads(text)
    said = ChatMessage(room=room, name=content["name"].strip(), text=content["text"].strip())
    said.full_clean()
    return said
