"""Consumers that write down what they saw, and a view that takes its time."""

import os
import random
import time

from django.http import HttpResponse
from django.urls import path

from channels import Group, route


def note(*words):
    """Append one line to the notes; atomic, so that several processes can."""
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(" ".join(map(str, words)) + "\n")


def connect(message):
    message.reply_channel.send({"accept": True})
    Group("everyone").add(message.reply_channel)


def receive(message):
    text = message["text"]
    # Uneven, so that two workers on one socket would overtake each other.
    time.sleep(random.random() * 0.004)
    if text.startswith("all:"):
        Group("everyone").send({"text": text})
    else:
        message.reply_channel.send({"text": f"{text} {os.getpid()}"})


def disconnect(message):
    note("disconnect", message["path"], message["code"])


def slow(request):
    note("slow", os.getpid())
    time.sleep(1)
    return HttpResponse("done")


def hello(request):
    return HttpResponse("hello")


urlpatterns = [path("slow/", slow), path("hello/", hello)]

routing = [
    route("websocket.connect", connect),
    route("websocket.receive", receive),
    route("websocket.disconnect", disconnect),
]
