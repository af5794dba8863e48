"""Signals to processes: what the first and a later one do, and which log files are opened anew."""

from __future__ import annotations

import logging
import signal

import pytest

from channels import process_signals
from channels.process_signals import SignalHandlers, heeded, reopen_log_files
from tests.support.scripted import Clock


@pytest.fixture
def logger():
    logger = logging.getLogger("tests.hangup")
    logger.propagate = False
    yield logger
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()


@pytest.mark.parametrize("mode", ["a", "w"])
def test_a_file_that_was_not_moved_keeps_what_it_holds(logger, tmp_path, mode):
    path = tmp_path / "a.log"
    logger.addHandler(logging.FileHandler(path, mode))

    logger.error("one")
    reopen_log_files()
    logger.error("two")

    assert path.read_text() == "one\ntwo\n"


@pytest.mark.parametrize("mode", ["a", "w"])
def test_a_file_that_was_moved_is_opened_anew(logger, tmp_path, mode):
    path = tmp_path / "a.log"
    logger.addHandler(logging.FileHandler(path, mode))

    logger.error("one")
    path.rename(tmp_path / "a.log.1")
    reopen_log_files()
    logger.error("two")

    assert path.read_text() == "two\n"
    assert (tmp_path / "a.log.1").read_text() == "one\n"


class TestHandlers:
    @pytest.fixture
    def handlers(self):
        clock = Clock(0.0)
        handlers = SignalHandlers(clock)
        handlers.clock = clock
        before = {signo: signal.getsignal(signo) for signo in heeded(*process_signals.STOP_SIGNALS)}
        yield handlers
        for signo, handler in before.items():
            signal.signal(signo, handler)

    def test_the_first_calls_the_handler_and_repeats_of_the_same_wish_do_nothing(
        self, handlers, monkeypatch
    ):
        calls, deaths = [], []
        monkeypatch.setattr(process_signals, "die_by", deaths.append)
        handlers.install(lambda signo, frame: calls.append(signo))

        signal.raise_signal(signal.SIGTERM)
        handlers.clock.now = 0.9
        signal.raise_signal(signal.SIGTERM)
        assert (calls, deaths) == ([signal.SIGTERM], [])

        handlers.clock.now = 1.1
        signal.raise_signal(signal.SIGINT)
        assert (calls, deaths) == ([signal.SIGTERM], [signal.SIGINT])

    def test_what_handled_them_before_does_so_again_after_a_normal_end(self, handlers):
        before = signal.getsignal(signal.SIGTERM)
        handlers.install(lambda signo, frame: None)

        handlers.restore()

        assert signal.getsignal(signal.SIGTERM) is before

    def test_a_handler_that_came_later_stays(self, handlers):
        def later(signo, frame):
            pass

        handlers.install(lambda signo, frame: None)
        signal.signal(signal.SIGTERM, later)

        handlers.restore()

        assert signal.getsignal(signal.SIGTERM) is later

    def test_a_process_that_is_on_its_way_out_keeps_its_handlers(self, handlers):
        """Shown by the process living on: the second signal would end it."""
        handlers.install(lambda signo, frame: None)
        signal.raise_signal(signal.SIGTERM)

        handlers.restore()
        signal.raise_signal(signal.SIGTERM)  # would end this process otherwise
