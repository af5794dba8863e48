"""Consumers that write down what they saw, and a view that takes its time."""

import ast
import os
import random
import time

from django.http import HttpResponse
from django.urls import path

from channels import Channel, Group, route
from channels.handler import ViewConsumer
from tests.faults.site.notes import note
from tests.faults.site.streams import stream


def connect(message):
    if message["path"] == "/silent/":
        return
    message.reply_channel.send({"accept": True})
    Group("everyone").add(message.reply_channel)


def receive(message):
    text = message["text"]
    if text.startswith("quick "):  # so quick that a worker takes many of them at once
        note("frame", text.partition(" ")[2])
        message.reply_channel.send({"text": text})
        return
    # Uneven, so that two workers on one socket would overtake each other.
    time.sleep(random.random() * 0.004)
    if text.startswith("all:"):
        Group("everyone").send({"text": text})
    elif text.startswith("flood"):
        for _ in range(int(text.split()[1])):
            message.reply_channel.send({"bytes": bytes(100_000)})
    elif text.startswith("large"):
        message.reply_channel.send({"text": "x" * int(text.split()[1])})
    elif text == "hold":
        note("held", "again" if message.redelivered else "first")
        if not message.redelivered:
            time.sleep(60)  # until it is killed
        message.reply_channel.send({"text": text})
    elif text.startswith("reply "):
        message.reply_channel.send(ast.literal_eval(text[6:]))
    else:
        if ":" in text:  # socket and number: the test counts
            note("frame", text)
        message.reply_channel.send({"text": f"{text} {os.getpid()}"})


def disconnect(message):
    note("disconnect", message["path"], message["code"])


def task(message):
    """Send so many messages somewhere, in one flush."""
    note("task", message["count"])
    for number in range(message["count"]):
        Channel(message["to"]).send({"text": str(number)})


def raw(message):
    """Answer a request without a view, in one message of any size."""
    size = int(message["query_string"].partition(b"=")[2])
    message.reply_channel.send({"status": 200, "headers": [], "content": bytes(size)})


def slow(request):
    note("slow", os.getpid())
    time.sleep(1)
    return HttpResponse("done")


def hello(request):
    return HttpResponse("hello")


urlpatterns = [path("slow/", slow), path("hello/", hello), path("stream/<kind>/", stream)]

routing = [
    route("http.request", raw, path="^/raw/$"),
    route("http.request", ViewConsumer()),
    route("task", task),
    route("websocket.connect", connect),
    route("websocket.receive", receive),
    route("websocket.disconnect", disconnect),
]
