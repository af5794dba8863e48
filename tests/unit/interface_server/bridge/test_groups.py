"""Group messages to the members of one process, and the life of their memberships."""

import pytest

from channels.interface_server.bridge.groups import RENEWAL_PAUSE, RENEWED_AT_ONCE
from channels.layers.clients import GroupMessage, Joined
from tests.unit.interface_server.conftest import Bench
from tests.unit.interface_server.fakes import FakeRequest, local_of


def send(bench, message, *ends):
    bench.hub.deliver([GroupMessage("chat", [local_of(end) for end in ends], message)])


def test_open_members_get_one_prepared_frame(bench):
    sockets = [bench.open() for _ in range(3)]

    send(bench, {"text": "hi"}, *[end for _, end in sockets])

    assert [port.calls for port, _ in sockets] == [[("text", "hi")]] * 3
    assert sum(port.prepared for port, _ in sockets) == 1


def test_bytes_are_prepared_too(bench):
    port, end = bench.open()
    send(bench, {"bytes": b"hi"}, end)
    assert port.calls == [("bytes", b"hi")]


def test_each_framing_has_its_own_frame(bench):
    plain, compressed = bench.open(), bench.open(framing="deflate")
    another = bench.open(framing="deflate")

    send(bench, {"text": "hi"}, plain[1], compressed[1], another[1])

    assert plain[0].calls == [("text", "hi")]
    assert compressed[0].calls == [("text", "hi")]
    assert (compressed[0].prepared, another[0].prepared) == (1, 0)


def test_a_member_in_its_handshake_is_accepted_by_the_message(bench):
    port, end = bench.connecting()
    send(bench, {"text": "hi"}, end)
    assert port.calls == [("accept",), ("text", "hi")]


def test_members_that_are_gone_or_closing_are_skipped(bench):
    closing_port, closing = bench.open()
    _, gone = bench.open()
    port, end = bench.open()
    bench.layer.reply(closing, {"close": True})
    gone.gone(1000)

    send(bench, {"text": "hi"}, closing, gone, end)

    assert closing_port.calls == [("close", 1000)]
    assert port.calls == [("text", "hi")]


def test_every_other_message_takes_the_way_of_a_reply(bench):
    one, two = bench.open(), bench.open()
    _, gone = bench.open()
    gone.gone(1000)
    send(bench, {"text": "bye", "close": 4000}, one[1], gone, two[1])
    for port, _ in (one, two):
        assert port.calls == [("text", "bye"), ("close", 4000)]


def test_a_malformed_message_is_logged_once_and_harms_no_socket(bench, caplog):
    sockets = [bench.open() for _ in range(3)]
    connecting = bench.connecting()

    send(bench, {"txet": "hi"}, *[end for _, end in [*sockets, connecting]])

    assert all(port.calls == [] for port, _ in [*sockets, connecting])
    assert len(caplog.records) == 1
    assert "group chat" in caplog.text
    assert "unknown key 'txet'" in caplog.text
    assert bench.counters.group_malformed == 1


def test_what_is_right_in_a_malformed_message_is_carried_out(bench, caplog):
    sockets = [bench.open() for _ in range(3)]

    send(bench, {"text": "bye", "close": 99}, *[end for _, end in sockets])

    assert [port.calls for port, _ in sockets] == [[("text", "bye")]] * 3
    assert len(caplog.records) == 1


def test_a_malformed_message_to_nobody_here_is_not_logged(bench, caplog):
    _, gone = bench.open()
    gone.gone(1000)
    send(bench, {"txet": "hi"}, gone)
    assert caplog.records == []


def test_http_members_get_replies(bench):
    request = FakeRequest()
    waiting = bench.hub.open_http(request, {"path": "/poll"}, None)
    port, end = bench.open()

    send(bench, {"status": 200, "content": b"news"}, waiting, end)

    assert request.calls == [("start", 200, []), ("finish",)]
    assert request.body == b"news"
    assert port.calls == []  # malformed for a socket


@pytest.mark.parametrize("message", [{"text": "hi"}, {"text": "hi", "close": True}])
def test_one_member_that_cannot_even_be_ended_stops_no_other(bench, message):
    def fails(code, reason=""):
        raise RuntimeError("broken, too")

    port, end = bench.open()
    other, second = bench.open(framing="other")
    port.fails = RuntimeError("broken")
    port.close = fails

    send(bench, message, end, second)

    assert other.calls[0][-1] == "hi"


@pytest.mark.parametrize("message", [{"text": "hi"}, {"text": "hi", "close": True}])
def test_one_member_that_raises_stops_no_other(bench, caplog, message):
    port, end = bench.open()
    other, second = bench.open(framing="other")
    port.fails = RuntimeError("broken")

    send(bench, message, end, second)

    assert port.calls == [("close", 1011)]
    assert other.calls[0][-1] == "hi"
    assert "could not be delivered" in caplog.text


def test_a_join_of_a_live_socket_is_fine(bench):
    _, end = bench.open()
    bench.hub.deliver([Joined("chat", local_of(end))])
    assert bench.layer.forgotten == []


def test_joins_of_gone_sockets_are_discarded(bench):
    bench.hub.deliver([Joined("chat", "gone"), Joined("all", "gone")])
    assert bench.layer.forgotten == [("chat", "gone"), ("all", "gone")]


class TestRenewal:
    def test_live_sockets_are_renewed_four_times_per_expiry(self):
        bench = Bench(group_expiry=4000)
        _, end = bench.open()
        bench.hub.open_http(FakeRequest(), {"path": "/"}, None)

        bench.clock.advance(999)
        assert bench.layer.kept == []
        bench.clock.advance(3001)

        assert bench.layer.kept == [[local_of(end)]] * 4

    def test_many_are_renewed_in_lots(self):
        bench = Bench(group_expiry=4000)
        ends = [bench.open()[1] for _ in range(2 * RENEWED_AT_ONCE + 1)]
        bench.clock.advance(1000)
        assert [len(lot) for lot in bench.layer.kept] == [RENEWED_AT_ONCE]
        ends[-1].gone(1000)

        bench.clock.advance(2 * RENEWAL_PAUSE)

        assert [len(lot) for lot in bench.layer.kept] == [RENEWED_AT_ONCE, RENEWED_AT_ONCE]

    def test_nothing_is_renewed_without_sockets(self):
        bench = Bench(group_expiry=4000)
        bench.clock.advance(4000)
        assert bench.layer.kept == []
