"""Conformance of the server's client: frames, receipts and the mailbox."""

from __future__ import annotations

import asyncio
import threading

import pytest

from channels.layers.clients import (
    EXPIRED,
    Answer,
    GiveBack,
    GroupSend,
    Joined,
    NotRun,
    Receipt,
    Reply,
    Send,
)
from channels.layers.conformance.common import CAPACITY, Clock, Layer, MakeLayer
from tests.conformance.suites.serving import MAILBOX, Servers


class FrameRules(Servers):
    """Frames, receipts and the mailbox."""

    # -- frames and receipts -------------------------------------------------------------

    def test_messages_of_a_frame_stay_together_and_in_order(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                with self.working(layer, "work") as worker:
                    assert await self.sent(client, "work", {"n": 1}, {"n": 2}, {"n": 3}) is None
                    frame = await self.taken(worker)

            assert frame.channel == "work"
            assert frame.messages == [{"n": 1}, {"n": 2}, {"n": 3}]
            assert (frame.receipt, frame.ordered) == (None, False)

        self.run(test())

    def test_an_answer_comes_back_as_the_receipt_after_the_replies(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                with self.working(layer, "work") as worker:
                    await self.sent(client, "work", {"n": 1}, receipt=7)
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

    def test_a_reply_has_the_number_of_the_frame_in_whose_run_it_was_sent(
        self, layer: Layer
    ) -> None:
        async def test() -> None:
            async with (
                self.serving(layer) as (client, listener),
                self.serving(layer, "web.other!") as (_, other),
            ):
                with self.working(layer, "work") as worker:
                    await self.sent(client, "work", {"n": 1}, receipt=7)
                    receipt = (await self.taken(worker)).receipt
                    await self.exchanged(
                        worker,
                        Send(MAILBOX + "a", {"n": 1}, receipt),
                        Send(MAILBOX + "a", {"n": 2}),
                        Send("web.other!b", {"n": 3}, receipt),
                    )
                assert await self.delivered(listener, 2) == [
                    Reply("a", {"n": 1}, receipt=7),
                    Reply("a", {"n": 2}),
                ]
                # It knows nothing of the frames of others.
                assert await self.delivered(other, 1) == [Reply("b", {"n": 3})]

        self.run(test())

    def test_plain_receive_takes_a_reply_with_a_number_as_any_other(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                await self.sent(client, "work", {"n": 1}, receipt=7)
            with self.working(layer, "work") as worker:
                receipt = (await self.taken(worker)).receipt
                await self.exchanged(
                    worker, *(Send(MAILBOX + "a", {"n": n}, receipt) for n in (1, 2))
                )

        self.run(test())
        expected = [(MAILBOX + "a", {"n": n}) for n in (1, 2)]
        assert self.receive_all(layer, MAILBOX) == expected

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
            async with self.serving(layer) as (client, _):
                with self.working(layer, "main?abc") as worker:
                    outcomes = [self.sent(client, "main?abc", {"n": n}) for n in range(CAPACITY)]
                    assert await asyncio.gather(*outcomes) == [None] * CAPACITY
                    frames = [await self.taken(worker) for _ in range(CAPACITY)]
            assert [frame.messages[0]["n"] for frame in frames] == [0, 1, 2]

        self.run(test())

    def test_a_full_channel_is_reported_and_stores_nothing(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                for n in range(CAPACITY):
                    assert await self.sent(client, "main?abc", {"n": n}) is None
                refused = await self.sent(client, "main?abc", {"n": CAPACITY})
            assert isinstance(refused, layer.ChannelFull)
            assert len(self.receive_all(layer, "main?abc")) == CAPACITY

        self.run(test())

    def test_a_frame_can_go_past_the_capacity(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                for n in range(CAPACITY):
                    await self.sent(client, "main?abc", {"n": n})
                assert await self.sent(client, "main?abc", {"n": 3}, past_capacity=True) is None
            received = self.receive_all(layer, "main?abc")
            assert [message["n"] for _, message in received] == [0, 1, 2, 3]

        self.run(test())

    def test_what_cannot_be_sent_is_reported(self, make_layer: MakeLayer) -> None:
        layer = make_layer(max_message_size=1000)

        async def test() -> None:
            async with self.serving(layer) as (client, _):
                large = await self.sent(client, "work", {"body": b"x" * 1100})
                strange = await self.sent(client, "work", {"value": object()})
                unnamed = await self.sent(client, "not a name", {})
            assert isinstance(large, layer.MessageTooLarge)
            assert isinstance(strange, TypeError)
            assert isinstance(unnamed, TypeError)
            assert self.receive(layer, "work") == (None, None)

        self.run(test())

    def test_a_frame_may_live_longer_than_the_layers_messages(
        self, short_lived: Layer, clock: Clock
    ) -> None:
        async def test() -> None:
            async with self.serving(short_lived) as (client, _):
                await self.sent(client, "main?abc", {"n": 1}, expiry=60)
                await self.sent(client, "main?abc", {"n": 2})
                await asyncio.to_thread(clock.advance, self.expiry + self.margin)
            assert self.receive_all(short_lived, "main?abc") == [("main?abc", {"n": 1})]

        self.run(test())

    def test_the_sender_of_an_expired_frame_is_told_when_a_worker_finds_it(
        self, short_lived: Layer, clock: Clock
    ) -> None:
        async def test() -> None:
            async with self.serving(short_lived) as (client, listener):
                await self.sent(client, "main?abc", {}, receipt=3)
                await asyncio.to_thread(clock.advance, self.expiry + self.margin)
                with self.working(short_lived, "main?abc") as worker:
                    assert self.take_now(worker) is None
                assert await self.delivered(listener, 1) == [NotRun(3, EXPIRED)]

        self.run(test())

    @pytest.mark.parametrize("at_head", [True, False])
    def test_a_frame_given_back_keeps_its_receipt(self, layer: Layer, at_head: bool) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                with self.working(layer, "main?abc") as worker:
                    await self.sent(client, "main?abc", {"n": 1}, {"n": 2}, receipt=9)
                    await self.sent(client, "main?abc", {"n": 3}, receipt=10)
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

    def test_a_frame_that_is_sent_again_says_so_also_when_it_was_given_back(
        self, layer: Layer
    ) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                with self.working(layer, "work") as worker:
                    await self.sent(client, "work", {"n": 1}, receipt=8)
                    assert (await self.taken(worker)).redelivered is False
                    await self.sent(client, "work", {"n": 1}, receipt=9, redelivered=True)
                    again = await self.taken(worker)
                    await self.exchanged(worker, GiveBack(again))
                    returned = await self.taken(worker)
                assert (again.redelivered, again.ordered) == (True, True)
                assert (returned.redelivered, returned.ordered) == (True, True)

        self.run(test())

    def test_plain_receive_answers_after_the_last_message(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                await self.sent(client, "main?abc", {"n": 1}, {"n": 2}, receipt=4)
                await self.sent(client, "main?abc", {"n": 3}, receipt=5)

                assert self.receive(layer, "main?abc") == ("main?abc", {"n": 1})
                await client.mark()
                assert listener.items == []
                assert self.receive(layer, "main?abc") == ("main?abc", {"n": 2})
                assert await self.delivered(listener, 1) == [Receipt(4)]
                assert self.receive(layer, "main?abc") == ("main?abc", {"n": 3})
                assert await self.delivered(listener, 2) == [Receipt(4), Receipt(5)]

        self.run(test())

    def test_queued_tells_which_receipts_still_wait(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, _):
                with self.working(layer, "main?abc") as worker:
                    for number in (1, 2, 3):
                        await self.sent(client, "main?abc", {}, receipt=number)
                    assert await client.queued("main?abc", {1, 2, 3, 4}) == {1, 2, 3}
                    frame = await self.taken(worker)
                    assert frame.receipt == client.receipt_bytes(1)
                    assert await client.queued("main?abc", {1, 3}) == {3}
                    await self.exchanged(worker, GiveBack(frame))
                    assert await client.queued("main?abc", {1}) == {1}
                assert await client.queued("other", {1}) == set()
                assert await client.queued("main?abc", set()) == set()

        self.run(test())

    # -- the mailbox ---------------------------------------------------------------------

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
            async with self.serving(layer) as (client, listener):
                await asyncio.wait_for(client.mark(), self.patience)
                for n in range(5):
                    layer.send(MAILBOX + "a", {"n": n})
                await asyncio.wait_for(client.mark(), self.patience)
                assert listener.items == [Reply("a", {"n": n}) for n in range(5)]

        self.run(test())

    def test_a_server_has_room_for_more_than_the_contracts_capacity(self, layer: Layer) -> None:
        """Shown by all of them being delivered: `delivered` gives up otherwise."""

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
            async with self.serving(layer) as (client, listener):
                with self.working(layer, "work") as worker:
                    await self.sent(client, "work", {}, receipt=1)
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
                await client.mark()
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
            async with self.serving(layer) as (client, listener):
                with self.working(layer, "work") as worker:
                    await self.sent(client, "work", {}, receipt=1)
                    frame = await self.taken(worker)
                    assert frame.receipt is not None
                    self.fill(layer)
                    reply, answer = Send(MAILBOX + "b", {"n": 1}), Answer(frame.receipt)
                    outcomes, _ = worker.exchange([reply, answer], take=False)
                    assert isinstance(outcomes[0], layer.ChannelFull)
                    assert isinstance(outcomes[1], layer.ChannelFull)
                    await client.mark()
                    assert Receipt(1) not in listener.items
                    assert await self.exchanged(worker, reply, answer) == [None, None]
                await listener.until(lambda: Receipt(1) in listener.items, self.patience)
                assert listener.items[-2:] == [Reply("b", {"n": 1}), Receipt(1)]

        self.run(test())

    def test_stop_delivers_what_waits(self, layer: Layer) -> None:
        async def test() -> None:
            async with self.serving(layer) as (client, listener):
                await client.mark()
                for n in range(5):
                    layer.send(MAILBOX + "a", {"n": n})
            assert listener.items == [Reply("a", {"n": n}) for n in range(5)]

        self.run(test())

    def test_stop_sends_what_is_queued(self, layer: Layer) -> None:
        async def test() -> None:
            outcomes: list[Exception | None] = []
            async with self.serving(layer) as (client, _):
                client.send("main?abc", [{"n": 1}], done=outcomes.append)
            assert outcomes == [None]

        self.run(test())
        assert self.receive(layer, "main?abc") == ("main?abc", {"n": 1})
