"""How many frames a worker takes, by how long its consumers take."""

from __future__ import annotations

import pytest

from channels.worker.pace import MOST_CONSUMERS, Pace

WINDOW = 0.005


def pace_of(*seconds, window=WINDOW):
    pace = Pace(window)
    for each in seconds:
        pace.ran("consumer", each)
        pace.ended("channel", each)
    return pace


@pytest.mark.parametrize(
    ("seconds", "count"),
    [(0.00001, 64), (0.0001, 32), (0.0008, 4), (0.004, 1), (0.1, 1), (60, 1)],
)
def test_as_many_as_fit_into_the_window_64_at_most(seconds, count):
    assert pace_of(*[seconds] * 20).counts == {"channel": count}


def test_one_that_is_not_known_gives_one():
    assert Pace(WINDOW).counts.get("channel", 1) == 1


def test_a_rare_slow_one_counts_as_the_window_and_no_more():
    mostly_fast = [0.05 if n % 20 == 0 else 0.0001 for n in range(200)]

    assert pace_of(*mostly_fast).counts["channel"] >= 8
    assert not pace_of(*mostly_fast).is_slow("consumer")


def test_after_a_surprise_one_comes_and_then_as_many_as_before():
    pace = pace_of(*[0.0001] * 50)
    pace.be_careful("channel")
    assert pace.counts["channel"] == 1

    pace.ended("channel", 0.0001)
    assert pace.counts["channel"] == 32


def test_a_consumer_that_takes_most_of_the_window_is_slow_from_its_second_run_on():
    pace = Pace(WINDOW)
    assert not pace.is_slow("consumer")

    pace.ran("consumer", 0.003)
    assert pace.is_slow("consumer")


def test_a_consumer_that_cannot_be_a_key_is_known_by_its_class():
    class Consumer:
        __hash__ = None

    pace = Pace(WINDOW)
    pace.ran(Consumer(), 0.004)

    assert pace.is_slow(Consumer())


def test_consumers_that_are_made_for_each_message_do_not_pile_up():
    pace = Pace(WINDOW)
    for _ in range(3 * MOST_CONSUMERS):
        pace.ran(object(), 0.001)

    assert len(pace._consumers) <= MOST_CONSUMERS + 1


def test_without_a_window_everything_comes_one_by_one():
    pace = pace_of(0.0001, 0.0001, window=0)

    assert pace.counts == {}
    assert not pace.is_slow("consumer")
