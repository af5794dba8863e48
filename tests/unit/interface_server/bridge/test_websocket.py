"""One WebSocket: what is announced, what leaves when, and what comes back."""

import logging

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.interface_server.bridge.hub import Hub
from channels.layers.clients import Receipt, Reply
from tests.unit.interface_server.conftest import CONNECT, Bench
from tests.unit.interface_server.fakes import (
    FakeClient,
    FakeClock,
    FakeSocket,
    local_of,
    texts,
)

RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"


class TestConnecting:
    def test_a_socket_is_announced(self, bench):
        _, end = bench.connecting()

        (sent,) = bench.layer.sent
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
        bench.layer.reply(end, {"accept": True})
        assert port.calls == [("accept",)]

    def test_a_worker_denies(self, bench):
        port, end = bench.connecting()
        bench.layer.resolve()
        bench.layer.reply(end, {"close": True})
        bench.layer.answer()
        assert port.calls == [("reject", 403)]

        end.gone(1006)

        assert bench.layer.last.channel == DISCONNECT
        assert bench.layer.last.messages == [
            {"reply_channel": end.reply_channel, "path": "/chat", "order": 1, "code": 1006}
        ]

    def test_a_full_channel_answers_503_and_the_application_never_hears_of_it(self, bench):
        port, end = bench.connecting()

        bench.layer.resolve(ChannelFull("websocket.connect", 1))
        assert port.calls == [("reject", 503)]
        end.gone(1006)

        assert len(bench.layer.sent) == 1
        assert bench.counters.connects_refused == 1
        assert bench.hub.sockets == 0

    def test_a_refusal_after_the_client_left_needs_no_disconnect_either(self, bench):
        port, end = bench.connecting()
        end.gone(1006)

        bench.layer.resolve(ChannelFull("websocket.connect", 1))
        bench.clock.advance(60)

        assert len(bench.layer.sent) == 1
        assert port.calls == []

    def test_an_announcement_that_cannot_be_carried_answers_500(self, bench):
        port, end = bench.connecting()
        bench.layer.resolve(MessageTooLarge("websocket.connect", 9, 1))
        end.gone(1006)

        assert port.calls == [("reject", 500)]
        assert len(bench.layer.sent) == 1

    def test_an_unknown_outcome_answers_503_and_is_told_of_in_the_end(self, bench):
        port, end = bench.connecting()
        bench.layer.resolve(LayerUnavailable("timeout"))
        assert port.calls == [("reject", 503)]

        end.gone(1006)
        assert len(bench.layer.sent) == 1
        bench.clock.advance(10)

        assert bench.layer.last.channel == DISCONNECT

    def test_an_unknown_outcome_does_not_undo_an_accept(self, bench):
        port, end = bench.connecting()
        bench.layer.reply(end, {"accept": True})
        bench.layer.resolve(LayerUnavailable("timeout"))
        assert port.calls == [("accept",)]

    def test_nothing_is_announced_while_the_layer_is_away(self, bench):
        bench.hub.layer_lost(LayerUnavailable("gone"))
        port, end = bench.connecting()

        assert end is None
        assert port.calls == [("reject", 503)]
        assert bench.layer.sent == []
        assert bench.counters.connects_refused == 1

    def test_nothing_is_announced_while_draining(self, bench):
        bench.hub.drain(0)
        port, _ = bench.connecting()
        assert port.calls == [("reject", 503)]

    def test_nothing_is_announced_before_the_start(self):
        clock = FakeClock()
        hub = Hub(FakeClient(clock), wheel=clock.wheel)
        port = FakeSocket()
        hub.open_websocket(port, CONNECT)
        assert port.calls == [("reject", 503)]


