"""Large bodies: of requests in chunks, of responses to clients that may read slowly."""

import asyncio

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.interface_server.bridge.bodies import Spool
from channels.layers.clients import MoreBody
from tests.unit.interface_server.conftest import REQUEST, Bench
from tests.unit.interface_server.fakes import (
    FakeBody,
    FakeRequest,
    disconnects,
    local_of,
)

KIB = 1024


def body_of(bench):
    """Return the channel of the one body that was announced."""
    return bench.layer.on("http.request")[0].messages[0]["body_channel"]


def chunks(bench):
    return [sent.messages[0] for sent in bench.layer.on(body_of(bench))]


class TestRequestBody:
    def open(self, bench, content):
        port, body = FakeRequest(), FakeBody(content)
        return port, body, bench.hub.open_http(port, REQUEST, body)

    def test_chunks_follow_the_request(self):
        bench = Bench(body_chunk=4)
        _, body, _ = self.open(bench, b"0123456789")
        assert len(bench.layer.sent) == 1
        assert body_of(bench).startswith("http.request.body?")

        bench.layer.settle()

        assert chunks(bench) == [
            {"content": b"0123", "more_content": True},
            {"content": b"4567", "more_content": True},
            {"content": b"89", "more_content": False},
        ]
        assert body.closed

    def test_a_body_that_fills_its_chunks_ends_with_an_empty_one(self):
        bench = Bench(body_chunk=4)
        self.open(bench, b"01234567")
        bench.layer.settle()
        assert chunks(bench)[-1] == {"content": b"", "more_content": False}

    def test_nothing_of_a_refused_request_is_sent(self):
        bench = Bench(body_chunk=4)
        _, body, _ = self.open(bench, b"0123456789")
        bench.layer.resolve(ChannelFull("http.request", 1))
        assert chunks(bench) == []
        assert body.closed

    def test_at_most_8_chunks_wait_unread(self):
        bench = Bench(body_chunk=1)
        self.open(bench, b"x" * 20)
        while bench.layer.unresolved:
            bench.layer.resolve()
        assert len(chunks(bench)) == 8

        bench.layer.answer(bench.layer.on(body_of(bench))[0])

        assert len(chunks(bench)) == 9
        bench.layer.settle()
        bench.layer.answer(*bench.layer.on(body_of(bench)))
        bench.layer.settle()
        assert len(chunks(bench)) == 21

    def test_the_receipt_of_a_chunk_may_overtake_the_news(self):
        bench = Bench(body_chunk=1)
        self.open(bench, b"x" * 20)
        bench.layer.resolve()
        for _ in range(15):
            bench.layer.answer()
            bench.layer.resolve()
        assert len(chunks(bench)) == 16

    def test_a_full_body_channel_is_tried_again_in_order(self):
        bench = Bench(body_chunk=4)
        self.open(bench, b"0123456789")
        bench.layer.resolve()
        delays = []
        for _ in range(7):
            bench.layer.resolve(ChannelFull("body", 1))
            tries, started = len(chunks(bench)), bench.clock.now
            while len(chunks(bench)) == tries:
                bench.clock.advance(0.05)
            delays.append(round(bench.clock.now - started, 2))
        assert delays == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
        assert {chunk["content"] for chunk in chunks(bench)} == {b"0123"}
        bench.layer.settle()
        assert [chunk["content"] for chunk in chunks(bench)[-3:]] == [b"0123", b"4567", b"89"]

    def test_a_refused_chunk_waits_for_a_layer_that_went_away(self):
        bench = Bench(body_chunk=4)
        self.open(bench, b"0123456789")
        bench.layer.resolve()
        bench.layer.resolve(ChannelFull("body", 1))
        bench.hub.layer_lost(LayerUnavailable("gone"))
        bench.clock.advance(60)
        assert len(chunks(bench)) == 1

        bench.hub.layer_back()
        bench.layer.settle()

        assert [chunk["content"] for chunk in chunks(bench)[1:]] == [b"0123", b"4567", b"89"]

    def test_a_receipt_tries_again_at_once(self):
        bench = Bench(body_chunk=1)
        self.open(bench, b"x" * 5)
        bench.layer.resolve()
        first = bench.layer.last
        bench.layer.resolve()
        bench.layer.resolve(ChannelFull("body", 1))
        assert len(chunks(bench)) == 2
        bench.layer.answer(first)
        assert len(chunks(bench)) == 3
        bench.clock.advance(5)
        assert len(chunks(bench)) == 3

    def test_a_client_that_leaves_closes_the_body(self):
        bench = Bench(body_chunk=4)
        _, body, end = self.open(bench, b"0123456789")
        bench.layer.resolve()
        end.gone()
        assert chunks(bench)[-1] == {"closed": True}
        assert bench.layer.on(body_of(bench))[-1].past_capacity
        assert body.closed
        bench.layer.resolve()
        assert len(chunks(bench)) == 2
        assert bench.hub._state.chunks == {}

    def test_a_client_that_leaves_after_its_body_closes_nothing(self):
        bench = Bench()
        _, _, end = self.open(bench, b"0123456789")
        bench.layer.settle()
        end.gone()
        assert len(chunks(bench)) == 1

    def test_a_client_that_leaves_while_a_try_is_due_stops_the_timer(self):
        bench = Bench()
        _, _, end = self.open(bench, b"0123456789")
        bench.layer.resolve()
        bench.layer.resolve(ChannelFull("body", 1))
        end.gone()
        bench.clock.advance(5)
        assert chunks(bench)[1:] == [{"closed": True}]

    def test_a_response_before_the_end_of_the_body_stops_it(self):
        bench = Bench(body_chunk=4)
        _, body, end = self.open(bench, b"0123456789")
        bench.layer.resolve()
        bench.layer.reply(end, {"status": 413})
        assert body.closed
        bench.layer.resolve()
        assert len(chunks(bench)) == 1

    def test_a_response_before_the_news_of_being_stored_stops_it(self):
        bench = Bench(body_chunk=4)
        _, _, end = self.open(bench, b"0123456789")
        bench.layer.reply(end, {"status": 413})
        bench.layer.resolve()
        assert chunks(bench) == []

    def test_a_body_that_cannot_be_carried_ends_the_request(self):
        bench = Bench()
        port, body, _ = self.open(bench, b"0123456789")
        bench.layer.resolve()
        bench.layer.resolve(LayerUnavailable("timeout"))
        assert port.calls == [("fail", 503)]
        assert body.closed

    def test_a_chunk_is_not_looked_after(self):
        bench = Bench()
        self.open(bench, b"0123456789")
        bench.layer.resolve()
        (owner,) = bench.hub._state.chunks.values()
        owner.lost(1, "lost")
        assert owner.channel.startswith("http.request.body?")


