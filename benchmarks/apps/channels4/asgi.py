"""The application: consumers that answer in process, or through a worker of its own.

``BENCHMARK_WORKER=1`` chooses the second: the socket's process hands each message
to a worker over the channel layer, and the worker answers over it.
"""

import os

import django
from django.core.asgi import get_asgi_application
from django.urls import path

from channels.consumer import SyncConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.apps.channels4.settings")
django.setup()

from asgiref.sync import async_to_sync  # noqa: E402 (Django first)

THROUGH_WORKER = os.environ.get("BENCHMARK_WORKER") == "1"


class Echo(AsyncWebsocketConsumer):
    """Send back what came."""

    async def receive(self, text_data=None, bytes_data=None):
        if THROUGH_WORKER:
            await self.channel_layer.send(
                "echo", {"type": "echo", "reply": self.channel_name, "text": text_data}
            )
        else:
            await self.send(text_data=text_data)

    async def answer(self, event):
        await self.send(text_data=event["text"])


class Member(AsyncWebsocketConsumer):
    """Send what came to every member."""

    groups = ["bench"]

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("bench", {"type": "answer", "text": text_data})

    async def answer(self, event):
        await self.send(text_data=event["text"])


class EchoWorker(SyncConsumer):
    """The worker's half."""

    def echo(self, event):
        send = async_to_sync(self.channel_layer.send)
        send(event["reply"], {"type": "answer", "text": event["text"]})


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("echo/", Echo.as_asgi()), path("group/", Member.as_asgi())]),
        "channel": ChannelNameRouter({"echo": EchoWorker.as_asgi()}),
    }
)
