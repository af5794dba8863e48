"""A real Chromium, and the demo project deployed in each documented way."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.support.demo_project import checkout, manage, prepared
from tests.support.processes import BIN, ROOT, Process, fetch, free_port, running

FLAGS = [
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


#: Longest wait for what should be seen soon, in milliseconds; as long as a page waits to
#: connect again, twice.
PATIENCE = 20_000
expect.set_options(timeout=PATIENCE)


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
        context.set_default_timeout(PATIENCE)
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


@pytest.fixture(scope="package")
def filled_database(tmp_path_factory):
    """The database of a new demo, to be copied."""
    return prepared(tmp_path_factory.mktemp("filled"))["DATABASE"]


@pytest.fixture
def demo_env(filled_database, tmp_path):
    """The environment of a demo with a database of its own."""
    return {"DATABASE": str(shutil.copy(filled_database, tmp_path / "demo.sqlite3"))}


@contextlib.contextmanager
def runserver(env: dict[str, str]) -> Iterator[Site]:
    """Run what ``make demo`` starts, for the length of a block."""
    port = free_port()
    command = [BIN / "python", "manage.py", "runserver", f"127.0.0.1:{port}"]
    with running(*command, env=env, cwd=ROOT / "project") as process:
        process.wait_for_port(port)
        yield Site(f"http://127.0.0.1:{port}", env, process)


@pytest.fixture
def runserver_site(demo_env):
    """What ``make demo`` starts: one process, nothing else needed."""
    with runserver(demo_env) as site:
        yield site


@pytest.fixture
def public_site(demo_env):
    """The same as the public would see it, without debugging."""
    with runserver({**demo_env, "DEBUG": "0"}) as site:
        yield site


@pytest.fixture
def honcho_site(demo_env, redis_server):
    """The Procfile, run by honcho: one interface server, a pool of two workers."""
    env = {**demo_env, "REDIS_URL": redis_server.url}
    port = free_port()
    command = [BIN / "honcho", "start", "--port", str(port)]
    with running(*command, env=env) as process:
        process.wait_for_port(port)
        fetch(f"http://127.0.0.1:{port}/")
        yield Site(f"http://127.0.0.1:{port}", env, process)


@pytest.fixture
def supervisor_site(demo_env, tmp_path, redis_server):
    """deploy/supervisord.conf: one interface server, a pool of two workers."""
    port = free_port()
    env = {**demo_env, "REDIS_URL": redis_server.url, "PORT": str(port)}
    command = [BIN / "supervisord", "-c", "deploy/supervisord.conf"]
    with running(*command, env=env, cwd=checkout(tmp_path)) as process:
        process.wait_for_port(port)
        fetch(f"http://127.0.0.1:{port}/")
        yield Site(f"http://127.0.0.1:{port}", env, process)


@pytest.fixture(params=["runserver", "honcho", "supervisor"])
def site(request):
    return request.getfixturevalue(f"{request.param}_site")
