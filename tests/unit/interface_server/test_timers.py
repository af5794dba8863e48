"""The wheel, with a clock that the test moves."""

from __future__ import annotations

import pytest

from channels.interface_server.timers import TICK, Alarm, Wheel


class Timers:
    """A clock, and timers that fire as it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pending = []
        self.made = 0

    def seconds(self):
        return self.now

    def call_later(self, delay, function):
        timer = Timer(self.now + delay, function)
        self.made += 1
        self.pending.append(timer)
        return timer

    @property
    def active(self):
        return [timer for timer in self.pending if not timer.cancelled]

    def advance(self, seconds):
        end = self.now + seconds
        while due := [timer for timer in self.active if timer.time <= end]:
            timer = min(due, key=lambda one: one.time)
            self.pending.remove(timer)
            self.now = max(self.now, timer.time)
            timer.function()
        self.now = end


class Timer:
    def __init__(self, time, function):
        self.time, self.function, self.cancelled = time, function, False

    def cancel(self):
        self.cancelled = True


class Entry:
    def __init__(self, name, calls, again=None):
        self.wheel_slot = 0
        self.name, self.calls, self.again = name, calls, again

    def expired(self, now):
        self.calls.append((self.name, now))
        return self.again


@pytest.fixture
def timers():
    return Timers()


@pytest.fixture
def wheel(timers):
    return Wheel(timers.seconds, timers.call_later)


@pytest.fixture
def calls():
    return []


def test_an_entry_is_called_once_at_its_time_and_at_most_a_tick_later(wheel, timers, calls):
    wheel.add(Entry("a", calls), 5.03)

    timers.advance(5.02)
    assert calls == []
    timers.advance(TICK + 0.01)
    assert [name for name, _ in calls] == ["a"]
    timers.advance(100)
    assert len(calls) == 1


def test_without_entries_there_is_no_timer(wheel, timers, calls):
    entry = Entry("a", calls)
    wheel.add(entry, 1)
    timers.advance(2)

    assert timers.active == []
    assert len(wheel) == 0


def test_many_entries_share_one_timer(wheel, timers, calls):
    for n in range(100):
        wheel.add(Entry(n, calls), 5)

    assert len(timers.active) == timers.made == 1
    timers.advance(6)
    assert [name for name, _ in calls] == list(range(100))  # in order of arrival


def test_entries_are_called_in_the_order_of_their_times(wheel, timers, calls):
    for delay in (3, 1, 2):
        wheel.add(Entry(delay, calls), delay)

    timers.advance(10)

    assert [name for name, _ in calls] == [1, 2, 3]


def test_an_entry_that_asks_for_it_is_called_again(wheel, timers, calls):
    wheel.add(Entry("a", calls, again=2.0), 1)

    timers.advance(7.5)

    assert len(calls) == 4
    assert len(wheel) == 1


def test_an_entry_that_asks_for_no_time_at_all_does_not_spin(wheel, timers, calls):
    wheel.add(Entry("a", calls, again=0.0), 1)

    timers.advance(2.0)

    assert 5 < len(calls) < 25


def test_a_discarded_entry_is_not_called(wheel, timers, calls):
    entry = Entry("a", calls)
    wheel.add(entry, 1)
    wheel.discard(entry)
    wheel.discard(entry)

    timers.advance(5)

    assert calls == []


def test_adding_again_moves_the_entry(wheel, timers, calls):
    entry = Entry("a", calls)
    wheel.add(entry, 1)
    wheel.add(entry, 5)

    timers.advance(4)
    assert calls == []
    timers.advance(2)
    assert len(calls) == 1


def test_an_earlier_entry_moves_the_timer(wheel, timers, calls):
    wheel.add(Entry("late", calls), 60)
    wheel.add(Entry("early", calls), 1)

    timers.advance(2)

    assert [name for name, _ in calls] == ["early"]
    assert len(timers.active) == 1


def test_what_is_due_already_is_called_soon(wheel, timers, calls):
    wheel.add(Entry("a", calls), -5)

    timers.advance(TICK)

    assert len(calls) == 1


def test_an_entry_may_discard_and_add_others_while_it_is_called(wheel, timers, calls):
    victim, late = Entry("victim", calls), Entry("late", calls)

    class Meddler(Entry):
        def expired(self, now):
            wheel.discard(victim)
            wheel.add(late, 1)
            return super().expired(now)

    wheel.add(Meddler("meddler", calls), 1)
    wheel.add(victim, 1.5)
    timers.advance(5)

    assert [name for name, _ in calls] == ["meddler", "late"]


def test_an_entry_that_adds_itself_is_not_called_twice_for_it(wheel, timers, calls):
    class Selfish(Entry):
        def expired(self, now):
            super().expired(now)
            if len(calls) < 2:
                wheel.add(self, 1)
                return 0.0
            return None

    wheel.add(Selfish("a", calls), 1)
    timers.advance(10)

    assert len(calls) == 2


def test_an_entry_that_fails_is_logged_and_the_others_are_called(wheel, timers, calls, caplog):
    class Broken(Entry):
        def expired(self, now):
            raise RuntimeError("broken")

    wheel.add(Broken("a", calls), 1)
    wheel.add(Entry("b", calls, again=1), 1)
    timers.advance(5)

    assert len(calls) > 3
    assert "broken" in caplog.text


def test_an_alarm_rings_once_unless_it_is_cancelled(wheel, timers):
    rung = []
    Alarm(wheel, 1, lambda: rung.append("one"))
    cancelled = Alarm(wheel, 1, lambda: rung.append("two"))
    cancelled.cancel()
    timers.advance(3)
    cancelled.cancel()

    assert rung == ["one"]
