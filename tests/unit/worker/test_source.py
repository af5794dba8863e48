"""The fast way: frames, receipts, one exchange for each consumer run."""

from __future__ import annotations

import pytest

from channels import Channel, Group
from channels.backoff import Backoff
from channels.exceptions import ChannelFull, ConsumeLater, MessageTooLarge
from channels.layers.batches import Unbatched
from channels.outbox import pending_message_store
from channels.worker import Worker
from channels.worker.source import Source
from tests.support.scripted import (
    Answer,
    Clock,
    Frame,
    GiveBack,
    GroupSend,
    LayerUnavailable,
    ScriptedClient,
    ScriptedLayer,
    Send,
    run_until_idle,
    wrap,
)


def reply(message):
    message.reply_channel.send({"echo": message["n"]})


def frame(*numbers, channel="test", receipt=b"r1", **options):
    messages = [{"n": n, "reply_channel": "web.a!x"} for n in numbers]
    return Frame(channel, messages, receipt, **options)


def echo(n):
    return Send("web.a!x", {"echo": n})


class TestOneRoundTrip:
    def test_reply_receipt_and_the_next_take_are_one_exchange(self):
        layer = ScriptedLayer(frame(1), frame(2, receipt=b"r2"))

        run_until_idle(layer, ("test", reply))

        assert layer.client.exchanges == [[echo(1), Answer(b"r1")], [echo(2), Answer(b"r2")]]
        # One for the first frame and one that waits: the second came with the flush.
        assert layer.client.takes == 2

    def test_each_message_of_a_frame_is_flushed_and_the_last_answers(self):
        layer = ScriptedLayer(frame(1, 2, 3))

        run_until_idle(layer, ("test", reply))

        assert layer.client.exchanges == [[echo(1)], [echo(2)], [echo(3), Answer(b"r1")]]

    def test_a_message_that_sends_nothing_within_a_frame_costs_no_exchange(self):
        layer = ScriptedLayer(frame(1, 2))

        run_until_idle(layer, ("test", lambda message: None))

        assert layer.client.exchanges == [[Answer(b"r1")]]

    def test_without_a_receipt_nothing_is_answered(self):
        layer = ScriptedLayer(frame(1, receipt=None))

        run_until_idle(layer, ("test", reply))

        assert layer.client.exchanges == [[echo(1)]]

    def test_groups_travel_in_the_order_in_which_they_were_sent_to(self):
        def consumer(message):
            layer = message.channel_layer
            Group("all", channel_layer=layer).send({"g": 1})
            reply(message)
            Channel("other", channel_layer=layer.channel_layer).send({"c": 1})

        layer = ScriptedLayer(frame(1))

        run_until_idle(layer, ("test", consumer))

        assert layer.client.exchanges == [
            [GroupSend("all", {"g": 1}), echo(1), Send("other", {"c": 1}), Answer(b"r1")]
        ]

    def test_what_is_appended_to_the_outbox_goes_by_its_name_and_in_its_order(self):
        class Sender:
            """As a project may have written it for Channels 1."""

            name = "other"

            def __init__(self, layer):
                self.channel_layer = layer

            def send(self, content, immediately=False):
                raise AssertionError("a worker sends by the name")

        def consumer(message):
            layer = message.channel_layer
            reply(message)
            pending_message_store.append(Sender(layer), {"c": 1})
            pending_message_store.append(Group("all", channel_layer=layer), {"g": 1})
            reply(message)

        layer = ScriptedLayer(frame(1))

        run_until_idle(layer, ("test", consumer))

        assert layer.client.exchanges == [
            [echo(1), Send("other", {"c": 1}), GroupSend("all", {"g": 1}), echo(1), Answer(b"r1")]
        ]

    def test_the_message_knows_that_its_connection_is_in_order(self):
        seen = []
        layer = ScriptedLayer(frame(1, ordered=True), frame(2))

        run_until_idle(layer, ("test", lambda message: seen.append(message.ordered)))

        assert seen == [True, False]

    def test_another_layer_gets_its_messages_by_its_own_send(self):
        other = ScriptedLayer()

        def consumer(message):
            reply(message)
            Channel("there", channel_layer=other).send({"n": 1})

        layer = ScriptedLayer(frame(1))

        run_until_idle(layer, ("test", consumer))

        assert other.sent == [("there", {"n": 1})]
        assert layer.client.exchanges == [[echo(1), Answer(b"r1")]]

    def test_a_send_put_on_the_wrapper_meanwhile_is_used(self):
        sent = []

        def consumer(message):
            message.channel_layer.send = lambda name, content: sent.append((name, content))
            reply(message)

        layer = ScriptedLayer(frame(1))

        run_until_idle(layer, ("test", consumer))

        assert sent == [("web.a!x", {"echo": 1})]
        assert layer.client.exchanges == [[Answer(b"r1")]]