class TestReceiving:
    def test_a_frame_leaves_at_once_with_its_receipt(self, bench):
        _, end = bench.open()

        end.received("hello")

        sent = bench.layer.last
        assert sent.channel == RECEIVE
        assert sent.receipt == 2
        assert sent.messages == [
            {"reply_channel": end.reply_channel, "path": "/chat", "order": 1, "text": "hello"}
        ]

    def test_what_comes_meanwhile_leaves_together_after_the_receipt(self, bench):
        _, end = bench.open()
        for text in "abcd":
            end.received(text)
        assert texts(bench.layer.last) == ["a"]

        bench.layer.resolve()
        bench.layer.answer()

        assert texts(bench.layer.last) == ["b", "c", "d"]
        assert [m["order"] for m in bench.layer.last.messages] == [2, 3, 4]

    def test_the_receipt_may_overtake_the_news_of_being_stored(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.answer()
        end.received("b")
        bench.layer.resolve()
        assert texts(bench.layer.last) == ["b"]

    def test_frames_wait_for_the_receipt_of_the_connect(self, bench):
        _, end = bench.connecting()
        bench.layer.reply(end, {"accept": True})
        end.received("early")
        assert len(bench.layer.sent) == 1
        bench.layer.answer()
        assert texts(bench.layer.last) == ["early"]

    def test_what_is_said_during_a_close_is_not_heard(self, bench):
        _, end = bench.open()
        bench.layer.reply(end, {"close": True})
        end.received("late")
        assert len(bench.layer.on(RECEIVE)) == 0

    def test_reading_pauses_when_too_many_messages_wait(self):
        bench = Bench(buffer_messages=4)
        port, end = bench.open()
        for n in range(4):
            end.received(str(n))
        assert port.reading
        end.received("4")
        assert not port.reading
        end.received("5")  # was in the same read

        bench.layer.settle()

        assert port.reading
        assert [texts(sent) for sent in bench.layer.on(RECEIVE)] == [
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
        bench.layer.resolve(LayerUnavailable("timeout"))
        assert not port.reading
        bench.layer.answer()
        assert port.reading

    def test_a_socket_that_stays_unread_is_closed_with_1013(self):
        bench = Bench(buffer_messages=1, stall_timeout=30)
        port, end = bench.open()
        end.received("a")
        end.received("b")
        bench.layer.resolve()
        bench.clock.advance(29.9)
        assert port.calls == []

        bench.clock.advance(0.1)

        assert port.calls == [("close", 1013)]
        assert port.reading  # the peer's answer must be read
        assert bench.counters.stalled == 1
        end.gone(1013)
        bench.layer.answer()
        assert bench.layer.last.channel == DISCONNECT
        assert bench.layer.last.messages[0]["code"] == 1013
        assert bench.layer.last.messages[0]["order"] == 2

    def test_a_pause_that_ends_in_time_closes_nothing(self):
        bench = Bench(buffer_messages=1, stall_timeout=30)
        port, end = bench.open()
        end.received("a")
        end.received("b")
        bench.clock.advance(29)
        bench.layer.settle()
        bench.clock.advance(60)
        assert port.calls == []

    def test_a_message_too_large_for_the_layer_closes_with_1009(self, bench):
        port, end = bench.open()
        end.received("x")
        end.received("y")
        bench.layer.resolve(MessageTooLarge(RECEIVE, 5, 4))

        assert port.calls == [("close", 1009)]
        assert bench.counters.too_large == 1
        assert bench.counters.discarded == 1
        end.gone(1009)
        assert bench.layer.last.channel == DISCONNECT

    def test_a_message_too_large_of_a_socket_that_is_gone_lets_it_leave(self, bench):
        port, end = bench.open()
        end.received("x")
        end.gone(1001)
        bench.layer.resolve(MessageTooLarge(RECEIVE, 5, 4))
        assert port.calls == []
        assert len(bench.layer.on(DISCONNECT)) == 1

    def test_a_message_that_cannot_be_carried_closes_with_1011(self, bench):
        port, end = bench.open()
        end.received("x")
        bench.layer.resolve(TypeError("odd"))
        assert port.calls == [("close", 1011)]

    def test_an_idle_socket_has_no_timer(self, bench):
        before = bench.clock.timers
        bench.open()
        bench.clock.advance(10)
        assert bench.clock.timers == before


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

    def test_a_malformed_reply_is_logged_and_the_socket_stays_open(self, bench, caplog):
        port, end = bench.open()

        for _ in range(3):
            bench.layer.reply(end, {"txet": "a", "__consumer__": "app.receive"})
        bench.layer.reply(end, {"text": "b"})

        assert port.calls == [("text", "b")]
        assert bench.counters.malformed == 3
        (record,) = caplog.records
        assert record.levelname == "ERROR"
        assert record.getMessage().startswith(
            "malformed reply to a socket on /chat from consumer app.receive: unknown key 'txet':"
        )

    def test_a_malformed_reply_rejects_with_500_once_the_connect_consumer_has_run(self, bench):
        port, end = bench.connecting()
        bench.layer.reply(end, {"status": 200})
        assert port.calls == []
        bench.layer.answer()
        assert port.calls == [("reject", 500)]

    def test_a_correct_reply_after_a_malformed_one_accepts(self, bench):
        port, end = bench.connecting()
        bench.layer.reply(end, {"status": 200})
        bench.layer.reply(end, {"accept": True})
        bench.layer.reply(end, {"text": "a"})
        bench.layer.answer()
        assert port.calls == [("accept",), ("text", "a")]

    def test_what_is_right_in_a_malformed_reply_is_carried_out_first(self, bench):
        port, end = bench.connecting()
        bench.layer.reply(end, {"text": "bye", "close": 99})
        bench.layer.reply(end, {"text": "again"})
        assert port.calls == [("accept",), ("text", "bye"), ("text", "again")]

    def test_a_worker_that_failed_ends_the_socket(self, bench):
        for (port, end), call in (
            (bench.open(), ("close", 1011)),
            (bench.connecting(), ("reject", 500)),
        ):
            bench.layer.reply(end, {"__failed__": True})
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
        port.send = lambda payload: end.gone(1006)
        bench.layer.reply(end, {"text": "a", "close": True})
        assert caplog.records == []
        assert len(bench.layer.on(DISCONNECT)) == 1

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
        bench.hub.deliver([object()])
        bench.hub.deliver([Receipt(77)])
        assert bench.counters.late_receipts == 1

    def test_an_item_that_raises_without_a_link_is_logged(self, bench, caplog):
        def fails(receipt):
            raise RuntimeError("odd")

        _, end = bench.open()
        end.received("a")
        bench.hub._state.in_flight[bench.layer.last.receipt] = type(
            "Odd", (), {"answered": staticmethod(fails), "channel": RECEIVE}
        )()
        bench.layer.answer()
        assert "Receipt: could not be delivered" in caplog.text


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

    def test_news_that_a_receipt_overtook_does_not_leave_behind_what_waits(self, bench):
        """They come over two connections; a server that stood still reads them in any order."""
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        bench.clock.advance(0.1)  # tried again
        end.received("b")

        bench.layer.answer()
        bench.layer.resolve()

        assert texts(bench.layer.last) == ["b"]

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

    def test_no_waitlist_waits_longer_than_the_disconnect(self, bench):
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


def test_nothing_of_it_is_logged_for_an_ordinary_life(bench, caplog):
    caplog.set_level(logging.DEBUG)
    _, end = bench.open()
    end.received("a")
    bench.layer.settle()
    end.gone(1000)
    bench.layer.settle()
    assert caplog.records == []
