"""Logging of the management commands."""

from __future__ import annotations

import io
import logging

import pytest

from channels import log

NAMES = [
    "tests.commands",
    "channels",
    "daphne.ws_protocol",
    "daphne.http_protocol",
    "daphne.server",
]


@pytest.fixture
def stream(monkeypatch):
    """What is written by the handler, which is replaced for the test."""
    written = io.StringIO()
    monkeypatch.setattr(log, "handler", logging.StreamHandler(written))
    monkeypatch.setattr(log, "_given", {})
    before = {name: list(logging.getLogger(name).handlers) for name in NAMES}
    levels = {name: logging.getLogger(name).level for name in NAMES}
    yield written
    for name in NAMES:
        logging.getLogger(name).handlers[:] = before[name]
        logging.getLogger(name).setLevel(levels[name])


def test_the_logger_writes_time_level_module_and_message(stream):
    logger = log.setup_logger("tests.commands")

    logger.info("hello %s", "there")

    time, level, module, message = stream.getvalue().rstrip("\n").split(" - ")
    assert time[:2] == "20"
    assert (level, module, message) == ("INFO", "test_log", "hello there")
    assert logger.name == "tests.commands"
    assert logger.propagate is False


@pytest.mark.parametrize(
    ("verbosity", "level"), [(0, "INFO"), (1, "INFO"), (2, "DEBUG"), (3, "DEBUG")]
)
def test_the_level_follows_the_verbosity(stream, verbosity, level):
    log.setup_logger("tests.commands", verbosity)

    assert {logging.getLevelName(logging.getLogger(name).level) for name in NAMES} == {level}


def test_the_server_s_loggers_get_the_same_handler(stream):
    log.setup_logger("tests.commands")

    for name in NAMES:
        assert logging.getLogger(name).handlers.count(log.handler) == 1


def test_setting_up_again_adds_nothing(stream):
    for _ in range(3):
        logger = log.setup_logger("tests.commands")

    logger.warning("once")

    assert len(stream.getvalue().splitlines()) == 1


def test_another_handler_takes_the_place_of_the_first(stream, monkeypatch):
    log.setup_logger("tests.commands")
    other = io.StringIO()
    monkeypatch.setattr(log, "handler", logging.StreamHandler(other))

    log.setup_logger("tests.commands").warning("there")

    assert stream.getvalue() == ""
    assert "there" in other.getvalue()


def test_it_is_a_handler_that_writes_to_a_stream():
    assert isinstance(log.handler, logging.StreamHandler)


def test_handlers_of_others_stay(stream):
    mine = logging.NullHandler()
    logging.getLogger("tests.commands").addHandler(mine)

    log.setup_logger("tests.commands")

    assert mine in logging.getLogger("tests.commands").handlers
