"""When a measurement counts, and whether an aim is reached."""

import pytest

from benchmarks import stacks
from benchmarks.aims import AIMS, Aim, Result
from benchmarks.load.content import Counts
from benchmarks.load.others import page_is_here
from benchmarks.measures import MEASURES, Outcome
from benchmarks.plot import svg
from benchmarks.report import Report, aims_table

RATE = Aim("echo", "the peer", "echo.per_second", "peer", 1.6)


def rounds(ours, theirs, figure="echo.per_second"):
    return {
        stacks.OURS: [{} if value is None else {figure: value} for value in ours],
        "peer": [{} if value is None else {figure: value} for value in theirs],
    }


def test_a_measurement_without_losses_counts():
    outcome = Outcome()

    outcome.take("echo", {"per_second": 10.0}, Counts())

    assert (outcome.figures, outcome.failures) == ({"echo.per_second": 10.0}, {})


@pytest.mark.parametrize("kind", ["lost", "duplicated", "reordered", "foreign"])
def test_one_message_that_goes_wrong_is_enough_for_a_measurement_not_to_count(kind):
    outcome = Outcome()

    outcome.take("echo", {"per_second": 10.0}, Counts(**{kind: 1}))

    assert outcome.figures == {}
    assert outcome.failures["echo"].startswith("does not count: ")
    assert f"1 {'with wrong content' if kind == 'foreign' else kind}" in outcome.failures["echo"]


def test_a_measurement_that_ended_early_tells_why_and_what_was_wrong_by_then():
    outcome = Outcome()

    outcome.take("echo", {}, Counts(lost=1), "nothing was answered for 10.0 s")

    assert outcome.figures == {}
    assert outcome.failures["echo"].startswith("nothing was answered for 10.0 s (1 lost,")


def test_ratios_are_taken_round_by_round_and_their_median_decides():
    result = Result(RATE, RATE.ratios(rounds([100, 200, 300], [100, 100, 100])))

    assert result.ratios == [1, 2, 3]
    assert (result.ratio, result.holds) == (2, True)


def test_a_round_in_which_one_side_does_not_count_has_no_ratio():
    assert RATE.ratios(rounds([100, None, 300], [100, 100, None])) == [1]


def test_an_aim_without_any_ratio_is_not_decided():
    result = Result(RATE, RATE.ratios({stacks.OURS: [{"echo.per_second": 1.0}]}))

    assert (result.ratio, result.holds) == (None, None)
    assert "not measured" in aims_table([result])


@pytest.mark.parametrize(
    ("options", "ratio", "holds", "share"),
    [
        ({}, 1.6, True, 1.0),
        ({}, 0.8, False, 0.5),
        ({"at_most": True}, 1.6, True, 1.0),
        ({"at_most": True}, 3.2, False, 0.5),
    ],
)
def test_a_bound_is_the_least_or_the_greatest_ratio(options, ratio, holds, share):
    aim = Aim("echo", "the peer", "echo.per_second", "peer", 1.6, **options)

    assert (aim.holds(ratio), aim.share(ratio)) == (holds, share)


def test_of_what_should_be_small_the_ratio_is_theirs_to_ours():
    aim = Aim("p99", "the peer", "echo.p99_ms", "peer", 2, inverted=True)

    assert aim.ratios(rounds([10], [25], "echo.p99_ms")) == [2.5]


def test_every_aim_compares_figures_of_stacks_that_are_measured_so():
    measured = {
        stack.name: stack.measures
        for make in (stacks.ours, stacks.channels4, stacks.gunicorn, stacks.floor)
        for stack in make()
    }

    for aim in AIMS:
        kind = aim.ours.partition(".")[0].rstrip("0123456789")
        assert kind in MEASURES
        assert kind in measured[stacks.OURS]
        assert kind in measured[aim.stack]


def test_what_falls_short_is_told_in_table_and_picture():
    results = [Result(RATE, [0.5, 0.4, 0.6])]

    assert "| echo | the peer | 0.50 × (0.40 to 0.60) | at least 1.6 × | **no** |" in aims_table(
        results
    )
    assert 'class="no"' in svg(results)
    assert "0.50 × (aim ≥ 1.6 ×)" in svg(results)


def test_the_report_tells_failures_and_how_much_else_went_on():
    about = {
        "date": "2026-12-01",
        "machine": "2 cores",
        "command": "python -m benchmarks",
        "versions": ["Ours: django 5.2"],
        "wakeup_us": 40.0,
        "whole": True,
    }
    figures = {"echo1.others_percent": 3.0, "broadcast100.x4_others_percent": 70.0}
    report = Report(
        about, {stacks.OURS: [figures]}, ["peer, echo, round 1: does not count: 1 lost"]
    )

    assert "Not counted:\n\n- peer, echo, round 1: does not count: 1 lost" in report.text()
    assert "In 1 of 2 measurements, other processes or the host used more" in report.text()


class TestPages:
    @pytest.mark.parametrize(
        ("answer", "keep"),
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhello, 1", True),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello, 1", False),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhello, 1\r\n0\r\n\r\n",
                True,
            ),
        ],
    )
    def test_a_page_may_be_whole_or_in_a_chunk(self, answer, keep):
        assert page_is_here(answer, b"hello, 1", ended=False) is keep
        assert page_is_here(answer[:-1], b"hello, 1", ended=False) is None

    @pytest.mark.parametrize(
        ("answer", "ended"),
        [
            (b"HTTP/1.1 200 OK\r\n\r\nhello, 2", False),
            (b"HTTP/1.1 503 No\r\n\r\nhello, 1", False),
            (b"HTTP/1.1 200 OK\r\n\r\nhello", True),
            (b"", True),
        ],
    )
    def test_another_page_or_half_of_one_is_an_error(self, answer, ended):
        with pytest.raises(ConnectionError):
            page_is_here(answer, b"hello, 1", ended=ended)
