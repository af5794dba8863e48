"""Conformance of a worker's client that answers by the batch (:mod:`channels.layers.batches`)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers.clients import Frame, GiveBack, Send
from channels.layers.conformance.common import CAPACITY, Conformance, Layer, MakeLayer

#: Two fit into a megabyte, encrypted or not; five don't.
LARGE = 300_000


class BatchConformance(Conformance):
    """Rules for a client that takes ahead; see :mod:`channels.layers.conformance`."""

    @contextmanager
    def batching(self, layer: Layer, *channels: str) -> Iterator[Any]:
        """A client with batches of its own, whose thread is this one."""
        with self.working(layer, *channels) as worker:
            assert hasattr(worker, "keep")
            yield worker

    def numbers(self, layer: Layer, channel: str) -> list[int]:
        """What waits on a channel of one reader."""
        return [message["n"] for _, message in self.receive_all(layer, channel)]

    # -- taking ahead --------------------------------------------------------------------

    def test_a_take_gives_as_many_frames_of_a_channel_as_it_may_in_order(
        self, make_layer: MakeLayer
    ) -> None:
        layer = make_layer(capacity=100)
        for n in range(40):
            layer.send("main?abc", {"n": n})

        with self.batching(layer, "main?abc") as worker:
            _, first = worker.exchange([], counts={"main?abc": 32})
            second = worker.take(counts={"main?abc": 64})
            opened = [worker.open(frame) for frame in (*first, *second)]

        assert (len(first), len(second)) == (32, 8)
        assert [frame.messages[0]["n"] for frame in opened] == list(range(40))

    def test_frames_of_one_channel_at_a_time_come_fairly(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=100)
        counts = {"one?a": 4, "two?b": 4}
        for _ in range(8):
            layer.send("one?a", {})
            layer.send("two?b", {})

        with self.batching(layer, "one?a", "two?b") as worker:
            takes = []
            while frames := worker.exchange([], counts=counts)[1]:
                takes.append({frame.channel for frame in frames})

        assert all(len(channels) == 1 for channels in takes)
        assert {next(iter(channels)) for channels in takes[:2]} == {"one?a", "two?b"}

    def test_no_take_brings_more_than_a_megabyte(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=100)
        for n in range(5):
            layer.send("main?abc", {"n": n, "bytes": bytes(LARGE)})

        with self.batching(layer, "main?abc") as worker:
            takes = []
            while frames := worker.exchange([], counts={"main?abc": 64})[1]:
                takes.append([worker.open(frame).messages[0]["n"] for frame in frames])

        assert [n for numbers in takes for n in numbers] == list(range(5))
        assert 2 <= len(takes[0]) < 5

    def test_what_is_given_back_together_comes_again_first_and_in_order(
        self, make_layer: MakeLayer
    ) -> None:
        layer = make_layer(capacity=5)
        for n in range(5):
            layer.send("main?abc", {"n": n})

        with self.batching(layer, "main?abc") as worker:
            (first, *others) = worker.exchange([], counts={"main?abc": 4})[1]
            layer.send("main?abc", {"n": 5})
            worker.exchange([GiveBack(frame) for frame in others], take=False)

            assert worker.open(first).messages == [{"n": 0}]
        assert self.numbers(layer, "main?abc") == [1, 2, 3, 4, 5]

    # -- keeping and posting ---------------------------------------------------------------

    def test_what_is_kept_leaves_in_order_in_front_of_the_next_exchange(self, layer: Layer) -> None:
        with self.batching(layer, "work") as worker:
            worker.keep([Send("main?abc", {"n": 1})])
            worker.keep([Send("main?abc", {"n": 2})])
            assert self.receive_unseen(layer, "main?abc") is None

            assert worker.exchange([Send("main?abc", {"n": 3})])[0] == [None]

        assert self.numbers(layer, "main?abc") == [1, 2, 3]

    def test_a_message_is_kept_as_it_was(self, layer: Layer) -> None:
        content = {"n": 1}
        with self.batching(layer, "work") as worker:
            worker.keep([Send("main?abc", content)])
            content["n"] = 2
            worker.exchange([])

        assert self.numbers(layer, "main?abc") == [1]

    def test_what_is_posted_is_there_soon_and_refusals_are_known_by_their_owner(
        self, layer: Layer
    ) -> None:
        layer.send("main?full", {"n": 0})
        for _ in range(CAPACITY - 1):
            layer.send("main?full", {"n": 0})

        with self.batching(layer, "work") as worker:
            worker.keep([Send("main?abc", {"n": 1}), Send("main?full", {"n": 1})], "one")
            worker.keep([Send("main?abc", {"n": 2}), Send("not a name", {})], "two")
            worker.post()
            worker.exchange([])

            refused = {owner: type(error) for _, error, owner in worker.refused()}
            assert refused == {"one": ChannelFull, "two": TypeError}
            assert worker.refused() == []
        assert self.numbers(layer, "main?abc") == [1, 2]

    def test_nothing_is_posted_behind_what_was_refused_before_that_was_looked_after(
        self, layer: Layer
    ) -> None:
        for _ in range(CAPACITY):
            layer.send("main?abc", {"n": 0})

        with self.batching(layer, "work") as worker:
            worker.keep([Send("main?abc", {"n": 1})], "one")
            worker.post()
            worker.keep([Send("main?abc", {"n": 2})], "two")
            worker.post()
            if not worker.is_refused():  # where nothing is ever on its way
                worker.exchange([], take=False)
            assert self.numbers(layer, "main?abc") == [0] * CAPACITY
            worker.exchange([])  # so they are tried again

        assert self.numbers(layer, "main?abc") == [1, 2]

    # -- the barrier -----------------------------------------------------------------------

    def test_what_the_thread_asks_of_the_layer_goes_behind_what_is_kept(self, layer: Layer) -> None:
        with self.batching(layer, "work") as worker:
            worker.keep([Send("main?abc", {"n": 1})])
            layer.send("main?abc", {"n": 2})
            worker.keep([Send("main?abc", {"n": 3})])
            worker.post()

            assert self.numbers(layer, "main?abc") == [1, 2, 3]

    def test_so_does_what_another_thread_of_the_process_asks(self, layer: Layer) -> None:
        with self.batching(layer, "work") as worker:
            worker.keep([Send("main?abc", {"n": 1})])
            self.run_threads(lambda: layer.send("main?abc", {"n": 2}))

            assert self.numbers(layer, "main?abc") == [1, 2]
            assert not worker.is_pending()

    def test_groups_of_the_layer_go_behind_what_is_kept_for_them(
        self, make_layer: MakeLayer
    ) -> None:
        layer = make_layer(capacity=100)
        with self.batching(layer, "work") as worker:
            worker.keep([Send("box!a", {"n": 1})])
            layer.group_add("room", "box!a")
            worker.keep([Send("box!a", {"n": 2})])
            layer.send_group("room", {"n": 3})
            worker.keep([Send("box!a", {"n": 4})])
            assert layer.group_channels("room") == ["box!a"]

        assert self.numbers(layer, "box!") == [1, 2, 3, 4]

    def test_two_workers_of_a_process_wait_for_their_own_only(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=100)
        kept, sent = threading.Event(), threading.Event()

        def other() -> None:
            with self.batching(layer, "work") as worker:
                worker.keep([Send("main?abc", {"n": 1})])
                kept.set()
                assert sent.wait(self.patience)
                worker.exchange([], take=False)

        def this() -> None:
            with self.batching(layer, "work"):
                assert kept.wait(self.patience)
                layer.send("main?abc", {"n": 2})
                sent.set()

        self.run_threads(other, this)

        assert sorted(self.numbers(layer, "main?abc")) == [1, 2]

    def test_the_child_of_a_fork_has_nothing_of_it(self, layer: Layer) -> None:
        with self.batching(layer, "work") as worker:
            worker.keep([Send("main?abc", {"n": 1})])
            child = os.fork()
            if not child:
                try:
                    layer.send("main?abc", {"n": 2})
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            worker.exchange([])

        assert self.numbers(layer, "main?abc") == [2, 1]

    def receive_unseen(self, layer: Layer, channel: str) -> Frame | None:
        """What waits on a channel, looked at through another layer, whose process this is not."""
        with self.working(layer, channel) as other:
            return self.take_now(other)
