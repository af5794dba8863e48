"""A real Chromium, and the demo project deployed in each documented way."""

import os
import shutil
from dataclasses import dataclass

import pytest
from playwright.sync_api import sync_playwright

from tests.demo_project import checkout, manage, prepared
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
    """The Procfile, run by honcho: one interface server, a pool of two workers."""
    env = prepared(tmp_path, REDIS_URL=redis_server.url)
    port = free_port()
    command = [BIN / "honcho", "start", "--port", str(port)]
    with running(*command, env=env) as process:
        process.wait_for_port(port)
        fetch(f"http://127.0.0.1:{port}/")
        yield Site(f"http://127.0.0.1:{port}", env, process)


@pytest.fixture
def supervisor_site(tmp_path, redis_server):
    """deploy/supervisord.conf: one interface server, a pool of two workers."""
    port = free_port()
    env = prepared(tmp_path, REDIS_URL=redis_server.url, PORT=str(port))
    command = [BIN / "supervisord", "-c", "deploy/supervisord.conf"]
    with running(*command, env=env, cwd=checkout(tmp_path)) as process:
        process.wait_for_port(port)
        fetch(f"http://127.0.0.1:{port}/")
        yield Site(f"http://127.0.0.1:{port}", env, process)


@pytest.fixture(params=["runserver", "honcho", "supervisor"])
def site(request):
    return request.getfixturevalue(f"{request.param}_site")
