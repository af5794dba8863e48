"""Which log files are opened anew: those that were moved, whatever their mode."""

from __future__ import annotations

import logging

import pytest

from channels.process_signals import reopen_log_files


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
