"""Real ``rundelay`` processes on a real Redis and one database: several, stopped, cut off."""

from __future__ import annotations

import contextlib
import signal
import time
from collections import Counter

import pytest

from channels.exceptions import LayerUnavailable
from tests.support.delay_project import TABLE, DelayProject
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis


@pytest.fixture
def project(tmp_path, redis_server):
    with contextlib.closing(DelayProject(tmp_path, redis_server.url)) as project:
        yield project


@pytest.fixture
def postgres_project(tmp_path, redis_server, postgres_server):
    with contextlib.closing(DelayProject(tmp_path, redis_server.url, postgres_server)) as project:
        yield project
        with project.connect() as database:
            database.execute(f"DELETE FROM {TABLE}")
            database.commit()


@pytest.mark.parametrize("database", ["project", "postgres_project"])
def test_two_at_once_deliver_each_of_200_messages_once(request, database):
    project = request.getfixturevalue(database)
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
        for process, signo in ((one, signal.SIGTERM), (two, signal.SIGHUP)):
            process.signal(signo)
            assert process.wait() == 0

    arrived.update(project.receive())
    assert arrived == Counter(range(200))
    assert project.stored() == 0


def test_what_somebody_else_is_taking_is_neither_waited_for_nor_taken(postgres_project):
    """On a database with row locks: of the oldest, by a process that is stuck while it does so."""
    arrived: list[int] = []

    def arrived_are(*numbers: int) -> bool:
        arrived.extend(postgres_project.receive())
        return arrived == [*numbers]

    postgres_project.store([0])
    postgres_project.store([1, 2])
    with postgres_project.connect() as other:
        other.execute(f"SELECT id FROM {TABLE} ORDER BY due_date, id LIMIT 1 FOR UPDATE")
        with postgres_project.rundelay("--sleep", "0.1") as process:
            process.wait_until(lambda: arrived_are(1, 2), "the others have arrived")
            assert postgres_project.stored() == 1

            other.rollback()
            process.wait_until(lambda: arrived_are(1, 2, 0), "it has arrived too")

    assert postgres_project.stored() == 0


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
        project = DelayProject(tmp_path, server.url)
        with contextlib.closing(project), project.rundelay("--sleep", "0.1") as process:
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
