"""Twisted's log, sent where everything else is logged.

One thing that Twisted does not take for an error is told in our own words: that there are no
descriptors left for new connections.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from twisted.logger import ILogObserver, LogLevel, STDLibLogObserver, globalLogBeginner
from zope.interface import implementer

log = logging.getLogger(__name__)

#: How Twisted's events begin when there is no descriptor for a new connection.
_EXHAUSTED = "EMFILE encountered"

#: Seconds between two warnings of that: it is said for each connection otherwise.
WARNING_PAUSE = 60.0


@implementer(ILogObserver)
class Forwarder:
    """Forwards Twisted's events to :mod:`logging`.

    Args:
        clock: Returns the time in seconds.

    Attributes:
        everything: Whether also what is not an error.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.everything = False
        self._clock = clock
        self._warn_at = clock()
        self._observer = STDLibLogObserver(name="twisted")

    def __call__(self, event: Any) -> None:
        """Take one event."""
        if str(event.get("log_format")).startswith(_EXHAUSTED) and self._clock() >= self._warn_at:
            self._warn_at = self._clock() + WARNING_PAUSE
            log.warning(
                "too many connections: no descriptors are left, new connections are closed;"
                " raise the limit of open files (ulimit -Hn, or LimitNOFILE of systemd)"
            )
        level = event.get("log_level", LogLevel.info)
        if self.everything or event.get("log_failure") or level >= LogLevel.error:
            self._observer(event)


_forwarder: Forwarder | None = None


def forward_twisted_log(*, everything: bool) -> None:
    """Forward errors, or everything; safe to call again
    (docs/channels1.md#logging-set-up-twice).
    """
    global _forwarder
    if _forwarder is None:
        _forwarder = Forwarder()
        observers: list[Any] = [_forwarder]
        globalLogBeginner.beginLoggingTo(observers, discardBuffer=True, redirectStandardIO=False)
    _forwarder.everything = everything
