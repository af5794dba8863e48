"""Several streams over one socket."""

from __future__ import annotations

import datetime
import gc
import json
import threading
import weakref

import pytest

from channels.exceptions import ConsumeLater, SendNotAvailableOnDemultiplexer
from channels.generic.websockets import (
    JsonWebsocketConsumer,
    WebsocketConsumer,
    WebsocketDemultiplexer,
    WebsocketMultiplexer,
)

SOCKET = "server!socket"


class Echo(JsonWebsocketConsumer):
    def connect(self, message, multiplexer=None, **kwargs):
        multiplexer.send(["connect", kwargs])

    def receive(self, content, multiplexer=None, **kwargs):
        multiplexer.send(content)

    def disconnect(self, message, multiplexer=None, **kwargs):
        multiplexer.send(["disconnect", kwargs])


class Streams(WebsocketDemultiplexer):
    consumers = {"echo": Echo, "other": Echo}
    groups = ["streams"]


def frame(stream, payload):
    return json.dumps({"stream": stream, "payload": payload})


def sent(layer):
    """What was sent, its text decoded."""
    return [
        json.loads(content["text"]) if "text" in content else content for _, content in layer.sent
    ]


# -- the way in ------------------------------------------------------------------------


def test_connecting_accepts_and_tells_every_consumer(message, layer):
    Streams(message("websocket.connect"), room="a")

    assert sent(layer) == [
        {"accept": True},
        {"stream": "echo", "payload": ["connect", {"room": "a"}]},
        {"stream": "other", "payload": ["connect", {"room": "a"}]},
    ]
    assert layer.members == [("add", "streams", SOCKET)]


def test_disconnecting_tells_every_consumer(message, layer):
    Streams(message("websocket.disconnect", code=1000), room="a")

    assert [one["stream"] for one in sent(layer)] == ["echo", "other"]
    assert layer.members == [("discard", "streams", SOCKET)]


def test_a_frame_goes_to_the_consumer_of_its_stream(message, layer):
    Streams(message("websocket.receive", text=frame("other", {"n": 1})))

    assert sent(layer) == [{"stream": "other", "payload": {"n": 1}}]


def test_the_consumer_gets_the_same_message_with_the_payload_as_its_text(message):
    seen = []

    class Functions(WebsocketDemultiplexer):
        consumers = {"f": lambda message, **kwargs: seen.append((message, kwargs))}

    one = message("websocket.receive", text=frame("f", {"n": 1}))
    consumer = Functions(one, room="a")

    ((got, kwargs),) = seen
    assert got is one
    assert got["text"] == '{"n": 1}'
    assert isinstance(kwargs["multiplexer"], WebsocketMultiplexer)
    assert kwargs["multiplexer"].stream == "f"
    assert kwargs["multiplexer"].reply_channel is one.reply_channel
    assert kwargs["room"] == "a"
    assert consumer.kwargs == {"room": "a"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "'stream' and 'payload'"),
        ('"text"', "'stream' and 'payload'"),
        ('{"stream": "echo"}', "'stream' and 'payload'"),
        ('{"payload": {}}', "'stream' and 'payload'"),
        (frame("unknown", {}), "no consumer for stream 'unknown'"),
        (frame(["echo"], {}), "no consumer for stream"),
        (frame(None, {}), "no consumer for stream None"),
        (frame("echo", [1]), "must be an object, not list"),
        (frame("echo", None), "must be an object, not NoneType"),
        ("{", "no JSON"),
    ],
)
def test_a_bad_frame_is_refused_with_the_name_of_the_class(message, layer, text, said):
    with pytest.raises(ValueError, match=said) as caught:
        Streams(message("websocket.receive", text=text))

    assert "test_demultiplexer.Streams" in str(caught.value)
    assert layer.sent == []


def test_a_message_that_is_put_back_is_whole_again(message):
    class Later(WebsocketDemultiplexer):
        consumers = {"later": lambda message, **kwargs: (_ for _ in ()).throw(ConsumeLater())}

    one = message("websocket.receive", text=frame("later", {"n": 1}))
    with pytest.raises(ConsumeLater):
        Later(one)

    assert one["text"] == frame("later", {"n": 1})


