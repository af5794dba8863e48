"""Conformance of the interface server's face (:class:`channels.layers.faces.ServerFace`)."""

# ruff: noqa: D102 - names of tests are sentences already
from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from channels.layers.conformance_common import CAPACITY, Clock, Conformance, Layer, MakeLayer
from channels.layers.faces import (
    HEARTBEAT_INTERVAL,
    Answer,
    Frame,
    GiveBack,
    GroupMessage,
    GroupSend,
    Item,
    Joined,
    MoreBody,
    ProcessEntry,
    Receipt,
    Reply,
    Send,
    ServerFace,
    SocketEntry,
    WorkerFace,
)

T = TypeVar("T")

MAILBOX = "web.test!"

MEBIBYTE = 1024 * 1024


class Listener:
    """Keeps what a server is told."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.threads: set[int] = set()
        self.depth = 0
        self._changed = asyncio.Event()

    def deliver(self, items: Sequence[Item]) -> None:
        """Note the items."""
        assert self.depth == 0, "deliver() was called from within deliver()"
        self.depth += 1
        self.items.extend(items)
        self.threads.add(threading.get_ident())
        self._changed.set()
        self.depth -= 1

    def layer_lost(self, error: Exception) -> None:
        """There is no outage in these tests."""
        raise AssertionError("the layer was lost") from error

    def layer_back(self) -> None:
        """There is no outage in these tests."""
        raise AssertionError("the layer is back, but was never lost")

    def messages(self) -> list[Item]:
        """Return what was delivered without the notices of joins."""
        return [item for item in self.items if not isinstance(item, Joined)]

    async def until(self, ready: Callable[[], bool], patience: float) -> None:
        """Wait until something is true that depends on the items."""
        deadline = time.monotonic() + patience
        while not ready():
            self._changed.clear()
            left = deadline - time.monotonic()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except asyncio.TimeoutError:
                raise AssertionError(f"it did not come; delivered: {self.items}") from None


class Servers(Conformance):
    """How the tests run a server."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run the body of a test in an event loop, for a bounded time."""

        async def bounded() -> None:
            await asyncio.wait_for(test, 4 * self.patience)

        asyncio.run(bounded())

    @contextlib.asynccontextmanager
    async def serving(
        self, layer: Layer, mailbox: str = MAILBOX
    ) -> AsyncIterator[tuple[ServerFace, Listener]]:
        """Start a server, and stop it at the end."""
        face: ServerFace = layer.open_server(mailbox)
        listener = Listener()
        await face.start(listener, {"version": "test"})
        try:
            yield face, listener
        finally:
            await asyncio.wait_for(face.stop(), self.patience)

    async def sent(
        self, face: ServerFace, channel: str, *messages: Any, **options: Any
    ) -> Exception | None:
        """Send a frame and return its outcome."""
        outcome: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        face.send(channel, messages, done=outcome.set_result, **options)
        return await asyncio.wait_for(outcome, self.patience)

    async def taken(self, worker: WorkerFace) -> Frame:
        """Take a frame that must be there, without blocking the loop."""
        return await asyncio.to_thread(self.take, worker)

    async def exchanged(self, worker: WorkerFace, *operations: Any) -> list[Exception | None]:
        """Carry out operations without blocking the loop, and take nothing."""
        outcomes, frames = await asyncio.to_thread(worker.exchange, operations, take=False)
        assert frames == []
        return outcomes

    async def delivered(self, listener: Listener, count: int) -> list[Item]:
        """Wait for so many items that are not notices of joins, and return them."""
        await listener.until(lambda: len(listener.messages()) >= count, self.patience)
        return listener.messages()

    async def eventually(
        self, look: Callable[[], Awaitable[T]], good: Callable[[T], bool], clock: Clock
    ) -> T:
        """Look again and again, time passing between, until it is good; return what was seen."""
        deadline = time.monotonic() + self.patience
        while True:
            seen = await look()
            if good(seen):
                return seen
            assert time.monotonic() < deadline, f"it stayed at {seen}"
            await asyncio.to_thread(clock.advance, 0.25)
            await asyncio.sleep(0.01)

    def open_sockets(self, layer: Layer, mailbox: str) -> set[str]:
        """Return the local parts of the sockets that a server has written down."""
        return {socket.local for socket in layer.open_sockets(mailbox)}


