"""Conformance of the worker's client (:class:`channels.layers.clients.WorkerClient`)."""

from __future__ import annotations

import threading
import time
from typing import Any

from channels.layers.clients import Frame, GiveBack, GroupSend, Send
from channels.layers.conformance.common import CAPACITY, Clock, Conformance, Layer, MakeLayer

#: A take that was unblocked must not last until its own time-out, which is some 5 s.
SOON = 3.0


class WorkerClientConformance(Conformance):
    """Rules for workers; see :mod:`channels.layers.conformance` for the fixtures."""

    # -- take --------------------------------------------------------------------------

    def test_take_gives_what_was_sent(self, layer: Layer) -> None:
        layer.send("work", {"n": 1})

        with self.working(layer, "work", "other") as worker:
            frame = self.take(worker)

        assert (frame.channel, frame.messages) == ("work", [{"n": 1}])
        assert (frame.receipt, frame.ordered) == (None, False)

    def test_take_wakes_when_a_message_comes(self, layer: Layer) -> None:
        with self.working(layer, "one", "two") as worker:
            sender = threading.Timer(0.2, layer.send, ["two", {"n": 1}])
            sender.start()
            started = time.monotonic()
            frame = self.take(worker)
            waited = time.monotonic() - started
            sender.join()

        assert (frame.channel, frame.messages) == ("two", [{"n": 1}])
        assert waited < SOON

    def test_take_waits_no_longer_than_it_is_told(self, layer: Layer) -> None:
        with self.working(layer, "one") as worker:
            for longest in (0, 0.001, 0.2):
                started = time.monotonic()
                assert worker.take(longest) == []
                assert time.monotonic() - started < SOON

    def test_take_without_time_to_wait_takes_what_is_there(self, layer: Layer) -> None:
        layer.send("one", {"n": 1})

        with self.working(layer, "one") as worker:
            assert [worker.open(frame).messages for frame in worker.take(0)] == [[{"n": 1}]]

    def test_frames_of_a_single_reader_channel_come_in_order(self, layer: Layer) -> None:
        for n in range(CAPACITY):
            layer.send("main?abc", {"n": n})

        with self.working(layer, "main?abc") as worker:
            frames = [self.take(worker) for _ in range(CAPACITY)]

        assert [frame.messages[0]["n"] for frame in frames] == [0, 1, 2]

    def test_an_expired_frame_is_left_out(self, short_lived: Layer, clock: Clock) -> None:
        short_lived.send("main?abc", {"n": 1})
        clock.advance(self.expiry * 0.7)
        short_lived.send("main?abc", {"n": 2})
        clock.advance(self.expiry * 0.3 + self.margin)

        with self.working(short_lived, "main?abc") as worker:
            frame = self.take_now(worker)
            assert frame is not None
            assert frame.messages == [{"n": 2}]
            assert self.take_now(worker) is None

    def test_several_workers_take_each_frame_once(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=200)
        for n in range(200):
            layer.send("work", {"n": n})
        taken: list[int] = []

        def work() -> None:
            with self.working(layer, "work") as worker:
                while (frame := self.take_now(worker)) is not None:
                    taken.append(frame.messages[0]["n"])

        self.run_threads(work, work, work)

        assert sorted(taken) == list(range(200))

    def test_a_quiet_channel_is_served_beside_a_busy_one(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=500)
        for channel in ("aaa", "zzz"):
            for n in range(200):
                layer.send(channel, {"n": n})
        layer.send("mmm", {"n": 0})

        with self.working(layer, "zzz", "mmm", "aaa") as worker:
            taken = [self.take(worker).channel for _ in range(160)]

        assert "mmm" in taken
        assert {"aaa", "zzz"} < set(taken)

    # -- exchange ------------------------------------------------------------------------

    def test_exchange_takes_a_frame_without_waiting_for_one(self, layer: Layer) -> None:
        with self.working(layer, "work") as worker:
            started = time.monotonic()
            assert worker.exchange([]) == ([], [])
            assert time.monotonic() - started < SOON

            layer.send("work", {"n": 1})
            layer.send("work", {"n": 2})
            first = self.take_now(worker)
            second = self.take_now(worker)

        assert first is not None
        assert second is not None
        assert [first.messages, second.messages] == [[{"n": 1}], [{"n": 2}]]

    def test_exchange_takes_nothing_when_told_so(self, layer: Layer) -> None:
        layer.send("work", {"n": 1})

        with self.working(layer, "work") as worker:
            outcomes, frames = worker.exchange([Send("p!a", {"n": 2})], take=False)

        assert (outcomes, frames) == ([None], [])
        assert self.receive(layer, "work") == ("work", {"n": 1})

    def test_exchange_sends_in_order(self, layer: Layer) -> None:
        layer.group_add("group", "p!b")

        with self.working(layer, "work") as worker:
            outcomes, _ = worker.exchange(
                [Send("p!a", {"n": 1}), GroupSend("group", {"n": 2}), Send("p!a", {"n": 3})]
            )

        assert outcomes == [None, None, None]
        assert self.receive_all(layer, "p!") == [
            ("p!a", {"n": 1}),
            ("p!b", {"n": 2}),
            ("p!a", {"n": 3}),
        ]

    def test_exchange_reports_each_failure_in_its_place(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=CAPACITY, max_message_size=1000)

        with self.working(layer, "work") as worker:
            outcomes, _ = worker.exchange(
                [
                    Send("p!a", {"n": 1}),
                    Send("p!a", {"body": b"x" * 1100}),
                    Send("p!a", {"value": object()}),
                    Send("not a name", {}),
                    GroupSend("group", {"body": b"x" * 1100}),
                    GroupSend("group", {}),
                    GroupSend("half of a pair: \ud800", {}),
                    Send("p!a", {"n": 2}),
                ]
            )

        assert [type(outcome) for outcome in outcomes] == [
            type(None),
            layer.MessageTooLarge,
            TypeError,
            TypeError,
            layer.MessageTooLarge,
            type(None),
            TypeError,
            type(None),
        ]
        assert [message["n"] for _, message in self.receive_all(layer, "p!")] == [1, 2]

    def test_exchange_reports_what_did_not_fit(self, layer: Layer) -> None:
        with self.working(layer, "work") as worker:
            outcomes, _ = worker.exchange([Send("main?abc", {"n": n}) for n in range(CAPACITY + 2)])

        assert outcomes[:CAPACITY] == [None] * CAPACITY
        assert all(isinstance(outcome, layer.ChannelFull) for outcome in outcomes[CAPACITY:])
        received = self.receive_all(layer, "main?abc")
        assert [message["n"] for _, message in received] == list(range(CAPACITY))

    def test_nothing_overtakes_what_did_not_fit(self, make_layer: MakeLayer) -> None:
        # p!a has no room behind the first message, p!b of the same mailbox has.
        layer = make_layer(capacity=CAPACITY, channel_capacity={"p!a": 1})
        layer.group_add("group", "p!c")
        layer.group_add("group", "q!c")

        with self.working(layer, "work") as worker:
            outcomes, _ = worker.exchange(
                [
                    Send("p!a", {"n": 1}),
                    Send("p!a", {"n": 2}),
                    Send("p!b", {"n": 3}),
                    Send("q!b", {"n": 4}),
                    GroupSend("group", {"n": 5}),
                ]
            )

        assert outcomes[0] is None
        assert isinstance(outcomes[1], layer.ChannelFull)
        assert isinstance(outcomes[2], layer.ChannelFull)
        assert outcomes[3:] == [None, None]
        assert self.receive_all(layer, "p!") == [("p!a", {"n": 1})]
        assert self.receive_all(layer, "q!") == [("q!b", {"n": 4}), ("q!c", {"n": 5})]

    def test_a_group_message_skips_full_mailboxes_without_a_report(self, layer: Layer) -> None:
        for member in ("p!a", "q!a", "main?abc"):
            layer.group_add("group", member)
        for _ in range(CAPACITY):
            layer.send("p!x", {"n": 0})

        with self.working(layer, "work") as worker:
            outcomes, _ = worker.exchange([GroupSend("group", {"n": 1})])

        assert outcomes == [None]
        assert self.receive_all(layer, "q!") == [("q!a", {"n": 1})]
        assert self.receive_all(layer, "main?abc") == [("main?abc", {"n": 1})]
        assert len(self.receive_all(layer, "p!")) == CAPACITY
        assert layer.channel_statistics("p!")["channel_full_count"] == 1

    def test_a_message_changed_after_the_exchange_stays_as_sent(self, layer: Layer) -> None:
        message: dict[str, Any] = {"list": [1]}
        with self.working(layer, "work") as worker:
            worker.exchange([Send("p!a", message)])
        message["list"].append(2)

        assert self.receive(layer, "p!") == ("p!a", {"list": [1]})

    # -- giving back ----------------------------------------------------------------------

    def test_a_frame_given_back_at_the_head_is_next(self, layer: Layer) -> None:
        for n in range(CAPACITY):
            layer.send("main?abc", {"n": n})

        with self.working(layer, "main?abc") as worker:
            frame = self.take(worker)
            assert worker.exchange([GiveBack(frame, at_head=True)], take=False) == ([None], [])
            numbers = [self.take(worker).messages[0]["n"] for _ in range(CAPACITY)]

        assert numbers == [0, 1, 2]

    def test_a_frame_given_back_at_the_tail_is_last(self, layer: Layer) -> None:
        for n in range(CAPACITY):
            layer.send("main?abc", {"n": n})

        with self.working(layer, "main?abc") as worker:
            frame = self.take(worker)
            worker.exchange([GiveBack(frame, at_head=False)], take=False)
            numbers = [self.take(worker).messages[0]["n"] for _ in range(CAPACITY)]

        assert numbers == [1, 2, 0]

    def test_giving_back_goes_past_the_capacity(self, layer: Layer) -> None:
        layer.send("main?abc", {"n": 0})
        with self.working(layer, "main?abc") as worker:
            frame = self.take(worker)
            for n in range(1, CAPACITY + 1):
                layer.send("main?abc", {"n": n})

            outcomes, _ = worker.exchange([GiveBack(frame)], take=False)

        assert outcomes == [None]
        received = self.receive_all(layer, "main?abc")
        assert [message["n"] for _, message in received] == [0, 1, 2, 3]

    def test_giving_back_does_not_prolong_a_life(self, short_lived: Layer, clock: Clock) -> None:
        short_lived.send("main?abc", {})
        with self.working(short_lived, "main?abc") as worker:
            frame = self.take(worker)
            clock.advance(self.expiry * 0.7)
            worker.exchange([GiveBack(frame)], take=False)
            clock.advance(self.expiry * 0.3 + self.margin)

            assert self.take_now(worker) is None

    def test_what_is_left_of_a_frame_can_be_given_back(self, layer: Layer) -> None:
        layer.send("main?abc", {"n": 1})
        with self.working(layer, "main?abc") as worker:
            frame = self.take(worker)
            rest = Frame(frame.channel, [{"n": 2}, {"n": 3}], frame.receipt, True, frame.expires)
            worker.exchange([GiveBack(rest)], take=False)
            again = self.take(worker)

        assert again.messages == [{"n": 2}, {"n": 3}]
        assert again.ordered is True

    # -- unblock --------------------------------------------------------------------------

    def test_unblock_ends_a_waiting_take(self, layer: Layer) -> None:
        with self.working(layer, "work") as worker:
            timer = threading.Timer(0.3, worker.unblock)
            timer.start()
            started = time.monotonic()
            assert worker.take() == []
            waited = time.monotonic() - started
            timer.join()

        assert waited < SOON

    def test_unblock_before_a_take_ends_that_take_soon(self, layer: Layer) -> None:
        with self.working(layer, "work") as worker:
            worker.unblock()
            started = time.monotonic()
            assert worker.take() == []
            assert time.monotonic() - started < SOON

    def test_unblock_after_a_take_loses_nothing(self, layer: Layer) -> None:
        layer.send("main?abc", {"n": 1})
        layer.send("main?abc", {"n": 2})
        with self.working(layer, "main?abc") as worker:
            first = self.take(worker)
            worker.unblock()
            second = self.take(worker)

        assert [first.messages, second.messages] == [[{"n": 1}], [{"n": 2}]]

    def test_unblocking_all_the_time_loses_nothing(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=1000)
        count = 150
        taken: list[int] = []
        finished = threading.Event()

        def send() -> None:
            for n in range(count):
                layer.send("main?abc", {"n": n})

        with self.working(layer, "main?abc") as worker:

            def take() -> None:
                deadline = time.monotonic() + self.patience
                while len(taken) < count and time.monotonic() < deadline:
                    taken.extend(worker.open(frame).messages[0]["n"] for frame in worker.take())
                finished.set()

            def unblock() -> None:
                while not finished.wait(0.002):
                    worker.unblock()

            self.run_threads(take, send, unblock)

        assert taken == list(range(count))
