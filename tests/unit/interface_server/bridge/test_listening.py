"""No worker listens: clients wait for one, but not for ever."""

import pytest

from channels.layers.clients import ProcessEntry
from tests.unit.interface_server.conftest import Bench
from tests.unit.interface_server.fakes import FakeRequest

SERVER = ProcessEntry("web.test!", "server")
CHANNELS = frozenset(["http.request", "websocket.connect"])
WORKER = ProcessEntry("w", "worker", CHANNELS)


def alone(**settings):
    """Return a bench with a register that has this server only."""
    bench = Bench(**settings)
    bench.layer.register = [SERVER]
    return bench


def ask(bench):
    port = FakeRequest()
    bench.hub.open_http(port, {"path": "/", "body": b""}, None)
    bench.layer.resolve()
    return port


def test_a_request_waits_for_a_worker_and_is_refused_after_30_seconds(caplog):
    bench = alone()
    port = ask(bench)
    bench.clock.advance(2)
    assert caplog.text == ""  # both tiers may be starting
    bench.clock.advance(4)
    assert "no worker listens on http.request: clients wait for one, for 30 s" in caplog.text
    bench.clock.advance(23)
    assert port.calls == []

    bench.clock.advance(5)

    assert port.calls == [("fail", 503)]
    assert bench.counters.unattended == 1
    assert "request for / given up: no worker listens; start one" in caplog.text


def test_from_then_on_all_are_refused_at_once_until_a_worker_is_there():
    bench = alone()
    ask(bench)
    bench.clock.advance(34)
    assert not bench.hub.attended
    assert ask(bench).calls == [("fail", 503)]
    socket, _ = bench.connecting()
    assert socket.calls == [("reject", 503)]

    bench.layer.register = [SERVER, WORKER]
    bench.clock.advance(3)
    ask(bench)  # has the register read again

    assert bench.hub.attended
    assert ask(bench).calls == []


def test_a_worker_that_is_restarted_in_time_finds_them_waiting():
    bench = alone()
    port = ask(bench)
    bench.layer.waiting = {"http.request": {bench.layer.last.receipt}}
    bench.clock.advance(20)
    bench.layer.register = [SERVER, WORKER]
    bench.clock.advance(3)
    bench.layer.register = [SERVER]
    bench.clock.advance(20)
    assert port.calls == []


def test_nothing_is_concluded_from_a_look_that_was_long_ago():
    bench = alone()
    ask(bench)
    bench.layer.answer()  # nothing is in flight, so nobody looks
    bench.clock.advance(300)

    assert ask(bench).calls == []
    bench.clock.advance(10)
    assert bench.hub.attended


@pytest.mark.parametrize("register", [[], [SERVER, WORKER]])
def test_they_wait_on_where_no_register_is_known_or_a_worker_is_busy(register):
    bench = Bench()
    bench.layer.register = register
    port = ask(bench)
    bench.layer.waiting = {"http.request": {bench.layer.last.receipt}}
    bench.clock.advance(50)
    assert port.calls == []


def test_a_worker_that_does_not_register_is_known_by_what_it_runs():
    bench = alone()
    ports = []
    for _ in range(50):
        ports.append(ask(bench))
        bench.layer.answer(bench.layer.on("http.request")[-1])
        bench.clock.advance(1)
    assert [port.calls for port in ports] == [[]] * 50


def test_a_negative_time_is_for_ever():
    bench = alone(worker_wait=-1, expiry=1000)
    port = ask(bench)
    bench.clock.advance(200)
    assert port.calls == []
    assert bench.hub.attended


def test_workers_for_sockets_only_leave_requests_alone_refused():
    bench = alone()
    bench.layer.register = [SERVER, ProcessEntry("w", "worker", frozenset(["websocket.connect"]))]
    ask(bench)
    bench.clock.advance(34)
    assert ask(bench).calls == [("fail", 503)]
    assert bench.connecting()[0].calls == []
    assert bench.hub.attended


class TestHandshakes:
    """Nobody accepted in time: who is to blame?"""

    def test_nobody_listens(self, caplog):
        bench = alone()
        port, end = bench.connecting()
        bench.layer.resolve()
        end.timed_out()
        assert port.calls == [("reject", 503)]
        assert "nobody accepted a socket on /chat in time, hence 503: no worker" in caplog.text

    def test_the_consumer_has_not_finished(self, bench, caplog):
        port, end = bench.connecting()
        bench.layer.resolve()
        end.timed_out()
        assert port.calls == [("reject", 403)]
        assert "on /chat in time, hence 403: its consumer has not finished" in caplog.text

    def test_the_consumer_did_not_decide(self, bench, caplog):
        port, end = bench.connecting()
        bench.layer.resolve()
        bench.layer.answer()
        end.timed_out()
        assert port.calls == [("reject", 403)]
        assert 'sent no {"accept": True} to message.reply_channel' in caplog.text

    def test_an_open_socket_is_left_alone(self, bench):
        port, end = bench.open()
        end.timed_out()
        assert port.calls == []
