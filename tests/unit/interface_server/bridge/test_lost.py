"""When a frame without a receipt counts as lost, and when it does not."""

import pytest

from channels.interface_server.bridge.lost import LostPolicy
from channels.layers.clients import ProcessEntry

CHANNEL = "websocket.receive"


def receipt_bytes(receipt):
    return b"r%d" % receipt


class Scene:
    """A policy, a register and a queue that the test moves along."""

    def __init__(self):
        self.policy = LostPolicy(lambda channel: 60.0, receipt_bytes)
        self.now = 100.0
        # The server that looks is on the register too, and always well.
        self.workers = {"web!": ProcessEntry("web!", "server", frozenset(), beat=1, seen=self.now)}
        self.queue = set()

    def worker(self, name, channels=(CHANNEL,), held=()):
        self.workers[name] = ProcessEntry(
            name, "worker", frozenset(channels), frozenset(map(receipt_bytes, held)), 10, self.now
        )

    def expire(self, name):
        """Let a worker be killed: its entry stays for a while."""
        self.now += 10
        self.workers["web!"].seen = self.now
        del self.workers[name]

    def beat(self, name, held=()):
        entry = self.workers[name]
        entry.beat += 1
        entry.seen = self.now
        entry.unanswered = frozenset(map(receipt_bytes, held))

    def look(self, *receipts):
        self.now += 1
        self.workers["web!"].seen = self.now
        return self.policy.look(
            self.now, {CHANNEL: receipts}, list(self.workers.values()), {CHANNEL: self.queue}
        )


@pytest.fixture
def scene():
    return Scene()


class TestAge:
    def test_nothing_is_suspicious_at_first(self, scene):
        assert scene.policy.note(0, last=0, settled=100) == 0
        assert scene.policy.note(4.9, last=7, settled=100) == 0

    def test_what_was_sent_5_seconds_ago_is(self, scene):
        scene.policy.note(0, last=3, settled=100)
        scene.policy.note(1, last=7, settled=100)
        assert scene.policy.note(5, last=20, settled=100) == 3
        assert scene.policy.note(6, last=30, settled=100) == 7
        assert scene.policy.note(60, last=30, settled=100) == 30

    def test_nothing_is_while_the_layer_is_away(self, scene):
        scene.policy.note(0, last=3, settled=100)
        assert scene.policy.note(10, last=3, settled=-float("inf")) == 0
        assert scene.policy.note(20, last=3, settled=0.1) == 3


def test_a_frame_in_its_queue_is_not_lost(scene):
    scene.worker("w")
    scene.queue = {1}
    for _ in range(56):
        scene.beat("w")
        assert scene.look(1) == {}
    assert not scene.policy.anything_missing


def test_a_frame_that_stays_in_its_queue_expires_though_workers_listen(scene):
    """They are busy; whoever takes it then drops it."""
    scene.worker("w")
    scene.queue = {1}
    verdicts = [scene.look(1) for _ in range(58)]
    assert verdicts == [{}] * 57 + [{1: "expired"}]


def test_a_frame_that_a_worker_holds_is_not_lost(scene):
    scene.worker("w")
    for _ in range(100):
        scene.beat("w", held=[1])
        assert scene.look(1) == {}


def test_a_frame_is_lost_after_two_heartbeats_without_it(scene):
    scene.worker("w")
    assert scene.look(1) == {}
    assert scene.policy.anything_missing
    scene.beat("w")
    assert scene.look(1) == {}
    scene.beat("w")
    assert scene.look(1) == {1: "lost"}
    assert not scene.policy.anything_missing


def test_looks_without_heartbeats_prove_nothing(scene):
    scene.worker("w")
    for _ in range(100):
        assert scene.look(1) == {}


def test_a_worker_that_is_gone_from_the_register_holds_nothing(scene):
    scene.worker("w")
    scene.look(1)
    scene.expire("w")
    assert scene.look(1) == {1: "lost"}


def test_every_listener_must_have_written_two(scene):
    scene.worker("a")
    scene.worker("b")
    scene.look(1)
    for _ in range(5):
        scene.beat("a")
        assert scene.look(1) == {}
    scene.beat("b")
    scene.beat("b")
    assert scene.look(1) == {1: "lost"}


def test_a_worker_that_does_not_listen_there_is_not_asked(scene):
    scene.worker("a")
    scene.worker("b", channels=["http.request"])
    scene.look(1)
    scene.beat("a")
    scene.beat("a")
    assert scene.look(1) == {1: "lost"}


def test_a_server_on_the_register_is_no_worker(scene):
    scene.workers["s"] = ProcessEntry("s", "server", frozenset([CHANNEL]), beat=1)
    scene.worker("a")
    scene.look(1)
    scene.expire("a")
    assert scene.look(1) == {1: "lost"}