class TestSlowClient:
    @pytest.fixture
    def bench(self):
        return Bench(write_ahead=10, spool_limit=100)

    @pytest.fixture
    def port(self, bench):
        port = FakeRequest()
        port.slow = True
        return port

    def drain(self, port, end):
        port.unsent = 0
        end.drained()

    def test_what_it_does_not_take_is_spooled_in_order(self, bench, port, end):
        bench.layer.reply(end, {"status": 200, "content": b"a" * 20, "more_content": True})
        bench.layer.reply(end, {"content": b"b" * 15, "more_content": True})
        bench.layer.reply(end, {"content": b"c" * 5})
        assert port.body == b"a" * 20
        assert port.calls == [("start", 200, [])]
        assert disconnects(bench) == []

        self.drain(port, end)
        assert port.body == b"a" * 20 + b"b" * 15 + b"c" * 5
        assert port.calls[-1] == ("finish",)
        assert len(disconnects(bench)) == 1

    def test_it_is_given_a_little_at_a_time(self, bench, port, end):
        bench.layer.reply(end, {"status": 200, "content": b"a" * 20, "more_content": True})
        bench.layer.reply(end, {"content": b"b" * 50, "more_content": True})
        self.drain(port, end)
        assert len(port.body) == 20 + 20
        self.drain(port, end)
        assert len(port.body) == 20 + 40
        self.drain(port, end)
        assert len(port.body) == 20 + 50
        self.drain(port, end)
        bench.layer.reply(end, {"content": b"c"})
        assert port.body.endswith(b"c")
        assert port.calls[-1] == ("finish",)

    def test_a_sender_that_knows_no_limit_is_cut_short(self, bench, port, end, caplog):
        bench.layer.reply(end, {"status": 200, "content": b"a" * 20, "more_content": True})
        for _ in range(5):
            bench.layer.reply(end, {"content": b"b" * 50, "more_content": True})
        assert port.calls[-1] == ("fail", 502)
        assert bench.counters.responses_broken == 1
        assert "spool is full" in caplog.text

    def test_a_client_that_leaves_frees_the_spool(self, bench, port, end):
        bench.layer.reply(end, {"status": 200, "content": b"a" * 20, "more_content": True})
        bench.layer.reply(end, {"content": b"b" * 50, "more_content": True})
        end.gone()
        end.drained()
        assert len(port.body) == 20

    def test_writing_after_the_end_is_no_harm(self, bench, port, end):
        end.gone()
        end.reply({"status": 200, "content": b"late"})
        assert (port.body, port.calls) == (b"", [])


