"""Both tiers as real processes whose settings do not agree: each says so, and what to do."""

from __future__ import annotations

import re
import sys

import pytest
from websockets.sync.client import connect

from tests.support.processes import BIN, free_port, running
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis

SETTINGS = """
SECRET_KEY = "a secret of one test"
INSTALLED_APPS = ["channels"]
USE_TZ = True
CHANNEL_LAYERS = {{
    "default": {{
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        "ROUTING": "routes.routing",
        "CONFIG": {{"hosts": [{url!r}], "prefix": "chat:"{more}}},
    }},
}}
"""

ROUTES = """
from channels import route
routing = [route("websocket.connect", lambda message: message.reply_channel.send({"accept": True}))]
"""


@pytest.fixture
def redis_server():
    """One of its own: a worker of another test, still on the shared one, would be company."""
    server = RedisServer()
    yield server
    server.close()


def project(folder, url, more=""):
    (folder / "small_settings.py").write_text(SETTINGS.format(url=url, more=more))
    (folder / "routes.py").write_text(ROUTES)
    return {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "small_settings"}


def start_worker(env):
    return running(sys.executable, "-m", "django", "runworker", env=env)


def start_server(url, port):
    return running(BIN / "interface-server", "-b", "127.0.0.1", "-p", str(port), url)


def test_another_prefix_is_named_in_both_logs_and_the_advice_works(redis_server, tmp_path):
    """The prefix is in CONFIG, and the server was started from a URL, which has none."""
    env, port = project(tmp_path, redis_server.url), free_port()
    with start_worker(env) as worker:
        with start_server(redis_server.url, port) as server:
            worker.wait_for_output("no interface server shares prefix 'chat:' with the worker")
            server.wait_for_output("no worker shares prefix 'asgi:' with the interface server")
            advice = re.search(r"add (\S+) to its URL", server.output)
            assert advice is not None
            assert f"the worker {worker.pid} on " in server.output
            assert f"the interface server {server.pid} on " in worker.output

        url = redis_server.url + advice[1]
        with start_server(url, port) as server:
            server.wait_for_port(port)
            with connect(f"ws://127.0.0.1:{port}/"):
                pass


def test_other_encryption_keys_are_named_and_not_shown(redis_server, tmp_path):
    """Who came last says so first, which is enough to wait for.  A sibling: other hosts."""
    more = ', "symmetric_encryption_keys": ["very secret"]'
    env, port = project(tmp_path, redis_server.url, more), free_port()
    with start_server(f"{redis_server.url}?prefix=chat:", port) as server:
        server.wait_for_port(port)
        with start_worker(env) as worker:
            worker.wait_for_output(
                f"the symmetric_encryption_keys of the interface server {server.pid} on "
            )
            assert "module.path:attribute" in worker.output
            assert "very secret" not in worker.output
