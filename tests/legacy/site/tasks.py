"""Work behind the views: a channel of its own, tried again until it can be done."""

import json

from channels import Channel, Group, route
from channels.exceptions import ConsumeLater
from tests.legacy.site.marks import marks


def work(message):
    if marks("work-{}".format(message["id"])) < 3:
        raise ConsumeLater()
    Group("results").send({"text": json.dumps({"done": message["id"], "tries": 3})})
    Channel("work.stored").send({"id": message["id"]})


def hopeless(message):
    marks("hopeless")
    raise ConsumeLater()


def stored(message):
    marks("stored-{}".format(message["id"]))


def answer_later(message):
    """Answer the request whose view raised ResponseLater."""
    Channel(message["reply_to"]).send(
        {"status": 200, "headers": [], "content": b"answered later", "more_content": False}
    )


def results_connect(message):
    message.reply_channel.send({"accept": True})
    Group("results").add(message.reply_channel)


def results_receive(message):
    message.reply_channel.send({"text": "ready"})


routing = [
    route("work", work),
    route("work.hopeless", hopeless),
    route("work.stored", stored),
    route("answer-later", answer_later),
    route("websocket.connect", results_connect, path=r"^/results/$"),
    route("websocket.receive", results_receive, path=r"^/results/$"),
]
