"""SIGHUP: rotated logs, closed terminals, and processes that were started to ignore it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import textwrap
import urllib.request

import pytest

from tests.support.processes import IGNORING, ROOT, free_port, heeding_signals, listens, running
from tests.support.waiting import wait_until

SERVER = (sys.executable, "-m", "channels.interface_server", "--health-path", "/health")
LAYER = "tests.support.plain_layer:layer"

LOGGED_LAYER = """
    import logging

    from channels.layers.inmemory import InMemoryChannelLayer

    layer = InMemoryChannelLayer()
    logging.getLogger("channels").addHandler(logging.FileHandler("project.log"))
"""


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.status


def test_log_files_are_opened_anew_and_nobody_is_disconnected(tmp_path):
    """The access log, and the files of a project's own LOGGING."""
    (tmp_path / "logged_layer.py").write_text(textwrap.dedent(LOGGED_LAYER))
    port = free_port()
    command = [*SERVER, "-p", str(port), "--access-log", "access.log", "logged_layer:layer"]
    with running(*command, cwd=tmp_path) as server:
        server.wait_for_port(port)
        get(port, "/health?before")
        for name in ("access.log", "project.log"):
            (tmp_path / name).rename(tmp_path / f"{name}.1")
        server.signal(signal.SIGHUP)
        wait_until((tmp_path / "access.log").exists, "the access log is opened anew")
        get(port, "/health?after")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0

    assert "?before" in (tmp_path / "access.log.1").read_text()
    assert "?after" in (tmp_path / "access.log").read_text()
    assert "?after" not in (tmp_path / "access.log.1").read_text()
    assert "Stopping" in (tmp_path / "project.log").read_text()
    assert "Stopping" not in (tmp_path / "project.log.1").read_text()


def test_a_hangup_while_it_starts_is_heeded_once_it_serves(tmp_path):
    """Sooner it ended the process: nothing had a handler before the reactor ran."""
    (tmp_path / "slow_layer.py").write_text(
        "import pathlib, time\n"
        "from tests.support.plain_layer import layer\n"
        "print('importing', flush=True)\n"
        "while not pathlib.Path('go').exists():\n"
        "    time.sleep(0.01)\n"
    )
    port = free_port()
    env = {"PYTHONPATH": str(ROOT)}
    with running(*SERVER, "-p", str(port), "slow_layer:layer", cwd=tmp_path, env=env) as server:
        server.wait_for_output("importing")
        server.signal(signal.SIGHUP)
        (tmp_path / "go").touch()
        server.wait_for_output("Opening the log files anew")
        assert get(port, "/health") == 200


def test_an_access_log_that_cannot_be_opened_anew_goes_on_as_it_was(tmp_path):
    port = free_port()
    log = tmp_path / "logs" / "access.log"
    log.parent.mkdir()
    with running(*SERVER, "-p", str(port), "--access-log", str(log), LAYER) as server:
        server.wait_for_port(port)
        log.parent.rename(tmp_path / "moved")
        server.signal(signal.SIGHUP)
        server.wait_for_output("cannot be opened anew")
        get(port, "/health?on")
    assert "?on" in (tmp_path / "moved" / "access.log").read_text()


@pytest.mark.parametrize(
    ("command", "said"),
    [((*SERVER, "-p"), "The terminal was closed"), (("manage.py", "runserver"), "")],
    ids=["interface-server", "runserver"],
)
def test_a_terminal_that_is_closed_ends_what_runs_in_it(tmp_path, command, said):
    (tmp_path / "manage.py").write_text(
        "import sys\nfrom django.conf import settings\n"
        "settings.configure(DEBUG=True, SECRET_KEY='x', ROOT_URLCONF=__name__,"
        " INSTALLED_APPS=['channels'], ALLOWED_HOSTS=['*'])\nurlpatterns = []\n"
        "if __name__ == '__main__':\n"
        "    from django.core.management import execute_from_command_line\n"
        "    execute_from_command_line(sys.argv)\n"
    )
    port = free_port()
    python = () if command[0] == sys.executable else (sys.executable,)
    layer = (LAYER,) if said else ()
    ours, theirs = os.openpty()
    with open(tmp_path / "output", "wb") as output:
        process = subprocess.Popen(
            heeding_signals([*python, *command, str(port), *layer]),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": ""},
            stdin=theirs,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
    os.close(theirs)
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, "it serves")
        os.close(ours)
        status = process.wait(20)
        wait_until(lambda: not listens(port), "nothing is left behind")
    finally:
        process.kill()
        process.wait()
    assert said in (tmp_path / "output").read_text()
    assert status == (0 if said else -signal.SIGHUP)


def test_a_server_that_was_started_to_ignore_it_does():
    port = free_port()
    with running(*IGNORING, *SERVER, "-p", str(port), LAYER) as server:
        server.wait_for_port(port)
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGINT)
        assert get(port, "/health") == 200
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert "log files" not in server.output
