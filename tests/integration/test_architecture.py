"""docs/architecture.md, walked: an echo takes the way that the page says."""

from __future__ import annotations

import re
import sys
from collections import Counter

import pytest
from websockets.sync.client import connect

from tests.support.processes import ROOT, free_port, running
from tests.support.small_site import write_site
from tests.support.traced import MARK
from tests.support.waiting import wait_until

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")

#: A hop of the page: its number, the function and the file.
HOP = re.compile(r"^\| (\d+) \| `([\w.]+)` \| `([\w./]+)` \|", re.MULTILINE)

#: What only looks at the message.
LOOK = re.compile(r"^\| `([\w.]+)` \| `([\w./]+\.py)` \|", re.MULTILINE)

ECHOES = 50

FILES = {
    "site_settings.py": """
        SECRET_KEY = "a secret of the test suite and of nothing else"
        ALLOWED_HOSTS = ["127.0.0.1"]
        INSTALLED_APPS = ["channels"]
        CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "channels.layers.redis.RedisChannelLayer",
                "ROUTING": "site_routing.routes",
                "CONFIG": {"hosts": ["%s"]},
            }
        }
    """,
    "site_routing.py": """
        from channels import route

        def echo(message):
            message.reply_channel.send({"text": message.content["text"]})

        routes = [route("websocket.receive", echo)]
    """,
}


def hops():
    """File and function of every hop on the page."""
    return {(file, name) for _, name, file in HOP.findall(PAGE)}


@pytest.mark.redis
def test_an_echo_goes_the_way_of_the_page(redis_server, tmp_path):
    write_site(tmp_path, FILES, redis_server.url)
    env = {"DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    port = free_port()
    traced = (sys.executable, "-m", "tests.support.traced", tmp_path)
    server = (*traced, "channels.interface_server", "-p", str(port), redis_server.url)
    worker = (*traced, "django", "runworker")
    switch = tmp_path / "on"
    with running(*server, env=env) as first, running(*worker, env=env) as second:
        first.wait_for_port(port)
        second.wait_for_output("Listening on channels")
        with connect(f"ws://127.0.0.1:{port}/") as client:
            echo(client, ECHOES)  # what happens once happens now
            switch.touch()
            for process in (first, second):
                wait_until((tmp_path / f"{process.pid}.began").exists, "tracing")
            echo(client, ECHOES)
            switch.unlink()
        reports = [tmp_path / f"{process.pid}.passed" for process in (first, second)]
        for report in reports:
            wait_until(report.exists, "the report")

    passed = Counter()
    for report in reports:
        for line in report.read_text().splitlines():
            count, file, name = line.split("\t")
            passed[file, name] += int(count)
    often = {function for function, count in passed.items() if count > ECHOES / 2}
    assert often == hops() | {(file, name) for name, file in LOOK.findall(PAGE)}


def echo(client, times):
    for number in range(times):
        client.send(f"{MARK} {number}")
        assert client.recv(10) == f"{MARK} {number}"


def test_the_way_is_as_short_as_the_page_says():
    files = {file for file, _ in hops()}

    assert f"**{len(hops())} functions in {len(files)} files**" in PAGE
    assert len(hops()) <= 48
    assert len(files) <= 25


def test_the_order_of_the_rooms_is_that_of_the_contract():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    order = project["tool"]["importlinter"]["contracts"][0]["layers"]

    assert "```\n" + "\n".join(order) + "\n```" in PAGE


def test_every_room_is_named():
    tops = [ROOT / top for top in ("interface_server", "worker", "routing", "src/channels")]
    rooms = {path.parent for top in tops for path in top.rglob("*.py")}
    described = PAGE.partition("## Who may know whom")[0]

    for room in rooms:
        inner = room.relative_to(ROOT)
        if not {"commands", "management", "migrations"} & set(inner.parts[3:]):
            assert f"`{inner}`" in described
