"""A worker that takes ahead, on a real Redis: nobody waits for what others are busy with."""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import closing

import pytest

from channels import Channel, Group
from channels.asgi import ChannelLayerWrapper
from channels.exceptions import ConsumeLater
from channels.layers.clients import Send
from channels.layers.redis import RedisChannelLayer
from channels.layers.redis.wire import items
from channels.routing import route
from channels.worker import Worker
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

#: What a consumer that is in nobody's way takes, in seconds.
LONG = 1.0

#: Much longer than what waits may wait, much shorter than the long one: in seconds.
SOON = 0.5


@pytest.fixture
def layer(redis_server):
    with closing(RedisChannelLayer(hosts=[redis_server.url], capacity=10_000)) as layer:
        yield layer


class Scene:
    """Workers in threads, and what they answered."""

    def __init__(self, layer, *routes):
        self.layer = layer
        self._wrapper = ChannelLayerWrapper(
            layer,
            "default",
            [route(channel, consumer, **filters) for channel, consumer, filters in routes],
        )
        self.workers = []
        self._threads = []

    def start(self, count=1, **options):
        for _ in range(count):
            worker = Worker(self._wrapper, signal_handlers=False)
            for name, value in options.items():
                setattr(worker, name, value)
            listening = threading.Event()
            worker.listening = listening.set
            thread = threading.Thread(target=worker.run)
            thread.start()
            assert listening.wait(10)
            self.workers.append(worker)
            self._threads.append(thread)

    def read(self, count, patience=10):
        """Read so many answers, each with the Redis time at which it was stored, in seconds.

        A consumer may hold the interpreter, and this thread with it: its own clock won't do.
        """
        layer, found = self.layer, []
        client, key = layer.connection(0), layer.keys.queue("answers?x")
        deadline = time.monotonic() + patience
        while len(found) < count and time.monotonic() < deadline:
            popped = client.blpop([key], timeout=1)
            if popped is not None:
                frame = items.open_frame("answers?x", popped[1], layer.codec, 0)
                found.append((frame.messages[0]["n"], frame.expires - layer.expiry))
        return found

    def now(self):
        return self.layer.store.ring.now_ms(0) / 1000

    def close(self):
        for worker in self.workers:
            worker.request_stop()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def play(layer):
    with contextlib.ExitStack() as scenes:

        def make(*routes):
            scene = Scene(layer, *routes)
            scenes.callback(scene.close)
            return scene

        yield make


def answer(message):
    Channel("answers?x", channel_layer=message.channel_layer).send({"n": message["n"]})


def surprise(message):
    """Quick, but for one message."""
    if message["n"] == "long":
        time.sleep(LONG)
    answer(message)


def busy(message):
    """The same, without ever waiting: the guard must get its turn."""
    end = time.monotonic() + (LONG if message["n"] == "long" else 0)
    while time.monotonic() < end:
        pass
    answer(message)


def warm_up(scene, layer):
    """Let a worker learn that the consumer is quick, so that it takes many at once."""
    for n in range(50):
        layer.send("work", {"n": n})
    assert len(scene.read(50)) == 50


@pytest.mark.parametrize("consumer", [surprise, busy])
def test_what_ran_before_a_surprise_is_answered_and_the_rest_goes_to_others(play, layer, consumer):
    scene = play(("work", consumer, {}))
    scene.start()
    warm_up(scene, layer)
    scene.workers[0].request_stop()
    scene._threads[0].join(10)
    # They wait together, so the worker that takes them has them in one hand.
    for n in range(40):
        layer.send("work", {"n": "long" if n == 5 else n})
    started = scene.now()
    scene.start(2)

    found = scene.read(40)

    times = {n: at - started for n, at in found}
    long = times.pop("long")
    assert len(found) == 40
    assert long >= LONG * 0.9
    assert max(times.values()) < SOON


def test_with_one_worker_only_what_comes_behind_a_long_one_waits(play, layer):
    scene = play(("work", surprise, {}))
    scene.start()
    warm_up(scene, layer)
    started = scene.now()
    for n in range(40):
        layer.send("work", {"n": "long" if n == 20 else n})

    times = {n: at - started for n, at in scene.read(40)}

    assert all(times[n] < SOON for n in range(20))
    assert all(times[n] >= LONG * 0.9 for n in range(21, 40))