def test_one_consumer_that_fails_does_not_keep_others_from_the_disconnect(message, layer):
    def broken(message, **kwargs):
        raise LookupError("first")

    class Fragile(WebsocketDemultiplexer):
        consumers = {"broken": broken, "echo": Echo}

    with pytest.raises(LookupError, match="first"):
        Fragile(message("websocket.disconnect", code=1000))

    assert sent(layer) == [{"stream": "echo", "payload": ["disconnect", {}]}]


def test_a_disconnect_that_is_put_back_is_not_half_done(message, layer):
    def later(message, **kwargs):
        raise ConsumeLater

    class Later(WebsocketDemultiplexer):
        consumers = {"later": later, "echo": Echo}

    with pytest.raises(ConsumeLater):
        Later(message("websocket.disconnect", code=1000))

    assert layer.sent == []


def test_a_coroutine_consumes_a_stream(message, layer):
    async def function(message, multiplexer, **kwargs):
        multiplexer.send({"from": "function"})

    class Class(JsonWebsocketConsumer):
        async def receive(self, content, multiplexer=None, **kwargs):
            multiplexer.send({"from": "class"})

    class Slow(WebsocketDemultiplexer):
        consumers = {"f": function, "c": Class}

    Slow(message("websocket.receive", text=frame("f", {})))
    Slow(message("websocket.receive", text=frame("c", {})))

    assert [one["payload"]["from"] for one in sent(layer)] == ["function", "class"]


@pytest.mark.django_db
def test_streams_share_the_session_of_the_socket(message):
    class Writer(JsonWebsocketConsumer):
        channel_session = True

        def receive(self, content, **kwargs):
            self.message.channel_session["seen"] = content

    class Sessions(WebsocketDemultiplexer):
        channel_session = True
        consumers = {"w": Writer}

    consumer = Sessions(message("websocket.receive", text=frame("w", {"n": 1})))

    assert consumer.message.channel_session["seen"] == {"n": 1}


@pytest.mark.django_db
def test_a_frame_costs_no_query(message, django_assert_num_queries):
    class WithUser(Streams):
        http_user = True

    for consumer in (Streams, WithUser):
        with django_assert_num_queries(0):
            consumer(message("websocket.receive", text=frame("echo", {"n": 1})))


# -- the way out -----------------------------------------------------------------------


def test_a_multiplexer_writes_frames(message, layer):
    WebsocketMultiplexer.group_send("everyone", "s", {"n": 1})
    WebsocketMultiplexer.group_send("everyone", "s", {"n": 1}, close=3001)

    assert WebsocketMultiplexer.encode("s", [1]) == {"text": '{"stream": "s", "payload": [1]}'}
    assert layer.sent == [
        ("*everyone", {"text": '{"stream": "s", "payload": {"n": 1}}'}),
        ("*everyone", {"text": '{"stream": "s", "payload": {"n": 1}}', "close": True}),
    ]


def test_a_multiplexer_writes_dates():
    text = WebsocketMultiplexer.encode("s", datetime.date(2026, 1, 2))["text"]

    assert json.loads(text)["payload"] == "2026-01-02"


def test_the_multiplexer_can_be_replaced(message, layer):
    class Shouting(WebsocketMultiplexer):
        @classmethod
        def encode_json(cls, content):
            return json.dumps(content).upper()

    class Loud(Streams):
        multiplexer_class = Shouting

    Loud(message("websocket.receive", text=frame("echo", {"n": "x"})))
    Shouting.group_send("everyone", "s", {"n": "x"})

    assert layer.sent == [
        (SOCKET, {"text": '{"STREAM": "ECHO", "PAYLOAD": {"N": "X"}}'}),
        ("*everyone", {"text": '{"STREAM": "S", "PAYLOAD": {"N": "X"}}'}),
    ]


