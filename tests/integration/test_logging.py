"""What real processes of a project write to their logs.

Tried: ``--log-format`` of both tiers, the example of ``docs/logging.md`` in both, and a ``LOGGING``
that disables loggers which exist already, as the interface server's do when it imports a project.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
from collections import Counter
from datetime import datetime

import pytest

from tests.support.processes import ROOT, fetch, free_port, running

pytestmark = pytest.mark.redis

SETTINGS = """
SECRET_KEY = "a secret of one test"
DEBUG = True
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels"]
ROOT_URLCONF = "site_urls"
CHANNEL_LAYERS = {{
    "default": {{
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        "ROUTING": "site_urls.routing",
        "CONFIG": {{"hosts": [{url!r}]}},
    }},
}}
"""

URLS = """
from django.http import HttpResponse
from django.urls import path
from channels import Channel, route


def page(request):
    Channel("fails").send({})
    return HttpResponse("here")


def fail(message):
    raise ValueError("as it should")


urlpatterns = [path("", page)]
routing = [route("fails", fail)]
"""

ASGI = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
from channels.asgi import get_channel_layer
layer = get_channel_layer()
"""

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (\w+) (\w+)\[(\d+)\] ([\w.]+): (.*)"
)


@pytest.fixture
def site(tmp_path, redis_server):
    """Runs both tiers with some more settings, has a consumer fail, and returns their output."""

    @contextlib.contextmanager
    def processes(more, *options):
        (tmp_path / "site_settings.py").write_text(SETTINGS.format(url=redis_server.url) + more)
        (tmp_path / "site_urls.py").write_text(URLS)
        (tmp_path / "site_asgi.py").write_text(ASGI)
        env = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "site_settings"}
        port = free_port()
        worker_command = (sys.executable, "-m", "django", "runworker", "--threads", "2", *options)
        server_command = ("interface-server", "-p", str(port), *options, "site_asgi:layer")
        with (
            running(*worker_command, env=env, cwd=tmp_path) as worker,
            running(*server_command, env=env, cwd=tmp_path) as server,
        ):
            server.wait_for_port(port)
            fetch(f"http://127.0.0.1:{port}/?page=1")
            worker.wait_for_output("ValueError: as it should")
            yield worker, server

    def run(more="", *options):
        with processes(more, *options) as (worker, server):
            for one in (worker, server):
                one.signal(signal.SIGTERM)
                assert one.wait() == 0
            return worker.output, server.output

    return run


def test_both_tiers_may_write_objects_even_if_settings_silence_what_they_do_not_name(site):
    silencing = 'LOGGING = {"version": 1, "disable_existing_loggers": True}'
    outputs = site(silencing, "--log-format", "json")

    for tier, output in zip(("worker", "server"), outputs, strict=True):
        lines = [json.loads(line) for line in output.splitlines()]
        assert {line["tier"] for line in lines} == {tier}
        assert all(datetime.fromisoformat(line["time"]).tzinfo for line in lines)
        assert any("Listening on" in line["message"] for line in lines)
    (failed,) = [one for one in map(json.loads, outputs[0].splitlines()) if "traceback" in one]
    assert failed["logger"] == "django.channels"
    assert "site_urls.fail" in failed["message"]
    (access,) = [one for one in map(json.loads, outputs[1].splitlines()) if "client" in one]
    assert (access["message"], access["status"], access["size"]) == ("GET /?page=1", 200, 4)
    assert 0 < access["seconds"] < 30


def test_the_documented_settings_write_each_line_once_and_alike(site):
    text = (ROOT / "docs" / "logging.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)

    worker, server = site(example)

    lines = [LINE.fullmatch(line) for line in worker.splitlines()]
    seen = Counter(match.group(5) for match in lines if match)
    assert max(seen.values()) == 1, worker
    told = {(match[1], match[2], match[4]) for match in lines if match}
    assert {("INFO", "worker", "django.channels"), ("ERROR", "worker", "django.channels")} <= told
    lines = [LINE.fullmatch(line) for line in server.splitlines()]
    assert [line for line in server.splitlines() if not LINE.fullmatch(line)] == [
        line for line in server.splitlines() if " - - [" in line
    ]
    told = {(match[2], match[4]) for match in lines if match}
    # Where Autobahn comes without its native part, this module warns of that.
    told.discard(("server", "channels.interface_server.net.upgrade"))
    assert told == {("server", "channels.interface_server.server")}
