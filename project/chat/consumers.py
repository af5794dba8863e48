"""A chat without any state of its own: the path says which room a socket is in.

A page sends ``{"name", "text"}`` to say something, and ``{"after": id}`` whenever its socket
has opened: what was said since that message comes as ``{"history": […]}``.  The socket is in
the group by then, so nothing falls between the two; what comes twice has the same id.
"""

import hashlib
import json

from channels import Group
from chat.models import ChatMessage

#: Most messages in one answer; a page asks again while there are more.
HISTORY = 100


class NotSaid(Exception):
    """A message that was refused; the text is for its sender."""


def room_group(room):
    # Names of groups are short and ASCII, those of rooms are in any script.
    return Group("chat-" + hashlib.sha256(room.encode()).hexdigest())


def connect(message, room):
    message.reply_channel.send({"accept": True})
    room_group(room).add(message.reply_channel)


def receive(message, room):
    try:
        content = parse(message.get("text"))
        if "after" in content:
            message.reply_channel.send({"text": json.dumps(history(room, content["after"]))})
            return
        said = check(content)
    except NotSaid as refusal:
        # One client's nonsense is that client's problem: tell it, and nobody else.
        message.reply_channel.send({"text": json.dumps({"error": str(refusal)})})
        return
    saved = ChatMessage.objects.create(room=room, **said)
    room_group(room).send({"text": json.dumps(saved.as_json())})


def disconnect(message, room):
    room_group(room).discard(message.reply_channel)


def parse(text):
    """Return a frame's content; anything else comes from a page that is not ours."""
    try:
        content = json.loads(text)
    except (TypeError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise NotSaid("That was not sent: it is no JSON object.")
    return content


def history(room, after):
    if not isinstance(after, int) or not -(2**63) <= after < 2**63:
        raise NotSaid("There is no message with that id.")
    found = ChatMessage.objects.filter(room=room, pk__gt=after).order_by("pk")[: HISTORY + 1]
    messages = [one.as_json() for one in found]
    return {"history": messages[:HISTORY], "more": len(messages) > HISTORY}


def check(content):
    """Return the fields of what a member said."""
    said = {}
    for field in ("name", "text"):
        value = content.get(field)
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise NotSaid("That was not sent: a message needs a name and a text.")
        said[field] = value.strip()
        length, most = len(said[field]), ChatMessage.longest(field)
        if length > most:
            raise NotSaid(
                f"That was not sent: the {field} has {length} characters, {most} are the most."
            )
    return said
