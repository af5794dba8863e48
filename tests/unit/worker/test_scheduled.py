"""What a worker does later, between two messages."""

from __future__ import annotations

from unittest import mock

import pytest

from channels.worker import dispatch as module
from channels.worker.dispatch import BATCH, RETRY_PAUSE, ScheduledCalls
from tests.support.scripted import (
    Clock,
    CountedWorker,
    Frame,
    PlainLayer,
    ScriptedLayer,
    run_until_idle,
    wrap,
)


@pytest.fixture
def clock():
    return Clock(0.0)


@pytest.fixture
def timers(clock):
    return ScheduledCalls(clock)


def test_nothing_is_pending_at_first(timers, clock):
    clock.now = 1e12

    assert not timers.pending


def test_a_call_is_made_once_when_its_time_has_come(timers, clock):
    called = []
    timers.set("a", 10.0, called.append)
    clock.now = 9.9
    assert not timers.pending

    clock.now = 10.0
    assert timers.pending
    timers.run()

    assert called == [False]
    assert not timers.pending


def test_what_is_not_due_waits_on(timers, clock):
    called = []
    timers.set("late", 20.0, lambda stopping: called.append("late"))
    timers.set("early", 10.0, lambda stopping: called.append("early"))

    clock.now = 15.0
    timers.run()
    assert called == ["early"]
    assert not timers.pending

    clock.now = 20.0
    assert timers.pending
    timers.run()
    assert called == ["early", "late"]


def test_the_first_call_under_a_key_counts(timers, clock):
    called = []
    timers.set("a", 10.0, lambda stopping: called.append("first"))
    timers.set("a", 5.0, lambda stopping: called.append("second"))

    clock.now = 30.0
    timers.run()

    assert called == ["first"]


def test_a_call_may_ask_for_another(timers, clock):
    called = []

    def again(stopping):
        called.append(clock.now)
        timers.set("a", clock.now + 10, again)

    timers.set("a", 10.0, again)
    for clock.now in (10.0, 15.0, 20.0):
        if timers.pending:
            timers.run()

    assert called == [10.0, 20.0]


def test_what_fails_is_logged_and_tried_again_after_a_pause(timers, clock, caplog):
    tries = []

    def call(stopping):
        tries.append(clock.now)
        if len(tries) == 1:
            raise OSError("the layer is down")

    timers.set("a", 10.0, call)
    clock.now = 10.0
    timers.run()
    assert "the layer is down" in caplog.text
    assert not timers.pending

    clock.now += RETRY_PAUSE
    timers.run()

    assert tries == [10.0, 10.0 + RETRY_PAUSE]
    assert not timers.pending


def test_messages_need_not_wait_for_many_calls(timers, clock):
    called = []
    for key in range(BATCH + 1):
        timers.set(key, 1.0, called.append)

    clock.now = 1.0
    timers.run()
    assert len(called) == BATCH
    assert timers.pending

    timers.run()
    assert len(called) == BATCH + 1
    assert not timers.pending


def test_at_the_end_everything_is_called_and_told_so(timers, clock):
    called = []
    timers.set("a", 10.0, lambda stopping: called.append(("a", stopping)))
    timers.set("b", 20.0, lambda stopping: called.append(("b", stopping)))

    timers.close()
    timers.close()

    assert called == [("a", True), ("b", True)]
    assert not timers.pending


def test_at_the_end_a_failure_is_raised(timers):
    timers.set("a", 10.0, mock.Mock(side_effect=OSError("gone")))

    with pytest.raises(OSError, match="gone"):
        timers.close()


def test_connections_of_the_database_are_looked_after(timers, clock, monkeypatch):
    """As around a consumer: one may have died while the worker idled."""
    done = []
    monkeypatch.setattr(module, "close_old_connections", lambda: done.append("close"))

    timers.close()
    assert done == []

    timers.set("a", 1.0, lambda stopping: done.append("call"))
    clock.now = 1.0
    timers.run()
    timers.set("a", 1.0, lambda stopping: done.append("call"))
    timers.close()

    assert done == ["close", "call", "close"] * 2


# -- in the worker -----------------------------------------------------------------------


class Asking:
    """A consumer that asks to be called at a time long past."""

    def __init__(self, due=0.0):
        self.due = due
        self.calls = []
        self.busy = []

    def __call__(self, message):
        message.worker_timers.set(self, self.due, self.call)

    def call(self, stopping):
        self.calls.append(stopping)
        self.busy.append(self.worker.in_job if hasattr(self, "worker") else None)


@pytest.mark.django_db
def test_a_worker_that_takes_one_by_one_calls_between_two_messages():
    asking = Asking()
    layer = PlainLayer(("test", {"n": 1}), (None, None))
    worker = asking.worker = CountedWorker(wrap(layer, ("test", asking)), signal_handlers=False)
    worker.termed = 1

    worker.run()

    assert asking.calls == [False]
    assert asking.busy == [True]  # a signal must not end the process in the middle
    assert not worker.in_job


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_takes_frames_calls_between_two_messages():
    asking = Asking()

    run_until_idle(ScriptedLayer(Frame("test", [{"n": 1}], None, True)), ("test", asking))

    assert asking.calls == [False]


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_stops_says_so_before_it_leaves_the_layer():
    asking = Asking(due=float("inf"))
    layer = ScriptedLayer(Frame("test", [{"n": 1}], None, True))
    asking.call = lambda stopping: asking.calls.append((stopping, layer.client.closed))

    run_until_idle(layer, ("test", asking))

    assert asking.calls == [(True, 0)]
    assert layer.client.closed == 1


@pytest.mark.django_db(transaction=True)
def test_what_fails_at_the_end_does_not_keep_the_worker_from_leaving(caplog):
    asking = Asking(due=float("inf"))
    asking.call = mock.Mock(side_effect=OSError("gone"))
    layer = ScriptedLayer(Frame("test", [{"n": 1}], None, True))

    run_until_idle(layer, ("test", asking))

    assert layer.client.closed == 1
    assert "could not end cleanly" in caplog.text
