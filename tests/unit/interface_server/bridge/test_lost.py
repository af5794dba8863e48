"""When a frame without a receipt counts as lost, and when it does not."""

import pytest

from channels.exceptions import LayerUnavailable
from channels.interface_server.bridge.lost import LostPolicy
from channels.layers.clients import LOST, NotRun, ProcessEntry, Unread
from tests.unit.interface_server.conftest import Bench
from tests.unit.interface_server.fakes import (
    local_of,
    texts,
)

CHANNEL = RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"


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


class TestLostFrames:
    """The whole way: the watch, the register, the queue, the mailbox."""

    def lose(self, bench, seconds=30):
        """Let the worker that holds everything die; its entry stays on the register for a TTL."""
        worker = ProcessEntry("w", "worker", frozenset([RECEIVE, DISCONNECT, "websocket.connect"]))
        bench.layer.register = [worker]
        for second in range(seconds):
            bench.clock.advance(1)
            if second == 8:
                bench.layer.register = []

    def test_a_lost_frame_is_skipped_and_the_socket_goes_on(self, bench, caplog):
        port, end = bench.open()
        end.received("a")
        end.received("b")
        bench.layer.resolve()

        self.lose(bench)

        assert bench.counters.lost == 1
        assert texts(bench.layer.last) == ["b"]
        assert port.calls == []
        assert "websocket.receive of a socket on /chat given up" in caplog.text
        assert bench.layer.marks == 1

    def test_a_lost_frame_can_close_the_socket(self):
        bench = Bench(on_lost_message="close")
        port, end = bench.open()
        end.received("a")
        end.received("b")
        bench.layer.resolve()
        self.lose(bench)
        assert port.calls == [("close", 1011)]
        assert len(bench.layer.on(RECEIVE)) == 1

    def test_a_lost_frame_of_a_socket_that_is_gone_lets_it_leave(self):
        bench = Bench(on_lost_message="close", disconnect_timeout=100)
        port, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        end.gone(1001)
        self.lose(bench)
        assert port.calls == []
        assert len(bench.layer.on(DISCONNECT)) == 1

    def test_a_receipt_in_the_mailbox_saves_a_frame(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        bench.layer.on_mark = bench.layer.answer
        self.lose(bench)
        assert bench.counters.lost == 0

    @pytest.mark.parametrize("cause", ["expired", "unreadable"])
    def test_one_that_never_ran_is_skipped_or_closes_the_socket(self, cause):
        for option, calls in (("skip", []), ("close", [("close", 1011)])):
            bench = Bench(on_lost_message=option)
            port, end = bench.open()
            end.received("a")
            bench.layer.resolve()
            bench.layer.listener.deliver([NotRun(bench.layer.last.receipt, cause)])
            assert port.calls == calls

    def test_a_reply_that_was_dropped_refuses_a_handshake_and_leaves_an_open_socket(self, bench):
        for (port, end), calls in (
            (bench.open(), []),
            (bench.connecting(), [("reject", 500)]),
        ):
            bench.layer.listener.deliver([Unread(local_of(end), "unreadable")])
            assert port.calls == calls

    def test_a_late_receipt_is_ignored(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        frame = bench.layer.last
        self.lose(bench)
        bench.layer.answer(frame)
        assert bench.counters.late_receipts == 1

    def test_word_of_a_workers_death_counts_as_a_verdict_at_once(self, bench):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        bench.layer.resolve()
        bench.layer.listener.deliver([NotRun(bench.layer.last.receipt, LOST)])
        assert bench.counters.lost == 1
        assert texts(bench.layer.last) == ["b"]

    def test_word_of_it_comes_too_late_for_a_frame_that_was_answered(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.settle()
        bench.layer.listener.deliver([NotRun(bench.layer.last.receipt, LOST)])
        assert (bench.counters.lost, bench.counters.late_receipts) == (0, 0)

    def test_a_frame_in_its_queue_stays(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        bench.layer.waiting = {RECEIVE: {bench.layer.last.receipt}}
        self.lose(bench)
        assert bench.counters.lost == 0

    def test_a_frame_that_nobody_listens_for_counts_as_expired(self, bench):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        bench.layer.resolve()
        bench.clock.advance(70)
        assert (bench.counters.lost, bench.counters.expired) == (0, 1)
        assert texts(bench.layer.last) == ["b"]

    def test_an_unread_disconnect_lives_for_group_expiry(self, bench):
        _, end = bench.open()
        end.gone(1001)
        bench.layer.resolve()
        bench.clock.advance(3600)
        assert bench.counters.expired == 0

    def test_nothing_is_lost_while_the_layer_is_away(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        bench.hub.layer_lost(LayerUnavailable("gone"))
        self.lose(bench)
        assert bench.counters.lost == 0
        assert bench.layer.marks == 0

    def test_nothing_is_lost_before_the_layer_has_settled(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        bench.layer.settled_since = bench.clock.now + 100
        self.lose(bench, 100)
        assert bench.counters.lost == 0

    def test_nothing_is_lost_by_a_look_that_an_outage_cut_short(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        bench.layer.on_mark = lambda: bench.hub.layer_lost(LayerUnavailable("gone"))
        self.lose(bench)
        assert bench.counters.lost == 0
        assert bench.layer.marks == 1

    def test_an_outage_during_the_look_voids_it(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        queued = bench.layer.queued

        async def queued_then_gone(channel, receipts):
            bench.hub.layer_lost(LayerUnavailable("gone"))
            return await queued(channel, receipts)

        bench.layer.queued = queued_then_gone
        self.lose(bench)
        assert bench.counters.lost == 0

    def test_a_register_that_cannot_be_read_proves_nothing(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        bench.layer.failing = LayerUnavailable("timeout")
        self.lose(bench)
        assert bench.counters.lost == 0
        bench.layer.failing = None
        self.lose(bench)
        assert bench.counters.lost == 1

    def test_suspects_are_bounded(self, bench, monkeypatch):
        monkeypatch.setattr("channels.interface_server.bridge.lost.MOST_SUSPECTS", 2)
        asked = []
        queued = bench.layer.queued

        async def counting(channel, receipts):
            asked.append(list(receipts))
            return await queued(channel, receipts)

        bench.layer.queued = counting
        for _ in range(5):
            _, end = bench.open()
            end.received("a")
        bench.layer.resolve()
        self.lose(bench, 9)
        assert max(map(len, asked)) == 2

    def test_only_old_frames_are_looked_after(self, bench):
        _, end = bench.open()
        for _ in range(20):
            end.received("a")
            bench.layer.settle()
            bench.clock.advance(1)
        assert bench.layer.marks == 0
        assert bench.counters.lost == 0

    def test_the_watch_rests_when_nothing_is_in_flight(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.settle()
        bench.clock.advance(5)
        end.received("b")
        assert bench.hub._monitor.wheel_slot
        bench.layer.settle()
        bench.clock.advance(5)
        assert not bench.hub._monitor.wheel_slot

    @pytest.mark.parametrize("cause", ["lost", "expired", "unreadable"])
    def test_a_connect_that_never_ran_refuses_the_handshake(self, bench, cause):
        port, end = bench.connecting()
        bench.layer.resolve()
        bench.hub._state.give_up(bench.layer.last.receipt, cause)
        assert getattr(bench.counters, cause) == 1
        assert port.calls == [("reject", 503)]
        end.gone(1006)
        assert bench.layer.last.channel == DISCONNECT
