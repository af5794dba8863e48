"""The end of a socket, and its last message."""

from channels.exceptions import ChannelFull, LayerUnavailable
from tests.unit.interface_server.fakes import (
    local_of,
    texts,
)

RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"


class TestDisconnect:
    def test_it_leaves_at_once_when_nothing_is_in_flight(self, bench):
        _, end = bench.open()

        end.gone(1001)

        sent = bench.layer.last
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
        bench.layer.resolve()
        assert bench.layer.on(DISCONNECT) == []
        bench.layer.answer()
        assert texts(bench.layer.last) == ["b"]
        bench.layer.resolve()
        bench.layer.answer()
        assert bench.layer.last.channel == DISCONNECT
        assert bench.layer.last.messages[0]["order"] == 3
        bench.clock.advance(60)
        assert len(bench.layer.on(DISCONNECT)) == 1

    def test_it_leaves_after_10_seconds_without_the_receipt(self, bench, caplog):
        _, end = bench.open()
        end.received("a")
        frame = bench.layer.last
        end.received("b")
        end.gone(1001)
        bench.layer.resolve()

        bench.clock.advance(10)

        assert bench.layer.last.channel == DISCONNECT
        assert bench.counters.unanswered == 1
        assert bench.counters.undelivered == 1
        assert "of a socket on /" in caplog.text
        assert "!" not in caplog.text.split("last frame")[0]
        bench.layer.answer(frame)
        assert bench.counters.late_receipts == 1
        assert len(bench.layer.on(DISCONNECT)) == 1

    def test_it_is_not_given_up_on_while_the_layer_is_away(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        frame = bench.layer.last
        bench.hub.layer_lost(LayerUnavailable("gone"))
        end.gone(1001)

        bench.clock.advance(35)
        assert bench.layer.on(DISCONNECT) == []

        bench.hub.layer_back()
        bench.layer.answer(frame)
        assert len(bench.layer.on(DISCONNECT)) == 1

    def test_a_closed_sockets_memberships_are_forgotten(self, bench):
        _, end = bench.open()
        bench.layer.groups[local_of(end)] = ["chat", "all"]
        end.gone(1001)
        assert bench.layer.forgotten == [("chat", local_of(end)), ("all", local_of(end))]

    def test_it_is_sent_again_only_when_nobody_has_it_after_an_outage(self, bench):
        _, end = bench.open()
        end.gone(1001)
        bench.layer.resolve(LayerUnavailable("timeout"))
        bench.clock.advance(2)
        assert len(bench.layer.on(DISCONNECT)) == 1

        bench.hub._state.give_up(bench.layer.last.receipt, "lost")

        assert len(bench.layer.on(DISCONNECT)) == 2
        assert bench.counters.disconnects_repeated == 1
        bench.layer.resolve()
        assert bench.hub._state.unfinished == 0

    def test_its_receipt_settles_an_unknown_outcome(self, bench):
        _, end = bench.open()
        end.gone(1001)
        bench.layer.resolve(LayerUnavailable("timeout"))
        assert bench.hub._state.unfinished == 1
        bench.layer.answer()
        assert bench.hub._state.unfinished == 0
        assert len(bench.layer.on(DISCONNECT)) == 1

    def test_its_receipt_may_overtake_the_news(self, bench):
        _, end = bench.open()
        end.gone(1001)
        bench.layer.answer()
        bench.layer.resolve(LayerUnavailable("timeout"))
        assert bench.hub._state.unfinished == 0

    def test_one_that_a_worker_lost_is_logged_and_counted(self, bench, caplog):
        _, end = bench.open()
        end.gone(1001)
        bench.layer.resolve()
        bench.hub._state.give_up(bench.layer.last.receipt, "lost")
        assert bench.counters.lost == 1
        assert "websocket.disconnect of a socket on /chat given up" in caplog.text
        assert len(bench.layer.on(DISCONNECT)) == 1

    def test_a_layer_that_knows_no_way_past_the_capacity_is_tried_again(self, bench):
        _, one = bench.open()
        _, two = bench.open()
        one.gone(1001)
        bench.layer.resolve(ChannelFull(DISCONNECT, 1))
        two.gone(1001)
        assert len(bench.layer.on(DISCONNECT)) == 1
        bench.clock.advance(0.05)
        bench.layer.resolve(ChannelFull(DISCONNECT, 1))
        bench.clock.advance(0.1)
        bench.layer.resolve()
        bench.layer.resolve()
        assert [sent.closes for sent in bench.layer.on(DISCONNECT)] == [
            local_of(one),
            local_of(one),
            local_of(one),
            local_of(two),
        ]
        assert bench.hub._state.unfinished == 0

    def test_one_that_cannot_be_carried_is_logged(self, bench, caplog):
        _, end = bench.open()
        end.gone(1001)
        bench.layer.resolve(TypeError("odd"))
        assert "cannot be carried: odd" in caplog.text
        assert bench.hub._state.unfinished == 0

    def test_unanswered_ones_are_remembered_within_bounds(self, bench, monkeypatch):
        monkeypatch.setattr("channels.interface_server.bridge.disconnect.MOST_DISCONNECTS", 3)
        for _ in range(5):
            _, end = bench.open()
            end.gone(1001)
        bench.layer.resolve()
        assert len(bench.hub._state.disconnects) == 3

    def test_a_local_name_is_never_given_twice(self, bench, monkeypatch):
        names = iter(["same", "same", "other"])
        monkeypatch.setattr("channels.names.random_part", lambda length: next(names))
        _, one = bench.connecting()
        _, two = bench.connecting()
        assert [local_of(one), local_of(two)] == ["same", "other"]
