"""Twisted in this process: its reactor, on uvloop where the platform has it, and its log."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.logger import ILogObserver, LogLevel, STDLibLogObserver, globalLogBeginner
from zope.interface import implementer

log = logging.getLogger(__name__)

#: How Twisted's events begin when there is no descriptor for a new connection.
_EXHAUSTED = "EMFILE encountered"

#: Seconds between two warnings of that: it is said for each connection otherwise.
WARNING_PAUSE = 60.0


def install_reactor() -> tuple[AsyncioSelectorReactor, asyncio.AbstractEventLoop]:
    """Install a reactor for this thread, or take the one that is there if it is asyncio's."""
    installed: Any = sys.modules.get("twisted.internet.reactor")
    if installed is None:
        from twisted.internet.main import installReactor

        try:
            import uvloop
        except ImportError:
            loop = asyncio.new_event_loop()
        else:
            loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)
        reactor: Any = WriteCoalescingReactor(loop)
        installReactor(reactor)
        return reactor, loop
    if not isinstance(installed, AsyncioSelectorReactor):
        raise RuntimeError(
            f"{type(installed).__name__} is installed as Twisted's reactor already, but the"
            " interface server needs the asyncio reactor: import nothing that imports"
            " twisted.internet.reactor before it"
        )
    loop = installed._asyncioEventloop
    asyncio.set_event_loop(loop)
    return installed, loop


def close_event_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs, and close the loop."""
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    asyncio.set_event_loop(None)


class WriteCoalescingReactor(AsyncioSelectorReactor):
    """An asyncio reactor that writes at the end of a turn, without asking first.

    Twisted asks the kernel for every single write whether the socket can take it: two
    system calls and one more turn of the loop for each answer, although an idle
    socket nearly always can.  Here what was written during a turn is tried at its end,
    all frames of one socket together, and only a socket whose buffer is full is waited for.
    """

    def __init__(self, eventloop: asyncio.AbstractEventLoop | None = None) -> None:
        # Ordered by arrival: the first to write is the first to be sent.
        self._unwritten: dict[Any, None] = {}
        super().__init__(eventloop)

    def addReader(self, reader: Any) -> None:
        # As Twisted does, but without a logging context around every event.
        if reader in self._readers:
            return
        fd = reader.fileno()
        try:
            self._asyncioEventloop.add_reader(fd, self._readOrWrite, reader, True)
        except OSError:
            super().addReader(reader)  # knows what to do about descriptors that can't be waited for
        else:
            self._readers[reader] = fd

    def addWriter(self, writer: Any) -> None:
        if writer in self._unwritten or writer in self._writers:
            return
        if not self._unwritten:
            self._asyncioEventloop.call_soon(self._write_all)
        self._unwritten[writer] = None

    def removeWriter(self, writer: Any) -> None:
        if self._unwritten.pop(writer, False) is False:
            super().removeWriter(writer)

    def getWriters(self) -> list[Any]:
        return [*super().getWriters(), *self._unwritten]

    def removeAll(self) -> list[Any]:
        waiting = list(self._unwritten)
        self._unwritten.clear()
        removed: list[Any] = super().removeAll()
        return removed + [one for one in waiting if one not in removed]

    def _write_all(self) -> None:
        for writer in list(self._unwritten):
            if writer not in self._unwritten:
                continue  # one before it has ended it
            # While it writes it counts as waiting: a writer that is done calls
            # removeWriter, one that is not stays in and then waits.
            self._readOrWrite(writer, False)
            if self._unwritten.pop(writer, False) is None and writer.fileno() != -1:
                super().addWriter(writer)
        if self._unwritten:  # asked for while others wrote
            self._asyncioEventloop.call_soon(self._write_all)


@implementer(ILogObserver)
class Forwarder:
    """Forwards Twisted's errors to :mod:`logging`, and also the rest if ``everything`` is set."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.everything = False
        self._clock = clock
        self._warn_at = clock()
        self._observer = STDLibLogObserver(name="twisted")

    def __call__(self, event: Any) -> None:
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
    """Forward errors, or all; safe to call again (docs/channels1.md#logging-set-up-twice)."""
    global _forwarder
    if _forwarder is None:
        _forwarder = Forwarder()
        observers: list[Any] = [_forwarder]
        globalLogBeginner.beginLoggingTo(observers, discardBuffer=True, redirectStandardIO=False)
    _forwarder.everything = everything
