"""Which sockets were opened with a browser's session: a group for each session key.

A socket joins the group as a decorator looks for the http session of its
``websocket.connect``, so one that has no such decorator, or no cookie, joins none.
"""

from __future__ import annotations

import hashlib

from channels import conf
from channels.channel import Group
from channels.message import Message


def session_group(session_key: str) -> str:
    """Return the name of the group of the sockets that were opened with an http session."""
    # Hashed: the key is a credential, and any cookie's value may come here.
    return f"__session__.{hashlib.sha256(session_key.encode()).hexdigest()[:40]}"


def note_socket(message: Message, session_key: str) -> None:
    """Have a log-out find the socket, if the message opens one and log-outs close sockets."""
    if message.channel.name != "websocket.connect" or message.reply_channel is None:
        return
    layer = message.channel_layer
    if "groups" in getattr(layer, "extensions", ()) and conf.close_on_logout():
        Group(session_group(session_key), channel_layer=layer).add(message.reply_channel)
