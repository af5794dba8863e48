"""The README's "Use it", followed word for word: at its end two people chat in a browser."""

import shutil

import pytest
from playwright.sync_api import expect

from tests.support.markdown import as_script, blocks, section
from tests.support.processes import ROOT, fetch, free_port, running

pytestmark = [pytest.mark.browser, pytest.mark.packaging, pytest.mark.redis]

#: What a clone holds of the package, without what a build or an editor left behind.
CLONED = ["pyproject.toml", "README.md", "LICENSE", "src", "routing", "worker", "interface_server"]

RUNSERVER = "python manage.py runserver"


def split(steps, command):
    """Return the steps up to the one that ends with a command, and those behind it."""
    for number, step in enumerate(steps):
        if step.file is None and step.text.rstrip().endswith(command):
            return steps[: number + 1], steps[number + 1 :]
    raise AssertionError(f"the README nowhere starts {command!r}")


def say(window, text):
    window.get_by_label("Message").fill(text)
    window.get_by_role("button", name="Send").click()


def lines(window):
    return window.locator("#log li")


@pytest.fixture
def folder(tmp_path):
    """The folder that holds a clone of the repository."""
    clone = tmp_path / "channels-classic"
    clone.mkdir()
    for name in CLONED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, clone / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, clone / name)
    return tmp_path


def test_it_ends_with_a_chat_in_two_windows_in_memory_and_then_on_redis(
    folder, windows, redis_server
):
    port = free_port()
    url = f"http://127.0.0.1:{port}/chat/lobby/"
    steps = list(blocks(section(ROOT / "README.md", "Use it")))
    in_memory, on_redis = split(steps, RUNSERVER)
    *settings, serve, work = on_redis

    def terminal(steps, cwd, *before):
        """Follow steps in a new terminal, with the addresses of this test."""
        script = as_script(steps, *before)
        for written, here in [
            (RUNSERVER, f"{RUNSERVER} 127.0.0.1:{port}"),
            ("--port 8000", f"--port {port}"),
            ("redis://127.0.0.1:6379/0", redis_server.url),
        ]:
            script = script.replace(written, here)
        # What is compiled when it is imported is less than all that is installed.
        return running("bash", "-c", script, cwd=cwd, env={"PIP_NO_COMPILE": "1"})

    def open_windows():
        fetch(url)
        for window in windows:
            window.goto(url)
            window.wait_for_function("bridge.socket.readyState === WebSocket.OPEN")

    one, two = windows
    with terminal(in_memory, folder) as server:
        server.wait_for_port(port, patience=300)
        open_windows()
        say(one, "Is anybody there?")
        expect(lines(two)).to_have_text("Is anybody there?")
        say(two, "<b>Yes</b>")
        for window in windows:
            expect(lines(window)).to_have_text(["Is anybody there?", "<b>Yes</b>"])

    site = folder / "mysite"
    activate = ". .venv/bin/activate"
    with terminal([*settings, serve], site, activate) as server:
        server.wait_for_port(port)
        with terminal([work], site, activate):
            open_windows()
            say(one, "On Redis")
            expect(lines(two)).to_have_text("On Redis")
        say(one, "While no worker runs")
        with terminal([work], site, activate):
            for window in windows:
                expect(lines(window)).to_have_text(["On Redis", "While no worker runs"])
