"""Bad input in a running worker: said in the log with the consumer's name, and then the next."""

from __future__ import annotations

import pytest

from channels.generic.websockets import JsonWebsocketConsumer, WebsocketDemultiplexer
from channels.layers.clients import Answer, Frame, Send
from tests.support.scripted import ScriptedLayer, run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


class Echo(JsonWebsocketConsumer):
    def receive(self, content, multiplexer=None, **kwargs):
        (multiplexer or self).send(content)


class Streams(WebsocketDemultiplexer):
    consumers = {"echo": Echo}


@pytest.mark.parametrize(
    ("consumer", "bad", "good"),
    [
        (Echo, {"text": "{"}, '{"n": 1}'),
        (Echo, {"bytes": b"x"}, '{"n": 1}'),
        (Echo, {}, '{"n": 1}'),
        (Streams, {"text": '{"stream": "no", "payload": {}}'}, '{"stream": "echo", "payload": {}}'),
        (Streams, {"text": "[" * 100_000}, '{"stream": "echo", "payload": {}}'),
    ],
    ids=["no JSON", "binary", "neither", "unknown stream", "too deep"],
)
def test_the_worker_goes_on(consumer, bad, good, caplog):
    socket = {"reply_channel": "server!socket", "path": "/"}
    frames = [Frame("websocket.receive", [{**socket, **bad}, {**socket, "text": good}], b"r", True)]
    layer = ScriptedLayer(*frames)

    run_until_idle(layer, ("websocket.receive", consumer))

    assert layer.client.done == [Send("server!socket", {"text": good}), Answer(b"r")]
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert f"test_in_a_worker.{consumer.__name__}" in record.getMessage()
