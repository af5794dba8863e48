"""Twisted's log, sent where everything else is logged."""

from __future__ import annotations

from typing import Any

from twisted.logger import ILogObserver, LogLevel, STDLibLogObserver, globalLogBeginner
from zope.interface import implementer


@implementer(ILogObserver)
class _Forwarder:
    """Forwards Twisted's events to :mod:`logging`.

    Attributes:
        everything: Whether also what is not an error.
    """

    def __init__(self) -> None:
        self.everything = False
        self._observer = STDLibLogObserver(name="twisted")

    def __call__(self, event: Any) -> None:
        level = event.get("log_level", LogLevel.info)
        if self.everything or event.get("log_failure") or level >= LogLevel.error:
            self._observer(event)


_forwarder: _Forwarder | None = None


def forward_twisted_log(*, everything: bool) -> None:
    """Forward errors, or everything; safe to call again (known-flaws.md F-51)."""
    global _forwarder
    if _forwarder is None:
        _forwarder = _Forwarder()
        observers: list[Any] = [_forwarder]
        globalLogBeginner.beginLoggingTo(observers, discardBuffer=True, redirectStandardIO=False)
    _forwarder.everything = everything