class TestHeldReceipts:
    def test_the_heartbeat_sees_a_receipt_from_the_take_to_the_answer(self):
        layer = ScriptedLayer(frame(1, 2), frame(3, receipt=b"r2"))
        held = []

        run_until_idle(layer, ("test", lambda message: held.append(list(layer.client.held()))))

        assert held == [[b"r1"], [b"r1"], [b"r2"]]
        assert layer.client.held() == []

    def test_an_answer_whose_fate_is_unknown_is_given_again_and_held_meanwhile(self):
        layer = ScriptedLayer(frame(1), frame(2, receipt=b"r2"))
        layer.client.outages.extend([None, None, LayerUnavailable("gone")])
        held = []

        def consumer(message):
            held.append(list(layer.client.held()))
            reply(message)

        run_until_idle(layer, ("test", consumer))

        assert layer.client.exchanges == [
            [echo(1), Answer(b"r1")],  # lost on its way, perhaps: the reply is not repeated
            [Answer(b"r1")],
            [echo(2), Answer(b"r2")],
        ]
        assert held == [[b"r1"], [b"r2"]]

    def test_an_answer_that_one_host_did_not_take_is_given_again(self):
        layer = ScriptedLayer(frame(1), frame(2, receipt=b"r2"))
        down = iter([LayerUnavailable("one host of two")])
        layer.client.outcome = lambda one: next(down, None) if one == Answer(b"r1") else None

        run_until_idle(layer, ("test", reply))

        assert layer.client.exchanges == [
            [echo(1), Answer(b"r1")],
            [Answer(b"r1"), echo(2), Answer(b"r2")],
        ]
        assert layer.client.held() == []


class TestConsumeLater:
    def test_the_message_and_all_behind_it_go_back_unanswered_as_one_frame(self):
        def consumer(message):
            reply(message)
            if message["n"] == 2:
                raise ConsumeLater

        layer = ScriptedLayer(frame(1, 2, 3, ordered=True, expires=9.0))

        run_until_idle(layer, ("test", consumer))

        second = {"n": 2, "reply_channel": "web.a!x", "__retries__": 1}
        third = {"n": 3, "reply_channel": "web.a!x"}
        back = Frame("test", [second, third], b"r1", ordered=True, expires=9.0)
        assert layer.client.exchanges == [[echo(1)], [echo(2), GiveBack(back, at_head=False)]]
        assert layer.client.held() == []

    def test_without_a_receipt_it_goes_back_through_a_send(self):
        def consumer(message):
            if message["n"] == 1:
                raise ConsumeLater

        layer = ScriptedLayer(frame(1, 2, receipt=None))

        run_until_idle(layer, ("test", consumer))

        content = {"n": 1, "reply_channel": "web.a!x", "__retries__": 1}
        assert layer.client.done == [Send("test", content)]

    def test_retries_used_up_answer_and_what_is_behind_runs(self):
        ran = []

        def consumer(message):
            ran.append(message["n"])
            if message["n"] == 1:
                raise ConsumeLater

        layer = ScriptedLayer(frame(1, 2))

        run_until_idle(layer, ("test", consumer), message_retries=0)

        assert ran == [1, 2]
        assert layer.client.exchanges == [[Answer(b"r1")]]

    def test_a_message_that_cannot_travel_any_more_is_dropped_and_the_rest_runs(self):
        ran = []

        def consumer(message):
            ran.append(message["n"])
            if message["n"] == 1:
                message["odd"] = object()
                raise ConsumeLater

        layer = ScriptedLayer(frame(1, 2))
        layer.client.outcome = lambda one: TypeError("odd") if isinstance(one, GiveBack) else None

        run_until_idle(layer, ("test", consumer))

        assert ran == [1, 2]
        assert layer.client.done[-1] == Answer(b"r1")

    def test_a_message_whose_way_back_is_unknown_is_not_run_again(self):
        ran = []

        def consumer(message):
            ran.append(message["n"])
            raise ConsumeLater

        layer = ScriptedLayer(frame(1, 2))
        layer.client.outcome = lambda one: LayerUnavailable("gone")

        run_until_idle(layer, ("test", consumer))

        assert ran == [1]
        assert [type(one) for one in layer.client.done] == [GiveBack]