def test_one_that_is_known_to_be_slow_holds_nothing_up(play, layer):
    """Even if C code holds the interpreter, so that not even the guard can run."""
    took = []

    def stubborn(message):
        started = time.monotonic()
        sum(range(40_000_000))
        took.append(time.monotonic() - started)
        answer(message)

    def quick(message):
        if message["n"] == "pause":
            time.sleep(0.3)  # while all that follows is sent
        answer(message)

    scene = play(("work", stubborn, {"kind": "slow"}), ("work", quick, {"kind": "quick"}))
    scene.start()
    for n in range(150):
        layer.send("work", {"n": n, "kind": "slow" if n == 0 else "quick"})
    scene.read(150)
    layer.send("work", {"n": "pause", "kind": "quick"})
    for n in range(40):
        layer.send("work", {"n": n, "kind": "slow" if n == 12 else "quick"})

    times = dict(scene.read(41))
    assert len(took) == 2
    assert all(times[n] - times["pause"] < took[1] / 2 for n in range(12))


def test_replies_of_one_sender_are_in_order_whatever_leaves_at_once(play, layer):
    def consumer(message):
        n = message["n"]
        there = Channel("answers?x", channel_layer=message.channel_layer)
        there.send({"n": (n, "kept")})
        if n % 3 == 0:
            thread = threading.Thread(
                target=lambda: there.send({"n": (n, "thread")}, immediately=True)
            )
            thread.start()
            thread.join()
        if n % 3 == 1:
            there.send({"n": (n, "at once")}, immediately=True)

    scene = play(("work", consumer, {}))
    for n in range(60):
        layer.send("work", {"n": n})
    scene.start()

    found = [tuple(n) for n, _ in scene.read(100)]

    # What goes at once goes before what its own consumer keeps, and behind all before that.
    expected = []
    for n in range(60):
        at_once = {0: [(n, "thread")], 1: [(n, "at once")], 2: []}[n % 3]
        expected += [*at_once, (n, "kept")]
    assert found == expected


def test_what_is_put_back_later_and_groups_keep_their_order(play, layer):
    layer.group_add("all", "answers?x")

    def consumer(message):
        n = message["n"]
        Channel("answers?x", channel_layer=message.channel_layer).send({"n": n})
        Group("all", channel_layer=message.channel_layer).send({"n": n + 1})
        if n == 20 and "__retries__" not in message.content:
            raise ConsumeLater

    scene = play(("work", consumer, {}))
    for n in range(0, 40, 2):
        layer.send("work", {"n": n})
    scene.start()

    found = [n for n, _ in scene.read(42)]

    assert found == [*range(40), 20, 21]


def test_a_worker_that_stops_gives_back_what_has_not_begun(play, layer):
    scene = play(("work", answer, {}))
    scene.start()
    warm_up(scene, layer)
    stopped = threading.Event()

    def consumer(message):
        if message["n"] == 3:
            scene.workers[-1].request_stop()
            stopped.set()
        answer(message)

    scene.workers[0].request_stop()
    scene._threads[0].join(10)
    second = play(("work", consumer, {}))
    second.workers, second._threads = scene.workers, scene._threads
    for n in range(30):
        layer.send("work", {"n": n})
    second.start()
    assert stopped.wait(10)
    scene._threads[-1].join(10)

    assert [n for n, _ in second.read(4)] == [0, 1, 2, 3]
    assert [layer.receive(["work"])[1]["n"] for _ in range(26)] == list(range(4, 30))


def test_who_saw_a_worker_die_gives_back_what_it_had_not_begun(layer, redis_server):
    class Record:
        names, takes, begun, receipt = [], 0, 0, None

        def name(self, worker):
            self.names.append(worker)

        def took(self, number):
            self.takes, self.begun = number, 0

        def began(self, receipt):
            self.begun += 1

    for n in range(10):
        layer.send("work", {"n": n})
    record, dead = Record(), layer.open_worker(["work"])
    dead.record_in(record)
    dead.start()
    frames = dead.exchange([], counts={"work": 8})[1]
    for frame in frames[:3]:
        dead.open(frame)
    layer.send("work", {"n": 10})

    (name,) = record.names
    assert layer.settle_for(name, record.takes, record.begun, None) == (5, 0)
    # It is found out to live, and comes too late.
    assert dead.exchange([Send("answers?x", {})], counts={"work": 8}) == ([None], [])
    assert layer.settle_for(name, record.takes, record.begun, None) == (0, 0)

    found = [layer.receive(["work"])[1]["n"] for _ in range(8)]
    assert found == [3, 4, 5, 6, 7, 8, 9, 10]
    dead.close()


def test_a_worker_without_a_window_takes_one_at_a_time(play, layer):
    scene = play(("work", surprise, {}))
    for n in range(20):
        layer.send("work", {"n": "long" if n == 5 else n})
    scene.start(1, take_ahead=0.0)
    wait_until(lambda: layer.channel_statistics("work")["messages_pending"] == 14, "five ran")

    assert len(scene.read(20)) == 20
