"""A server without workers, and a handshake that nobody accepts: who is told what."""

import contextlib
import json
import urllib.error
import urllib.request

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.faults.site_stack import SiteStack
from tests.support.processes import fetch

pytestmark = pytest.mark.redis


def refused(url):
    """Return status, Retry-After and text of an error page."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=20)
    with caught.value as error:
        return error.code, error.headers["Retry-After"], error.read().decode()


def refused_handshake(url):
    with pytest.raises(InvalidStatus) as caught:
        connect(url, open_timeout=20)
    return caught.value.response.status_code


def test_clients_are_told_that_no_worker_is_there_until_there_is_one(redis_server, tmp_path):
    options = ["--worker-wait", "1", "--websocket-connect-timeout", "1", "--health-path", "/up"]
    env = {"REDIS_URL": redis_server.url}
    with contextlib.closing(SiteStack(tmp_path, env, [*options, redis_server.url])) as stack:
        url = f"http://127.0.0.1:{stack.port}"
        stack.server.wait_for_port(stack.port)
        assert json.loads(fetch(url + "/up"))["status"] == "ok"  # none is known to be missing

        assert refused_handshake(stack.url) == 503
        status, after, page = refused(url + "/hello/")
        assert (status, after) == (503, "5")
        assert "No worker is there to answer." in page
        status, _, health = refused(url + "/up")
        assert (status, json.loads(health)["status"]) == (503, "no workers")
        assert "no worker listens on websocket.connect: clients wait" in stack.server.output
        assert "Start one: python manage.py runworker" in stack.server.output

        stack.start_worker()
        assert fetch(url + "/hello/") == "hello"
        assert json.loads(fetch(url + "/up"))["status"] == "ok"
        assert refused_handshake(stack.url + "silent/") == 403
        log = stack.server.output
        assert "nobody accepted a socket on /silent/ in time, hence 403: its websocket" in log
