"""One HTTP request: what is announced, its response, and how it ends."""

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.layers.clients import MoreBody, NotRun, ProcessEntry, Reply, Unread
from tests.unit.interface_server.conftest import REQUEST
from tests.unit.interface_server.fakes import (
    FakeBody,
    FakeRequest,
    disconnects,
    local_of,
    run_now,
)


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
        assert port.calls == [("fail", 503)]
        assert bench.counters.requests_refused == 1
        assert len(disconnects(bench)) == 1

    def test_a_layer_that_does_not_answer_answers_503(self, bench, port):
        bench.hub.open_http(port, REQUEST, None)
        bench.layer.resolve(LayerUnavailable("timeout"))
        assert port.calls == [("fail", 503)]

    def test_a_layer_that_is_away_answers_503_and_takes_no_body(self, bench, port):
        bench.hub.layer_lost(LayerUnavailable("gone"))
        body = FakeBody(b"rest")
        assert bench.hub.open_http(port, REQUEST, body) is None
        assert port.calls == [("fail", 503)]
        assert body.closed
        assert bench.layer.sent == []

    def test_draining_answers_503(self, bench, port):
        bench.hub.drain(0)
        bench.hub.open_http(port, REQUEST, None)
        assert port.calls == [("fail", 503)]

    def test_a_request_that_cannot_be_carried_answers_500(self, bench, port):
        bench.hub.open_http(port, REQUEST, None)
        bench.layer.resolve(MessageTooLarge("http.request", 5, 4))
        assert port.calls == [("fail", 500)]

    def test_a_time_out_answers_503(self, bench, port, end):
        end.timed_out()
        assert port.calls == [("fail", 503)]
        bench.layer.reply(end, {"status": 200})
        assert port.calls == [("fail", 503)]
        assert bench.counters.unknown == 1

    def test_a_lost_worker_answers_502(self, bench, port, end):
        bench.hub._state.give_up(bench.layer.last.receipt, "lost")
        assert port.calls == [("fail", 502)]

    @pytest.mark.parametrize("cause", ["expired", "unreadable"])
    def test_a_request_that_never_ran_answers_503(self, bench, port, end, cause, caplog):
        bench.layer.listener.deliver([NotRun(bench.layer.last.receipt, cause)])
        assert port.calls == [("fail", 503)]
        assert getattr(bench.counters, cause) == 1
        assert [one.levelname for one in caplog.records] == ["WARNING"]
        assert "request for /upload given up" in caplog.text

    @pytest.mark.parametrize("cause", ["expired", "unreadable"])
    def test_a_response_that_was_dropped_on_its_way_answers_502(self, bench, port, end, cause):
        bench.layer.listener.deliver([Unread(local_of(end), cause), Unread("other", cause)])
        assert port.calls == [("fail", 502)]

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
        bench.hub._state.listening._reading = True  # the answer is still to come
        bench.hub._state.listening._read_at -= 60
        self.finish(bench)
        assert len(disconnects(bench)) == before + 1

    def test_none_is_sent_to_a_layer_that_is_away(self, bench, end):
        bench.hub.layer_lost(LayerUnavailable("gone"))
        end.gone()
        assert disconnects(bench) == []


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
        assert port.calls == [("fail", 500)]
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
        assert port.calls == [("start", 200, []), ("fail", 500)]

    def test_a_reply_that_cannot_be_carried_out_answers_500(self, bench, port, end, caplog):
        def start(status, headers):
            raise RuntimeError("broken")

        port.start = start
        bench.layer.reply(end, {"status": 200})
        assert port.calls == [("fail", 500)]
        assert "broken" in caplog.text

    def test_nothing_is_written_after_the_end(self, bench, port, end):
        def start(status, headers):
            end.gone()

        port.start = start
        bench.layer.reply(end, {"status": 200, "content": b"a"})
        assert port.body == b""
        assert port.calls == []


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
        port.unsent = 1024 * 1024
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
