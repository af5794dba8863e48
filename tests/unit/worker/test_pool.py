"""Which worker processes a pool starts and stops, and when; no process is started here."""

from __future__ import annotations

import math

import pytest

from channels.backoff import Backoff
from channels.worker import pool as pool_module
from channels.worker.pool import ProcessPool
from tests.support.scripted import Clock


class FakeChild:
    def __init__(self, pid):
        self.pid = pid
        self.status = None
        self.listening = False
        self.stops = 0

    def ended(self):
        return self.status

    def listens(self):
        return self.listening

    def stop(self):
        self.stops += 1


class Started(list):
    def __call__(self):
        self.append(FakeChild(len(self) + 1))
        return self[-1]


@pytest.fixture(autouse=True)
def _pauses_without_chance(monkeypatch):
    monkeypatch.setattr(
        pool_module, "Backoff", lambda first, most: Backoff(first, most, rand=lambda: 1)
    )


@pytest.fixture
def clock():
    return Clock(0.0)


@pytest.fixture
def started():
    return Started()


@pytest.fixture
def pool(started, clock):
    pool = ProcessPool(2, started, clock)
    pool.look()
    for child in started:
        child.listening = True
    return pool


def test_it_starts_as_many_as_asked_and_then_waits_for_ever(pool, started):
    assert len(started) == 2
    assert pool.look() == math.inf


def test_one_that_lived_well_is_replaced_at_once(pool, started, clock):
    clock.now = 60.0
    started[0].status = -9

    pool.look()

    assert [child.pid for child in pool.children()] == [3, 2]


def test_one_that_keeps_dying_is_replaced_after_growing_pauses(pool, started, clock):
    dues = []
    for _ in range(3):
        started[-1].status = 1
        due = pool.look()
        dues.append(due - clock.now)
        assert len(pool.children()) == 1
        clock.now = due
        pool.look()
        assert len(pool.children()) == 2

    assert dues == [0.5, 1.0, 2.0]


def test_stopping_asks_each_once_and_is_finished_when_all_have_ended(pool, started):
    pool.stop()

    assert [child.stops for child in started] == [1, 1]
    started[0].status = 0
    pool.look()
    assert not pool.finished
    started[1].status = -15
    pool.look()
    assert pool.finished
    assert len(started) == 2


class TestReload:
    def test_each_is_stopped_only_when_its_follower_takes_messages(self, pool, started):
        first, second = started
        pool.reload()
        pool.look()
        assert (len(started), first.stops) == (3, 0)

        started[2].listening = True
        pool.look()
        assert (first.stops, second.stops, len(started)) == (1, 0, 4)

        started[3].listening = True
        pool.look()
        first.status = second.status = 0
        pool.look()
        assert pool.children() == started[2:]
        assert second.stops == 1

    def test_a_follower_that_dies_calls_the_restart_off(self, pool, started, caplog):
        first, second = started
        pool.reload()
        pool.look()
        started[2].status = 1

        pool.look()
        pool.look()

        assert pool.children() == [first, second]
        assert (first.stops, second.stops, len(started)) == (0, 0, 3)
        assert "called off" in caplog.text

    def test_one_that_dies_meanwhile_is_followed_by_the_follower(self, pool, started):
        pool.reload()
        pool.look()
        started[0].status = -9

        pool.look()

        assert pool.children()[0] is started[2]

    def test_a_second_restart_lets_those_who_leave_finish_their_message(self, pool, started):
        first = started[0]
        pool.reload()
        pool.look()
        started[2].listening = True
        pool.look()

        pool.reload()
        pool.look()
        pool.stop()

        assert first.stops == 1

    def test_stopping_in_the_middle_stops_followers_too(self, pool, started):
        pool.reload()
        pool.look()

        pool.stop()

        assert [child.stops for child in started] == [1, 1, 1]

    def test_a_place_that_is_empty_is_filled_without_waiting_out_its_pause(self, pool, started):
        started[0].status = 1
        pool.look()

        pool.reload()
        pool.look()

        assert [child.pid for child in pool.children()] == [4, 2, 3]
