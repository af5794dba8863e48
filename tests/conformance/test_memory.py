"""The in-memory layer keeps every rule, and a few that only it can."""

import asyncio
import signal

import pytest

from channels.layers.clients import Answer, GiveBack, Reply, SendOptions, SocketEntry
from channels.layers.conformance import LayerConformance
from channels.layers.inmemory import InMemoryChannelLayer
from tests.conformance.suites.server import ServerClientConformance
from tests.conformance.suites.worker import WorkerClientConformance
from tests.support.clock import Clock


class InMemory:
    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def make_layer(self, clock):
        def make(**options):
            return InMemoryChannelLayer(clock=clock, **options)

        return make


class TestInMemoryLayer(InMemory, LayerConformance):
    pass


class TestInMemoryWorkerClient(InMemory, WorkerClientConformance):
    pass


class TestInMemoryServerClient(InMemory, ServerClientConformance):
    pass


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def layer(clock):
    return InMemoryChannelLayer(expiry=60, group_expiry=600, clock=clock)


def receive_all(layer, *channels):
    received = []
    while True:
        channel, message = layer.receive(list(channels))
        if channel is None:
            return received
        received.append((channel, message))


class Listener:
    """Keeps what a server is told."""

    def __init__(self):
        self.items = []

    def deliver(self, items):
        self.items.extend(items)

    def layer_lost(self, error):
        raise AssertionError(error)

    def layer_back(self):
        raise AssertionError("was never lost")


# -- what only this layer does ---------------------------------------------------------


@pytest.mark.parametrize("member", ["work", "main?abc", "p!abc"])
def test_a_message_that_expires_takes_its_channel_out_of_its_groups(layer, clock, member):
    for group in ("first", "second"):
        layer.group_add(group, member)
        layer.group_add(group, "p!other")
    layer.send(member, {})

    clock.advance(61)

    assert layer.group_channels("first") == ["p!other"]
    assert layer.group_channels("second") == ["p!other"]


def test_a_group_message_that_expires_takes_out_the_members_that_did_not_read_it(layer, clock):
    for member in ("p!read", "p!unread", "q!read"):
        layer.group_add("group", member)
    layer.send_group("group", {})
    assert layer.receive(["p!"]) == ("p!read", {})
    assert layer.receive(["q!"]) == ("q!read", {})

    clock.advance(61)

    assert layer.group_channels("group") == ["p!read", "q!read"]


def test_tuples_stay_tuples(layer):
    headers = [(b"host", b"example.com"), (b"accept", (1, [2, (3,)]))]
    layer.send("work", {"headers": headers})

    assert layer.receive(["work"])[1] == {"headers": headers}


def test_the_default_capacity_is_ten():
    layer = InMemoryChannelLayer()
    for n in range(10):
        layer.send("work", {"n": n})

    with pytest.raises(layer.ChannelFull):
        layer.send("work", {})


def test_its_class_is_known_by_the_name_of_its_module():
    class Elsewhere(InMemoryChannelLayer):
        pass

    assert "inmemory" in InMemoryChannelLayer.__module__
    assert "inmemory" not in Elsewhere.__module__
    assert str(Elsewhere()) == "Elsewhere()"


def test_integers_past_64_bits_are_refused(layer):
    with pytest.raises(TypeError, match="64 bits"):
        layer.send("work", {"n": 2**64})


def test_a_message_that_holds_itself_is_refused(layer):
    message = {"list": []}
    message["list"].append(message)

    with pytest.raises(TypeError, match="nested"):
        layer.send("work", message)


def test_bytes_like_values_become_bytes(layer):
    layer.send("work", {"a": bytearray(b"x"), "b": memoryview(b"y")})

    assert layer.receive(["work"])[1] == {"a": b"x", "b": b"y"}


def test_new_channels_must_have_valid_names(layer):
    with pytest.raises(TypeError):
        layer.new_channel("not a name?")


def test_a_body_for_a_mailbox_without_a_server_comes_as_messages(layer):
    layer.send_body("p!a", {"n": 1})
    layer.send_body("p!a", {"n": 2})

    assert receive_all(layer, "p!") == [("p!a", {"n": 1}), ("p!a", {"n": 2})]


def test_the_register_shows_a_servers_counters_as_they_are_now(layer):
    async def test():
        info = {"lost": 0}
        client = layer.open_server("web.test!")
        await client.start(None, info)
        info["lost"] = 3
        (entry,) = await client.processes()
        await client.stop()
        return entry.info["lost"]

    assert asyncio.run(test()) == 3


