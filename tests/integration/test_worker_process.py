"""Real ``runworker`` processes of a small project, on a real Redis: killed, stopped, misused."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.clients import Receipt
from channels.layers.redis import RedisChannelLayer
from tests.support.processes import IGNORING, Process, running
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

SETTINGS = """
SECRET_KEY = "a secret of one test"
INSTALLED_APPS = ["channels"]
DATABASES = {{
    "default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "default.db", "CONN_MAX_AGE": 60}},
    "short": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "short.db", "CONN_MAX_AGE": 0}},
}}
USE_TZ = True
CHANNEL_LAYERS = {{
    "default": {{
        "BACKEND": {backend!r},
        "ROUTING": "small_consumers.routing",
        "CONFIG": {{"hosts": [{url!r}], "capacity": 1000}},
    }},
}}
"""

CONSUMERS = '''
import os, time
from pathlib import Path
from channels import route

HERE = Path(__file__).parent


def note(*words):
    """Append one line; atomic, so that several processes can."""
    with open(HERE / "notes", "a") as notes:
        notes.write(" ".join(map(str, words)) + "\\n")


def work(message):
    note("begin", message["n"], os.getpid())
    while (HERE / "hold").exists() and message["n"] in (HERE / "hold").read_text().split(","):
        time.sleep(0.01)
    note("end", message["n"], os.getpid())


def misbehave(message):
    kind = message["kind"]
    note("misbehaves", kind, os.getpid())
    if kind == "exit":
        raise SystemExit(3)
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "recursion":
        deeper(message)
    if kind == "sys.exit":
        import sys
        sys.exit()


def deeper(message):
    return deeper(message)


def query(message):
    from django.db import connections
    for alias in connections:
        connection = connections[alias]
        note("query", alias, "open" if connection.connection else "closed")
        connection.cursor().execute("select 1")


async def asynchronous(message):
    note("async", message["n"], os.getpid())


def stray(message):
    from channels import Channel
    Channel("wrok").send({})
    Channel("asgi.delay").send({"channel": "work", "content": {}, "delay": 1})


routing = [
    route("stray", stray),
    route("work", work),
    route("misbehave", misbehave),
    route("async", asynchronous),
    route("query", query),
]
'''


LAYER = """
from channels.layers.base import BaseChannelLayer
from channels.layers.redis import RedisChannelLayer


class ForeignLayer(RedisChannelLayer):
    open_worker = BaseChannelLayer.open_worker
