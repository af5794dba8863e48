"""Both tiers as they are started, and a network that forgets their connections to Redis."""

from __future__ import annotations

import time

import pytest

from tests.faults.site_stack import SiteStack
from tests.support.processes import fetch
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

#: How long either tier may take to be back, in seconds.
SOON = 15.0


@pytest.fixture
def redis_server():
    """One of its own, as the test counts who waits in it."""
    server = RedisServer()
    yield server
    server.close()


def test_a_site_is_back_by_itself_when_its_connections_to_redis_go_silent(redis_server, tmp_path):
    """The server's lanes, mailbox and heartbeat, and the worker's waiting take, all at once."""
    way = Proxy(redis_server.port)
    running = SiteStack(tmp_path, {"REDIS_URL": way.url}, [way.url])
    hello = f"http://127.0.0.1:{running.port}/hello/"
    try:
        worker = running.start_worker()
        running.server.wait_for_port(running.port)
        assert fetch(hello) == "hello"
        # The response is here before the worker has read that it was sent: both must wait again.
        info = redis_server.client.info
        wait_until(lambda: info("clients")["blocked_clients"] == 2, "nothing is on its way")
        way.stall()
        started = time.monotonic()
        running.server.wait_for_output("the channel layer is back", SOON)
        assert fetch(hello) == "hello"
        assert time.monotonic() - started < SOON
        assert "may or may not have arrived" not in worker.output
        # One line from each process: the connections of one are all to the same Redis.
        for process in (running.server, worker):
            output = process.output
            assert output.count("channel layer does not answer") == 1, output
            assert "Redis is unavailable" not in output
            assert "heartbeat" not in output
    finally:
        running.close()
        way.close()