class TestStopping:
    def test_what_has_not_run_goes_back_to_the_head_with_its_receipt(self):
        layer = ScriptedLayer(frame(1, 2, 3, ordered=True, expires=5.0))
        ran = []

        def consumer(message):
            ran.append(message["n"])
            worker.request_stop()

        worker = Worker(wrap(layer, ("test", consumer)), signal_handlers=False)
        worker.run()

        rest = [{"n": n, "reply_channel": "web.a!x"} for n in (2, 3)]
        assert ran == [1]
        assert layer.client.exchanges == [
            [GiveBack(Frame("test", rest, b"r1", ordered=True, expires=5.0))]
        ]
        assert layer.client.closed == 1

    def test_a_frame_taken_and_not_begun_goes_back_too(self):
        layer = ScriptedLayer(frame(1), frame(2, receipt=b"r2"))
        worker_of = {}
        layer.client.outcome = lambda one: worker_of["it"].request_stop()

        worker_of["it"] = Worker(wrap(layer, ("test", reply)), signal_handlers=False)
        worker_of["it"].run()

        assert layer.client.exchanges == [
            [echo(1), Answer(b"r1")],
            [GiveBack(frame(2, receipt=b"r2"))],
        ]

    def test_the_last_flush_takes_nothing_once_it_is_to_stop(self):
        layer = ScriptedLayer(frame(1), frame(2, receipt=b"r2"))

        def consumer(message):
            reply(message)
            worker.request_stop()

        worker = Worker(wrap(layer, ("test", consumer)), signal_handlers=False)
        worker.run()

        assert list(layer.client.frames) == [frame(2, receipt=b"r2")]
        assert layer.client.unblocked == 1

    def test_a_signal_to_an_idle_worker_only_ends_its_take(self):
        layer = ScriptedLayer()

        worker = Worker(wrap(layer, ("test", reply)), signal_handlers=False)
        layer.client.when_idle = lambda: worker.sigterm_handler(15, None)
        worker.run()

        assert (layer.client.takes, layer.client.unblocked, layer.client.closed) == (1, 1, 1)

    def test_it_ends_although_the_layer_does_not_answer(self, caplog):
        layer = ScriptedLayer(frame(1, 2))
        gone = LayerUnavailable("gone")

        def unblock():
            raise gone

        def consumer(message):
            layer.client.unblock = layer.client.close = unblock
            layer.client.outages.append(gone)
            worker.request_stop()

        worker = Worker(wrap(layer, ("test", consumer)), signal_handlers=False)
        worker.run()

        assert "1 message(s)" in caplog.text  # the second may or may not be back
        assert "Could not take leave" in caplog.text


