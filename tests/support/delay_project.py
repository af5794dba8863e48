"""A Django project with ``channels.delay``, in a directory, on a real Redis and a real database."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from channels.layers.redis import RedisChannelLayer
from tests.support.postgres_server import PostgresServer
from tests.support.processes import Process, running

SETTINGS = """
SECRET_KEY = "a secret of one test"
INSTALLED_APPS = ["channels", "channels.delay"]
DATABASES = {{"default": {database!r}}}
USE_TZ = True
CHANNEL_LAYERS = {{
    "default": {{
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        "ROUTING": [],
        "CONFIG": {{"hosts": [{url!r}], "capacity": 1000}},
    }},
}}
"""

TABLE = '"channels.delay_delayedmessage"'


class DelayProject:
    """The project, migrated.

    Args:
        path: An empty directory.
        url: Of a Redis.
        postgres: Where its database is; ``None`` for a file.
    """

    def __init__(self, path: Path, url: str, postgres: PostgresServer | None = None) -> None:
        self.path = path
        self.postgres = postgres
        database: dict[str, object] = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": "delay.db",
            "OPTIONS": {"timeout": 30},
        }
        if postgres is not None:
            database = postgres.settings
        (path / "small_settings.py").write_text(SETTINGS.format(url=url, database=database))
        self.env = {"DJANGO_SETTINGS_MODULE": "small_settings", "PYTHONPATH": str(path)}
        self.layer = RedisChannelLayer(hosts=[url], capacity=1000)
        subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
            cwd=path,
            env=self.env,
            check=True,
            timeout=60,
        )

    def close(self) -> None:
        """Leave the layer."""
        self.layer.close()

    def rundelay(self, *options: str) -> contextlib.AbstractContextManager[Process]:
        return running(
            sys.executable, "-m", "django", "rundelay", *options, cwd=self.path, env=self.env
        )

    def delay(self, milliseconds: float, n: int) -> None:
        self.layer.send(
            "asgi.delay", {"channel": "late", "delay": milliseconds, "content": {"n": n}}
        )

    def connect(self) -> contextlib.closing[Any]:
        """Return a connection to the database, past Django."""
        if self.postgres is None:
            return contextlib.closing(sqlite3.connect(self.path / "delay.db", timeout=30))
        import psycopg

        return contextlib.closing(psycopg.connect(self.postgres.dsn))

    def stored(self) -> int:
        """Return how many messages wait in the table."""
        with self.connect() as database:
            [[count]] = database.execute(f"SELECT count(*) FROM {TABLE}")
        return int(count)

    def store(self, numbers: Iterable[int]) -> None:
        """Put messages that are due into the table, as an application may do."""
        rows = ", ".join(
            f"""('2020-01-01 00:00:00', 'late', '{{"n": {number}}}')""" for number in numbers
        )
        with self.connect() as database:
            database.execute(f"INSERT INTO {TABLE} (due_date, channel_name, content) VALUES {rows}")
            database.commit()

    def receive(self) -> list[int]:
        """Return the numbers of what has arrived."""
        numbers: list[int] = []
        while True:
            channel, message = self.layer.receive(["late"])
            if channel is None:
                return numbers
            numbers.append(message["n"])
