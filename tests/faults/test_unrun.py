"""What never ran is answered at once: by 503 and not by the end of anybody's patience.

Tried: requests and handshakes that expired behind a busy worker, that the worker has no key for,
and whose answers the server has no key for; frames of open sockets, which just go on.
"""

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.faults.site_stack import SiteStack
from tests.support.processes import fetch

pytestmark = pytest.mark.redis

#: Seconds; the time-outs of the server are 5 for a handshake and 120 for a request.
AT_ONCE = 3


class Stack(SiteStack):
    """A server and a worker with one thread whose layers are not quite the same."""

    def __init__(self, redis_url, folder, server=None, worker=None):
        entry = {"BACKEND": "channels.layers.redis.RedisChannelLayer", "CONFIG": {}}
        config = {"hosts": [redis_url]}
        entry["CONFIG"] = {**config, **(server or {})}
        super().__init__(folder, {"LAYER": json.dumps(entry)}, ["tests.faults.site.layer:layer"])
        entry["CONFIG"] = {**config, **(worker or server or {})}
        self.env["LAYER"] = json.dumps(entry)
        self.worker = self.start_worker()
        self.server.wait_for_port(self.port)

    def get(self, path):
        """Return status and Retry-After of a page, and how long it took."""
        started = time.monotonic()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}/", timeout=20) as got:
                status, after = got.status, got.headers["Retry-After"]
        except urllib.error.HTTPError as error:
            with error:
                status, after = error.code, error.headers["Retry-After"]
        assert time.monotonic() - started < AT_ONCE
        return status, after

    def shake_hands(self):
        """Return with which status a handshake is refused."""
        started = time.monotonic()
        with pytest.raises(InvalidStatus) as caught:
            connect(self.url, open_timeout=20)
        assert time.monotonic() - started < AT_ONCE
        return caught.value.response.status_code


@pytest.fixture
def stack(redis_server, tmp_path):
    with ExitStack() as stacks:

        def make(**configs):
            made = Stack(redis_server.url, tmp_path, **configs)
            stacks.callback(made.close)
            return made

        yield make


def test_what_expired_in_the_queue_is_refused_and_an_open_socket_goes_on(stack):
    running = stack(server={"expiry": 0.4})
    fetch(f"http://127.0.0.1:{running.port}/hello/")

    with connect(running.url) as socket, ThreadPoolExecutor() as clients:
        busy = clients.submit(running.get, "slow")
        running.worker.wait_until(lambda: running.notes("slow"), "the worker is busy")
        socket.send("expires")
        page, handshake = clients.submit(running.get, "hello"), clients.submit(running.shake_hands)
        assert page.result() == (503, "5")
        assert handshake.result() == 503
        assert busy.result() == (200, None)
        socket.send("next")
        assert socket.recv(10).startswith("next ")

    assert running.get("hello") == (200, None)
    log = running.server.output
    assert "request for /hello/ given up: no worker took it before it expired" in log
    assert "websocket.connect of a socket on / given up" in log
    assert "websocket.receive of a socket on / given up" in log
    assert "WARNING" in log


def test_what_a_worker_has_no_key_for_is_refused(stack):
    running = stack(
        server={"symmetric_encryption_keys": ["a"]}, worker={"symmetric_encryption_keys": ["b"]}
    )

    assert running.get("hello") == (503, "5")
    assert running.shake_hands() == 503
    assert "request for /hello/ given up: a worker could not read it" in running.server.output
    assert "dropped a frame of channel http.request that cannot be read" in running.worker.output


def test_answers_that_the_server_has_no_key_for_are_not_waited_for(stack):
    running = stack(
        server={"symmetric_encryption_keys": ["a"]},
        worker={"symmetric_encryption_keys": ["b", "a"]},
    )

    assert running.get("hello") == (502, None)
    assert running.shake_hands() == 500
    assert "response to a request for /hello/ is unreadable" in running.server.output
