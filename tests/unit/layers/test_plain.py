"""A layer that has only the synchronous interface."""

import asyncio
import queue
import threading

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.interface_server.bridge.hub import Hub, open_client
from channels.layers.base import BaseChannelLayer
from channels.layers.clients import Receipt, Reply
from channels.layers.plain import PlainServerClient

BOUND = 5.0


class ForeignFull(Exception):
    pass


class ForeignLayer:
    """As small as a layer can be; waits, and can be told to fail."""

    ChannelFull = ForeignFull

    def __init__(self, blocks=True):
        self.blocks = blocks
        self.mailbox = queue.Queue()
        self.sent = []
        self.failing = None
        self.receives = 0

    def send(self, channel, message):
        if self.failing:
            raise self.failing
        self.sent.append((channel, message, threading.current_thread().name))

    def receive(self, channels, block=False):
        self.receives += 1
        try:
            item = self.mailbox.get(timeout=0.05 if self.blocks else 0)
        except queue.Empty:
            return None, None
        if isinstance(item, Exception):
            raise item
        return item


class Listener:
    def __init__(self):
        self.events = []
        self.changed = asyncio.Event()

    def _note(self, event):
        self.events.append(event)
        self.changed.set()

    def deliver(self, items):
        for item in items:
            if item == Reply("bad", {}):
                raise RuntimeError("a listener must not raise, but who knows")
            self._note(item)

    def layer_lost(self, error):
        self._note(f"lost: {error}")

    def layer_back(self):
        self._note("back")

    async def wait_for(self, count):
        while len(self.events) < count:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), BOUND)


def run(scenario, layer, sleep=None):
    """Run a scenario against a started client, and stop it."""

    async def main():
        client = PlainServerClient(layer, "web.x!", sleep)
        listener = Listener()
        await client.start(listener, {})
        try:
            await scenario(client, listener)
        finally:
            await client.stop()
        assert not any(thread.is_alive() for thread in client._threads)

    asyncio.run(main())


def test_messages_are_delivered_in_order_under_their_local_names():
    layer = ForeignLayer()

    async def scenario(client, listener):
        for n in range(10):
            layer.mailbox.put((f"web.x!{n}", {"text": str(n)}))
        await listener.wait_for(10)
        assert listener.events == [Reply(str(n), {"text": str(n)}) for n in range(10)]

    run(scenario, layer)


def test_frames_are_sent_in_order_by_another_thread_and_count_as_answered():
    layer = ForeignLayer()
    done = []

    async def scenario(client, listener):
        for n in range(10):
            client.send("websocket.receive", [{"n": n}], receipt=n + 1, done=done.append)
        client.send("http.disconnect", [{"n": 10}])
        await listener.wait_for(10)
        assert listener.events == [Receipt(n + 1) for n in range(10)]

    run(scenario, layer)
    assert [message["n"] for _, message, _ in layer.sent] == list(range(11))
    assert threading.current_thread().name not in {name for _, _, name in layer.sent}
    assert done == [None] * 10


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ForeignFull("no room"), ChannelFull),
        (ChannelFull("c", 1), ChannelFull),
        (MessageTooLarge("c", 2, 1), MessageTooLarge),
        (TypeError("bad"), TypeError),
        (LayerUnavailable("gone"), LayerUnavailable),
        (OSError("connection refused"), LayerUnavailable),
    ],
)
def test_what_a_layer_raises_is_told_in_our_terms(raised, told):
    layer = ForeignLayer()
    layer.failing = raised
    done = []

    async def scenario(client, listener):
        client.send("c", [{}], receipt=1, done=done.append)

    run(scenario, layer)
    assert [type(error) for error in done] == [told]


def test_a_layer_that_raises_is_reported_once_and_tried_again_with_pauses():
    layer = ForeignLayer()
    pauses = []

    async def scenario(client, listener):
        for _ in range(6):
            layer.mailbox.put(OSError("gone"))
        layer.mailbox.put(("web.x!a", {}))
        await listener.wait_for(3)
        assert listener.events == ["lost: gone", "back", Reply("a", {})]

    run(scenario, layer, sleep=pauses.append)
    assert pauses[:6] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_layer_that_ignores_block_is_polled_with_pauses():
    layer = ForeignLayer(blocks=False)
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        threading.Event().wait(0.001)

    async def scenario(client, listener):
        layer.mailbox.put(("web.x!a", {}))
        await listener.wait_for(1)
        while not pauses:
            await asyncio.sleep(0)

    run(scenario, layer, sleep=pause)
    assert set(pauses) == {0.05}


def test_a_listener_that_raises_stops_nothing(caplog):
    layer = ForeignLayer()

    async def scenario(client, listener):
        layer.mailbox.put(("web.x!bad", {}))
        layer.mailbox.put(("web.x!good", {}))
        await listener.wait_for(1)
        assert listener.events == [Reply("good", {})]

    run(scenario, layer)
    assert "could not deliver" in caplog.text


def test_it_claims_nothing_that_such_a_layer_cannot_know():
    async def scenario(client, listener):
        assert client.memberships("a") == ()
        assert await client.read_body("a", 5) == []
        assert await client.processes() == []
        assert await client.queued("c", [1, 2]) == {1, 2}
        assert client.receipt_bytes(5) == b"5"
        assert client.now() > client.settled_since
        await client.mark()
        client.forget([("g", "a")])
        client.keep(["a"])

    run(scenario, ForeignLayer())


def test_a_closed_loop_loses_what_comes_too_late(caplog):
    client = PlainServerClient(ForeignLayer(), "web.x!")
    loop = asyncio.new_event_loop()
    client._loop = loop
    loop.close()
    client._call(lambda: None)
    assert caplog.records == []


class TestOpenClient:
    def test_a_layer_without_our_face_is_adapted(self):
        client = open_client(ForeignLayer())
        assert isinstance(client, PlainServerClient)
        assert client.mailbox.startswith("web.")
        assert client.mailbox.endswith("!")
        assert len(client.mailbox) == len("web.!") + 16

    def test_so_is_a_base_layer_that_does_not_define_it(self):
        assert isinstance(open_client(BaseChannelLayer()), PlainServerClient)

    def test_our_own_layers_give_their_client(self):
        class Own:
            def open_server(self, mailbox):
                return f"client of {mailbox}"

        assert open_client(Own(), "daphne").startswith("client of daphne.")

    def test_frames_hold_one_message_each(self):
        assert Hub(PlainServerClient(ForeignLayer(), "web.x!"))._state.settings.frame_messages == 1
