"""WebSockets through the hub: what is announced, what leaves when, and how sockets end."""

import asyncio
import logging

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.interface_server.bridge.hub import Hub
from channels.interface_server.bridge.settings import BridgeSettings
from channels.layers.faces import ProcessEntry, Receipt, Reply
from tests.unit.interface_server.conftest import CONNECT, Bench
from tests.unit.interface_server.fakes import FakeClock, FakeFace, FakeSocket, local_of

RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"


def texts(sent):
    return [message["text"] for message in sent.messages]


class TestConnecting:
    def test_a_socket_is_announced(self, bench):
        _, end = bench.connecting()

        (sent,) = bench.face.sent
        assert sent.channel == "websocket.connect"
        assert sent.messages == [{**CONNECT, "reply_channel": end.reply_channel, "order": 0}]
        assert sent.receipt == 1
        assert (sent.opens.local, sent.opens.path) == (local_of(end), "/chat")
        assert bench.hub.sockets == 1

    def test_reply_channels_are_capabilities(self, bench):
        names = {bench.connecting()[1].reply_channel for _ in range(100)}

        assert len(names) == 100
        assert all(name.startswith("web.test!") and len(name) < 100 for name in names)
        assert all(name.count("!") == 1 for name in names)

    def test_a_worker_accepts(self, bench):
        port, end = bench.connecting()
        bench.face.reply(end, {"accept": True})
        assert port.calls == [("accept",)]

    def test_a_worker_denies(self, bench):
        port, end = bench.connecting()
        bench.face.resolve()
        bench.face.reply(end, {"close": True})
        bench.face.answer()
        assert port.calls == [("reject", 403, None)]

        end.gone(1006)

        assert bench.face.last.channel == DISCONNECT
        assert bench.face.last.messages == [
            {"reply_channel": end.reply_channel, "path": "/chat", "order": 1, "code": 1006}
        ]

    def test_a_full_channel_answers_503_and_the_application_never_hears_of_it(self, bench):
        port, end = bench.connecting()

        bench.face.resolve(ChannelFull("websocket.connect", 1))
        assert port.calls == [("reject", 503, 5)]
        end.gone(1006)

        assert len(bench.face.sent) == 1
        assert bench.counters.connects_refused == 1
        assert bench.hub.sockets == 0

    def test_a_refusal_after_the_client_left_needs_no_disconnect_either(self, bench):
        port, end = bench.connecting()
        end.gone(1006)

        bench.face.resolve(ChannelFull("websocket.connect", 1))
        bench.clock.advance(60)

        assert len(bench.face.sent) == 1
        assert port.calls == []

    def test_an_announcement_that_cannot_be_carried_answers_500(self, bench):
        port, end = bench.connecting()
        bench.face.resolve(MessageTooLarge("websocket.connect", 9, 1))
        end.gone(1006)

        assert port.calls == [("reject", 500, None)]
        assert len(bench.face.sent) == 1

    def test_an_unknown_outcome_answers_503_and_is_told_of_in_the_end(self, bench):
        port, end = bench.connecting()
        bench.face.resolve(LayerUnavailable("timeout"))
        assert port.calls == [("reject", 503, 5)]

        end.gone(1006)
        assert len(bench.face.sent) == 1
        bench.clock.advance(10)

        assert bench.face.last.channel == DISCONNECT

    def test_an_unknown_outcome_does_not_undo_an_accept(self, bench):
        port, end = bench.connecting()
        bench.face.reply(end, {"accept": True})
        bench.face.resolve(LayerUnavailable("timeout"))
        assert port.calls == [("accept",)]

    def test_nothing_is_announced_while_the_layer_is_away(self, bench):
        bench.hub.layer_lost(LayerUnavailable("gone"))
        port, end = bench.connecting()
        end.received("ignored")
        end.gone(1006)

        assert port.calls == [("reject", 503, 5)]
        assert bench.face.sent == []
        assert bench.counters.connects_refused == 1

    def test_nothing_is_announced_while_draining(self, bench):
        bench.hub.refuse_new()
        port, _ = bench.connecting()
        assert port.calls == [("reject", 503, 5)]

    def test_nothing_is_announced_before_the_start(self):
        clock = FakeClock()
        hub = Hub(FakeFace(clock), clock=clock)
        port = FakeSocket()
        hub.open_websocket(port, CONNECT)
        assert port.calls == [("reject", 503, 5)]


