"""Sockets while a channel is full, the layer is away, or a frame is lost."""

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.layers.clients import NotRun, ProcessEntry, Unread
from tests.unit.interface_server.conftest import Bench
from tests.unit.interface_server.fakes import local_of

RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"


def texts(sent):
    return [message["text"] for message in sent.messages]


class TestFullChannel:
    def test_a_refused_frame_waits_and_leaves_with_what_came_after(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        end.received("b")

        bench.clock.advance(0.05)

        assert texts(bench.layer.last) == ["a", "b"]
        assert bench.counters.held_back == 1
        bench.layer.resolve()
        bench.layer.answer()
        end.received("c")
        assert texts(bench.layer.last) == ["c"]

    def test_a_receipt_of_another_socket_makes_room(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.received("a")
        bench.layer.resolve()
        taken = bench.layer.last
        two.received("b")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))

        bench.layer.answer(taken)

        assert texts(bench.layer.last) == ["b"]

    def test_news_that_a_receipt_overtook_does_not_lose_the_place_in_line(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.received("a")
        one.received("b")
        first = bench.layer.last
        two.received("c")
        bench.layer.unresolved.rotate(-1)
        bench.layer.resolve(ChannelFull(RECEIVE, 1), count=1)
        bench.layer.answer(first)  # makes room for two, and "b" waits behind
        bench.layer.unresolved.rotate(-1)
        bench.layer.resolve(count=1)  # two's
        bench.layer.resolve()
        bench.layer.settle()
        assert [texts(sent) for sent in bench.layer.on(RECEIVE)][-2:] == [["c"], ["b"]]

    def test_who_comes_later_waits_behind(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.received("a")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        two.received("b")
        assert len(bench.layer.on(RECEIVE)) == 1

        bench.clock.advance(0.05)
        assert texts(bench.layer.last) == ["a"]
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        bench.clock.advance(0.1)
        assert texts(bench.layer.last) == ["a"]
        bench.layer.resolve()
        assert texts(bench.layer.last) == ["b"]

    def test_trying_again_does_not_start_reading(self):
        bench = Bench(buffer_messages=1, stall_timeout=30)
        port, end = bench.open()
        end.received("a")
        end.received("b")
        for _ in range(300):
            bench.layer.resolve(ChannelFull(RECEIVE, 1))
            bench.clock.advance(0.1)
        assert port.calls == [("close", 1013)]
        end.gone(1013)
        assert bench.layer.last.channel == DISCONNECT
        assert bench.layer.last.messages[0]["order"] == 1

    def test_an_unknown_outcome_leaves_the_line(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.received("a")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        two.received("b")
        bench.clock.advance(0.05)
        bench.layer.resolve(LayerUnavailable("timeout"))
        bench.clock.advance(2)
        assert texts(bench.layer.last) == ["b"]

    def test_a_frame_that_is_too_large_leaves_the_line(self, bench):
        port, end = bench.open()
        end.received("a")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        bench.clock.advance(0.05)
        bench.layer.resolve(MessageTooLarge(RECEIVE, 1, 1))
        assert port.calls == [("close", 1009)]
        assert not bench.hub._state.waitlists.by_channel

    def test_a_close_by_the_application_discards_what_waits_in_line(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        end.received("b")

        bench.layer.reply(end, {"close": True})
        end.gone(1000)

        assert bench.counters.discarded == 2
        assert bench.layer.last.channel == DISCONNECT
        assert bench.layer.last.messages[0]["order"] == 1

    def test_a_close_by_the_application_discards_what_is_refused_after_it(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.reply(end, {"close": True})
        end.gone(1000)
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        assert bench.layer.last.channel == DISCONNECT
        assert len(bench.layer.on(RECEIVE)) == 1

    def test_a_client_that_left_still_gets_its_last_words_delivered(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        end.gone(1001)
        bench.clock.advance(0.05)
        assert texts(bench.layer.last) == ["a"]
        bench.layer.settle()
        assert bench.layer.last.channel == DISCONNECT

    def test_no_line_waits_longer_than_the_farewell(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        end.gone(1001)
        for _ in range(990):
            bench.clock.advance(0.01)
            bench.layer.resolve(ChannelFull(RECEIVE, 1))
        assert bench.layer.on(DISCONNECT) == []
        bench.clock.advance(0.1)
        assert len(bench.layer.on(DISCONNECT)) == 1
        assert bench.counters.undelivered == 1
        assert not bench.hub._state.waitlists.by_channel

    def test_a_refusal_of_what_was_given_up_is_no_harm(self, bench):
        _, end = bench.open()
        end.received("a")
        end.gone(1001)
        bench.clock.advance(10)
        bench.layer.resolve(ChannelFull(RECEIVE, 1), count=1)
        bench.layer.resolve()
        bench.clock.advance(10)
        assert len(bench.layer.on(RECEIVE)) == 1

    def test_an_error_of_what_was_given_up_is_no_harm(self, bench):
        _, end = bench.open()
        end.received("a")
        end.gone(1001)
        bench.clock.advance(10)
        bench.layer.resolve(MessageTooLarge(RECEIVE, 1, 1), count=1)
        assert bench.counters.too_large == 0


class TestLayerAway:
    def test_sockets_stay_open_and_frames_wait(self, bench):
        port, end = bench.open()
        bench.hub.layer_lost(LayerUnavailable("gone"))
        assert not bench.hub.up
        end.received("a")
        end.received("b")
        assert port.calls == []
        assert bench.layer.on(RECEIVE) == []

        bench.hub.layer_back()

        assert texts(bench.layer.last) == ["a", "b"]

    def test_what_waits_is_bounded(self):
        bench = Bench(buffer_messages=2)
        port, end = bench.open()
        bench.hub.layer_lost(LayerUnavailable("gone"))
        end.received("a")
        end.received("b")
        assert not port.reading
        bench.hub.layer_back()
        bench.layer.settle()
        assert port.reading

    def test_disconnects_wait(self, bench):
        _, end = bench.open()
        bench.hub.layer_lost(LayerUnavailable("gone"))
        end.gone(1001)
        bench.clock.advance(60)
        assert bench.layer.on(DISCONNECT) == []
        bench.hub.layer_back()
        assert len(bench.layer.on(DISCONNECT)) == 1
        bench.clock.advance(60)
        assert len(bench.layer.on(DISCONNECT)) == 1

    def test_lines_stand_still_and_go_on(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        bench.hub.layer_lost(LayerUnavailable("gone"))
        bench.clock.advance(5)
        assert len(bench.layer.on(RECEIVE)) == 1
        bench.hub.layer_back()
        assert len(bench.layer.on(RECEIVE)) == 2

    def test_a_frame_of_unknown_outcome_is_not_repeated(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve(LayerUnavailable("timeout"))
        bench.hub.layer_lost(LayerUnavailable("timeout"))
        end.received("b")
        bench.hub.layer_back()
        assert len(bench.layer.on(RECEIVE)) == 1
        bench.layer.answer()
        assert texts(bench.layer.last) == ["b"]


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
            (bench.connecting(), [("reject", 500, None)]),
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
        assert port.calls == [("reject", 503, 5)]
        end.gone(1006)
        assert bench.layer.last.channel == DISCONNECT
