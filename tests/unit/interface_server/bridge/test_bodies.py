"""HTTP requests through the hub: bodies in chunks, responses, and how requests end."""

import asyncio

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.interface_server.bridge.bodies import Spool
from channels.layers.clients import MoreBody, NotRun, ProcessEntry, Reply, Unread
from tests.unit.interface_server.conftest import Bench
from tests.unit.interface_server.fakes import FakeBody, FakeRequest, local_of, run_now

REQUEST = {"path": "/upload", "method": "POST", "headers": [], "body": b"start"}
KIB = 1024


def body_of(bench):
    """Return the channel of the one body that was announced."""
    return bench.layer.on("http.request")[0].messages[0]["body_channel"]


def chunks(bench):
    return [sent.messages[0] for sent in bench.layer.on(body_of(bench))]


def disconnects(bench):
    return [sent.messages[0] for sent in bench.layer.on("http.disconnect")]


@pytest.fixture
def port():
    return FakeRequest()


@pytest.fixture
def end(bench, port):
    end = bench.hub.open_http(port, REQUEST, None)
    bench.layer.resolve()
    return end


class TestRequest:
    def test_a_request_is_passed_on(self, bench, end):
        (sent,) = bench.layer.sent
        assert sent.channel == "http.request"
        assert sent.messages == [{**REQUEST, "reply_channel": end.reply_channel}]
        assert sent.receipt
        assert end.reply_channel.startswith("web.test!")

    def test_a_full_channel_answers_503_at_once(self, bench, port):
        bench.hub.open_http(port, REQUEST, FakeBody(b"rest"))
        bench.layer.resolve(ChannelFull("http.request", 1))
        assert port.calls == [("fail", 503, 5)]
        assert bench.counters.requests_refused == 1
        assert len(disconnects(bench)) == 1

    def test_a_layer_that_does_not_answer_answers_503(self, bench, port):
        bench.hub.open_http(port, REQUEST, None)
        bench.layer.resolve(LayerUnavailable("timeout"))
        assert port.calls == [("fail", 503, 5)]

    def test_a_layer_that_is_away_answers_503_and_takes_no_body(self, bench, port):
        bench.hub.layer_lost(LayerUnavailable("gone"))
        body = FakeBody(b"rest")
        end = bench.hub.open_http(port, REQUEST, body)
        end.drained()
        end.timed_out()
        end.gone()
        assert port.calls == [("fail", 503, 5)]
        assert body.closed
        assert bench.layer.sent == []

    def test_draining_answers_503(self, bench, port):
        bench.hub.refuse_new()
        bench.hub.open_http(port, REQUEST, None)
        assert port.calls == [("fail", 503, 5)]

    def test_a_request_that_cannot_be_carried_answers_500(self, bench, port):
        bench.hub.open_http(port, REQUEST, None)
        bench.layer.resolve(MessageTooLarge("http.request", 5, 4))
        assert port.calls == [("fail", 500, None)]

    def test_a_time_out_answers_503(self, bench, port, end):
        end.timed_out()
        assert port.calls == [("fail", 503, None)]
        bench.layer.reply(end, {"status": 200})
        assert port.calls == [("fail", 503, None)]
        assert bench.counters.unknown == 1

    def test_a_lost_worker_answers_502(self, bench, port, end):
        bench.hub._state.give_up(bench.layer.last.receipt, "lost")
        assert port.calls == [("fail", 502, None)]

    @pytest.mark.parametrize("cause", ["expired", "unreadable"])
    def test_a_request_that_never_ran_answers_503(self, bench, port, end, cause, caplog):
        bench.layer.listener.deliver([NotRun(bench.layer.last.receipt, cause)])
        assert port.calls == [("fail", 503, 5)]
        assert getattr(bench.counters, cause) == 1
        assert [one.levelname for one in caplog.records] == ["WARNING"]
        assert "request for /upload given up" in caplog.text

    @pytest.mark.parametrize("cause", ["expired", "unreadable"])
    def test_a_response_that_was_dropped_on_its_way_answers_502(self, bench, port, end, cause):
        bench.layer.listener.deliver([Unread(local_of(end), cause), Unread("other", cause)])
        assert port.calls == [("fail", 502, None)]

    def test_a_lost_worker_of_a_request_that_ended_is_no_matter(self, bench, port, end):
        receipt = bench.layer.last.receipt
        end.gone()
        bench.hub._state.give_up(receipt, "lost")
        assert port.calls == []

    def test_memberships_end_with_the_request(self, bench, end):
        bench.layer.groups[local_of(end)] = ["poll"]
        end.gone()
        assert bench.layer.forgotten == [("poll", local_of(end))]

    def test_a_receipt_without_a_response_changes_nothing(self, bench, port, end):
        bench.layer.answer()
        bench.layer.reply(end, {"status": 200})
        assert port.calls == [("start", 200, []), ("finish",)]


