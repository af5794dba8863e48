"""The log of our processes: one format, each line once."""

from __future__ import annotations

import io
import json
import logging
import os
import re
from datetime import datetime

import pytest

from channels import log

NAMES = [
    "tests.commands",
    "channels",
    "daphne.ws_protocol",
    "daphne.http_protocol",
    "daphne.server",
]


def only_handlers_of_the_root(*handlers):
    """Put them in the place of pytest's, which come back for each phase of a test."""
    logging.getLogger().handlers[:] = handlers


LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (\w+) (\w+)\[(\d+)\] ([\w.]+): (.*)"
)


@pytest.fixture
def stream(monkeypatch):
    """What is written by the handler, which is replaced for the test."""
    written = io.StringIO()
    monkeypatch.setattr(log, "handler", logging.StreamHandler(written))
    monkeypatch.setattr(log, "_given", {})
    loggers = [logging.getLogger(name) for name in (*NAMES, None)]
    before = [(one, list(one.handlers), one.level, one.propagate) for one in loggers]
    yield written
    for one, handlers, level, propagate in before:
        one.handlers[:] = handlers
        one.setLevel(level)
        one.propagate = propagate
    log.describe_process("app")


def test_a_line_says_when_how_grave_who_and_what(stream):
    only_handlers_of_the_root()
    log.describe_process("worker")
    logger = log.setup_logger("tests.commands")

    logger.info("hello %s", "there")
    logging.getLogger("channels.layers.redis").warning("careful")

    first, second = (LINE.fullmatch(line) for line in stream.getvalue().splitlines())
    me = str(os.getpid())
    assert first.groups() == ("INFO", "worker", me, "tests.commands", "hello there")
    assert second.groups() == ("WARNING", "worker", me, "channels.layers.redis", "careful")
    assert logger.name == "tests.commands"
    assert logger.propagate is False


def test_a_line_may_be_an_object(stream):
    log.describe_process("delay", "json")
    logger = log.setup_logger("tests.commands")

    try:
        raise ValueError("a\nb")
    except ValueError:
        logger.exception("line\nbreak")

    [line] = stream.getvalue().splitlines()
    facts = json.loads(line)
    assert (
        abs(datetime.fromisoformat(facts.pop("time")).timestamp() - datetime.now().timestamp()) < 60
    )
    assert facts.pop("traceback").endswith("ValueError: a\nb")
    assert facts == {
        "level": "ERROR",
        "tier": "delay",
        "pid": os.getpid(),
        "logger": "tests.commands",
        "message": "line\nbreak",
    }


@pytest.mark.parametrize(
    ("verbosity", "level"), [(0, "INFO"), (1, "INFO"), (2, "DEBUG"), (3, "DEBUG")]
)
def test_the_level_follows_the_verbosity(stream, verbosity, level):
    only_handlers_of_the_root()
    log.setup_logger("tests.commands", verbosity)

    assert {logging.getLevelName(logging.getLogger(name).level) for name in NAMES} == {level}


def test_the_server_s_loggers_get_the_same_handler(stream):
    only_handlers_of_the_root()
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


@pytest.mark.parametrize("name", ["tests.commands", "channels"])
def test_where_the_project_has_a_handler_of_its_own_a_line_is_written_there_and_once(stream, name):
    written = io.StringIO()
    mine = logging.StreamHandler(written)
    logging.getLogger(name).addHandler(mine)

    log.setup_logger("tests.commands")
    logging.getLogger(name).info("once")

    assert logging.getLogger(name).handlers == [mine]
    assert (written.getvalue(), stream.getvalue()) == ("once\n", "")


def test_a_handler_of_the_root_writes_what_is_not_django_s(stream):
    """So did it before, when standard error got the same line from us."""
    written = io.StringIO()
    only_handlers_of_the_root(logging.StreamHandler(written))

    log.setup_logger("tests.commands")
    logging.getLogger("channels.layers.redis").warning("once")

    assert (written.getvalue(), stream.getvalue()) == ("once\n", "")


def test_the_level_that_the_project_chose_stays(stream):
    logging.getLogger("channels").addHandler(logging.NullHandler())
    logging.getLogger("channels").setLevel(logging.ERROR)

    log.setup_logger("tests.commands", 2)

    assert logging.getLogger("channels").level == logging.ERROR
