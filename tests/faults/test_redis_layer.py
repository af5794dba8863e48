"""What the Redis layer does when Redis, or the way to it, fails: each fault by its name."""

from __future__ import annotations

import logging
import signal
import struct
import threading
import time

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.clients import Answer, GroupSend, Send
from channels.layers.redis import RedisChannelLayer
from channels.layers.redis.net.hosts import Host
from channels.layers.redis.wire import items, scripts
from tests.support.frames import messages_of, next_messages
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

BOX = "web.abc!"


@pytest.fixture
def layer(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url], timeout=0.3, capacity=10_000)
    yield layer
    layer.close()


@pytest.fixture
def worker(layer):
    worker = layer.open_worker(["work", "other"])
    worker.start()
    yield worker
    worker.close()


@pytest.fixture
def proxy(redis_server):
    proxy = Proxy(redis_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def distant(proxy):
    """The same layer, seen through the proxy."""
    layer = RedisChannelLayer(hosts=[("127.0.0.1", proxy.port)], timeout=2, capacity=10_000)
    yield layer
    layer.close()


def receive_all(layer, *channels):
    found = []
    while (received := layer.receive(channels))[0] is not None:
        found.append(received)
    return found


def push_frame(layer, number, *, channel="work", expires_in_ms=60_000):
    """Store a frame as an interface server would, with a receipt."""
    expiry = struct.pack(">Q", layer.store.ring.now_ms(0) + expires_in_ms)
    frame = items.frame(
        layer.codec.payload(channel, {"n": number}),
        60_000,
        flags=items.ORDERED,
        receipt=items.receipt_for(BOX, number),
    )
    layer.store.ring.run(0, [(*layer.commands.give_back(channel, at_head=False), expiry + frame)])


def receipts_answered(layer, kind="A"):
    """Return the receipts of frames that ran, or (``N``) were dropped."""
    raws = layer.connection(0).lrange(layer.keys.mail(BOX), 0, -1)
    return [item.receipt for item in map(items.read_item, raws) if item.kind == kind]


class TestFrozen:
    def test_a_redis_that_hangs_is_reported_in_time_and_it_recovers(self, layer, redis_server):
        layer.send("work", {"n": 1})  # the connection is open and healthy

        with redis_server.frozen():
            started = time.monotonic()
            with pytest.raises(LayerUnavailable):
                layer.send("work", {"n": 2})
            waited = time.monotonic() - started

        assert waited < 1.5  # the time-out, not a hang and not a pile of retries
        layer.send("work", {"n": 3})
        numbers = [message["n"] for _, message in receive_all(layer, "work")]
        assert numbers in ([1, 3], [1, 2, 3])  # never twice

    def test_an_exchange_with_a_redis_that_hangs_is_reported_in_time(self, worker, redis_server):
        with redis_server.frozen():
            started = time.monotonic()
            with pytest.raises(LayerUnavailable):
                worker.exchange([Send("p!a", {})])
            waited = time.monotonic() - started

        assert waited < 1.5
        assert worker.exchange([Send("p!a", {})]) == ([None], [])

    def test_unblocking_a_redis_that_hangs_does_not_hang(self, worker, redis_server):
        thread, taken = _start_take(worker)

        with redis_server.frozen():
            started = time.monotonic()
            worker.unblock()
            waited = time.monotonic() - started

        assert waited < 3
        thread.join(15)
        assert taken == [[]]


class TestSwallowedAnswers:
    """Redis did it, then the answer was lost: nothing may happen twice."""

    def test_a_send_is_not_repeated(self, layer, distant, proxy):
        distant.send("work", {"n": 0})
        proxy.swallow_answer_to(b"EVALSHA")

        with pytest.raises(LayerUnavailable):
            distant.send("work", {"n": 1})

        assert proxy.swallowed.is_set()
        distant.send("work", {"n": 2})
        assert [m["n"] for _, m in receive_all(layer, "work")] == [0, 1, 2]

    def test_a_group_send_is_not_repeated(self, layer, distant, proxy):
        layer.group_add("room", "p!a")
        layer.group_add("room", "work")
        distant.send_group("room", {"n": 0})
        proxy.swallow_answer_to(b"EVALSHA")

        with pytest.raises(LayerUnavailable):
            distant.send_group("room", {"n": 1})

        distant.send_group("room", {"n": 2})
        assert [m["n"] for _, m in receive_all(layer, "p!")] == [0, 1, 2]

    def test_a_receive_loses_one_message_and_no_more(self, layer, distant, proxy):
        distant.receive(["work"])
        for n in range(3):
            layer.send("work", {"n": n})
        proxy.swallow_answer_to(b"LMPOP")

        with pytest.raises(LayerUnavailable):
            distant.receive(["work"])

        assert [m["n"] for _, m in receive_all(distant, "work")] == [1, 2]

    def test_a_flush_with_a_take_is_not_repeated_and_its_loss_is_counted(
        self, layer, distant, proxy
    ):
        worker = distant.open_worker(["work"])
        worker.start()
        try:
            worker.exchange([Send("p!a", {"n": 0})])
            for number in (1, 2, 3):
                push_frame(layer, number)
            (frame,) = worker.take()
            proxy.swallow_answer_to(scripts.TAKE.sha.encode())

            with pytest.raises(LayerUnavailable):
                worker.exchange([Send("p!a", {"n": 1}), Answer(frame.receipt)])

            assert worker.counters["takes_lost"] == 1
            (frame,) = worker.take()
            assert worker.open(frame).messages == [{"n": 3}]  # 2 was on its way: lost, once
            assert worker.exchange([Answer(frame.receipt)]) == ([None], [])
        finally:
            worker.close()
        assert receipts_answered(layer) == [1, 3]
        assert [m["n"] for _, m in receive_all(layer, "p!")] == [0, 1]

    def test_a_flush_with_a_group_is_not_repeated(self, layer, distant, proxy):
        layer.group_add("room", "p!a")
        worker = distant.open_worker(["work"])
        worker.start()
        try:
            worker.exchange([GroupSend("room", {"n": 0})])
            # No word that connecting sends too, which the heartbeat may do meanwhile.
            reading, pushing = layer.keys.group("room"), scripts.PUSH_MAILBOX.sha
            for n, part in enumerate((reading, pushing), 1):
                proxy.swallow_answer_to(part.encode())
                with pytest.raises(LayerUnavailable):
                    worker.exchange([Send("p!a", {"n": n}), GroupSend("room", {"n": n})])
            worker.exchange([GroupSend("room", {"n": 9})])
        finally:
            worker.close()

        # The first was lost while its processes were read: nothing had been pushed.
        assert [m["n"] for _, m in receive_all(layer, "p!")] == [0, 2, 2, 9]

    def test_a_waiting_take_loses_one_frame_and_no_more(self, layer, distant, proxy):
        worker = distant.open_worker(["work"])
        worker.start()
        try:
            proxy.swallow_answer_to(b"BLMPOP")
            for n in range(3):
                layer.send("work", {"n": n})

            with pytest.raises(LayerUnavailable):
                worker.take()

            assert worker.counters["takes_lost"] == 1
            assert [messages_of(worker, worker.take())[0]["n"] for _ in range(2)] == [1, 2]
        finally:
            worker.close()

    def test_a_membership_is_not_written_twice(self, layer, distant, proxy):
        distant.group_channels("room")
        proxy.swallow_answer_to(b"EVALSHA")

        with pytest.raises(LayerUnavailable):
            distant.group_add("room", "p!a")

        distant.group_add("room", "p!a")  # the caller may repeat: it is idempotent
        assert layer.group_channels("room") == ["p!a"]
        layer.send_group("room", {})
        assert receive_all(layer, "p!") == [("p!a", {})]


class TestRestart:
    @pytest.fixture
    def server(self):
        server = RedisServer()
        yield server
        server.close()

    def test_a_restart_loses_what_redis_held_and_nothing_more(self, server):
        layer = RedisChannelLayer(hosts=[server.url])
        worker = layer.open_worker(["work"])
        worker.start()
        layer.send("work", {"n": 1})

        server.restart()

        wait_until(lambda: _works(lambda: layer.send("work", {"n": 2})), "sends work again")
        found = []
        wait_until(lambda: _works(lambda: found.extend(worker.take())) and found, "takes too")
        assert messages_of(worker, found) == [{"n": 2}]
        wait_until(lambda: _works(lambda: worker.exchange([])), "exchanges work again")
        assert worker.exchange([Send("p!a", {"n": 3})]) == ([None], [])
        assert layer.receive(["p!"]) == ("p!a", {"n": 3})
        worker.close()
        layer.close()

    def test_a_take_that_waits_reports_the_end_of_redis_at_once(self, server):
        layer = RedisChannelLayer(hosts=[server.url])
        worker = layer.open_worker(["work"])
        worker.start()
        errors = []

        def take():
            try:
                worker.take()
            except LayerUnavailable as error:
                errors.append(error)

        thread = threading.Thread(target=take)
        thread.start()
        wait_until(lambda: _blocked(server) == 1, "the take waits")
        started = time.monotonic()
        server.kill()
        thread.join(10)

        assert errors
        assert time.monotonic() - started < 3
        worker.close()
        layer.close()


class TestOneHostOfTwo:
    @pytest.fixture
    def servers(self):
        servers = [RedisServer(), RedisServer()]
        yield servers
        for server in servers:
            server.close()

    def test_a_worker_goes_on_without_the_host_that_is_not_its_home(self, servers):
        layer = RedisChannelLayer(hosts=[server.url for server in servers], timeout=0.3)
        worker = layer.open_worker(["work", "main?abc"])
        worker.start()
        home = worker._home
        mailboxes = {layer.store.ring.index(f"p{n}!"): f"p{n}!a" for n in range(20)}
        for n in range(6):
            layer.send("work", {"n": n})  # three on each

        servers[1 - home].kill()

        taken = []
        while len(taken) < 3:
            taken += worker.take()
        outcomes, _ = worker.exchange(
            [Send(mailboxes[1 - home], {}), Send(mailboxes[home], {"n": 1})]
        )
        assert isinstance(outcomes[0], LayerUnavailable)
        assert outcomes[1] is None
        servers[1 - home].start()

        def both() -> bool:
            outcomes, _ = worker.exchange([Send(name, {}) for name in mailboxes.values()])
            return outcomes == [None, None]

        wait_until(both, "the other host is used again")
        worker.close()
        layer.close()


class TestBadFrames:
    @pytest.fixture
    def bad(self, layer):
        """Frames that must not run, with the receipt and the counter of each."""
        now_ms = layer.store.ring.now_ms(0)
        alive = struct.pack(">Q", now_ms + 60_000)
        good = layer.codec.payload("work", {})
        return {
            "noise": (b"\xde\xad\xbe\xef", None, "undecodable_count"),
            "cut": (alive + b"\0\0\0\0\1\xff", None, "undecodable_count"),
            "damaged": (
                alive + items.frame(b"\xc1\xc1", 1000, receipt=items.receipt_for(BOX, 1)),
                1,
                "undecodable_count",
            ),
            "encrypted": (
                alive + items.frame(b"x", 1000, flags=2, receipt=items.receipt_for(BOX, 2)),
                2,
                "undecodable_count",
            ),
            "expired": (
                struct.pack(">Q", now_ms - 10_000)
                + items.frame(good, 1000, receipt=items.receipt_for(BOX, 3)),
                3,
                "expired_count",
            ),
        }

    @pytest.mark.parametrize("name", ["noise", "cut", "damaged", "encrypted", "expired"])
    @pytest.mark.parametrize("how", ["take", "exchange", "receive", "blocking receive"])
    def test_it_is_dropped_counted_logged_and_answered(
        self, layer, worker, redis_server, bad, name, how, caplog
    ):
        raw, receipt, counter = bad[name]
        redis_server.client.rpush(layer.keys.queue("work"), raw)
        layer.send("work", {"n": "good"})
        caplog.set_level(logging.INFO, logger="channels.layers.redis")

        if how == "take":
            (found,) = messages_of(worker, worker.take()) or messages_of(worker, worker.take())
        elif how == "exchange":
            (found,) = next_messages(worker)
        else:
            found = layer.receive(["work"], block=how != "receive")[1]

        assert found == {"n": "good"}
        counters = redis_server.client.hgetall(layer.keys.statistics("work"))
        assert counters[counter.encode()] == b"1"
        assert receipts_answered(layer, "N") == ([receipt] if receipt else [])
        assert receipts_answered(layer) == []
        assert any("channel work" in record.getMessage() for record in caplog.records)

    def test_frames_that_expired_in_a_full_queue_are_answered_by_the_sender(self, layer):
        for number in range(1, 4):
            push_frame(layer, number, expires_in_ms=-10_000 if number < 3 else 60_000)
        layer.capacity = 3
        layer.commands._queue_head.cache_clear()

        layer.send("work", {"n": 4})

        assert receipts_answered(layer, "N") == [1, 2]
        assert [m["n"] for _, m in receive_all(layer, "work")] == [3, 4]


class TestUnblocking:
    def test_a_take_ends_soon_before_during_and_after(self, worker):
        worker.unblock()
        started = time.monotonic()
        assert worker.take() == []
        assert time.monotonic() - started < 1

        thread, taken = _start_take(worker)
        started = time.monotonic()
        worker.unblock()
        thread.join(10)
        assert taken == [[]]
        assert time.monotonic() - started < 1

    def test_a_take_that_ends_and_is_closed_while_it_is_being_ended_is_no_warning(
        self, layer, worker, caplog, monkeypatch
    ):
        """What happens as the threads of a worker group stop."""
        thread, taken = _start_take(worker)

        class Control(Host):
            def execute(self, commands):
                layer.send("work", {"n": 1})
                thread.join(10)
                worker.close()
                raise LayerUnavailable("the connection was closed")

        monkeypatch.setattr("channels.layers.redis.worker.client.Host", Control)
        worker.unblock()

        assert messages_of(worker, taken[0]) == [{"n": 1}]
        assert caplog.records == []

    def test_unblocking_loses_nothing_in_200_rounds(self, layer, worker):
        """A frame is sent and the take unblocked at the same moment, 200 times."""
        taken = []
        stop = threading.Event()

        def take():
            while not stop.is_set():
                taken.extend(message["n"] for message in messages_of(worker, worker.take()))

        thread = threading.Thread(target=take)
        thread.start()
        for n in range(200):
            sender = threading.Thread(target=layer.send, args=("work", {"n": n}))
            sender.start()
            worker.unblock()
            sender.join(10)
        wait_until(lambda: len(taken) == 200, "every frame was taken")
        stop.set()
        worker.unblock()
        thread.join(10)

        assert not thread.is_alive()
        assert taken == list(range(200))

    def test_a_signal_handler_may_unblock_the_thread_it_interrupts(self, layer, worker):
        """Many times, so that it strikes everywhere in take()."""
        taken = []
        handled = []

        def handler(signo, frame):
            handled.append(signo)
            worker.unblock()

        before = signal.signal(signal.SIGALRM, handler)
        try:
            started = time.monotonic()
            for n in range(60):
                layer.send("work", {"n": n})
                signal.setitimer(signal.ITIMER_REAL, 0.0001 + (n % 30) * 0.0001)
                while len(handled) <= n:
                    taken += [message["n"] for message in messages_of(worker, worker.take())]
            waited = time.monotonic() - started
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        taken += [message["n"] for message in next_messages(worker)]

        assert sorted(taken) == list(range(60))
        assert waited < 30


def _start_take(worker):
    taken = []
    thread = threading.Thread(target=lambda: taken.append(worker.take()))
    thread.start()
    wait_until(lambda: worker._sent, "the take waits")
    return thread, taken


def _blocked(server):
    return server.client.info("clients")["blocked_clients"]


def _works(call):
    try:
        call()
    except LayerUnavailable:
        return False
    return True