class TestDisconnect:
    def test_it_follows_a_complete_response(self, bench, port, end):
        bench.layer.reply(end, {"status": 200})
        assert disconnects(bench) == [{"reply_channel": end.reply_channel, "path": "/upload"}]
        end.gone()
        end.timed_out()
        assert len(disconnects(bench)) == 1

    def test_it_follows_the_loss_of_the_client(self, bench, port, end):
        end.gone()
        end.gone()
        assert len(disconnects(bench)) == 1
        assert port.calls == []

    def test_a_full_channel_is_ignored(self, bench, end):
        end.gone()
        bench.layer.resolve(ChannelFull("http.disconnect", 1))
        assert len(disconnects(bench)) == 1

    def finish(self, bench):
        end = bench.hub.open_http(FakeRequest(), REQUEST, None)
        bench.layer.reply(end, {"status": 200})

    def test_it_is_left_out_when_no_live_worker_listens(self, bench):
        bench.layer.register = [
            ProcessEntry("w", "worker", frozenset(["http.request"])),
            ProcessEntry("s", "server", frozenset(["http.disconnect"])),
        ]
        self.finish(bench)
        asked_for_the_first = len(disconnects(bench))
        for _ in range(3):
            self.finish(bench)
        assert len(disconnects(bench)) == asked_for_the_first

    def test_it_is_sent_when_one_does(self, bench):
        bench.layer.register = [
            ProcessEntry("v", "worker", frozenset(["http.request"])),
            ProcessEntry("w", "worker", frozenset(["http.disconnect"])),
        ]
        self.finish(bench)
        assert len(disconnects(bench)) == 1

    def test_it_is_sent_when_no_worker_is_known(self, bench):
        self.finish(bench)
        assert len(disconnects(bench)) == 1

    def test_it_is_sent_when_the_register_cannot_be_read(self, bench):
        bench.layer.failing = LayerUnavailable("timeout")
        self.finish(bench)
        assert len(disconnects(bench)) == 1

    def test_the_register_is_read_every_other_second_at_most(self, bench):
        reads = []
        processes = bench.layer.processes

        async def counting():
            reads.append(bench.clock.now)
            return await processes()

        bench.layer.processes = counting
        for _ in range(50):
            self.finish(bench)
            bench.clock.advance(0.1)
        assert len(reads) == 3

    def test_what_the_register_said_long_ago_is_not_believed(self, bench):
        bench.layer.register = [ProcessEntry("w", "worker", frozenset(["http.request"]))]
        self.finish(bench)
        self.finish(bench)
        before = len(disconnects(bench))
        bench.clock.advance(60)
        bench.hub._state.listeners._reading = True  # the answer is still to come
        bench.hub._state.listeners._read_at -= 60
        self.finish(bench)
        assert len(disconnects(bench)) == before + 1

    def test_none_is_sent_to_a_layer_that_is_away(self, bench, end):
        bench.hub.layer_lost(LayerUnavailable("gone"))
        end.gone()
        assert disconnects(bench) == []


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
        assert port.calls == [("fail", 503, 5)]
        assert body.closed

    def test_a_chunk_is_not_looked_after(self):
        bench = Bench()
        self.open(bench, b"0123456789")
        bench.layer.resolve()
        (owner,) = bench.hub._state.chunks.values()
        owner.lost(1, "lost")
        assert owner.channel.startswith("http.request.body?")


