"""Frames that were lost: which of them are sent again, and what of their runs is still heard."""

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.clients import LOST, NotRun, Reply
from tests.unit.interface_server.conftest import Bench
from tests.unit.interface_server.fakes import local_of, texts

RECEIVE = "websocket.receive"
DISCONNECT = "websocket.disconnect"


def lose(bench, cause=LOST):
    """Have the frame that was sent last given up; return it."""
    bench.layer.resolve()
    frame = bench.layer.last
    bench.layer.listener.deliver([NotRun(frame.receipt, cause)])
    return frame


class TestRetry:
    """What ``--on-lost-message retry`` sends again, and what it does not."""

    @pytest.fixture
    def bench(self):
        return Bench(on_lost_message="retry")

    def test_a_lost_frame_leaves_again_with_another_receipt_and_says_so(self, bench, caplog):
        port, end = bench.open()
        end.received("a")
        first = lose(bench)

        again = bench.layer.last
        assert again.messages == first.messages
        assert (first.redelivered, again.redelivered) == (False, True)
        assert again.receipt > first.receipt
        assert (bench.counters.lost, bench.counters.retried) == (1, 1)
        assert "websocket.receive of a socket on /chat is sent again" in caplog.text
        assert port.calls == []

    def test_what_came_behind_waits_until_it_was_answered(self, bench):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        lose(bench)
        end.received("c")
        assert texts(bench.layer.last) == ["a"]

        bench.layer.settle()

        sent = [(texts(frame), frame.redelivered) for frame in bench.layer.on(RECEIVE)]
        assert sent == [(["a"], False), (["a"], True), (["b", "c"], False)]
        assert [one["order"] for one in bench.layer.last.messages] == [2, 3]

    def test_the_first_run_is_heard_no_more(self, bench):
        port, end = bench.open()
        end.received("a")
        first = lose(bench)
        again, local = bench.layer.last, local_of(end)

        bench.layer.listener.deliver([Reply(local, {"text": "1st"}, first.receipt)])
        bench.layer.answer(first)
        bench.layer.listener.deliver([Reply(local, {"text": "2nd"}, again.receipt)])

        assert port.calls == [("text", "2nd")]
        assert (bench.counters.fenced, bench.counters.late_receipts) == (1, 1)
        end.received("b")
        assert bench.layer.last is again  # it is still unanswered

    def test_a_frame_that_was_lost_three_times_in_a_row_is_given_up(self, bench, caplog):
        port, end = bench.open()
        end.received("a")
        end.received("b")
        for _ in range(3):
            lose(bench)

        assert [texts(frame) for frame in bench.layer.on(RECEIVE)] == [["a"], ["a"], ["a"], ["b"]]
        assert not bench.layer.last.redelivered
        assert (bench.counters.lost, bench.counters.retried) == (3, 2)
        assert "given up: its workers died 3 times in a row" in caplog.text
        assert port.calls == []
        lose(bench)
        assert texts(bench.layer.last) == ["b"]

    def test_it_waits_for_room_like_any_frame(self, bench):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        lose(bench)
        bench.layer.resolve(ChannelFull(RECEIVE, 1))
        bench.clock.advance(0.1)
        assert (texts(bench.layer.last), bench.layer.last.redelivered) == (["a"], True)

    def test_it_waits_for_a_layer_that_is_away(self, bench):
        _, end = bench.open()
        end.received("a")
        first = bench.layer.last
        bench.layer.resolve()
        bench.hub.layer_lost(LayerUnavailable("gone"))
        bench.layer.listener.deliver([NotRun(first.receipt, LOST)])
        end.received("b")
        assert bench.layer.last is first
        bench.hub.layer_back()
        assert (texts(bench.layer.last), bench.layer.last.redelivered) == (["a"], True)

    def test_a_socket_that_is_gone_has_it_run_before_its_disconnect(self, bench):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        end.gone(1001)
        lose(bench)
        bench.layer.settle()

        sent = [(frame.channel, frame.redelivered) for frame in bench.layer.sent[1:]]
        assert sent == [(RECEIVE, False), (RECEIVE, True), (RECEIVE, False), (DISCONNECT, False)]
        assert bench.layer.last.messages[0]["order"] == 3

    @pytest.mark.parametrize("waits_for", ["a receipt", "room"])
    def test_the_disconnect_waits_no_longer_for_it_than_for_any_frame(self, bench, waits_for):
        _, end = bench.open()
        end.received("a")
        end.gone(1001)
        bench.clock.advance(6)
        lose(bench)
        bench.layer.resolve(ChannelFull(RECEIVE, 1) if waits_for == "room" else None)
        bench.clock.advance(4)
        assert bench.layer.last.channel == DISCONNECT
        assert bench.layer.last.messages[0]["order"] == 2
        assert bench.counters.unanswered == 1
        bench.clock.advance(20)
        assert bench.layer.last.channel == DISCONNECT

    def test_what_a_socket_said_that_the_application_closed_is_not_sent_again(self, bench):
        _, end = bench.open()
        end.received("a")
        bench.layer.reply(end, {"close": True})
        lose(bench)
        assert len(bench.layer.on(RECEIVE)) == 1
        end.gone(1000)
        assert bench.layer.last.channel == DISCONNECT

    @pytest.mark.parametrize("cause", ["expired", "unreadable"])
    def test_what_never_ran_and_never_will_is_skipped(self, bench, cause):
        _, end = bench.open()
        end.received("a")
        end.received("b")
        lose(bench, cause)
        assert texts(bench.layer.last) == ["b"]
        assert bench.counters.retried == 0

    def test_a_connect_is_never_sent_again(self, bench):
        port, _ = bench.connecting()
        lose(bench)
        assert port.calls == [("reject", 503)]
        assert len(bench.layer.sent) == 1

    def test_a_request_is_never_sent_again(self, bench, port, end):
        lose(bench)
        assert port.calls == [("fail", 502)]
        assert len(bench.layer.on("http.request")) == 1