def test_a_worker_that_came_later_cannot_hold_it(scene):
    """Else a fleet whose workers are killed again and again would keep a socket waiting."""
    scene.worker("a")
    scene.look(1)
    for n in range(2):
        scene.beat("a")
        scene.worker(f"new {n}")
        last = scene.look(1)
    assert last == {1: "lost"}


def test_a_worker_that_leaves_by_itself_may_have_handed_it_on(scene):
    scene.worker("a")
    scene.worker("b")
    scene.look(1)
    scene.beat("b")
    scene.beat("b")
    scene.look(1)
    scene.beat("b")  # which has just taken what "a" gave back
    del scene.workers["a"]
    assert scene.look(1) == {}
    scene.beat("b")
    assert scene.look(1) == {}
    scene.beat("b")
    assert scene.look(1) == {1: "lost"}


def test_a_worker_that_leaves_after_its_two_heartbeats_had_nothing_to_hand_on(scene):
    scene.worker("a")
    scene.worker("b")
    scene.look(1)
    scene.beat("a")
    scene.beat("a")
    scene.look(1)
    del scene.workers["a"]
    scene.beat("b")
    scene.beat("b")
    assert scene.look(1) == {1: "lost"}


def test_the_first_listener_after_a_time_without_any_is_asked(scene):
    scene.look(1)
    scene.look(1)
    scene.worker("a")
    assert scene.look(1) == {}
    scene.beat("a")
    scene.beat("a")
    assert scene.look(1) == {1: "lost"}


def test_being_seen_in_the_queue_voids_the_evidence(scene):
    scene.worker("w")
    scene.look(1)
    scene.beat("w")
    scene.look(1)
    scene.queue = {1}
    scene.beat("w")
    assert scene.look(1) == {}
    scene.queue = set()
    scene.beat("w")
    assert scene.look(1) == {}
    scene.beat("w")
    assert scene.look(1) == {}
    scene.beat("w")
    assert scene.look(1) == {1: "lost"}


def test_being_held_voids_the_evidence(scene):
    scene.worker("w")
    scene.look(1)
    scene.beat("w")
    scene.beat("w", held=[1])
    assert scene.look(1) == {}
    scene.beat("w")
    scene.beat("w")
    assert scene.look(1) == {}  # missed anew: two more from here
    scene.beat("w")
    scene.beat("w")
    assert scene.look(1) == {1: "lost"}


def test_a_frame_that_no_worker_listens_for_waits_until_it_expires(scene):
    scene.queue = {1}
    for _ in range(55):
        assert scene.look(1) == {}
    assert scene.look(1) == {}
    assert scene.look(1) == {1: "expired"}


def test_a_frame_that_left_an_abandoned_queue_counts_as_expired_too(scene):
    verdicts = {}
    while not verdicts:
        verdicts = scene.look(1)
    assert verdicts == {1: "expired"}
    assert scene.now > 150


def test_a_frame_whose_listener_died_before_the_queue_was_left_alone_waits(scene):
    scene.worker("w")
    scene.queue = {1}
    scene.look(1)
    del scene.workers["w"]
    assert scene.look(1) == {}


def test_suspects_are_judged_one_by_one(scene):
    scene.worker("w")
    scene.queue = {2}
    scene.look(1, 2)
    scene.beat("w")
    scene.look(1, 2)
    scene.beat("w")
    assert scene.look(1, 2) == {1: "lost"}


def test_the_layers_return_voids_the_evidence(scene):
    scene.worker("w")
    scene.look(1)
    scene.policy.note(scene.now, last=1, settled=-1)
    scene.policy.note(scene.now, last=1, settled=20)
    scene.beat("w")
    scene.beat("w")
    assert scene.look(1) == {}


def test_a_memory_lost_anew_voids_the_evidence(scene):
    scene.worker("w")
    scene.policy.note(scene.now, last=1, settled=100)
    scene.look(1)
    scene.policy.note(scene.now, last=1, settled=0.5)
    scene.policy.note(scene.now, last=1, settled=20)
    scene.beat("w")
    scene.beat("w")
    assert scene.look(1) == {}


def test_no_verdict_is_given_for_one_ttl_after_the_layer_came_back(scene):
    """But what is seen meanwhile counts, so that the verdict is not later than that."""
    scene.worker("w")
    scene.policy.note(scene.now, last=1, settled=1)
    for _ in range(3):
        assert scene.look(1) == {}
        scene.beat("w")
    scene.policy.note(scene.now, last=1, settled=9.9)
    assert scene.look(1) == {}
    scene.policy.note(scene.now, last=1, settled=10)
    assert scene.look(1) == {1: "lost"}


def test_a_worker_that_comes_back_after_the_layer_shows_what_it_holds(scene):
    scene.worker("first")
    scene.policy.note(scene.now, last=1, settled=1)
    scene.look(1)
    scene.beat("first")
    scene.beat("first")
    scene.look(1)
    scene.worker("second", held=[1])
    scene.policy.note(scene.now, last=1, settled=12)
    assert scene.look(1) == {}