class TestResponse:
    def test_a_response_is_written(self, bench, port, end):
        bench.layer.reply(
            end, {"status": 200, "headers": [(b"A", b"1")], "content": b"a", "more_content": True}
        )
        bench.layer.reply(end, {"content": b"b"})
        assert port.calls == [("start", 200, [(b"A", b"1")]), ("finish",)]
        assert port.body == b"ab"

    def test_a_malformed_response_answers_500_once_the_consumer_has_run(
        self, bench, port, end, caplog
    ):
        bench.layer.reply(end, {"content": b"no status"})
        assert port.calls == []
        bench.layer.answer()
        assert port.calls == [("fail", 500, None)]
        assert "malformed reply to a request for /upload: the first message" in caplog.text
        assert bench.counters.malformed == 1
        assert len(disconnects(bench)) == 1

    def test_a_correct_response_after_a_malformed_one_is_written(self, bench, port, end):
        bench.layer.reply(end, {"content": b"no status"})
        bench.layer.reply(end, {"status": 200, "content": b"right"})
        bench.layer.answer()
        assert port.calls == [("start", 200, []), ("finish",)]

    def test_a_malformed_chunk_aborts(self, bench, port, end):
        bench.layer.reply(end, {"status": 200, "more_content": True})
        bench.layer.reply(end, {"content": "text"})
        assert port.calls == [("start", 200, []), ("fail", 500, None)]

    def test_a_reply_that_cannot_be_carried_out_answers_500(self, bench, port, end, caplog):
        def start(status, headers):
            raise RuntimeError("broken")

        port.start = start
        bench.layer.reply(end, {"status": 200})
        assert port.calls == [("fail", 500, None)]
        assert "broken" in caplog.text

    def test_nothing_is_written_after_the_end(self, bench, port, end):
        def start(status, headers):
            end.gone()

        port.start = start
        bench.layer.reply(end, {"status": 200, "content": b"a"})
        assert port.body == b""
        assert port.calls == []


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
        assert port.calls[-1] == ("fail", 502, None)
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
        end.response_body.write(b"late")
        end.response_body.finish()
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
        assert port.calls[-1] == ("fail", 502, None)
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
        end.response_body.more()
        assert len(bench.layer.bodies[local_of(end)]) == 3

    def test_two_items_start_one_reader(self):
        async def scenario():
            bench = Bench()
            bench.hub._state.spawn = bench.hub._spawn
            bench.hub._state.listeners._reading = True  # no matter here
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


def test_a_reply_while_nothing_runs_is_no_harm(bench):
    bench.hub.deliver([Reply("nobody", {"status": 200})])
    run_now(bench.layer.stop())


class TestWhoStillReplies:
    """A worker that goes on answering can know that nobody waits."""

    @pytest.mark.parametrize("ending", ["gone", "timed_out", "broken"])
    def test_the_end_of_an_unfinished_response_is_told(self, bench, end, ending):
        bench.layer.reply(end, {"status": 200, "more_content": True})
        assert bench.layer.gone_locals == []

        getattr(end, ending)()

        assert bench.layer.gone_locals == [local_of(end)]

    def test_a_complete_one_and_one_that_was_never_stored_are_not(self, bench, port, end):
        port.unsent = KIB * KIB
        bench.layer.reply(end, {"status": 200, "content": b"x"})
        end.gone()  # before it took the last byte
        bench.hub.open_http(FakeRequest(), REQUEST, None)
        bench.layer.resolve(ChannelFull("http.request", 1))

        assert bench.layer.gone_locals == []

    def test_it_is_told_again_to_whoever_did_not_hear(self, bench, end):
        local = local_of(end)
        end.gone()
        bench.layer.gone_locals.clear()

        bench.layer.reply(end, {"content": b"x"})  # its last, nobody needs to hear
        bench.layer.reply(end, {"content": b"x", "more_content": True})
        bench.layer.listener.deliver([MoreBody(local)])

        assert bench.layer.gone_locals == [local, local]