class TestReceiving:
    def test_a_frame_leaves_at_once_with_its_receipt(self, bench):
        _, end = bench.open()

        end.received("hello")

        sent = bench.face.last
        assert sent.channel == RECEIVE
        assert sent.receipt == 2
        assert sent.messages == [
            {"reply_channel": end.reply_channel, "path": "/chat", "order": 1, "text": "hello"}
        ]

    def test_what_comes_meanwhile_leaves_together_after_the_receipt(self, bench):
        _, end = bench.open()
        for text in "abcd":
            end.received(text)
        assert texts(bench.face.last) == ["a"]

        bench.face.resolve()
        bench.face.answer()

        assert texts(bench.face.last) == ["b", "c", "d"]
        assert [m["order"] for m in bench.face.last.messages] == [2, 3, 4]

    def test_the_receipt_may_overtake_the_news_of_being_stored(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.answer()
        end.received("b")
        bench.face.resolve()
        assert texts(bench.face.last) == ["b"]

    def test_frames_wait_for_the_receipt_of_the_connect(self, bench):
        _, end = bench.connecting()
        bench.face.reply(end, {"accept": True})
        end.received("early")
        assert len(bench.face.sent) == 1
        bench.face.answer()
        assert texts(bench.face.last) == ["early"]

    def test_what_is_said_during_a_close_is_not_heard(self, bench):
        _, end = bench.open()
        bench.face.reply(end, {"close": True})
        end.received("late")
        assert len(bench.face.on(RECEIVE)) == 0

    def test_reading_pauses_when_too_many_messages_wait(self):
        bench = Bench(buffer_messages=4)
        port, end = bench.open()
        for n in range(4):
            end.received(str(n))
        assert port.reading
        end.received("4")
        assert not port.reading
        end.received("5")  # was in the same read

        bench.face.settle()

        assert port.reading
        assert [texts(sent) for sent in bench.face.on(RECEIVE)] == [
            ["0"],
            ["1", "2", "3", "4", "5"],
        ]

    def test_reading_pauses_when_too_much_waits(self):
        bench = Bench(buffer_size=1000)
        port, end = bench.open()
        end.received("x" * 2000)
        assert port.reading
        end.received(b"x" * 1000)
        assert not port.reading

    def test_reading_goes_on_although_the_outcome_was_unknown(self):
        bench = Bench(buffer_messages=1)
        port, end = bench.open()
        end.received("a")
        end.received("b")
        bench.face.resolve(LayerUnavailable("timeout"))
        assert not port.reading
        bench.face.answer()
        assert port.reading

    def test_a_socket_that_stays_unread_is_closed_with_1013(self):
        bench = Bench(buffer_messages=1, stall_timeout=30)
        port, end = bench.open()
        end.received("a")
        end.received("b")
        bench.face.resolve()
        bench.clock.advance(29.9)
        assert port.calls == []

        bench.clock.advance(0.1)

        assert port.calls == [("close", 1013)]
        assert port.reading  # the peer's answer must be read
        assert bench.counters.stalled == 1
        end.gone(1013)
        bench.face.answer()
        assert bench.face.last.channel == DISCONNECT
        assert bench.face.last.messages[0]["code"] == 1013
        assert bench.face.last.messages[0]["order"] == 2

    def test_a_pause_that_ends_in_time_closes_nothing(self):
        bench = Bench(buffer_messages=1, stall_timeout=30)
        port, end = bench.open()
        end.received("a")
        end.received("b")
        bench.clock.advance(29)
        bench.face.settle()
        bench.clock.advance(60)
        assert port.calls == []

    def test_a_message_too_large_for_the_layer_closes_with_1009(self, bench):
        port, end = bench.open()
        end.received("x")
        end.received("y")
        bench.face.resolve(MessageTooLarge(RECEIVE, 5, 4))

        assert port.calls == [("close", 1009)]
        assert bench.counters.too_large == 1
        assert bench.counters.discarded == 1
        end.gone(1009)
        assert bench.face.last.channel == DISCONNECT

    def test_a_message_too_large_of_a_socket_that_is_gone_lets_it_leave(self, bench):
        port, end = bench.open()
        end.received("x")
        end.gone(1001)
        bench.face.resolve(MessageTooLarge(RECEIVE, 5, 4))
        assert port.calls == []
        assert len(bench.face.on(DISCONNECT)) == 1

    def test_a_message_that_cannot_be_carried_closes_with_1011(self, bench):
        port, end = bench.open()
        end.received("x")
        bench.face.resolve(TypeError("odd"))
        assert port.calls == [("close", 1011)]

    def test_an_idle_socket_has_no_timer(self, bench):
        before = bench.clock.timers
        bench.open()
        bench.clock.advance(10)
        assert bench.clock.timers == before


class TestFullChannel:
    def test_a_refused_frame_waits_and_leaves_with_what_came_after(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        end.received("b")

        bench.clock.advance(0.05)

        assert texts(bench.face.last) == ["a", "b"]
        assert bench.counters.held_back == 1
        bench.face.resolve()
        bench.face.answer()
        end.received("c")
        assert texts(bench.face.last) == ["c"]

    def test_a_receipt_of_another_socket_makes_room(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.received("a")
        bench.face.resolve()
        taken = bench.face.last
        two.received("b")
        bench.face.resolve(ChannelFull(RECEIVE, 1))

        bench.face.answer(taken)

        assert texts(bench.face.last) == ["b"]

    def test_news_that_a_receipt_overtook_does_not_lose_the_place_in_line(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.received("a")
        one.received("b")
        first = bench.face.last
        two.received("c")
        bench.face.unresolved.rotate(-1)
        bench.face.resolve(ChannelFull(RECEIVE, 1), count=1)
        bench.face.answer(first)  # makes room for two, and "b" waits behind
        bench.face.unresolved.rotate(-1)
        bench.face.resolve(count=1)  # two's
        bench.face.resolve()
        bench.face.settle()
        assert [texts(sent) for sent in bench.face.on(RECEIVE)][-2:] == [["c"], ["b"]]

    def test_who_comes_later_waits_behind(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.received("a")
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        two.received("b")
        assert len(bench.face.on(RECEIVE)) == 1

        bench.clock.advance(0.05)
        assert texts(bench.face.last) == ["a"]
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        bench.clock.advance(0.1)
        assert texts(bench.face.last) == ["a"]
        bench.face.resolve()
        assert texts(bench.face.last) == ["b"]

    def test_trying_again_does_not_start_reading(self):
        bench = Bench(buffer_messages=1, stall_timeout=30)
        port, end = bench.open()
        end.received("a")
        end.received("b")
        for _ in range(300):
            bench.face.resolve(ChannelFull(RECEIVE, 1))
            bench.clock.advance(0.1)
        assert port.calls == [("close", 1013)]
        end.gone(1013)
        assert bench.face.last.channel == DISCONNECT
        assert bench.face.last.messages[0]["order"] == 1

    def test_an_unknown_outcome_leaves_the_line(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.received("a")
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        two.received("b")
        bench.clock.advance(0.05)
        bench.face.resolve(LayerUnavailable("timeout"))
        bench.clock.advance(2)
        assert texts(bench.face.last) == ["b"]

    def test_a_frame_that_is_too_large_leaves_the_line(self, bench):
        port, end = bench.open()
        end.received("a")
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        bench.clock.advance(0.05)
        bench.face.resolve(MessageTooLarge(RECEIVE, 1, 1))
        assert port.calls == [("close", 1009)]
        assert not bench.hub._core.lines.by_channel

    def test_a_close_by_the_application_discards_what_waits_in_line(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        end.received("b")

        bench.face.reply(end, {"close": True})
        end.gone(1000)

        assert bench.counters.discarded == 2
        assert bench.face.last.channel == DISCONNECT
        assert bench.face.last.messages[0]["order"] == 1

    def test_a_close_by_the_application_discards_what_is_refused_after_it(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.reply(end, {"close": True})
        end.gone(1000)
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        assert bench.face.last.channel == DISCONNECT
        assert len(bench.face.on(RECEIVE)) == 1

    def test_a_client_that_left_still_gets_its_last_words_delivered(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        end.gone(1001)
        bench.clock.advance(0.05)
        assert texts(bench.face.last) == ["a"]
        bench.face.settle()
        assert bench.face.last.channel == DISCONNECT

    def test_no_line_waits_longer_than_the_farewell(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        end.gone(1001)
        for _ in range(990):
            bench.clock.advance(0.01)
            bench.face.resolve(ChannelFull(RECEIVE, 1))
        assert bench.face.on(DISCONNECT) == []
        bench.clock.advance(0.1)
        assert len(bench.face.on(DISCONNECT)) == 1
        assert bench.counters.undelivered == 1
        assert not bench.hub._core.lines.by_channel

    def test_a_refusal_of_what_was_given_up_is_no_harm(self, bench):
        _, end = bench.open()
        end.received("a")
        end.gone(1001)
        bench.clock.advance(10)
        bench.face.resolve(ChannelFull(RECEIVE, 1), count=1)
        bench.face.resolve()
        bench.clock.advance(10)
        assert len(bench.face.on(RECEIVE)) == 1

    def test_an_error_of_what_was_given_up_is_no_harm(self, bench):
        _, end = bench.open()
        end.received("a")
        end.gone(1001)
        bench.clock.advance(10)
        bench.face.resolve(MessageTooLarge(RECEIVE, 1, 1), count=1)
        assert bench.counters.too_large == 0


class TestReplies:
    def test_frames_go_out_in_order(self, bench):
        port, end = bench.open()
        local = local_of(end)
        bench.hub.deliver(
            [
                Reply(local, {"text": "a"}),
                Reply(local, {"bytes": b"b"}),
                Reply(local, {"text": "c", "bytes": None}),
                Reply(local, {"bytes": b"d", "text": None, "close": 4000}),
                Reply(local, {"text": "after"}),
            ]
        )
        assert port.calls == [
            ("text", "a"),
            ("bytes", b"b"),
            ("text", "c"),
            ("bytes", b"d"),
            ("close", 4000),
        ]

    def test_a_reply_to_nobody_is_counted(self, bench, caplog):
        caplog.set_level(logging.DEBUG)
        bench.hub.deliver([Reply("nobody", {"text": "a"})])
        assert bench.counters.unknown == 1
        assert [record.levelno for record in caplog.records] == [logging.DEBUG]
        assert "nobody" in caplog.text

    def test_a_malformed_reply_is_logged_with_its_channel_and_ends_the_socket(self, bench, caplog):
        port, end = bench.open()
        other, _ = bench.open()

        bench.face.reply(end, {"txet": "a"})
        bench.face.reply(end, {"text": "b"})

        assert port.calls == [("close", 1011)]
        assert other.calls == []
        assert end.reply_channel in caplog.text
        assert "unknown key 'txet'" in caplog.text
        assert bench.counters.malformed == 1

    def test_a_malformed_reply_rejects_with_500_once_the_connect_consumer_has_run(self, bench):
        port, end = bench.connecting()
        bench.face.reply(end, {"status": 200})
        assert port.calls == []
        bench.face.answer()
        assert port.calls == [("reject", 500, None)]

    def test_a_correct_reply_after_a_malformed_one_accepts(self, bench):
        port, end = bench.connecting()
        bench.face.reply(end, {"status": 200})
        bench.face.reply(end, {"accept": True})
        bench.face.reply(end, {"text": "a"})
        bench.face.answer()
        assert port.calls == [("accept",), ("text", "a")]

    def test_what_is_right_in_a_malformed_reply_is_carried_out_first(self, bench):
        port, end = bench.connecting()
        bench.face.reply(end, {"text": "bye", "close": 99})
        assert port.calls == [("accept",), ("text", "bye"), ("close", 1011)]

    def test_a_worker_that_failed_ends_the_socket(self, bench):
        for (port, end), call in (
            (bench.open(), ("close", 1011)),
            (bench.connecting(), ("reject", 500, None)),
        ):
            bench.face.reply(end, {"__failed__": True})
            assert port.calls == [call]
        assert bench.counters.malformed == 0

    def test_a_reply_that_cannot_be_carried_out_ends_its_socket_only(self, bench, caplog):
        port, end = bench.open()
        other, second = bench.open()
        port.fails = UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

        bench.hub.deliver(
            [Reply(local_of(end), {"text": "\ud800"}), Reply(local_of(second), {"text": "b"})]
        )

        assert port.calls == [("close", 1011)]
        assert other.calls == [("text", "b")]
        assert "surrogates" in caplog.text

    def test_a_socket_may_go_while_a_reply_is_carried_out(self, bench, caplog):
        port, end = bench.open()
        port.send_text = lambda text: end.gone(1006)
        bench.face.reply(end, {"text": "a", "close": True})
        assert caplog.records == []
        assert len(bench.face.on(DISCONNECT)) == 1

    def test_a_socket_that_cannot_even_be_ended_stops_nobody_else(self, bench, monkeypatch):
        port, end = bench.open()
        other, second = bench.open()
        port.fails = RuntimeError("broken")

        def close(code, reason=""):
            raise RuntimeError("broken, too")

        port.close = close
        bench.hub.deliver(
            [Reply(local_of(end), {"text": "a"}), Reply(local_of(second), {"text": "b"})]
        )

        assert other.calls == [("text", "b")]

    def test_an_unknown_item_is_logged(self, bench, caplog):
        bench.hub._outbound.deliver([object()])
        bench.hub.deliver([Receipt(77)])
        assert bench.counters.late_receipts == 1

    def test_an_item_that_raises_without_a_link_is_logged(self, bench, caplog):
        def fails(receipt):
            raise RuntimeError("odd")

        _, end = bench.open()
        end.received("a")
        bench.hub._core.in_flight[bench.face.last.receipt] = type(
            "Odd", (), {"answered": staticmethod(fails), "channel": RECEIVE}
        )()
        bench.face.answer()
        assert "Receipt: could not be delivered" in caplog.text


class TestFarewell:
    def test_it_leaves_at_once_when_nothing_is_in_flight(self, bench):
        _, end = bench.open()

        end.gone(1001)

        sent = bench.face.last
        assert sent.channel == DISCONNECT
        assert sent.messages == [
            {"reply_channel": end.reply_channel, "path": "/chat", "order": 1, "code": 1001}
        ]
        assert sent.past_capacity
        assert sent.expiry == 86400
        assert sent.closes == local_of(end)
        assert sent.receipt
        assert bench.hub.sockets == 0

    def test_it_waits_for_the_receipt_and_for_what_was_said(self, bench):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        end.gone(1001)
        bench.face.resolve()
        assert bench.face.on(DISCONNECT) == []
        bench.face.answer()
        assert texts(bench.face.last) == ["b"]
        bench.face.resolve()
        bench.face.answer()
        assert bench.face.last.channel == DISCONNECT
        assert bench.face.last.messages[0]["order"] == 3
        bench.clock.advance(60)
        assert len(bench.face.on(DISCONNECT)) == 1

    def test_it_leaves_after_10_seconds_without_the_receipt(self, bench, caplog):
        _, end = bench.open()
        end.received("a")
        frame = bench.face.last
        end.received("b")
        end.gone(1001)
        bench.face.resolve()

        bench.clock.advance(10)

        assert bench.face.last.channel == DISCONNECT
        assert bench.counters.unanswered == 1
        assert bench.counters.undelivered == 1
        assert "no receipt within" in caplog.text
        bench.face.answer(frame)
        assert bench.counters.late_receipts == 1
        assert len(bench.face.on(DISCONNECT)) == 1

    def test_it_is_not_given_up_on_while_the_layer_is_away(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve()
        frame = bench.face.last
        bench.hub.layer_lost(LayerUnavailable("gone"))
        end.gone(1001)

        bench.clock.advance(35)
        assert bench.face.on(DISCONNECT) == []

        bench.hub.layer_back()
        bench.face.answer(frame)
        assert len(bench.face.on(DISCONNECT)) == 1

    def test_a_closed_sockets_memberships_are_forgotten(self, bench):
        _, end = bench.open()
        bench.face.groups[local_of(end)] = ["chat", "all"]
        end.gone(1001)
        assert bench.face.forgotten == [("chat", local_of(end)), ("all", local_of(end))]

    def test_it_is_sent_again_only_when_nobody_has_it_after_an_outage(self, bench):
        _, end = bench.open()
        end.gone(1001)
        bench.face.resolve(LayerUnavailable("timeout"))
        bench.clock.advance(2)
        assert len(bench.face.on(DISCONNECT)) == 1

        bench.hub._watch._give_up(bench.face.last.receipt, "lost")

        assert len(bench.face.on(DISCONNECT)) == 2
        assert bench.counters.disconnects_repeated == 1
        bench.face.resolve()
        assert bench.hub._core.unfinished == 0

    def test_its_receipt_settles_an_unknown_outcome(self, bench):
        _, end = bench.open()
        end.gone(1001)
        bench.face.resolve(LayerUnavailable("timeout"))
        assert bench.hub._core.unfinished == 1
        bench.face.answer()
        assert bench.hub._core.unfinished == 0
        assert len(bench.face.on(DISCONNECT)) == 1

    def test_its_receipt_may_overtake_the_news(self, bench):
        _, end = bench.open()
        end.gone(1001)
        bench.face.answer()
        bench.face.resolve(LayerUnavailable("timeout"))
        assert bench.hub._core.unfinished == 0

    def test_one_that_a_worker_lost_is_logged_and_counted(self, bench, caplog):
        _, end = bench.open()
        end.gone(1001)
        bench.face.resolve()
        bench.hub._watch._give_up(bench.face.last.receipt, "lost")
        assert bench.counters.lost == 1
        assert "the disconnect of" in caplog.text
        assert len(bench.face.on(DISCONNECT)) == 1

    def test_a_layer_that_knows_no_way_past_the_capacity_is_tried_again(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.gone(1001)
        bench.face.resolve(ChannelFull(DISCONNECT, 1))
        two.gone(1001)
        assert len(bench.face.on(DISCONNECT)) == 1
        bench.clock.advance(0.05)
        bench.face.resolve(ChannelFull(DISCONNECT, 1))
        bench.clock.advance(0.1)
        bench.face.resolve()
        bench.face.resolve()
        assert [sent.closes for sent in bench.face.on(DISCONNECT)] == [
            local_of(one),
            local_of(one),
            local_of(one),
            local_of(two),
        ]
        assert bench.hub._core.unfinished == 0

    def test_one_that_cannot_be_carried_is_logged(self, bench, caplog):
        _, end = bench.open()
        end.gone(1001)
        bench.face.resolve(TypeError("odd"))
        assert "cannot be carried: odd" in caplog.text
        assert bench.hub._core.unfinished == 0

    def test_unanswered_ones_are_remembered_within_bounds(self, bench, monkeypatch):
        monkeypatch.setattr("channels.interface_server.bridge.core.MOST_FAREWELLS", 3)
        for _ in range(5):
            _, end = bench.open()
            end.gone(1001)
        bench.face.resolve()
        assert len(bench.hub._core.farewells) == 3

    def test_a_local_name_is_never_given_twice(self, bench, monkeypatch):
        names = iter(["same", "same", "other"])
        monkeypatch.setattr("channels.names.random_part", lambda length: next(names))
        _, one = bench.connecting()
        _, two = bench.connecting()
        assert [local_of(one), local_of(two)] == ["same", "other"]


class TestLayerAway:
    def test_sockets_stay_open_and_frames_wait(self, bench):
        port, end = bench.open()
        bench.hub.layer_lost(LayerUnavailable("gone"))
        assert not bench.hub.up
        end.received("a")
        end.received("b")
        assert port.calls == []
        assert bench.face.on(RECEIVE) == []

        bench.hub.layer_back()

        assert texts(bench.face.last) == ["a", "b"]

    def test_what_waits_is_bounded(self):
        bench = Bench(buffer_messages=2)
        port, end = bench.open()
        bench.hub.layer_lost(LayerUnavailable("gone"))
        end.received("a")
        end.received("b")
        assert not port.reading
        bench.hub.layer_back()
        bench.face.settle()
        assert port.reading

    def test_disconnects_wait(self, bench):
        _, end = bench.open()
        bench.hub.layer_lost(LayerUnavailable("gone"))
        end.gone(1001)
        bench.clock.advance(60)
        assert bench.face.on(DISCONNECT) == []
        bench.hub.layer_back()
        assert len(bench.face.on(DISCONNECT)) == 1
        bench.clock.advance(60)
        assert len(bench.face.on(DISCONNECT)) == 1

    def test_lines_stand_still_and_go_on(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve(ChannelFull(RECEIVE, 1))
        bench.hub.layer_lost(LayerUnavailable("gone"))
        bench.clock.advance(5)
        assert len(bench.face.on(RECEIVE)) == 1
        bench.hub.layer_back()
        assert len(bench.face.on(RECEIVE)) == 2

    def test_a_frame_of_unknown_outcome_is_not_repeated(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve(LayerUnavailable("timeout"))
        bench.hub.layer_lost(LayerUnavailable("timeout"))
        end.received("b")
        bench.hub.layer_back()
        assert len(bench.face.on(RECEIVE)) == 1
        bench.face.answer()
        assert texts(bench.face.last) == ["b"]


class TestLostFrames:
    """The whole way: the watch, the register, the queue, the mailbox."""

    def lose(self, bench, seconds=30):
        """Let the worker that holds everything die; its entry stays on the register for a TTL."""
        worker = ProcessEntry("w", "worker", frozenset([RECEIVE, DISCONNECT, "websocket.connect"]))
        bench.face.register = [worker]
        for second in range(seconds):
            bench.clock.advance(1)
            if second == 8:
                bench.face.register = []

    def test_a_lost_frame_is_skipped_and_the_socket_goes_on(self, bench, caplog):
        port, end = bench.open()
        end.received("a")
        end.received("b")
        bench.face.resolve()

        self.lose(bench)

        assert bench.counters.lost == 1
        assert texts(bench.face.last) == ["b"]
        assert port.calls == []
        assert f"the frame of {end.reply_channel}" in caplog.text
        assert bench.face.marks == 1

    def test_a_lost_frame_can_close_the_socket(self):
        bench = Bench(on_lost_message="close")
        port, end = bench.open()
        end.received("a")
        end.received("b")
        bench.face.resolve()
        self.lose(bench)
        assert port.calls == [("close", 1011)]
        assert len(bench.face.on(RECEIVE)) == 1

    def test_a_lost_frame_of_a_socket_that_is_gone_lets_it_leave(self):
        bench = Bench(on_lost_message="close", farewell_timeout=100)
        port, end = bench.open()
        end.received("a")
        bench.face.resolve()
        end.gone(1001)
        self.lose(bench)
        assert port.calls == []
        assert len(bench.face.on(DISCONNECT)) == 1

    def test_a_receipt_in_the_mailbox_saves_a_frame(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve()
        bench.face.on_mark = bench.face.answer
        self.lose(bench)
        assert bench.counters.lost == 0

    def test_a_late_receipt_is_ignored(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve()
        frame = bench.face.last
        self.lose(bench)
        bench.face.answer(frame)
        assert bench.counters.late_receipts == 1

    def test_a_frame_in_its_queue_stays(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve()
        bench.face.waiting = {RECEIVE: {bench.face.last.receipt}}
        self.lose(bench)
        assert bench.counters.lost == 0

    def test_a_frame_that_nobody_listens_for_counts_as_expired(self, bench):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        bench.face.resolve()
        bench.clock.advance(70)
        assert (bench.counters.lost, bench.counters.expired) == (0, 1)
        assert texts(bench.face.last) == ["b"]

    def test_an_unread_disconnect_lives_for_group_expiry(self, bench):
        _, end = bench.open()
        end.gone(1001)
        bench.face.resolve()
        bench.clock.advance(3600)
        assert bench.counters.expired == 0

    def test_nothing_is_lost_while_the_layer_is_away(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve()
        bench.hub.layer_lost(LayerUnavailable("gone"))
        self.lose(bench)
        assert bench.counters.lost == 0
        assert bench.face.marks == 0

    def test_nothing_is_lost_before_the_layer_has_settled(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve()
        bench.face.settled_since = bench.clock.now + 100
        self.lose(bench, 100)
        assert bench.counters.lost == 0

    def test_nothing_is_lost_by_a_look_that_an_outage_cut_short(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve()
        bench.face.on_mark = lambda: bench.hub.layer_lost(LayerUnavailable("gone"))
        self.lose(bench)
        assert bench.counters.lost == 0
        assert bench.face.marks == 1

    def test_an_outage_during_the_look_voids_it(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve()
        queued = bench.face.queued

        async def queued_then_gone(channel, receipts):
            bench.hub.layer_lost(LayerUnavailable("gone"))
            return await queued(channel, receipts)

        bench.face.queued = queued_then_gone
        self.lose(bench)
        assert bench.counters.lost == 0

    def test_a_register_that_cannot_be_read_proves_nothing(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.face.resolve()
        bench.face.failing = LayerUnavailable("timeout")
        self.lose(bench)
        assert bench.counters.lost == 0
        bench.face.failing = None
        self.lose(bench)
        assert bench.counters.lost == 1

    def test_suspects_are_bounded(self, bench, monkeypatch):
        monkeypatch.setattr("channels.interface_server.bridge.watch.MOST_SUSPECTS", 2)
        asked = []
        queued = bench.face.queued

        async def counting(channel, receipts):
            asked.append(list(receipts))
            return await queued(channel, receipts)

        bench.face.queued = counting
        for _ in range(5):
            _, end = bench.open()
            end.received("a")
        bench.face.resolve()
        self.lose(bench, 9)
        assert max(map(len, asked)) == 2

    def test_only_old_frames_are_looked_after(self, bench):
        _, end = bench.open()
        for _ in range(20):
            end.received("a")
            bench.face.settle()
            bench.clock.advance(1)
        assert bench.face.marks == 0
        assert bench.counters.lost == 0

    def test_the_watch_rests_when_nothing_is_in_flight(self, bench):
        _, end = bench.open()
        idle = bench.clock.timers
        end.received("a")
        bench.face.settle()
        bench.clock.advance(5)
        end.received("b")
        assert bench.clock.timers == idle
        bench.face.settle()
        bench.clock.advance(5)
        assert bench.clock.timers == idle - 1

    def test_a_lost_connect_lets_the_socket_go_on(self, bench):
        port, end = bench.connecting()
        bench.face.resolve()
        self.lose(bench)
        assert bench.counters.lost == 1
        assert port.calls == []
        end.gone(1006)
        assert bench.face.last.channel == DISCONNECT


class TestStopping:
    def test_sockets_are_closed_evenly(self, bench):
        ports = [bench.open()[0] for _ in range(10)]

        bench.hub.close_sockets(1012, 5)

        closed = []
        for _ in range(10):
            closed.append(sum(port.calls == [("close", 1012)] for port in ports))
            bench.clock.advance(0.5)
        assert closed == list(range(1, 11))

    def test_many_sockets_are_closed_in_small_lots(self, bench):
        ports = [bench.open()[0] for _ in range(1000)]
        bench.hub.close_sockets(1012, 1)
        first = sum(bool(port.calls) for port in ports)
        assert first == 20
        bench.clock.advance(1)
        assert all(port.calls for port in ports)

    def test_no_time_closes_all_at_once(self, bench):
        ports = [bench.open()[0] for _ in range(3)]
        waiting, _ = bench.connecting()
        bench.hub.close_sockets(1012, 0)
        assert all(port.calls == [("close", 1012)] for port in ports)
        assert waiting.calls == [("reject", 503, 5)]

    def test_one_that_goes_by_itself_meanwhile_stops_nothing(self, bench):
        sockets = [bench.open() for _ in range(4)]
        bench.hub.close_sockets(1012, 4)
        sockets[1][1].gone(1001)
        bench.clock.advance(4)
        assert [len(port.calls) for port, _ in sockets] == [1, 0, 1, 1]

    def test_nothing_to_close_is_no_harm(self, bench):
        bench.hub.close_sockets(1012, 5)

    def test_what_the_client_said_before_the_servers_close_is_delivered(self, bench):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        bench.hub.close_sockets(1012, 0)
        end.gone(1012)
        bench.face.settle()
        assert [texts(sent) for sent in bench.face.on(RECEIVE)] == [["a"], ["b"]]
        assert bench.face.last.channel == DISCONNECT

    def test_stop_waits_for_every_disconnect(self, bench):
        port, end = bench.open()

        async def scenario():
            stopping = asyncio.ensure_future(bench.hub.stop())
            await asyncio.sleep(0)
            assert port.calls == [("close", 1012)]
            end.gone(1012)
            await asyncio.sleep(0)
            assert not stopping.done()
            bench.face.resolve()
            await stopping

        asyncio.run(scenario())
        assert bench.face.stopped
        assert not bench.hub.up

    def test_stop_without_sockets_stops_at_once(self, bench):
        asyncio.run(bench.hub.stop())
        assert bench.face.stopped
        assert bench.clock.timers == 0

    def test_stop_gives_up_in_the_end(self, bench, caplog):
        _, end = bench.open()

        async def scenario():
            stopping = asyncio.ensure_future(bench.hub.stop())
            await asyncio.sleep(0)
            bench.hub.layer_lost(LayerUnavailable("gone"))
            end.gone(1012)
            bench.clock.advance(20)
            await stopping

        asyncio.run(scenario())
        assert bench.face.stopped
        assert "1 disconnects have not left" in caplog.text

    def test_the_layers_refusal_to_start_is_the_callers(self):
        clock = FakeClock()
        face = FakeFace(clock)
        face.failing = LayerUnavailable("refused")
        hub = Hub(face, clock=clock)
        with pytest.raises(LayerUnavailable):
            asyncio.run(hub.start())
        assert not hub.up
        asyncio.run(hub.stop())

    def test_background_work_runs_in_the_loop(self):
        async def scenario():
            hub = Hub(FakeFace(FakeClock()), BridgeSettings())
            await hub.start()
            hub.layer_lost(LayerUnavailable("gone"))
            done = []

            async def work():
                done.append(True)

            hub._core.spawn(work())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert done == [True]
            timer = hub._core.clock.call_later(60, lambda: None)
            assert hub._core.clock.monotonic() > 0
            timer.cancel()
            await hub.stop()

        asyncio.run(scenario())


class TestRegister:
    def test_the_register_shows_live_numbers(self, bench):
        info = bench.face.info
        bench.open()
        bench.hub.deliver([Reply("nobody", {})])

        shown = dict(info)

        assert shown["sockets"] == 1
        assert shown["unknown"] == 1
        assert shown["pid"]
        assert len(info) == len(shown)
        assert bench.counters.as_dict()["unknown"] == 1
        with pytest.raises(KeyError):
            info["nothing"]

    def test_the_mailbox_is_the_layers(self, bench):
        assert bench.hub.mailbox == "web.test!"


def test_nothing_of_it_is_logged_for_an_ordinary_life(bench, caplog):
    caplog.set_level(logging.DEBUG)
    _, end = bench.open()
    end.received("a")
    bench.face.settle()
    end.gone(1000)
    bench.face.settle()
    assert caplog.records == []
