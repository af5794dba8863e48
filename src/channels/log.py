"""Logging of the management commands."""

from __future__ import annotations

import logging

#: Writes to standard error; replaced by tests, so looked up at each call.
handler: logging.Handler = logging.StreamHandler()

#: Loggers that get the same handler: those of our processes beside Django, and
#: those that a daphne of old logged to.
_COMPANIONS = (
    "channels",
    "daphne.ws_protocol",
    "daphne.http_protocol",
    "daphne.server",
)

_FORMAT = "%(asctime)s - %(levelname)s - %(module)s - %(message)s"

#: What we gave to which logger, so that a later call replaces it (known-flaws.md F-51).
_given: dict[str, logging.Handler] = {}


def setup_logger(name: str, verbosity: int = 1) -> logging.Logger:
    """Return a logger that writes to :data:`handler`, however often it is called.

    Args:
        name: Logger to set up; ``"django.channels"`` everywhere in this package.
        verbosity: As of a management command: DEBUG above 1, else INFO.
    """
    handler.setFormatter(logging.Formatter(_FORMAT))
    level = logging.DEBUG if verbosity > 1 else logging.INFO
    for one in (name, *_COMPANIONS):
        _give_handler(logging.getLogger(one), level)
    logger = logging.getLogger(name)
    logger.propagate = False
    return logger


def _give_handler(logger: logging.Logger, level: int) -> None:
    old = _given.get(logger.name)
    if old is not None:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(level)
    _given[logger.name] = handler
