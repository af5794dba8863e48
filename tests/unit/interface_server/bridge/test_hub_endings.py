"""How sockets end: their disconnect, and a server that stops."""

import asyncio

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.interface_server.bridge.hub import Hub
from channels.interface_server.settings import Settings
from tests.unit.interface_server.fakes import FakeClient, FakeClock, local_of

RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"


def texts(sent):
    return [message["text"] for message in sent.messages]


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
        monkeypatch.setattr("channels.interface_server.bridge.state.MOST_DISCONNECTS", 3)
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
        bench.layer.settle()
        assert [texts(sent) for sent in bench.layer.on(RECEIVE)] == [["a"], ["b"]]
        assert bench.layer.last.channel == DISCONNECT

    def test_stop_waits_for_every_disconnect(self, bench):
        port, end = bench.open()

        async def scenario():
            stopping = asyncio.ensure_future(bench.hub.stop())
            await asyncio.sleep(0)
            assert port.calls == [("close", 1012)]
            end.gone(1012)
            await asyncio.sleep(0)
            assert not stopping.done()
            bench.layer.resolve()
            await stopping

        asyncio.run(scenario())
        assert bench.layer.stopped
        assert not bench.hub.up

    def test_stop_without_sockets_stops_at_once(self, bench):
        asyncio.run(bench.hub.stop())
        assert bench.layer.stopped
        bench.clock.advance(100_000)
        assert bench.layer.kept == []
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
        assert bench.layer.stopped
        assert "1 disconnects have not left" in caplog.text

    def test_stop_waits_for_no_receipt_but_leaves_no_disconnect_out(self, bench, caplog):
        """One socket has gone before, one goes meanwhile; a frame of each is unanswered."""
        _, gone = bench.open()
        gone.received("a")
        gone.gone(1001)
        _, going = bench.open()
        going.received("b")
        assert bench.layer.on(DISCONNECT) == []

        async def scenario():
            stopping = asyncio.ensure_future(bench.hub.stop())
            await asyncio.sleep(0)
            going.gone(1012)
            bench.clock.advance(0.1)
            bench.layer.resolve()
            bench.layer.resolve()
            await stopping

        asyncio.run(scenario())
        codes = [sent.messages[0]["code"] for sent in bench.layer.on(DISCONNECT)]
        assert codes == [1001, 1012]
        assert bench.hub.unfinished == 0
        assert caplog.text.count("go ahead") == 1

    def test_the_layers_refusal_to_start_is_the_callers(self):
        clock = FakeClock()
        layer = FakeClient(clock)
        layer.failing = LayerUnavailable("refused")
        hub = Hub(layer, wheel=clock.wheel)
        with pytest.raises(LayerUnavailable):
            asyncio.run(hub.start())
        assert not hub.up
        asyncio.run(hub.stop())

    def test_background_work_runs_in_the_loop(self):
        async def scenario():
            hub = Hub(FakeClient(FakeClock()), Settings())
            await hub.start()
            hub.layer_lost(LayerUnavailable("gone"))
            done = []

            async def work():
                done.append(True)

            hub._state.spawn(work())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert done == [True]
            await hub.stop()

        asyncio.run(scenario())
