"""What concerns all sockets and requests: the registry, the layer that goes, and the stop."""

import asyncio

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.interface_server.bridge.hub import Hub
from channels.interface_server.settings import Settings
from channels.layers.clients import Reply
from tests.unit.interface_server.conftest import Bench
from tests.unit.interface_server.fakes import (
    FakeClient,
    FakeClock,
    texts,
)

RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"


class TestRegister:
    def test_the_register_shows_live_numbers(self, bench):
        info = bench.layer.info
        bench.open()
        bench.hub.deliver([Reply("nobody", {})])

        shown = dict(info)

        assert shown["sockets"] == 1
        assert shown["unknown"] == 1
        assert shown["pid"]
        assert len(info) == len(shown)
        with pytest.raises(KeyError):
            info["nothing"]

    def test_the_mailbox_is_the_layers(self, bench):
        assert bench.hub.mailbox == "web.test!"


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


class TestStopping:
    def test_sockets_are_closed_evenly(self, bench):
        ports = [bench.open()[0] for _ in range(10)]

        bench.hub.drain(5)

        closed = []
        for _ in range(10):
            closed.append(sum(port.calls == [("close", 1012)] for port in ports))
            bench.clock.advance(0.5)
        assert closed == list(range(1, 11))

    def test_many_sockets_are_closed_in_small_lots(self, bench):
        ports = [bench.open()[0] for _ in range(1000)]
        bench.hub.drain(1)
        first = sum(bool(port.calls) for port in ports)
        assert first == 20
        bench.clock.advance(1)
        assert all(port.calls for port in ports)

    def test_no_time_closes_all_at_once(self, bench):
        ports = [bench.open()[0] for _ in range(3)]
        waiting, _ = bench.connecting()
        bench.hub.drain(0)
        assert all(port.calls == [("close", 1012)] for port in ports)
        assert waiting.calls == [("reject", 503)]

    def test_one_that_goes_by_itself_meanwhile_stops_nothing(self, bench):
        sockets = [bench.open() for _ in range(4)]
        bench.hub.drain(4)
        sockets[1][1].gone(1001)
        bench.clock.advance(4)
        assert [len(port.calls) for port, _ in sockets] == [1, 0, 1, 1]

    def test_nothing_to_close_is_no_harm(self, bench):
        bench.hub.drain(5)

    def test_what_the_client_said_before_the_servers_close_is_delivered(self, bench):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        bench.hub.drain(0)
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