"""

OURS = "channels.layers.redis.RedisChannelLayer"
FOREIGN = "small_layer.ForeignLayer"


class Project:
    """A Django project in a directory, whose consumers take notes."""

    def __init__(self, path: Path, url: str, backend: str = OURS) -> None:
        self.path = path
        (path / "small_settings.py").write_text(SETTINGS.format(url=url, backend=backend))
        (path / "small_layer.py").write_text(LAYER)
        (path / "small_consumers.py").write_text(CONSUMERS)
        (path / "manage.py").write_text(
            "import os\n"
            "from django.core.management import execute_from_command_line\n"
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'small_settings'\n"
            "if __name__ == '__main__':\n"
            "    import sys\n"
            "    execute_from_command_line(sys.argv)\n"
        )
        self.layer = RedisChannelLayer(hosts=[url], capacity=1000)

    def runworker(self, *options: str) -> contextlib.AbstractContextManager[Process]:
        return running(sys.executable, "manage.py", "runworker", *options, cwd=self.path)

    def notes(self, kind: str) -> list[list[str]]:
        """Return the notes of a kind, each split into words."""
        notes = self.path / "notes"
        lines = notes.read_text().splitlines() if notes.exists() else []
        return [line.split()[1:] for line in lines if line.startswith(kind + " ")]

    def hold(self, *numbers: str) -> None:
        """Let consumers wait as long as they run one of these messages."""
        (self.path / "hold.new").write_text(",".join(numbers))
        os.replace(self.path / "hold.new", self.path / "hold")


@pytest.fixture
def project(tmp_path, redis_server):
    return Project(tmp_path, redis_server.url)


@pytest.fixture(params=[OURS, FOREIGN], ids=["by the frame", "one by one"])
def any_project(request, tmp_path, redis_server):
    """A project with our Redis layer, or with one that only has the synchronous interface."""
    return Project(tmp_path, redis_server.url, request.param)


class Listener:
    """Counts the receipts that a server gets back."""

    def __init__(self) -> None:
        self.receipts: Counter[int] = Counter()

    def deliver(self, items):
        self.receipts.update(item.number for item in items if isinstance(item, Receipt))

    def layer_lost(self, error):
        raise AssertionError(error)

    def layer_back(self):
        pass


def test_messages_of_sync_and_async_consumers_are_run(any_project):
    for n in range(5):
        any_project.layer.send("work", {"n": str(n)})
        any_project.layer.send("async", {"n": str(n)})

    with any_project.runworker() as worker:
        worker.wait_until(lambda: len(any_project.notes("end")) == 5, "all have run")
        worker.wait_until(lambda: len(any_project.notes("async")) == 5, "all have run")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert [number for number, _ in any_project.notes("end")] == list("01234")
    assert [number for number, _ in any_project.notes("async")] == list("01234")


def test_messages_that_nobody_listens_for_are_told_once_with_what_to_do(project):
    for _ in range(2):
        project.layer.send("stray", {})
    project.layer.send("work", {"n": "1"})

    with project.runworker() as worker:
        worker.wait_until(lambda: project.notes("end"), "all have run")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        told = [line for line in worker.output.splitlines() if "A message for channel" in line]

    assert ["by small_consumers.stray, but" in line for line in told] == [True, True]
    assert "Did you mean 'work'?" in told[0]
    assert "manage.py rundelay" in told[1]


def test_database_connections_live_as_long_as_their_setting_says(project):
    for _ in range(2):
        project.layer.send("query", {})

    with project.runworker() as worker:
        worker.wait_until(lambda: len(project.notes("query")) == 4, "both have run")

    states = project.notes("query")
    assert states[:2] == [["default", "closed"], ["short", "closed"]]
    assert states[2:] == [["default", "open"], ["short", "closed"]]


def test_an_idle_worker_stops_at_once(any_project):
    with any_project.runworker() as worker:
        worker.wait_for_output("Listening on channels")
        any_project.layer.send("work", {"n": "1"})
        worker.wait_until(lambda: any_project.notes("end"), "it has run")
        worker.signal(signal.SIGTERM)

        # Far below the 5 s that a take waits.
        assert worker.wait(patience=4) == 0


def test_a_stop_in_the_middle_loses_nothing_and_runs_nothing_twice(project):
    """200 messages in 20 frames; four workers are stopped inside a consumer, each elsewhere."""
    frames = [[f"{frame}.{n}" for n in range(10)] for frame in range(20)]
    listener = Listener()

    async def story() -> None:
        server = project.layer.open_server("test.server!")
        await server.start(listener, {})
        try:
            for number, frame in enumerate(frames, 1):
                server.send("work", [{"n": n} for n in frame], receipt=number)
            await asyncio.to_thread(run_workers)
            await server.mark()
        finally:
            await server.stop()

    def run_workers() -> None:
        project.hold("0.4", "1.7", "5.0", "6.9")
        for held in ("0.4", "1.7", "5.0", "6.9"):
            with project.runworker() as worker:
                worker.wait_until(functools.partial(began, held), f"{held} has begun")
                worker.signal(signal.SIGTERM)
                worker.wait_for_output("waiting for loop termination")
                project.hold(*{"0.4", "1.7", "5.0", "6.9"} - {held})
                assert worker.wait() == 0
                assert last_end() == held  # finished, and nothing after it
        with project.runworker() as worker:
            worker.wait_until(lambda: len(project.notes("end")) >= 200, "all have run")
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0

    def began(held: str) -> bool:
        return any(number == held for number, _ in project.notes("begin"))

    def last_end() -> str:
        return project.notes("end")[-1][0]

    asyncio.run(story())

    assert [number for number, _ in project.notes("end")] == [n for frame in frames for n in frame]
    assert project.notes("begin") == project.notes("end")
    assert listener.receipts == Counter(range(1, 21))


@pytest.mark.parametrize("threads", [(), ("--threads", "2")])
def test_a_hangup_lets_a_worker_finish_and_leave(any_project, threads):
    """A closed terminal, or the ``reload`` of a service manager: like SIGTERM."""
    any_project.hold("0")
    with any_project.runworker(*threads) as worker:
        worker.wait_for_output("Listening on channels")
        any_project.layer.send("work", {"n": "0"})
        worker.wait_until(lambda: any_project.notes("begin"), "it has begun")
        worker.signal(signal.SIGHUP)
        worker.wait_for_output("Shutdown signal received")
        any_project.hold()
        assert worker.wait() == 0

    assert [number for number, _ in any_project.notes("end")] == ["0"]


def test_a_worker_that_was_started_to_ignore_hangups_does(project):
    command = (*IGNORING, sys.executable, "manage.py", "runworker")
    with running(*command, cwd=project.path) as worker:
        worker.wait_for_output("Listening on channels")
        for signo in (signal.SIGHUP, signal.SIGINT):
            worker.signal(signo)
        project.layer.send("work", {"n": "1"})
        worker.wait_until(lambda: project.notes("end"), "it works on")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0


def test_a_second_signal_ends_a_worker_that_is_stuck(any_project):
    any_project.hold("1")
    any_project.layer.send("work", {"n": "1"})

    with any_project.runworker() as worker:
        worker.wait_until(lambda: any_project.notes("begin"), "the consumer is stuck")
        worker.signal(signal.SIGTERM)
        worker.wait_for_output("waiting for loop termination")

        def ended() -> bool:
            worker.signal(signal.SIGTERM)
            return not worker.running()

        wait_until(ended, "it ends at a signal more than a second later")

        assert worker.wait() == -signal.SIGTERM


@pytest.mark.parametrize("kind", ["exit", "sys.exit", "interrupt", "recursion"])
def test_what_user_code_raises_does_not_end_the_worker(any_project, kind):
    any_project.layer.send("misbehave", {"kind": kind})

    with any_project.runworker() as worker:
        worker.wait_for_output("Error processing message")
        any_project.layer.send("work", {"n": "after"})
        worker.wait_until(lambda: any_project.notes("end"), "the next message runs")

        [[_, first]], [[_, second]] = any_project.notes("misbehaves"), any_project.notes("end")
        assert first == second == str(worker.pid)


def test_threads_run_side_by_side_and_stop_gracefully(any_project):
    any_project.hold("0", "1")
    for n in range(2):
        any_project.layer.send("work", {"n": str(n)})

    with any_project.runworker("--threads", "3") as worker:
        worker.wait_until(lambda: len(any_project.notes("begin")) == 2, "both run at the same time")
        worker.signal(signal.SIGTERM)
        worker.wait_for_output("waiting for its threads")
        any_project.hold()
        assert worker.wait() == 0

    assert sorted(number for number, _ in any_project.notes("end")) == ["0", "1"]


class TestProcesses:
    def workers(self, project):
        """Return the names of the processes that have run something so far."""
        return {pid for _, pid in project.notes("end")}

    def occupy(self, project, pool, names):
        """Let as many processes as there are names hold one message each; return their pids."""
        project.hold(*names)
        for name in names:
            project.layer.send("work", {"n": name})
        pool.wait_until(
            lambda: set(names) <= {name for name, _ in project.notes("begin")}, "all are busy"
        )
        pids = {int(pid) for name, pid in project.notes("begin") if name in names}
        assert len(pids) == len(names)
        return pids

    def test_one_that_is_killed_is_replaced_and_the_others_go_on(self, project):
        with project.runworker("--processes", "2") as pool:
            first = self.occupy(project, pool, ["a", "b"])
            victim = first.copy().pop()
            os.kill(victim, signal.SIGKILL)
            pool.wait_for_output("ended with status -9")
            project.hold()
            second = self.occupy(project, pool, ["c", "d"])

            assert victim not in second
            assert len(first & second) == 1
            pool.signal(signal.SIGTERM)
            pool.wait_for_output("waiting for loop termination")
            project.hold()
            assert pool.wait() == 0

        ended = {name for name, _ in project.notes("end")}
        assert {"c", "d"} <= ended
        assert len(ended) == 3  # the killed process took its message with it

    def test_a_hangup_replaces_every_process_without_losing_a_message(self, project):
        with project.runworker("--processes", "2") as pool:
            old = self.occupy(project, pool, ["a", "b"])
            project.hold()
            pool.signal(signal.SIGHUP)
            numbers = iter(range(10**6))

            def replaced() -> bool:
                project.layer.send("work", {"n": f"n{next(numbers)}"})
                return not any(alive(pid) for pid in old)

            pool.wait_until(replaced, "the old processes are gone")
            new = self.occupy(project, pool, ["c", "d"])
            project.hold()
            assert not new & old
            sent = 4 + next(numbers)
            pool.wait_until(lambda: len(project.notes("end")) == sent, "all have run")
            pool.signal(signal.SIGTERM)
            assert pool.wait() == 0

        assert Counter(name for name, _ in project.notes("end")).most_common(1)[0][1] == 1

    def test_a_hangup_has_the_parent_open_its_own_log_anew_too(self, project):
        with open(project.path / "small_settings.py", "a") as settings:
            settings.write(
                "LOGGING = {'version': 1,"
                " 'handlers': {'file': {'class': 'logging.FileHandler', 'filename': 'pool.log'}},"
                " 'loggers': {'django.channels': {'handlers': ['file'], 'level': 'INFO'}}}\n"
            )
        log = project.path / "pool.log"

        def says(text: str) -> bool:
            return log.exists() and text in log.read_text()

        with project.runworker("--processes", "2") as pool:
            pool.wait_until(lambda: says("Listening on channels"), "it works")
            log.rename(project.path / "pool.log.1")
            pool.signal(signal.SIGHUP)
            pool.wait_until(lambda: says("Started worker process 2"), "it logs to the new file")
        assert "Restarting" not in (project.path / "pool.log.1").read_text()

    def test_new_code_that_does_not_start_leaves_the_old_processes_at_work(self, project):
        with project.runworker("--processes", "2") as pool:
            old = self.occupy(project, pool, ["a", "b"])
            project.hold()
            consumers = project.path / "small_consumers.py"
            good = consumers.read_text()
            consumers.write_text("this is no Python")
            pool.signal(signal.SIGHUP)
            pool.wait_for_output("called off")
            consumers.write_text(good)

            assert self.occupy(project, pool, ["c", "d"]) == old
            project.hold()

    def test_worker_processes_stop_when_their_parent_was_killed(self, project):
        with project.runworker("--processes", "2") as pool:
            pids = self.occupy(project, pool, ["a", "b"])
            pool.signal(signal.SIGKILL)
            pool.wait()
            project.hold()
            wait_until(lambda: not any(alive(pid) for pid in pids), "they are gone")

        assert sorted(name for name, _ in project.notes("end")) == ["a", "b"]


def test_a_worker_outlives_a_redis_that_dies_and_comes_back(tmp_path):
    with contextlib.closing(RedisServer()) as server:
        project = Project(tmp_path, server.url)
        with project.runworker("--threads", "2") as worker:
            project.layer.send("work", {"n": "before"})
            worker.wait_until(lambda: project.notes("end"), "the first message has run")

            server.kill()
            worker.wait_for_output("does not answer")
            server.restart()

            def sent() -> bool:
                with contextlib.suppress(LayerUnavailable):
                    project.layer.send("work", {"n": "after"})
                    return True
                return False

            worker.wait_until(sent, "Redis takes messages again")
            worker.wait_until(lambda: len(project.notes("end")) == 2, "the second has run")
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0


def test_a_worker_stops_while_redis_is_away(tmp_path):
    with contextlib.closing(RedisServer()) as server:
        project = Project(tmp_path, server.url)
        with project.runworker() as worker:
            project.layer.send("work", {"n": "before"})
            worker.wait_until(lambda: project.notes("end"), "the first message has run")
            server.kill()
            worker.wait_for_output("does not answer")
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0


def test_a_redis_that_does_not_answer_at_the_start_is_named_without_its_password(tmp_path):
    project = Project(tmp_path, "redis://joe:secret@127.0.0.1:9/0")

    with project.runworker() as worker:
        assert worker.wait() == 1
        says = worker.output

    assert says.startswith("CommandError:")
    assert 'CHANNEL_LAYERS["default"]' in says
    assert "127.0.0.1:9" in says
    assert "secret" not in says
    assert len(says.strip().splitlines()) == 1


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
