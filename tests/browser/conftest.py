"""A real Chromium, and the demo project deployed in each documented way."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.processes import BIN, ROOT, Process, fetch, free_port, running

FLAGS = [
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# For this folder only: while it lives, Playwright keeps an event loop running in this thread,
# and tests elsewhere want to start their own.
@pytest.fixture(scope="package")
def browser():
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        message = "Chromium is not installed: 'make services' installs it"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def windows(browser):
    """Two windows that share nothing, and fail the test on any error in a page."""
    contexts = [browser.new_context(), browser.new_context()]
    errors = []
    pages = []
    for context in contexts:
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(error))
        pages.append(page)
    yield pages
    for context in contexts:
        context.close()
    assert errors == []


@dataclass
class Site:
    """A running demo project."""

    url: str
    env: dict[str, str]
    process: Process

    def manage(self, *arguments: str) -> None:
        """Run a management command beside the running processes."""
        manage(self.env, *arguments)


def manage(env: dict[str, str], *arguments: str) -> None:
    process = Process([BIN / "python", "project/manage.py", *arguments], env=env)
    try:
        assert process.wait(60) == 0, process.output
    finally:
        process.end()


def prepared(folder: Path, **env: str) -> dict[str, str]:
    """Return the environment of a demo with a database of its own, filled."""
    env["DATABASE"] = str(folder / "demo.sqlite3")
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "seed")
    return env


@pytest.fixture
def runserver_site(tmp_path):
    """What ``make demo`` starts: one process, nothing else needed."""
    env = prepared(tmp_path)
    port = free_port()
    command = [BIN / "python", "manage.py", "runserver", f"127.0.0.1:{port}"]
    with running(*command, env=env, cwd=ROOT / "project") as process:
        process.wait_for_port(port)
        yield Site(f"http://127.0.0.1:{port}", env, process)


@pytest.fixture
def honcho_site(tmp_path, redis_server):
    """The Procfile, run by honcho, with two workers."""
    env = prepared(tmp_path, REDIS_URL=redis_server.url)
    port = free_port()
    command = [BIN / "honcho", "start", "--port", str(port), "--concurrency", "worker=2"]
    with running(*command, env=env) as process:
        process.wait_for_port(port)
        fetch(f"http://127.0.0.1:{port}/")
        yield Site(f"http://127.0.0.1:{port}", env, process)


@pytest.fixture
def supervisor_site(tmp_path, redis_server):
    """deploy/supervisord.conf: one interface server, two workers."""
    port = free_port()
    env = prepared(tmp_path, REDIS_URL=redis_server.url, PORT=str(port), RUN_DIR=str(tmp_path))
    with running(BIN / "supervisord", "-c", "deploy/supervisord.conf", env=env) as process:
        process.wait_for_port(port)
        fetch(f"http://127.0.0.1:{port}/")
        yield Site(f"http://127.0.0.1:{port}", env, process)


@pytest.fixture(params=["runserver", "honcho", "supervisor"])
def site(request):
    return request.getfixturevalue(f"{request.param}_site")