class TestOutages:
    def make(self, client, clock):
        layer = ScriptedLayer()
        layer.client = client
        return Source(
            wrap(layer),
            ["test"],
            listening=lambda: told.append(clock.now),
            backoff=Backoff(first=1.0, most=4.0, rand=lambda: 1.0),
            clock=clock,
            sleep=clock.sleep,
            pause=clock.sleep,
        )

    @pytest.fixture(autouse=True)
    def _told(self):
        told.clear()

    def test_a_layer_that_is_down_is_tried_again_in_growing_pauses(self, caplog):
        clock, client = Clock(0.0), ScriptedClient(frame(1))
        client.outages.extend([LayerUnavailable("refused")] * 4)
        source = self.make(client, clock)

        taken = [source.next() for _ in range(5)]

        assert taken[:4] == [None] * 4
        assert taken[4].content["n"] == 1
        assert clock.slept == [1.0, 2.0, 4.0, 4.0]
        assert told == [11.0]
        warnings = [record for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == 1  # once for each outage, not once for each try

    def test_an_unexpected_error_of_a_layer_does_not_end_the_loop(self):
        clock, client = Clock(0.0), ScriptedClient(frame(1))
        client.outages.extend([None, RuntimeError("odd")])
        source = self.make(client, clock)

        assert source.next() is None
        assert clock.slept == [1.0]  # or it would be asked without a pause for ever
        assert source.next().content["n"] == 1

    def test_pauses_start_small_again_after_an_outage(self):
        clock, client = Clock(0.0), ScriptedClient(frame(1), frame(2))
        down = LayerUnavailable("gone")
        client.outages.extend([None, down, down, None, down])
        source = self.make(client, clock)

        for _ in range(2):
            source.next()
        source.next()
        source.done([], None)
        source.next()

        assert clock.slept[:2] == [1.0, 2.0]


told: list[float] = []


class TestFullMailboxes:
    def test_a_full_one_is_tried_again_and_its_receipt_leaves_last(self):
        clock = Clock(0.0)
        client = ScriptedClient(frame(1))
        tries = iter([True, True, False])
        state = {"full": True}

        def outcome(operation):
            if isinstance(operation, Send):
                state["full"] = next(tries)
            return ChannelFull("web.a!", 1) if state["full"] else None

        client.outcome = outcome
        source = TestOutages().make(client, clock)
        source.next()
        source.done([echo(1)], reply)

        assert client.exchanges == [[echo(1), Answer(b"r1")]] * 3
        assert clock.slept == [0.05, pytest.approx(0.075)]
        assert list(source.unanswered()) == []

    def test_after_two_seconds_it_is_dropped_and_the_receipt_leaves_all_the_same(self, caplog):
        clock = Clock(0.0)
        client = ScriptedClient(frame(1))
        client.outcome = lambda one: (
            ChannelFull("web.a!", 1)
            if isinstance(one, Send) or len(client.exchanges[-1]) > 1
            else None
        )
        source = TestOutages().make(client, clock)
        source.next()
        source.done([echo(1), echo(2)], reply)

        assert clock.now == pytest.approx(2.0)
        assert client.exchanges[-1] == [Answer(b"r1")]
        dropped = [record.getMessage() for record in caplog.records]
        assert len(dropped) == 2
        assert "'web.a!x'" in dropped[0]
        assert "test_source.reply" in dropped[0]

    def test_a_message_no_second_try_can_help_is_logged_and_the_others_go(self, caplog):
        client = ScriptedClient(frame(1))
        client.outcome = lambda one: MessageTooLarge("web.a!x", 9, 5) if one == echo(1) else None
        source = TestOutages().make(client, Clock(0.0))
        source.next()
        source.done([echo(1), echo(2)], reply)

        assert client.exchanges == [[echo(1), echo(2), Answer(b"r1")]]
        assert "MessageTooLarge" in caplog.text

    @pytest.mark.parametrize(
        ("channel", "end"),
        [
            ("http.request", {"status": 500, "__failed__": True}),
            ("websocket.connect", {"__failed__": True}),
            ("websocket.receive", {"__failed__": True}),
        ],
    )
    def test_a_client_whose_reply_cannot_travel_gets_a_definite_end(self, channel, end):
        client = ScriptedClient(frame(1, 2, channel=channel))
        client.outcome = lambda one: MessageTooLarge("web.a!x", 9, 5) if one == echo(1) else None
        source = TestOutages().make(client, Clock(0.0))
        source.next()
        source.done([echo(1)], reply)
        source.next()
        source.done([echo(2)], reply)

        (first,), (last,), (second, answer) = client.exchanges
        assert (first, second, answer) == (echo(1), echo(2), Answer(b"r1"))
        assert last.channel == "web.a!x"
        assert end.items() <= last.message.items()

    def test_a_frame_that_came_with_a_full_flush_waits_for_nothing_here(self):
        client = ScriptedClient(frame(1), frame(2, receipt=b"r2"))
        outcomes = iter([ChannelFull("web.a!", 1), None])
        client.outcome = lambda one: next(outcomes) if isinstance(one, Send) else None
        source = TestOutages().make(client, Clock(0.0))
        source.next()
        source.done([echo(1)], reply)

        assert list(source.unanswered()) == []
        assert client.exchanges[1:] == [[echo(1), GiveBack(frame(2, receipt=b"r2"))]]


class TestStandingStill:
    def test_what_is_in_hand_is_dropped_when_others_have_given_it_up(self, monkeypatch, caplog):
        frozen = iter([False, True, False, False])

        class Frozen(Unbatched):
            def given_up(self):
                return next(frozen, False)

        monkeypatch.setattr("channels.worker.source.batches_of", Frozen)
        client = ScriptedClient(frame(1, 2), frame(3, receipt=b"r2"))
        source = TestOutages().make(client, Clock(0.0))
        source.next()
        source.done([echo(1)], reply)  # it stood still while the consumer ran

        assert client.exchanges == []
        assert list(source.unanswered()) == []
        assert source.next().content["n"] == 3
        assert "stood still for so long" in caplog.text