class ServerFaceConformance(Servers):
    """Rules for interface servers; see :mod:`channels.layers.conformance` for the fixtures."""

    # -- frames and receipts ---------------------------------------------------------------

    def test_messages_of_a_frame_stay_together_and_in_order(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                with self.working(layer, "work") as worker:
                    assert await self.sent(face, "work", {"n": 1}, {"n": 2}, {"n": 3}) is None
                    frame = await self.taken(worker)

            assert frame.channel == "work"
            assert frame.messages == [{"n": 1}, {"n": 2}, {"n": 3}]
            assert (frame.receipt, frame.ordered) == (None, False)

        self.run(test())

    def test_an_answer_comes_back_as_the_receipt_after_the_replies(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                with self.working(layer, "work") as worker:
                    await self.sent(face, "work", {"n": 1}, receipt=7)
                    frame = await self.taken(worker)
                    assert frame.ordered is True
                    assert frame.receipt is not None
                    outcomes = await self.exchanged(
                        worker,
                        Send(MAILBOX + "a", {"n": 1}),
                        Send(MAILBOX + "b", {"n": 2}),
                        Answer(frame.receipt),
                    )
                assert outcomes == [None, None, None]
                assert await self.delivered(listener, 3) == [
                    Reply("a", {"n": 1}),
                    Reply("b", {"n": 2}),
                    Receipt(7),
                ]

        self.run(test())

    def test_each_receipt_goes_to_its_own_server(self, layer: Layer) -> None:
        async def test() -> None:
            async with (
                self.serving(layer, "web.one!") as (one, told_one),
                self.serving(layer, "web.two!") as (two, told_two),
            ):
                with self.working(layer, "work") as worker:
                    await self.sent(one, "work", {}, receipt=2**40)
                    await self.sent(two, "work", {}, receipt=5)
                    for _ in range(2):
                        frame = await self.taken(worker)
                        assert frame.receipt is not None
                        await self.exchanged(worker, Answer(frame.receipt))
                assert await self.delivered(told_one, 1) == [Receipt(2**40)]
                assert await self.delivered(told_two, 1) == [Receipt(5)]

        self.run(test())

    def test_frames_of_one_turn_arrive_in_the_order_of_their_sending(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                with self.working(layer, "main?abc") as worker:
                    outcomes = [self.sent(face, "main?abc", {"n": n}) for n in range(CAPACITY)]
                    assert await asyncio.gather(*outcomes) == [None] * CAPACITY
                    frames = [await self.taken(worker) for _ in range(CAPACITY)]
            assert [frame.messages[0]["n"] for frame in frames] == [0, 1, 2]

        self.run(test())

    def test_a_full_channel_is_reported_and_stores_nothing(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                for n in range(CAPACITY):
                    assert await self.sent(face, "main?abc", {"n": n}) is None
                refused = await self.sent(face, "main?abc", {"n": CAPACITY})
            assert isinstance(refused, layer.ChannelFull)
            assert len(self.receive_all(layer, "main?abc")) == CAPACITY

        self.run(test())

    def test_a_frame_can_go_past_the_capacity(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                for n in range(CAPACITY):
                    await self.sent(face, "main?abc", {"n": n})
                assert await self.sent(face, "main?abc", {"n": 3}, past_capacity=True) is None
            received = self.receive_all(layer, "main?abc")
            assert [message["n"] for _, message in received] == [0, 1, 2, 3]

        self.run(test())

    def test_what_cannot_be_sent_is_reported(self, make_layer: MakeLayer) -> None:
        layer = make_layer(max_message_size=1000)

        async def test() -> None:
            async with self.serving(layer) as (face, _):
                large = await self.sent(face, "work", {"body": b"x" * 1100})
                strange = await self.sent(face, "work", {"value": object()})
                unnamed = await self.sent(face, "not a name", {})
            assert isinstance(large, layer.MessageTooLarge)
            assert isinstance(strange, TypeError)
            assert isinstance(unnamed, TypeError)
            assert self.receive(layer, "work") == (None, None)

        self.run(test())

    def test_a_frame_may_live_longer_than_the_layers_messages(
        self, short_lived: Layer, clock: Clock
    ) -> None:
        async def test() -> None:
            async with self.serving(short_lived) as (face, _):
                await self.sent(face, "main?abc", {"n": 1}, expiry=60)
                await self.sent(face, "main?abc", {"n": 2})
                await asyncio.to_thread(clock.advance, self.expiry + self.margin)
            assert self.receive_all(short_lived, "main?abc") == [("main?abc", {"n": 1})]

        self.run(test())

    def test_an_expired_frame_is_answered_when_a_worker_finds_it(
        self, short_lived: Layer, clock: Clock
    ) -> None:
        async def test() -> None:
            async with self.serving(short_lived) as (face, listener):
                await self.sent(face, "main?abc", {}, receipt=3)
                await asyncio.to_thread(clock.advance, self.expiry + self.margin)
                with self.working(short_lived, "main?abc") as worker:
                    assert self.take_now(worker) is None
                assert await self.delivered(listener, 1) == [Receipt(3)]

        self.run(test())

    @pytest.mark.parametrize("at_head", [True, False])
    def test_a_frame_given_back_keeps_its_receipt(self, layer: Layer, at_head: bool) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                with self.working(layer, "main?abc") as worker:
                    await self.sent(face, "main?abc", {"n": 1}, {"n": 2}, receipt=9)
                    await self.sent(face, "main?abc", {"n": 3}, receipt=10)
                    frame = await self.taken(worker)
                    frame.messages.pop(0)
                    await self.exchanged(worker, GiveBack(frame, at_head=at_head))
                    frames = [await self.taken(worker), await self.taken(worker)]
                    again = frames[0 if at_head else 1]
                    assert again.messages == [{"n": 2}]
                    assert (again.receipt, again.ordered) == (frame.receipt, True)
                    assert again.expires == pytest.approx(frame.expires, abs=0.01)
                    assert listener.items == []
                    assert again.receipt is not None
                    await self.exchanged(worker, Answer(again.receipt))
                assert await self.delivered(listener, 1) == [Receipt(9)]

        self.run(test())

    def test_plain_receive_answers_after_the_last_message(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                await self.sent(face, "main?abc", {"n": 1}, {"n": 2}, receipt=4)
                await self.sent(face, "main?abc", {"n": 3}, receipt=5)

                assert self.receive(layer, "main?abc") == ("main?abc", {"n": 1})
                await face.mark()
                assert listener.items == []
                assert self.receive(layer, "main?abc") == ("main?abc", {"n": 2})
                assert await self.delivered(listener, 1) == [Receipt(4)]
                assert self.receive(layer, "main?abc") == ("main?abc", {"n": 3})
                assert await self.delivered(listener, 2) == [Receipt(4), Receipt(5)]

        self.run(test())

    def test_queued_tells_which_receipts_still_wait(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                with self.working(layer, "main?abc") as worker:
                    for number in (1, 2, 3):
                        await self.sent(face, "main?abc", {}, receipt=number)
                    assert await face.queued("main?abc", {1, 2, 3, 4}) == {1, 2, 3}
                    frame = await self.taken(worker)
                    assert frame.receipt == face.held_as(1)
                    assert await face.queued("main?abc", {1, 3}) == {3}
                    await self.exchanged(worker, GiveBack(frame))
                    assert await face.queued("main?abc", {1}) == {1}
                assert await face.queued("other", {1}) == set()
                assert await face.queued("main?abc", set()) == set()

        self.run(test())

    # -- the mailbox --------------------------------------------------------------------------

    def test_what_is_sent_to_the_mailbox_is_delivered_in_the_loop(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                for n in range(250):
                    await asyncio.to_thread(layer.send, MAILBOX + "a", {"n": n})
                items = await self.delivered(listener, 250)
                assert items == [Reply("a", {"n": n}) for n in range(250)]
                assert listener.threads == {threading.get_ident()}

        self.run(test())

    def test_a_mark_passes_when_all_before_it_was_delivered(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                await asyncio.wait_for(face.mark(), self.patience)
                for n in range(5):
                    layer.send(MAILBOX + "a", {"n": n})
                await asyncio.wait_for(face.mark(), self.patience)
                assert listener.items == [Reply("a", {"n": n}) for n in range(5)]

        self.run(test())

    def test_a_server_has_room_for_more_than_the_contracts_capacity(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                for n in range(500):  # the loop does not run meanwhile
                    layer.send(MAILBOX + "a", {"n": n})
                await self.delivered(listener, 500)

        self.run(test())

    def test_a_full_mailbox_refuses_messages_but_no_receipts_and_joins(
        self, make_layer: MakeLayer
    ) -> None:
        layer = make_layer(channel_capacity={"web.*!": 5})

        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                with self.working(layer, "work") as worker:
                    await self.sent(face, "work", {}, receipt=1)
                    frame = await self.taken(worker)
                    assert frame.receipt is not None
                    stored = self.fill(layer)  # the loop does not run meanwhile
                    outcomes, _ = worker.exchange(
                        [GroupSend("nobody", {}), Answer(frame.receipt)], take=False
                    )
                    assert outcomes == [None, None]
                    layer.group_add("group", MAILBOX + "b")
                    layer.send_group("group", {"skipped": True})
                await listener.until(lambda: len(listener.items) >= stored + 2, self.patience)
                await face.mark()
                assert listener.items == [
                    *(Reply("a", {"n": n}) for n in range(stored)),
                    Receipt(1),
                    Joined("group", "b"),
                ]

        self.run(test())

    def fill(self, layer: Layer) -> int:
        """Send to the server's mailbox until it is full; return how many were stored."""
        # A blocking read may have a batch on its way already, so more than 5 may fit.
        for n in range(1000):
            try:
                layer.send(MAILBOX + "a", {"n": n})
            except layer.ChannelFull:
                return n
        raise AssertionError("it was never full")

    def test_a_receipt_does_not_overtake_a_reply_that_did_not_fit(
        self, make_layer: MakeLayer
    ) -> None:
        layer = make_layer(channel_capacity={"web.*!": 5})

        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                with self.working(layer, "work") as worker:
                    await self.sent(face, "work", {}, receipt=1)
                    frame = await self.taken(worker)
                    assert frame.receipt is not None
                    self.fill(layer)
                    reply, answer = Send(MAILBOX + "b", {"n": 1}), Answer(frame.receipt)
                    outcomes, _ = worker.exchange([reply, answer], take=False)
                    assert isinstance(outcomes[0], layer.ChannelFull)
                    assert isinstance(outcomes[1], layer.ChannelFull)
                    await face.mark()
                    assert Receipt(1) not in listener.items
                    assert await self.exchanged(worker, reply, answer) == [None, None]
                await listener.until(lambda: Receipt(1) in listener.items, self.patience)
                assert listener.items[-2:] == [Reply("b", {"n": 1}), Receipt(1)]

        self.run(test())

    def test_stop_delivers_what_waits(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                await face.mark()
                for n in range(5):
                    layer.send(MAILBOX + "a", {"n": n})
            assert listener.items == [Reply("a", {"n": n}) for n in range(5)]

        self.run(test())

    def test_stop_sends_what_is_queued(self, layer: Layer) -> None:
        async def test() -> None:
            outcomes: list[Exception | None] = []
            async with self.serving(layer) as (face, _):
                face.send("main?abc", [{"n": 1}], done=outcomes.append)
            assert outcomes == [None]

        self.run(test())
        assert self.receive(layer, "main?abc") == ("main?abc", {"n": 1})

    # -- groups -------------------------------------------------------------------------------

    def test_a_group_message_comes_once_with_its_members(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                for local in ("c", "a", "b"):
                    layer.group_add("group", MAILBOX + local)
                layer.group_add("group", "web.other!x")
                layer.group_discard("group", MAILBOX + "a")

                layer.send_group("group", {"n": 1})

                (item,) = await self.delivered(listener, 1)
                await face.mark()
                assert isinstance(item, GroupMessage)
                assert (item.group, item.message) == ("group", {"n": 1})
                assert list(item.members) == ["c", "b"]
                assert len(listener.messages()) == 1

        self.run(test())

    def test_the_members_are_those_at_the_moment_of_the_send(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                layer.group_add("group", MAILBOX + "a")
                layer.send_group("group", {"n": 1})
                layer.group_add("group", MAILBOX + "b")
                layer.send_group("group", {"n": 2})
                layer.group_discard("group", MAILBOX + "a")
                layer.send_group("group", {"n": 3})

                items = await self.delivered(listener, 3)
                assert [list(item.members) for item in items if isinstance(item, GroupMessage)] == [
                    ["a"],
                    ["a", "b"],
                    ["b"],
                ]

        self.run(test())

    def test_each_server_gets_its_own_members(self, layer: Layer) -> None:
        async def test() -> None:
            async with (
                self.serving(layer, "web.one!") as (_, told_one),
                self.serving(layer, "web.two!") as (_, told_two),
            ):
                for channel in ("web.one!a", "web.two!b", "web.one!c"):
                    layer.group_add("group", channel)
                layer.send_group("group", {"n": 1})
                (one,) = await self.delivered(told_one, 1)
                (two,) = await self.delivered(told_two, 1)
            assert isinstance(one, GroupMessage)
            assert isinstance(two, GroupMessage)
            assert (list(one.members), list(two.members)) == (["a", "c"], ["b"])

        self.run(test())

    def test_a_group_without_members_here_sends_nothing_here(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                layer.group_add("group", MAILBOX + "a")
                layer.group_discard("group", MAILBOX + "a")
                layer.send_group("group", {"n": 1})
                await face.mark()
                # An item that finds nobody is allowed, but it must name nobody.
                for item in listener.messages():
                    assert isinstance(item, GroupMessage)
                    assert list(item.members) == []

        self.run(test())

    def test_replies_and_group_messages_of_one_exchange_keep_their_order(
        self, layer: Layer
    ) -> None:
        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                layer.group_add("group", MAILBOX + "a")
                with self.working(layer, "work") as worker:
                    await self.exchanged(
                        worker,
                        Send(MAILBOX + "a", {"n": 1}),
                        GroupSend("group", {"n": 2}),
                        Send(MAILBOX + "a", {"n": 3}),
                    )
                items = await self.delivered(listener, 3)
                assert [
                    item.message["n"]
                    for item in items
                    if not isinstance(item, (Receipt, Joined, MoreBody))
                ] == [1, 2, 3]
                assert [type(item) for item in items] == [Reply, GroupMessage, Reply]

        self.run(test())

    def test_a_join_is_told_before_the_groups_messages(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                layer.group_add("group", MAILBOX + "a")
                layer.send_group("group", {"n": 1})
                await self.delivered(listener, 1)
                assert listener.items[0] == Joined("group", "a")
                assert set(face.memberships("a")) == {"group"}
                assert set(face.memberships("b")) == set()

        self.run(test())

    def test_a_membership_forgotten_is_discarded(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                for group in ("first", "second"):
                    for local in ("a", "b"):
                        layer.group_add(group, MAILBOX + local)
                await listener.until(lambda: len(listener.items) >= 4, self.patience)

                face.forget([("first", "a"), ("second", "a"), ("second", "nobody")])
                await face.mark()

                await listener.until(lambda: not face.memberships("a"), self.patience)
                assert set(face.memberships("b")) == {"first", "second"}
            # stop() has sent what was queued, so it is seen everywhere.
            assert MAILBOX + "a" not in layer.group_channels("first")
            assert MAILBOX + "a" not in layer.group_channels("second")

        self.run(test())

    def test_memberships_expire_unless_kept(self, short_lived: Layer, clock: Clock) -> None:
        async def test() -> None:
            async with self.serving(short_lived) as (face, listener):
                for local in ("kept", "gone"):
                    short_lived.group_add("group", MAILBOX + local)
                await listener.until(lambda: len(listener.items) >= 2, self.patience)
                await asyncio.to_thread(clock.advance, self.group_expiry * 0.6)
                face.keep(["kept", "unknown"])
                await face.mark()
                await asyncio.to_thread(clock.advance, self.group_expiry * 0.6)

                short_lived.send_group("group", {"n": 1})

                (item,) = await self.delivered(listener, 1)
                assert isinstance(item, GroupMessage)
                assert list(item.members) == ["kept"]
                assert list(short_lived.group_channels("group")) == [MAILBOX + "kept"]

        self.run(test())

    # -- response bodies ----------------------------------------------------------------------

    def test_a_body_is_told_of_once_and_read_in_order(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                for n in range(5):
                    layer.send_body(MAILBOX + "a", {"n": n})
                assert await self.delivered(listener, 1) == [MoreBody("a")]

                first = await face.read_body("a", 3)
                second = await face.read_body("a", 3)
                third = await face.read_body("a", 3)
                assert [chunk["n"] for chunk in first] == [0, 1, 2]
                assert [chunk["n"] for chunk in second] == [3, 4]
                assert third == []
                assert await face.read_body("other", 3) == []

                layer.send_body(MAILBOX + "a", {"n": 5})
                items = await self.delivered(listener, 2)
                assert items == [MoreBody("a"), MoreBody("a")]
                assert await face.read_body("a", 3) == [{"n": 5}]

        self.run(test())

    def test_a_body_takes_no_room_in_the_mailbox(self, make_layer: MakeLayer) -> None:
        layer = make_layer(channel_capacity={"web.*!": 1})

        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                for n in range(300):  # the loop does not run meanwhile
                    layer.send_body(MAILBOX + "a", {"n": n})
                layer.send(MAILBOX + "b", {})
                assert await self.delivered(listener, 2) == [MoreBody("a"), Reply("b", {})]

        self.run(test())

    def test_a_body_that_nobody_reads_is_bounded(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                chunk = {"content": b"x" * MEBIBYTE}
                stored = 0
                with contextlib.suppress(layer.ChannelFull):
                    while stored < 20:
                        layer.send_body(MAILBOX + "a", chunk)
                        stored += 1
                assert 7 <= stored <= 8
                layer.send_body(MAILBOX + "b", chunk)

                assert len(await face.read_body("a", 2)) == 2
                layer.send_body(MAILBOX + "a", chunk)

        self.run(test())

    # -- sockets and processes ------------------------------------------------------------------

    def test_a_socket_is_written_down_with_its_frames(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                for local in ("a", "b"):
                    socket = SocketEntry(local, "/chat/", face.now())
                    assert await self.sent(face, "main?c", {}, opens=socket) is None
                assert self.open_sockets(layer, MAILBOX) == {"a", "b"}

                assert await self.sent(face, "main?d", {}, closes="a") is None
                assert self.open_sockets(layer, MAILBOX) == {"b"}

        self.run(test())

    def test_a_socket_whose_frame_was_refused_is_not_written_down(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                for _ in range(CAPACITY):
                    await self.sent(face, "main?c", {})
                socket = SocketEntry("a", "/chat/", face.now())
                refused = await self.sent(face, "main?c", {}, opens=socket)
                assert isinstance(refused, layer.ChannelFull)
                assert self.open_sockets(layer, MAILBOX) == set()

        self.run(test())

    def test_servers_and_workers_are_on_the_register(self, layer: Layer, clock: Clock) -> None:
        async def test() -> None:
            held: set[bytes] = set()
            async with self.serving(layer) as (face, _):
                with self.working(layer, "one", "two", held=held):
                    entries = await self.eventually(face.processes, lambda e: len(e) == 2, clock)
                    server, worker = sorted(entries, key=lambda entry: entry.kind)
                    assert (server.kind, server.name) == ("server", MAILBOX)
                    assert server.info["version"] == "test"
                    assert server.channels == frozenset()
                    assert worker.kind == "worker"
                    assert worker.channels == {"one", "two"}
                    assert worker.held == frozenset()
                    assert abs(worker.seen - face.now()) < self.patience

                    held.add(face.held_as(12))
                    await self.eventually(
                        face.processes, lambda e: self.of_worker(e).held == held, clock
                    )
                await self.eventually(face.processes, lambda e: len(e) == 1, clock)

        self.run(test())

    def test_heartbeats_are_numbered(self, layer: Layer, clock: Clock) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                with self.working(layer, "one"):
                    before = self.of_worker(
                        await self.eventually(face.processes, lambda e: len(e) == 2, clock)
                    )
                    await asyncio.to_thread(clock.advance, HEARTBEAT_INTERVAL)
                    after = self.of_worker(
                        await self.eventually(
                            face.processes, lambda e: self.of_worker(e).beat > before.beat, clock
                        )
                    )
                    assert after.name == before.name
                    assert after.seen > before.seen

        self.run(test())

    def test_a_server_that_stopped_is_off_the_register(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer, "web.one!") as (one, _):
                async with self.serving(layer, "web.two!"):
                    names = {entry.name for entry in await one.processes()}
                    assert names == {"web.one!", "web.two!"}
                assert {entry.name for entry in await one.processes()} == {"web.one!"}

        self.run(test())

    def test_a_server_that_runs_is_settled(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, _):
                assert face.mailbox == MAILBOX
                assert face.settled_since <= face.now()

        self.run(test())

    def of_worker(self, entries: Sequence[ProcessEntry]) -> ProcessEntry:
        """Return the entry of the only worker."""
        (worker,) = (entry for entry in entries if entry.kind == "worker")
        return worker


class UndecodableConformance(Servers):
    """Rules for layers that store bytes; needs the fixture ``spoil`` besides the others."""

    def test_an_undecodable_frame_is_answered_and_left_out(
        self, layer: Layer, spoil: Callable[[Layer, str], None]
    ) -> None:
        async def test() -> None:
            async with self.serving(layer) as (face, listener):
                with self.working(layer, "main?abc") as worker:
                    await self.sent(face, "main?abc", {"n": 1}, receipt=1)
                    spoil(layer, "main?abc")
                    await self.sent(face, "main?abc", {"n": 2}, receipt=2)
                    frame = await self.taken(worker)
                assert frame.messages == [{"n": 2}]
                assert await self.delivered(listener, 1) == [Receipt(1)]

        self.run(test())

    def test_plain_receive_passes_over_an_undecodable_message(
        self, layer: Layer, spoil: Callable[[Layer, str], None]
    ) -> None:
        layer.send("main?abc", {"n": 1})
        spoil(layer, "main?abc")
        layer.send("main?abc", {"n": 2})

        assert self.receive_all(layer, "main?abc") == [("main?abc", {"n": 2})]

    def test_an_undecodable_reply_does_not_stop_the_mailbox(
        self, layer: Layer, spoil: Callable[[Layer, str], None]
    ) -> None:
        layer.send(MAILBOX + "a", {"n": 1})
        spoil(layer, MAILBOX)
        layer.send(MAILBOX + "a", {"n": 2})

        async def test() -> None:
            async with self.serving(layer) as (_, listener):
                layer.send(MAILBOX + "a", {"n": 3})
                items = await self.delivered(listener, 1)
                await listener.until(lambda: Reply("a", {"n": 3}) in listener.items, self.patience)
                assert Reply("a", {"n": 1}) not in items

        self.run(test())