class TestBodyList:
    """A response past 1 MiB continues on a list that the server reads."""

    @pytest.fixture
    def bench(self):
        return Bench(write_ahead=10, spool_limit=100)

    def more(self, bench, end):
        bench.hub.deliver([MoreBody(local_of(end))])

    def start(self, bench, end, count, size=20):
        bench.layer.reply(end, {"status": 200, "more_content": True})
        bench.layer.bodies[local_of(end)] = [
            {"content": b"%02d" % n * (size // 2), "more_content": n < count - 1}
            for n in range(count)
        ]

    def test_it_is_read_to_its_end(self, bench, port, end):
        self.start(bench, end, 20)
        self.more(bench, end)
        assert port.body == b"".join(b"%02d" % n * 10 for n in range(20))
        assert port.calls[-1] == ("finish",)

    def test_it_is_read_on_at_each_item(self, bench, port, end):
        self.start(bench, end, 3)
        rest = bench.layer.bodies[local_of(end)]
        for n in range(3):
            bench.layer.bodies[local_of(end)] = [rest[n]]
            self.more(bench, end)
        assert port.calls[-1] == ("finish",)

    def test_a_slow_client_stops_the_reading_at_the_spools_limit(self, bench, port, end):
        port.slow = True
        self.start(bench, end, 30)
        self.more(bench, end)
        left = len(bench.layer.bodies[local_of(end)])
        assert left > 0
        self.more(bench, end)
        assert len(bench.layer.bodies[local_of(end)]) == left

        for _ in range(60):
            port.unsent = 0
            end.drained()

        assert port.body == b"".join(b"%02d" % n * 10 for n in range(30))
        assert port.calls[-1] == ("finish",)

    def test_a_list_that_cannot_be_read_aborts(self, bench, port, end, caplog):
        self.start(bench, end, 3)
        bench.layer.failing = LayerUnavailable("timeout")
        self.more(bench, end)
        assert port.calls[-1] == ("fail", 502)
        assert bench.counters.responses_broken == 1
        assert "cannot be read" in caplog.text

    def test_a_list_of_nobody_is_left_alone(self, bench, end):
        end.gone()
        self.more(bench, end)
        _, socket = bench.open()
        self.more(bench, socket)

    def test_a_request_that_ended_is_not_read_on(self, bench, port, end):
        self.start(bench, end, 3)
        end.gone()
        end.more()
        assert len(bench.layer.bodies[local_of(end)]) == 3

    def test_two_items_start_one_reader(self):
        async def scenario():
            bench = Bench()
            bench.hub._state.spawn = bench.hub._spawn
            bench.hub._state.listening._reading = True  # no matter here
            port = FakeRequest()
            end = bench.hub.open_http(port, REQUEST, None)
            self.start(bench, end, 20)
            self.more(bench, end)
            self.more(bench, end)
            assert len(bench.hub._tasks) == 1
            for _ in range(5):
                await asyncio.sleep(0)
            assert port.calls[-1] == ("finish",)
            assert bench.hub._tasks == set()

        asyncio.run(scenario())


class TestSpool:
    def test_first_in_first_out(self, monkeypatch):
        monkeypatch.setattr("channels.interface_server.bridge.bodies.SPOOL_MEMORY", 4)
        spool = Spool()
        spool.write(b"abc")
        spool.write(b"defgh")
        assert spool.read(2) == b"ab"
        spool.write(b"ij")
        assert len(spool) == 8
        assert spool.read(100) == b"cdefghij"
        assert spool.read(5) == b""
        spool.write(b"k")
        assert spool.read(5) == b"k"
        spool.close()
        assert len(spool) == 0
