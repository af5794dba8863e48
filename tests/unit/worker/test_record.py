"""What a worker process tells its parent of what it has in hand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from channels.worker.record import ENVIRONMENT, InHand, SharedRecords


@pytest.fixture
def records():
    records = SharedRecords(2)
    yield records
    records.close()


def test_a_thread_tells_its_last_take_and_what_of_it_has_begun(records):
    record = records.record(1)
    record.name("worker.a")
    record.took(7)
    record.began(b"r1")
    record.began(None)
    record.began(b"r3")

    assert records.read() == [InHand("worker.a", 7, 3, b"r3")]

    record.took(8)
    assert records.read() == [InHand("worker.a", 8, 0, b"r3")]


def test_one_that_ended_by_itself_has_nothing(records):
    record = records.record(0)
    record.name("worker.a")
    record.took(1)
    record.name("")

    assert records.read() == []


def test_what_is_too_long_is_cut_and_spoils_nothing(records):
    for slot in (0, 1):
        record = records.record(slot)
        record.name("x" * 1000)
        record.took(2**40)
        record.began(b"r" * 1000)

    first, second = records.read()
    assert first == second
    assert (first.take, first.begun) == (2**40, 1)


def test_there_are_as_many_as_the_parent_has_made(records):
    assert records.record(2) is None


def test_a_killed_child_has_written_what_it_began(records, monkeypatch):
    child = """
        import os, signal
        from channels.worker.record import SharedRecords
        record = SharedRecords.from_environment().record(0)
        record.name("worker.b"); record.took(3); record.began(b"r")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    monkeypatch.setenv(ENVIRONMENT, str(records.fileno))
    code = "\n".join(line.strip() for line in child.splitlines())
    subprocess.run([sys.executable, "-c", code], pass_fds=[records.fileno], check=False)

    assert records.read() == [InHand("worker.b", 3, 1, b"r")]


def test_a_process_that_no_pool_started_has_none(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)

    assert SharedRecords.from_environment() is None
