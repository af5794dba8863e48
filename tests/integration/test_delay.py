"""Real ``rundelay`` processes on a real Redis and one database: several, stopped, cut off."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.redis import RedisChannelLayer
from tests.processes import Process, running, wait_until
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis

SETTINGS = """
SECRET_KEY = "a secret of one test"
INSTALLED_APPS = ["channels", "channels.delay"]
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.sqlite3", "NAME": "delay.db", "OPTIONS": {{"timeout": 30}},
    }},
}}
USE_TZ = True
CHANNEL_LAYERS = {{
    "default": {{
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        "ROUTING": [],
        "CONFIG": {{"hosts": [{url!r}], "capacity": 1000}},
    }},
}}
"""


class Project:
    """A migrated Django project in a directory."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        (path / "small_settings.py").write_text(SETTINGS.format(url=url))
        self.env = {"DJANGO_SETTINGS_MODULE": "small_settings", "PYTHONPATH": str(path)}
        self.layer = RedisChannelLayer(hosts=[url], capacity=1000)
        subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
            cwd=path,
            env=self.env,
            check=True,
            timeout=60,
        )

    def rundelay(self, *options: str) -> contextlib.AbstractContextManager[Process]:
        return running(
            sys.executable, "-m", "django", "rundelay", *options, cwd=self.path, env=self.env
        )

    def delay(self, milliseconds: float, n: int) -> None:
        self.layer.send(
            "asgi.delay", {"channel": "late", "delay": milliseconds, "content": {"n": n}}
        )

    def stored(self) -> int:
        """Return how many messages wait in the table."""
        with contextlib.closing(sqlite3.connect(self.path / "delay.db", timeout=30)) as database:
            [[count]] = database.execute('SELECT count(*) FROM "channels.delay_delayedmessage"')
        return count

    def store(self, numbers: range) -> None:
        """Put messages that are due into the table, as an application may do."""
        rows = [(f'{{"n": {n}}}',) for n in numbers]
        with contextlib.closing(sqlite3.connect(self.path / "delay.db", timeout=30)) as database:
            database.executemany(
                'INSERT INTO "channels.delay_delayedmessage" (due_date, channel_name, content)'
                " VALUES ('2020-01-01 00:00:00', 'late', ?)",
                rows,
            )
            database.commit()

    def receive(self) -> list[int]:
        """Return the numbers of what has arrived."""
        numbers = []
        while True:
            channel, message = self.layer.receive(["late"])
            if channel is None:
                return numbers
            numbers.append(message["n"])


@pytest.fixture
def project(tmp_path, redis_server):
    return Project(tmp_path, redis_server.url)


def test_two_at_once_deliver_each_of_200_messages_once(project):
    arrived = Counter()

    def all_arrived() -> bool:
        arrived.update(project.receive())
        return len(arrived) == 200

    project.store(range(80))
    with project.rundelay("--sleep", "0.1") as one, project.rundelay("--sleep", "0.1") as two:
        for n in range(80, 200):
            project.delay(n % 7 * 100, n)
        for process in (one, two):
            process.wait_for_output("Listening on asgi.delay")
        wait_until(all_arrived, "all have arrived", patience=60)
        for process in (one, two):
            process.signal(signal.SIGTERM)
            assert process.wait() == 0

    arrived.update(project.receive())
    assert arrived == Counter(range(200))
    assert project.stored() == 0


def test_a_message_is_on_time_and_not_when_somebody_looks_next(project):
    with project.rundelay("--sleep", "600") as process:
        process.wait_for_output("Listening on asgi.delay")
        project.delay(700, 1)
        started = time.monotonic()
        wait_until(project.receive, "it has arrived")
        assert 0.6 < time.monotonic() - started < 10


def test_messages_wait_in_the_database_while_nobody_runs(project):
    with project.rundelay() as process:
        project.delay(1500, 1)
        wait_until(lambda: project.stored() == 1, "it is stored")
        process.signal(signal.SIGTERM)
        # Far below the time that a wait on the layer may last.
        assert process.wait(patience=4) == 0
    assert project.receive() == []

    with project.rundelay():
        arrived = []
        wait_until(lambda: arrived.extend(project.receive()) or arrived, "it has arrived")

    assert arrived == [1]


def test_it_outlives_a_redis_that_dies_and_comes_back(tmp_path):
    with contextlib.closing(RedisServer()) as server:
        project = Project(tmp_path, server.url)
        with project.rundelay("--sleep", "0.1") as process:
            process.wait_for_output("Listening on asgi.delay")
            server.kill()
            process.wait_for_output("does not answer")
            project.store(range(3))
            server.restart()
            arrived = []

            def all_arrived() -> bool:
                with contextlib.suppress(LayerUnavailable):
                    arrived.extend(project.receive())
                return len(arrived) == 3

            process.wait_until(all_arrived, "what became due meanwhile has arrived")
            process.signal(signal.SIGTERM)
            assert process.wait() == 0
        assert sorted(arrived) == [0, 1, 2]
        assert project.stored() == 0
