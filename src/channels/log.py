"""How the log of every process looks: one format for interface servers, workers and the rest.

A line of text is ``time LEVEL tier[pid] logger: message``, the time local and with its zone; in
JSON it is an object with the same facts.  Nothing in here needs Django, so the interface server
can use it as well, and so can a project's ``LOGGING`` (see ``docs/logging.md``).
"""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime
from typing import Any, Literal

#: What ``--log-format`` may be.
LogFormat = Literal["text", "json"]
FORMATS: tuple[LogFormat, ...] = ("text", "json")

#: Writes to standard error; replaced by tests, so looked up at each call.
handler: logging.Handler = logging.StreamHandler()

#: Loggers that get the same handler: those of our processes beside Django, and
#: those that a legacy daphne logged to.
_COMPANIONS = (
    "channels",
    "daphne.ws_protocol",
    "daphne.http_protocol",
    "daphne.server",
)

#: What we gave to which logger, so that a later call replaces it
#: (docs/channels1.md#logging-set-up-twice).
_given: dict[str, logging.Handler] = {}

#: What this process is, in its log: a command says so as it starts.
_tier = "app"
_format: LogFormat = "text"


def describe_process(tier: str, log_format: LogFormat = "text") -> None:
    """Say what this process is and how its log is written.

    Args:
        tier: ``"server"``, ``"worker"``, ``"delay"`` or ``"runserver"``; ``"app"`` unless called.
        log_format: ``"text"``, or ``"json"`` for one object a line.
    """
    global _tier, _format
    _tier, _format = tier, log_format


def make_formatter(log_format: LogFormat | None = None) -> logging.Formatter:
    """Return a formatter; of the process' own format unless another one is named."""
    return JsonFormatter() if (log_format or _format) == "json" else TextFormatter()


class TextFormatter(logging.Formatter):
    """``2026-12-01 09:30:00.123+01:00 INFO worker[4711] django.channels: message``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(tier)s[%(process)d] %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the lines of a traceback below it."""
        record.tier = _tier
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return when it was logged: local time with its zone."""
        return moment(record.created)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, tier, pid, logger, message, and traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts: dict[str, Any] = {"message": record.getMessage()}
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            facts["stack"] = self.formatStack(record.stack_info)
        return json_line(record.created, record.levelname, record.name, facts)


def json_line(when: float, level: str, logger: str, facts: dict[str, Any]) -> str:
    """Return a line of a log in JSON.

    Args:
        when: Seconds since the epoch.
        level: Name of the level.
        logger: Name of the logger.
        facts: What there is to say.
    """
    line = {
        "time": moment(when),
        "level": level,
        "tier": _tier,
        "pid": os.getpid(),
        "logger": logger,
        **facts,
    }
    return json.dumps(line, default=str)


def moment(when: float) -> str:
    """Return a time since the epoch as local time with its zone, to the millisecond."""
    return datetime.fromtimestamp(when).astimezone().isoformat(" ", "milliseconds")


def setup_logger(name: str, verbosity: int = 1) -> logging.Logger:
    """Return a logger that writes to :data:`handler`, however often it is called.

    A logger to which the project's ``LOGGING`` gave handlers stays as it is: the project has
    said where its lines go, and each is to be written once.

    Args:
        name: Logger to set up; ``"django.channels"`` everywhere in this package.
        verbosity: As of a management command: DEBUG above 1, else INFO.
    """
    handler.setFormatter(make_formatter())
    level = logging.DEBUG if verbosity > 1 else logging.INFO
    logger = logging.getLogger(name)
    logger.propagate = False
    _give_handler(logger, level, _configured(logger))
    for one in map(logging.getLogger, _COMPANIONS):
        # What the root has handlers for would be written once more.
        _give_handler(one, level, _configured(one) or bool(logging.getLogger().handlers))
    return logger


def _configured(logger: logging.Logger) -> bool:
    """Whether a logger has handlers that are not ours."""
    return any(one is not _given.get(logger.name) for one in logger.handlers)


def _give_handler(logger: logging.Logger, level: int, handled: bool = False) -> None:
    old = _given.pop(logger.name, None)
    if old is not None:
        logger.removeHandler(old)
    if not handled:
        logger.addHandler(handler)
        _given[logger.name] = handler
    if not handled or logger.level == logging.NOTSET:
        logger.setLevel(level)
