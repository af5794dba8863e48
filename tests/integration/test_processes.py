"""The processes of tests behave alike, whoever started the tests."""

import signal

import pytest

from tests.support.processes import running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_a_signal_ends_a_process_though_the_tests_ignore_it(number):
    """As under ``nohup make test``, or with ``make test &`` in a script."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with running("sh", "-c", "echo ready; exec sleep 60") as process:
            process.wait_for_output("ready")
            process.signal(number)
            assert process.wait() == -number
    finally:
        signal.signal(number, before)
