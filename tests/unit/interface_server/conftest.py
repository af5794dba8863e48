import pytest

from channels.interface_server.bridge.hub import Hub
from channels.interface_server.settings import Settings
from tests.unit.interface_server.fakes import (
    FakeClient,
    FakeClock,
    FakeRequest,
    FakeSocket,
    run_now,
)

CONNECT = {"path": "/chat", "headers": [(b"host", b"example.com")], "query_string": b"a=1"}
REQUEST = {"path": "/upload", "method": "POST", "headers": [], "body": b"start"}


class Bench:
    """A hub with everything round it scripted."""

    def __init__(self, **settings):
        self.clock = FakeClock()
        self.layer = FakeClient(self.clock)
        self.hub = Hub(self.layer, Settings(**settings), wheel=self.clock.wheel, spawn=run_now)
        run_now(self.hub.start())

    @property
    def counters(self):
        return self.hub.counters

    def connecting(self, **kwargs):
        port = FakeSocket(**kwargs)
        return port, self.hub.open_websocket(port, CONNECT)

    def open(self, **kwargs):
        """Return port and end of a socket that was announced and accepted."""
        port, end = self.connecting(**kwargs)
        self.layer.resolve()
        self.layer.reply(end, {"accept": True})
        self.layer.answer()
        port.calls.clear()
        return port, end


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def port():
    return FakeRequest()


@pytest.fixture
def end(bench, port):
    end = bench.hub.open_http(port, REQUEST, None)
    bench.layer.resolve()
    return end
