"""README, "Run it for real": its commands as they stand there, with a real Redis and clients."""

from __future__ import annotations

import configparser
import http.client
import json
import os
import re
import signal
import subprocess
from contextlib import closing, contextmanager

import pytest
from websockets.sync.client import connect

from tests.support.demo_project import checkout, prepared
from tests.support.processes import BIN, ROOT, free_port, running
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

#: It asks a package index.
NOT_RUN = ("pip install",)


@contextmanager
def as_documented(program, folder, redis_url):
    """Run the block of commands that starts the program; yield its process and its port."""
    port = free_port()
    block = next(one for one in blocks() if f"\n{program} " in one)
    kept = [line for line in block.splitlines() if not line.startswith((*NOT_RUN, "kill"))]
    script = "\n".join(kept).replace("redis://127.0.0.1:6379/0", redis_url)
    assert script.count("8000") == 1
    script = script.replace("8000", str(port)).replace(f"\n{program} ", f"\nexec {program} ")
    env = prepared(folder)
    with running("sh", "-euc", script, env=env, cwd=checkout(folder)) as process:
        yield process, port


def blocks():
    section = (ROOT / "README.md").read_text().partition("\n## Run it for real\n")[2]
    return re.findall(r"^```\n(.*?)^```$", section.partition("\n## ")[0], re.DOTALL | re.MULTILINE)


def supervisorctl(folder, *arguments):
    """Run a command of the README in a second terminal, where nothing is exported."""
    line = " ".join(["supervisorctl", "-c", "deploy/supervisord.conf", *arguments])
    assert any(line in block for block in blocks()), line
    done = subprocess.run(
        line.split(),
        cwd=folder,
        env={"PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def workers(process):
    """Return the pids of the worker processes that were ever started, oldest first."""
    found = re.findall(r"Started worker process \d+ \(pid (\d+)\)", process.output)
    return [int(pid) for pid in found]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_new_workers(process, old):
    """Return the two worker processes that run once none of the old ones does."""

    def replaced():
        return not any(map(alive, old)) and len(current()) == 2

    def current():
        return [pid for pid in workers(process) if pid not in old and alive(pid)]

    process.wait_until(replaced, "two new worker processes instead of the old ones")
    return current()


def kill(process, pid):
    """Kill a worker and return once its pool noticed: what it takes while it dies may be lost."""
    os.kill(pid, signal.SIGKILL)
    process.wait_until(lambda: not alive(pid), "the end of the worker is noticed")


def say(client, text):
    client.send(json.dumps({"name": "Ada", "text": text}))
    assert json.loads(client.recv(20))["text"] == text


def enter(process, port):
    process.wait_for_port(port)
    origin = f"http://127.0.0.1:{port}"
    return connect(f"ws://127.0.0.1:{port}/chat/lobby/", origin=origin, open_timeout=20)


def page_not_found(port):
    """Return the status of a page that is not there, and whether it tells of the settings."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(connection):
        connection.request("GET", "/not/there/")
        answer = connection.getresponse()
        return answer.status, b"DEBUG = True" in answer.read()


def test_honcho_goes_on_after_a_dead_worker_and_a_reload(tmp_path, redis_server):
    """Siblings: SIGTERM and SIGKILL of a worker process, SIGHUP of the pid that honcho prints."""
    with (
        as_documented("honcho", tmp_path, redis_server.url) as (process, port),
        enter(process, port) as client,
    ):
        say(client, "before")
        process.wait_until(lambda: len(workers(process)) == 2, "two worker processes")
        old = workers(process)

        os.kill(old[0], signal.SIGTERM)
        say(client, "while one is replaced")
        kill(process, old[1])
        say(client, "while the other is")
        old = wait_for_new_workers(process, old)

        pool = re.search(r"worker\.1 started \(pid=(\d+)\)", process.output)
        os.kill(int(pool[1]), signal.SIGHUP)
        while any(map(alive, old)):
            say(client, "while the code is reloaded")
        say(client, "after")
        wait_for_new_workers(process, old)

        assert process.running()
        process.signal(signal.SIGTERM)
        process.wait()
        wait_until(lambda: not any(map(alive, workers(process))), "no worker is left behind")


def test_supervisor_waits_for_redis_and_is_ordered_about_from_a_second_terminal(tmp_path):
    port_of_redis = free_port()
    url = f"redis://127.0.0.1:{port_of_redis}/0"
    with as_documented("supervisord", tmp_path, url) as (process, port):
        for program in ("interface-server", "workers"):
            process.wait_for_output(f"exited: {program} (exit status 1; not expected)")
        assert "FATAL" not in supervisorctl(tmp_path, "status")

        server = RedisServer(port=port_of_redis)
        try:
            with enter(process, port) as client:
                say(client, "here")
                process.wait_until(lambda: len(workers(process)) == 2, "two worker processes")
                old = workers(process)

                assert "signalled" in supervisorctl(tmp_path, "signal", "HUP", "workers")
                while any(map(alive, old)):
                    say(client, "while the code is reloaded")
                old = wait_for_new_workers(process, old)

                kill(process, old[0])
                say(client, "while one is replaced")
                process.wait_until(lambda: len(workers(process)) == 5, "it is replaced")
                assert "workers: started" in supervisorctl(tmp_path, "restart", "workers")
                say(client, "after the restart")
                wait_for_new_workers(process, workers(process)[:5])
                assert page_not_found(port) == (404, False)
        finally:
            server.close()


def test_supervisor_tries_again_for_more_than_a_day():
    """Its own default is three times, and its pauses are 1 s, 2 s, 3 s and so on."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    parser.read(ROOT / "deploy/supervisord.conf")
    programs = [one for one in parser.sections() if one.startswith("program:")]

    assert len(programs) == 2
    for program in programs:
        assert sum(range(parser.getint(program, "startretries"))) > 24 * 60 * 60