def test_counters_of_old_channels_are_forgotten(layer, clock):
    layer.send("main?first", {})
    clock.advance(3601)
    for n in range(1001):
        layer.send(f"main?{n}", {})

    assert layer.channel_statistics("main?first")["messages_count"] == 0
    assert layer.global_statistics()["messages_count"] == 1002


def test_a_send_within_a_send_of_the_same_thread_is_no_deadlock(clock):
    """A signal handler may send while its thread is inside the layer."""
    inside = []

    def ask_the_time():
        if not inside:
            inside.append(True)
            layer.send("work", {"from": "handler"})
        return clock.now

    layer = InMemoryChannelLayer(clock=ask_the_time)
    layer.send("work", {"from": "thread"})

    assert len(receive_all(layer, "work")) == 2


# -- its server's client --------------------------------------------------------------------


def test_a_frame_is_there_without_a_turn_of_the_loop(layer):
    async def main():
        client = layer.open_server("web.test!")
        await client.start(Listener(), {})
        client.send("work", [{"n": 1}])
        assert layer.receive(["work"]) == ("work", {"n": 1})
        await client.stop()

    asyncio.run(main())


def test_the_mailbox_of_a_server_is_bounded_in_messages(layer):
    async def main():
        client, listener = layer.open_server("web.test!"), Listener()
        await client.start(listener, {})
        for n in range(10_000):
            layer.send("web.test!a", {"n": n})
        with pytest.raises(layer.ChannelFull) as caught:
            layer.send("web.test!a", {})
        assert caught.value.capacity == 10_000
        await client.mark()
        assert len(listener.items) == 10_000
        await client.stop()

    asyncio.run(main())


def test_the_mailbox_of_a_server_is_bounded_in_bytes(layer):
    async def main():
        client, listener = layer.open_server("web.test!"), Listener()
        await client.start(listener, {})
        layer.group_add("group", "web.test!a")
        for _ in range(31):
            layer.send("web.test!a", {"bytes": b"x" * 1024 * 1024})
        with pytest.raises(layer.ChannelFull):
            layer.send("web.test!a", {"bytes": b"x" * 1024 * 1024})
        layer.send_group("group", {"bytes": b"x" * 1024 * 1024})
        layer.send("web.test!a", {"text": "small"})
        await client.mark()
        assert listener.items[-1] == Reply("a", {"text": "small"})
        assert len(listener.items) == 1 + 31 + 1  # the join, and no group message
        await client.stop()

    asyncio.run(main())


def test_a_flood_is_delivered_in_batches_between_which_the_loop_turns(layer):
    class Counting(Listener):
        batches = ()

        def deliver(self, items):
            super().deliver(items)
            self.batches += (len(items),)

    async def main():
        client, listener = layer.open_server("web.test!"), Counting()
        await client.start(listener, {})
        for n in range(250):
            layer.send("web.test!a", {"n": n})
        await client.mark()
        assert listener.batches == (100, 100, 50)
        await client.stop()

    asyncio.run(main())


def test_two_servers_cannot_share_a_mailbox(layer):
    async def main():
        first, second = layer.open_server("web.test!"), layer.open_server("web.test!")
        await first.start(Listener(), {})
        with pytest.raises(RuntimeError, match=r"web\.test!"):
            await second.start(Listener(), {})
        await first.stop()
        await second.start(Listener(), {})
        await second.stop()
        await second.stop()
        await second.mark()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["web.test", "web!local", "web test!"])
def test_a_mailbox_needs_a_name_of_its_kind(layer, name):
    with pytest.raises(TypeError):
        layer.open_server(name)


def test_stop_forgets_what_belongs_to_the_process(layer):
    async def main():
        client = layer.open_server("web.test!")
        await client.start(Listener(), {})
        entry = SocketEntry("a", "/", client.now())
        client.send("work", [{}], options=SendOptions(opens=entry))
        layer.group_add("group", "web.test!a")
        layer.group_add("group", "web.other!a")
        layer.send_body("web.test!a", {"n": 1})
        await client.stop()

    asyncio.run(main())

    assert layer.group_channels("group") == ["web.other!a"]
    assert layer.open_sockets("web.test!") == []


