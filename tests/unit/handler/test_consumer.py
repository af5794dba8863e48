"""ViewConsumer: a request in, replies in the layer."""

from __future__ import annotations

import threading

import pytest
from django.http import StreamingHttpResponse

from channels import channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.exceptions import ChannelFull
from channels.handler import AsgiHandler, ViewConsumer
from channels.layers.inmemory import InMemoryChannelLayer
from channels.routing import Router
from channels.signals import consumer_finished, consumer_started
from tests.unit.handler import middleware
from tests.unit.handler.messages import REPLY_CHANNEL, http_request


@pytest.fixture(autouse=True)
def _project(settings):
    settings.ROOT_URLCONF = "tests.unit.handler.views"
    settings.MIDDLEWARE = []
    middleware.noted.clear()


@pytest.fixture
def layer():
    """The default layer, for what views send without naming one."""
    wrapper = ChannelLayerWrapper(InMemoryChannelLayer(capacity=100), "default", [])
    old = channel_layers.set("default", wrapper)
    yield wrapper
    channel_layers.set("default", old)


def replies(layer):
    found = []
    while (message := layer.receive([REPLY_CHANNEL.split("!")[0] + "!"])[1]) is not None:
        found.append(message)
    return found


def consume(consumer, message):
    consumer_started.send(sender=None)
    try:
        consumer(message)
    finally:
        consumer_finished.send(sender=None)


def test_the_view_answers_on_the_reply_channel(layer):
    ViewConsumer()(http_request("/hello/", layer=layer))

    (reply,) = replies(layer)
    assert (reply["status"], reply["content"]) == (200, b"Hello you")


def test_inside_of_a_consumer_it_answers_as_well(layer):
    consume(ViewConsumer(), http_request("/notify/", layer=layer))

    assert replies(layer)[0]["content"] == b"notified"
    assert layer.receive(["news"]) == ("news", {"text": "a view has run"})


@pytest.mark.parametrize("path", ["/notify/", "/notify-async/"])
def test_what_the_view_sends_waits_for_the_end_of_the_response(layer, path):
    order = []
    layer.send = lambda channel, message: order.append(channel)

    consume(ViewConsumer(), http_request(path, layer=layer))

    assert order == [REPLY_CHANNEL, "news"]


def test_a_stream_is_sent_part_by_part_while_the_view_runs(layer):
    seen = []

    def parts():
        for n in range(3):
            seen.append(len(replies(layer)))
            yield str(n)

    class Streaming(AsgiHandler):
        def get_response(self, request):
            return StreamingHttpResponse(parts())

    class Consumer(ViewConsumer):
        handler_class = Streaming

    consume(Consumer(), http_request(layer=layer))

    assert seen == [0, 1, 1]


def test_the_middleware_is_loaded_with_the_first_request_and_never_again(layer, settings):
    settings.MIDDLEWARE = ["tests.unit.handler.middleware.Noting"]
    consumer = ViewConsumer()
    assert middleware.noted == []

    for _ in range(2):
        consumer(http_request("/hello/", layer=layer))

    assert middleware.noted.count("loaded") == 1


def test_threads_that_come_first_together_load_it_once(layer):
    built = []
    barrier = threading.Barrier(4)

    class Counted(AsgiHandler):
        def __init__(self):
            built.append(self)
            super().__init__()

    class Consumer(ViewConsumer):
        handler_class = Counted

    consumer = Consumer()

    def ask():
        barrier.wait(10)
        consumer.handler  # noqa: B018 (the access builds)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(built) == 1


def test_a_view_that_answers_later_sends_nothing(layer):
    consume(ViewConsumer(), http_request("/later/", layer=layer))

    assert replies(layer) == []


def test_a_message_without_reply_channel_is_refused_before_the_view_runs(layer):
    with pytest.raises(ValueError, match="reply_channel"):
        ViewConsumer()(http_request("/notify/", reply_channel=None, layer=layer))

    assert layer.receive(["news"]) == (None, None)


def test_the_rest_of_a_dropped_response_is_not_made():
    made = []

    def parts():
        for n in range(5):
            made.append(n)
            yield str(n)

    class Streaming(AsgiHandler):
        def get_response(self, request):
            return StreamingHttpResponse(parts())

    class Consumer(ViewConsumer):
        handler_class = Streaming

    class FullAfterOne(InMemoryChannelLayer):
        def send(self, channel, message):
            if "status" not in message:
                raise ChannelFull(channel, 1)
            super().send(channel, message)

    layer = FullAfterOne()
    layer.expiry = 0  # so long is waited for room

    Consumer()(http_request(layer=layer))

    assert made == [0, 1]


def test_a_stream_that_breaks_is_the_consumers_error(layer):
    def parts():
        yield "one"
        raise OSError("the source broke")

    class Streaming(AsgiHandler):
        def get_response(self, request):
            return StreamingHttpResponse(parts())

    class Consumer(ViewConsumer):
        handler_class = Streaming

    with pytest.raises(OSError, match="the source broke"):
        Consumer()(http_request(layer=layer))

    # Nothing says that the response is complete: the client must not think so.
    assert [reply["more_content"] for reply in replies(layer)] == [True]


def test_route_arguments_do_no_harm(layer):
    ViewConsumer()(http_request("/hello/", layer=layer), name="x")

    assert replies(layer)[0]["status"] == 200


def test_it_is_what_a_router_has_for_http_by_default():
    router = Router([])

    router.check_default()

    consumer, kwargs = router.match(http_request("/anything/"))
    assert isinstance(consumer, ViewConsumer)
    assert kwargs == {}
