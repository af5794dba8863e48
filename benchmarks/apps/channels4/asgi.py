"""The application as Channels 4 runs it.

``BENCHMARK_CONSUMERS`` chooses how WebSockets are answered: ``async`` in the server's process,
``sync`` in a thread of it, or ``worker``: the socket's process hands each message to a worker
over the channel layer, and the worker answers over it.
"""

import asyncio
import os
import time

import django
from django.core.asgi import get_asgi_application
from django.urls import path

from benchmarks.apps import SLOW, USERNAME
from channels.consumer import SyncConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.apps.channels4.settings")
django.setup()

from asgiref.sync import async_to_sync  # noqa: E402 (Django first)

from channels.auth import AuthMiddlewareStack  # noqa: E402 (Django first)

CONSUMERS = os.environ.get("BENCHMARK_CONSUMERS", "async")


class Echo(AsyncWebsocketConsumer):
    """Send back what came."""

    async def receive(self, text_data=None, bytes_data=None):
        if CONSUMERS == "worker":
            await self.channel_layer.send(
                "echo", {"type": "echo", "reply": self.channel_name, "text": text_data}
            )
        else:
            await self.send(text_data=text_data)

    async def answer(self, event):
        await self.send(text_data=event["text"])


class Slow(AsyncWebsocketConsumer):
    """Send back what came, after a while in which others are served."""

    async def receive(self, text_data=None, bytes_data=None):
        await asyncio.sleep(SLOW)
        await self.send(text_data=text_data)


class Member(AsyncWebsocketConsumer):
    """Send what came to every member."""

    groups = ["bench"]

    async def connect(self):
        await self.accept()
        await self.send(text_data="joined")

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("bench", {"type": "answer", "text": text_data})

    async def answer(self, event):
        await self.send(text_data=event["text"])


class SyncEcho(WebsocketConsumer):
    """Send back what came."""

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data)


class SyncSlow(WebsocketConsumer):
    """Send back what came, after a while in which the thread can do nothing else."""

    def receive(self, text_data=None, bytes_data=None):
        time.sleep(SLOW)
        self.send(text_data=text_data)


class User(WebsocketConsumer):
    """Send back what a known user says."""

    def receive(self, text_data=None, bytes_data=None):
        known = self.scope["user"].username == USERNAME
        self.send(text_data=text_data if known else "who are you?")


class EchoWorker(SyncConsumer):
    """The worker's half."""

    def echo(self, event):
        send = async_to_sync(self.channel_layer.send)
        send(event["reply"], {"type": "answer", "text": event["text"]})


echo = SyncEcho if CONSUMERS == "sync" else Echo
slow = SyncSlow if CONSUMERS == "sync" else Slow

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter(
            [
                path("echo/", echo.as_asgi()),
                path("accept/", echo.as_asgi()),
                path("slow/", slow.as_asgi()),
                path("group/", Member.as_asgi()),
                path("user/", AuthMiddlewareStack(User.as_asgi())),
            ]
        ),
        "channel": ChannelNameRouter({"echo": EchoWorker.as_asgi()}),
    }
)
