"""The processes of one project, all on one Redis: server, workers, delay server."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from websockets.asyncio.client import connect

from tests.support.processes import BIN, Process, free_port
from tests.support.waiting import wait_until

HERE = Path(__file__).resolve().parent

#: Makes the database, then whatever the test says; prints what that calls ``result``.
_PREPARE = """
import json, django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
result = None
{}
print(json.dumps(result))
"""


class Stack:
    """A project, served.

    Args:
        project: Folder of the project, from where this file is.
        settings: Its settings.
        redis_url: Where Redis is.
        folder: For the database.
        layer: What the interface server is told to use.
        workers: How many.
        delay: Whether to run ``rundelay``.
        prepare: Code that fills the database; what it calls ``result`` is kept as such.
    """

    def __init__(
        self, project, settings, redis_url, folder, *, layer, workers, prepare="", delay=False
    ):
        self.cwd = HERE / project
        self.database = folder / f"{self.cwd.name}.sqlite3"
        self.env = {
            "REDIS_URL": redis_url,
            "DATABASE": str(self.database),
            "DJANGO_SETTINGS_MODULE": settings,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.processes = []
        self.result = self._prepare(prepare)
        self.port = free_port()
        try:
            self._start(layer, workers, delay)
        except BaseException:
            self.close()
            raise

    def _prepare(self, code):
        done = subprocess.run(
            [sys.executable, "-c", _PREPARE.format(code)],
            cwd=self.cwd,
            env={**self.env, "PYTHONPATH": str(self.cwd)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _start(self, layer, workers, delay):
        server = self.start(BIN / "interface-server", "-b", "127.0.0.1", "-p", self.port, layer)
        self.workers = [self.start_command("runworker") for _ in range(workers)]
        others = [self.start_command("rundelay")] if delay else []
        server.wait_for_port(self.port)
        for worker in self.workers:
            worker.wait_for_output("Listening on channels")
        for other in others:
            other.wait_for_output("Running delay")

    def start(self, *command):
        return self.start_with({}, *command)

    def start_with(self, env, *command):
        """Start a process with other environment variables."""
        command = [str(part) for part in command]
        process = Process(command, env={**self.env, **env}, cwd=self.cwd)
        self.processes.append(process)
        return process

    def start_command(self, name):
        return self.start(BIN / "python", "manage.py", name)

    def close(self):
        for process in reversed(self.processes):
            process.end()

    # -- what clients do -----------------------------------------------------------------

    def socket(self, path, session=None, headers=None):
        """Connect; with the cookie of a session if one is given."""
        headers = dict(headers or {})
        if session is not None:
            headers["Cookie"] = f"sessionid={session}"
        url = f"ws://127.0.0.1:{self.port}{path}"
        return connect(url, additional_headers=headers, open_timeout=20)

    def browser(self):
        """Return an opener that keeps cookies and shows errors as answers."""

        class Tolerant(urllib.request.HTTPErrorProcessor):
            def http_response(self, request, response):
                if 300 <= response.status < 400:
                    return super().http_response(request, response)
                return response

        opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()), Tolerant()
        )
        opener.cookies = next(
            one.cookiejar
            for one in opener.handlers
            if isinstance(one, urllib.request.HTTPCookieProcessor)
        )
        return opener

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def fetch(self, path, data=None, browser=None, headers=None):
        """Return status, headers and text of an answer."""
        if isinstance(data, dict):
            data = urllib.parse.urlencode(data).encode()
        request = urllib.request.Request(self.url(path), data, headers or {})
        with (browser or self.browser()).open(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()

    # -- what a test looks at --------------------------------------------------------------

    def execute(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.database, timeout=20)) as database:
            rows = database.execute(sql, values).fetchall()
            database.commit()
            return rows

    def logged(self, *words):
        """Return how often a line of the workers holds all the words."""
        return sum(
            all(word in line for word in words)
            for worker in self.workers
            for line in worker.output.splitlines()
        )

    def wait_for_log(self, *words, times=1):
        try:
            wait_until(lambda: self.logged(*words) >= times, f"{words} in the log")
        except AssertionError as error:
            outputs = "\n".join(worker.output for worker in self.workers)
            raise AssertionError(f"{error}\n{outputs}") from None

    def check_alive(self):
        for process in self.processes:
            assert process.running(), process.output
