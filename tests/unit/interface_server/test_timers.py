"""The wheel, with a clock that the test moves."""

from __future__ import annotations

import asyncio

import pytest

from channels.interface_server.timers import TICK, TimerWheel
from tests.unit.interface_server.fakes import FakeClock


class Entry:
    def __init__(self, name, calls, again=None):
        self.wheel_slot = 0
        self.name, self.calls, self.again = name, calls, again

    def expired(self, now):
        self.calls.append((self.name, now))
        return self.again


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def wheel(clock):
    return clock.wheel


@pytest.fixture
def calls():
    return []


def test_an_entry_is_called_once_at_its_time_and_at_most_a_tick_later(wheel, clock, calls):
    wheel.add(Entry("a", calls), 5.03)

    clock.advance(5.02)
    assert calls == []
    clock.advance(TICK + 0.01)
    assert [name for name, _ in calls] == ["a"]
    clock.advance(100)
    assert len(calls) == 1


def test_without_entries_there_is_no_timer(wheel, clock, calls):
    entry = Entry("a", calls)
    wheel.add(entry, 1)
    clock.advance(2)

    assert clock.timers == 0


def test_many_entries_share_one_timer(wheel, clock, calls):
    for n in range(100):
        wheel.add(Entry(n, calls), 5)

    assert clock.timers == clock.count == 1
    clock.advance(6)
    assert [name for name, _ in calls] == list(range(100))  # in order of arrival


def test_entries_are_called_in_the_order_of_their_times(wheel, clock, calls):
    for delay in (3, 1, 2):
        wheel.add(Entry(delay, calls), delay)

    clock.advance(10)

    assert [name for name, _ in calls] == [1, 2, 3]


def test_an_entry_that_asks_for_it_is_called_again(wheel, clock, calls):
    wheel.add(Entry("a", calls, again=2.0), 1)

    clock.advance(7.5)

    assert len(calls) == 4
    assert clock.timers == 1


def test_an_entry_that_asks_for_no_time_at_all_does_not_spin(wheel, clock, calls):
    wheel.add(Entry("a", calls, again=0.0), 1)

    clock.advance(2.0)

    assert 5 < len(calls) < 25


def test_a_discarded_entry_is_not_called(wheel, clock, calls):
    entry = Entry("a", calls)
    wheel.add(entry, 1)
    wheel.discard(entry)
    wheel.discard(entry)

    clock.advance(5)

    assert calls == []


def test_adding_again_moves_the_entry(wheel, clock, calls):
    entry = Entry("a", calls)
    wheel.add(entry, 1)
    wheel.add(entry, 5)

    clock.advance(4)
    assert calls == []
    clock.advance(2)
    assert len(calls) == 1


def test_an_earlier_entry_moves_the_timer(wheel, clock, calls):
    wheel.add(Entry("late", calls), 60)
    wheel.add(Entry("early", calls), 1)

    clock.advance(2)

    assert [name for name, _ in calls] == ["early"]
    assert clock.timers == 1


def test_what_is_due_already_is_called_soon(wheel, clock, calls):
    wheel.add(Entry("a", calls), -5)

    clock.advance(TICK)

    assert len(calls) == 1


def test_an_entry_may_discard_and_add_others_while_it_is_called(wheel, clock, calls):
    victim, late = Entry("victim", calls), Entry("late", calls)

    class Meddler(Entry):
        def expired(self, now):
            wheel.discard(victim)
            wheel.add(late, 1)
            return super().expired(now)

    wheel.add(Meddler("meddler", calls), 1)
    wheel.add(victim, 1.5)
    clock.advance(5)

    assert [name for name, _ in calls] == ["meddler", "late"]


def test_an_entry_that_adds_itself_is_not_called_twice_for_it(wheel, clock, calls):
    class Selfish(Entry):
        def expired(self, now):
            super().expired(now)
            if len(calls) < 2:
                wheel.add(self, 1)
                return 0.0
            return None

    wheel.add(Selfish("a", calls), 1)
    clock.advance(10)

    assert len(calls) == 2


def test_an_entry_that_fails_is_logged_and_the_others_are_called(wheel, clock, calls, caplog):
    class Broken(Entry):
        def expired(self, now):
            raise RuntimeError("broken")

    wheel.add(Broken("a", calls), 1)
    wheel.add(Entry("b", calls, again=1), 1)
    clock.advance(5)

    assert len(calls) > 3
    assert "broken" in caplog.text


def test_one_that_is_called_may_discard_another_that_is_due_with_it(wheel, clock, calls):
    victim = Entry("victim", calls)

    class Meddler(Entry):
        def expired(self, now):
            wheel.discard(victim)
            return super().expired(now)

    wheel.add(Meddler("meddler", calls), 1)
    wheel.add(victim, 1)
    clock.advance(5)

    assert [name for name, _ in calls] == ["meddler"]


def test_one_that_is_called_may_move_another_that_is_due_with_it(wheel, clock, calls):
    other = Entry("other", calls)

    class Meddler(Entry):
        def expired(self, now):
            wheel.add(other, 3)
            return super().expired(now)

    wheel.add(Meddler("meddler", calls), 1)
    wheel.add(other, 1)
    clock.advance(2)
    assert [name for name, _ in calls] == ["meddler"]
    clock.advance(3)
    assert [name for name, _ in calls] == ["meddler", "other"]


def test_without_a_clock_of_its_own_it_runs_in_the_event_loop():
    async def scenario():
        called = asyncio.get_running_loop().create_future()
        wheel = TimerWheel()
        wheel.call_later(0, lambda: called.set_result(wheel.clock()))
        return await asyncio.wait_for(called, 5)

    assert asyncio.run(scenario()) > 0