class Careless(JsonWebsocketConsumer):
    """Sends by itself, which is right only where nothing demultiplexes."""

    def receive(self, content, **kwargs):
        self.send(content)


class Overridden(WebsocketConsumer):
    def receive(self, text=None, bytes=None, **kwargs):
        self.send(text)

    def send(self, text):
        self.message.reply_channel.send({"text": text})


@pytest.mark.parametrize("consumer", [Careless, Overridden])
def test_a_consumer_must_not_send_by_itself_on_a_stream(message, layer, consumer):
    class Carefree(WebsocketDemultiplexer):
        consumers = {"s": consumer}

    with pytest.raises(SendNotAvailableOnDemultiplexer, match="multiplexer") as caught:
        Carefree(message("websocket.receive", text=frame("s", {"n": 1})))

    assert consumer.__name__ in str(caught.value)
    assert layer.sent == []


def test_the_same_class_still_serves_sockets_by_itself(message, layer):
    class Carefree(WebsocketDemultiplexer):
        consumers = {"s": Careless}

    own_send = Careless.send
    with pytest.raises(SendNotAvailableOnDemultiplexer):
        Carefree(message("websocket.receive", text=frame("s", {"n": 1})))

    Careless(message("websocket.receive", text='{"n": 2}'))

    assert Careless.send is own_send
    assert layer.sent == [(SOCKET, {"text": '{"n": 2}'})]


def test_both_ways_at_the_same_time_in_two_threads(message, layer):
    """While one thread is inside of the stream's consumer, another one serves a socket."""
    alone_is_done = threading.Event()

    class Both(JsonWebsocketConsumer):
        def receive(self, content, multiplexer=None, **kwargs):
            if multiplexer is not None:
                assert alone_is_done.wait(5)
            self.send(content)

    class Carefree(WebsocketDemultiplexer):
        consumers = {"s": Both}

    refused = []

    def demultiplex():
        try:
            Carefree(message("websocket.receive", text=frame("s", {"n": 1})))
        except SendNotAvailableOnDemultiplexer as error:
            refused.append(error)

    thread = threading.Thread(target=demultiplex)
    thread.start()
    Both(message("websocket.receive", text='{"n": 2}'))
    alone_is_done.set()
    thread.join(5)

    assert len(refused) == 1
    assert layer.sent == [(SOCKET, {"text": '{"n": 2}'})]


def test_a_consumer_is_not_kept_alive(message):
    kept = []

    class Watched(JsonWebsocketConsumer):
        def receive(self, content, **kwargs):
            kept.append(weakref.ref(self))

    class Carefree(WebsocketDemultiplexer):
        consumers = {"s": Watched}

    Carefree(message("websocket.receive", text=frame("s", {})))
    gc.collect()

    assert kept[0]() is None


def test_a_demultiplexer_does_not_send_itself(message, layer):
    consumer = Streams(message("websocket.receive", text=frame("echo", {})))

    with pytest.raises(SendNotAvailableOnDemultiplexer):
        consumer.send({"n": 1})
    with pytest.raises(SendNotAvailableOnDemultiplexer):
        Streams.group_send("everyone", {"n": 1})

    assert len(layer.sent) == 1


def test_any_callable_consumes_a_stream_even_one_that_can_send(message, layer):
    class Bus:
        def __init__(self):
            self.sent = []

        def __call__(self, message, multiplexer):
            self.send(message["text"])

        def send(self, text):
            self.sent.append(text)

    bus = Bus()

    class Buses(WebsocketDemultiplexer):
        consumers = {"bus": bus}

    Buses(message("websocket.receive", text=frame("bus", {"n": 1})))

    assert bus.sent == ['{"n": 1}']


def test_streams_nest(message, layer):
    class Outer(WebsocketDemultiplexer):
        consumers = {"inner": Streams}

    Outer(message("websocket.receive", text=frame("inner", json.loads(frame("echo", {"n": 1})))))

    assert sent(layer) == [{"stream": "echo", "payload": {"n": 1}}]