def test_a_late_answer_for_a_server_that_stopped_is_dropped(layer):
    async def main():
        client = layer.open_server("web.test!")
        await client.start(Listener(), {})
        client.send("work", [{}], receipt=1)
        await client.stop()

    asyncio.run(main())
    worker = layer.open_worker(["work"], held=tuple)
    _, (frame,) = worker.exchange([])

    assert worker.exchange([Answer(frame.receipt)]) == ([None], [])
    assert layer.receive(["web.test!"]) == (None, None)


def test_a_receipt_that_is_none_is_reported(layer):
    worker = layer.open_worker(["work"], held=tuple)

    (outcome,), _ = worker.exchange([Answer(b"nonsense")])

    assert isinstance(outcome, ValueError)


def test_a_loop_that_was_closed_without_stop_does_not_hurt_senders(layer, caplog):
    async def main():
        await layer.open_server("web.test!").start(Listener(), {})
        await asyncio.sleep(0)

    asyncio.run(main())

    layer.send("web.test!a", {})
    layer.send("web.test!a", {})

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_listener_that_fails_is_logged_and_gets_the_next_items(layer, caplog):
    class Failing(Listener):
        def deliver(self, items):
            super().deliver(items)
            if len(self.items) == 1:
                raise ValueError("a bug")

    async def main():
        client, listener = layer.open_server("web.test!"), Failing()
        await client.start(listener, {})
        for n in range(2):
            layer.send("web.test!a", {"n": n})
            await client.mark()
        assert len(listener.items) == 2
        await client.stop()

    asyncio.run(main())
    assert "could not deliver" in caplog.text


def test_a_frame_refused_without_anybody_to_tell_is_logged(layer, caplog):
    async def main():
        client = layer.open_server("web.test!")
        await client.start(Listener(), {})
        client.send("work", [{"value": object()}])
        await client.stop()

    asyncio.run(main())
    assert "cannot travel" in caplog.text


def test_flush_does_not_forget_who_awaits_a_mark(layer):
    """Shown by the mark being reached in time."""

    async def main():
        client, listener = layer.open_server("web.test!"), Listener()
        await client.start(listener, {})
        layer.send("web.test!a", {})
        marking = asyncio.ensure_future(client.mark())
        await asyncio.sleep(0)
        layer.flush()
        await asyncio.wait_for(marking, 5)
        await client.stop()

    asyncio.run(main())


# -- its worker's client --------------------------------------------------------------------


def test_a_signal_handler_can_unblock_a_take_of_its_own_thread(layer):
    worker = layer.open_worker(["work"], held=tuple)
    previous = signal.signal(signal.SIGALRM, lambda *_: worker.unblock())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert worker.take() == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_channels_are_served_in_turn(layer):
    for channel in ("a", "b", "c"):
        for n in range(3):
            layer.send(channel, {"n": n})
    worker = layer.open_worker(["c", "a", "b"], held=tuple)

    taken = [worker.exchange([])[1][0].channel for _ in range(9)]

    assert taken == ["a", "b", "c"] * 3


def test_a_worker_can_serve_a_mailbox(layer):
    for member in ("p!a", "p!b"):
        layer.group_add("group", member)
    layer.send("p!a", {"n": 1})
    layer.send_group("group", {"n": 2})
    worker = layer.open_worker(["p!"], held=tuple)

    frames = [worker.exchange([])[1][0] for _ in range(3)]

    assert [(frame.channel, frame.messages) for frame in frames] == [
        ("p!a", [{"n": 1}]),
        ("p!a", [{"n": 2}]),
        ("p!b", [{"n": 2}]),
    ]
    assert worker.exchange([GiveBack(frames[0])]) == ([None], [frames[0]])


def test_a_frame_given_back_is_not_the_consumers_any_more(layer):
    layer.send("work", {"list": [1]})
    worker = layer.open_worker(["work"], held=tuple)
    _, (frame,) = worker.exchange([])
    worker.exchange([GiveBack(frame)], take=False)
    frame.messages[0]["list"].append(2)

    assert layer.receive(["work"]) == ("work", {"list": [1]})


def test_what_cannot_be_given_back_is_reported(layer):
    layer.send("work", {})
    worker = layer.open_worker(["work"], held=tuple)
    _, (frame,) = worker.exchange([])
    frame.messages[0]["value"] = object()

    (outcome,), _ = worker.exchange([GiveBack(frame)], take=False)

    assert isinstance(outcome, TypeError)


def test_a_worker_needs_channels_that_can_be_received_on(layer):
    with pytest.raises(TypeError):
        layer.open_worker(["p!local"], held=tuple)