class TestFences:
    """What still comes of the run of a frame that was given up."""

    def test_its_replies_are_dropped_and_those_of_the_next_frame_are_not(self, bench, caplog):
        port, end = bench.open()
        end.received("a")
        lost = lose(bench).receipt
        end.received("b")
        number, local = bench.layer.last.receipt, local_of(end)

        bench.layer.listener.deliver(
            [
                Reply(local, {"text": "of a"}, lost),
                Reply(local, {"close": True}, lost),
                Reply(local, {"text": "of b"}, number),
                Reply(local, {"text": "of a task"}),
            ]
        )

        assert port.calls == [("text", "of b"), ("text", "of a task")]
        assert bench.counters.fenced == 2
        assert caplog.text.count("a worker that stood still") == 1

    def test_they_are_dropped_for_other_sockets_of_this_server_too(self, bench):
        _, end = bench.open()
        port, other = bench.open()
        end.received("a")
        lost = lose(bench).receipt
        bench.layer.listener.deliver([Reply(local_of(other), {"text": "of a"}, lost)])
        assert port.calls == []

    def test_a_frame_that_was_given_up_in_the_same_batch_is_fenced(self, bench):
        port, end = bench.open()
        end.received("a")
        bench.layer.resolve()
        number, local = bench.layer.last.receipt, local_of(end)
        bench.layer.listener.deliver(
            [
                Reply(local, {"text": "1"}, number),
                NotRun(number, LOST),
                Reply(local, {"text": "2"}, number),
            ]
        )
        assert port.calls == [("text", "1")]

    def test_who_goes_on_with_a_response_that_was_given_up_is_told_that_its_client_is_gone(
        self, bench, end
    ):
        lost = lose(bench).receipt
        bench.layer.gone_locals.clear()
        bench.layer.listener.deliver([Reply(local_of(end), {"more_content": True}, lost)])
        assert bench.layer.gone_locals == [local_of(end)]

    def test_only_the_last_are_remembered(self, bench, monkeypatch):
        monkeypatch.setattr("channels.interface_server.bridge.state.MOST_LOST", 2)
        port, end = bench.open()
        numbers = []
        for text in "abc":
            end.received(text)
            numbers.append(lose(bench).receipt)
        local = local_of(end)
        bench.layer.listener.deliver([Reply(local, {"text": str(n)}, n) for n in numbers])
        assert port.calls == [("text", str(numbers[0]))]
