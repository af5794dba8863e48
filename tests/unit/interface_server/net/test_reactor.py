"""What of Twisted's log is passed on."""

from __future__ import annotations

import logging

from twisted.logger import LogLevel

from channels.interface_server.net.reactor import WARNING_PAUSE, Forwarder
from tests.support.clock import Clock

EXHAUSTED = {
    "log_level": LogLevel.info,
    "log_format": "EMFILE encountered; releasing reserved file descriptor.",
}


def test_running_out_of_descriptors_is_a_warning_once_a_minute(caplog):
    clock = Clock(0.0)
    forward = Forwarder(clock)

    forward(EXHAUSTED)
    forward(EXHAUSTED)
    clock.now = WARNING_PAUSE
    forward(EXHAUSTED)

    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "no descriptors are left" in caplog.text


def test_only_errors_are_passed_on_unless_everything_is_asked_for(caplog):
    caplog.set_level(logging.DEBUG)
    forward = Forwarder()
    event = {"log_level": LogLevel.info, "log_format": "all is well", "log_time": 0.0}

    forward(event)
    assert caplog.records == []
    forward({**event, "log_level": LogLevel.error})
    forward.everything = True
    forward(event)

    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.INFO]
