"""Messages of one connection, and what its sessions hold."""

from __future__ import annotations

import importlib

from django.conf import settings as django_settings

from channels.message import Message
from channels.sessions import channel_session, session_for_reply_channel
from tests.support.recording import RecordingLayer

NAME = "web.Zk81!Qx3f"
COOKIE = django_settings.SESSION_COOKIE_NAME


def receive(ordered=False, channel="websocket.receive", **content):
    message = Message({"reply_channel": NAME, "path": "/", **content}, channel, RecordingLayer())
    message.ordered = ordered
    return message


def connect(*pairs, **content):
    return receive(channel="websocket.connect", headers=[*pairs], query_string=b"", **content)


def cookie(key):
    return (b"cookie", f"{COOKIE}={key}".encode())


def stored_http_session(**data):
    session = importlib.import_module(django_settings.SESSION_ENGINE).SessionStore()
    session.update(data)
    session.create()
    session.update(data)
    session.save()
    return session.session_key


def stored():
    return dict(session_for_reply_channel(NAME).items())


@channel_session
def remember(message, value="frog"):
    message.channel_session["animal"] = value
    return value
