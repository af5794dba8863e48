"""An asyncio reactor that writes at the end of a turn, without asking first.

Twisted asks the kernel for every single write whether the socket can take it: two
system calls and one more turn of the loop for each answer, although an idle
socket nearly always can.  Here what was written during a turn is tried at its end,
all frames of one socket together, and only a socket whose buffer is full is watched.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor


class EagerReactor(AsyncioSelectorReactor):
    """See the module's docstring."""

    def __init__(self, eventloop: AbstractEventLoop | None = None) -> None:
        # Ordered by arrival: the first to write is the first to be sent.
        self._eager: dict[Any, None] = {}
        super().__init__(eventloop)

    def addReader(self, reader: Any) -> None:
        """Watch for input, without a logging context around every event."""
        if reader in self._readers:
            return
        fd = reader.fileno()
        try:
            self._asyncioEventloop.add_reader(fd, self._readOrWrite, reader, True)
        except OSError:
            super().addReader(reader)  # knows what to do about descriptors that can't be watched
        else:
            self._readers[reader] = fd

    def addWriter(self, writer: Any) -> None:
        """Write at the end of this turn, and watch only if that was not enough."""
        if writer in self._eager or writer in self._writers:
            return
        if not self._eager:
            self._asyncioEventloop.call_soon(self._write_eagerly)
        self._eager[writer] = None

    def removeWriter(self, writer: Any) -> None:
        """Forget a writer, whichever way it waits."""
        if self._eager.pop(writer, False) is False:
            super().removeWriter(writer)

    def getWriters(self) -> list[Any]:
        """Return all that have something to write."""
        return [*super().getWriters(), *self._eager]

    def removeAll(self) -> list[Any]:
        """Forget everything; return what was watched."""
        waiting = list(self._eager)
        self._eager.clear()
        removed: list[Any] = super().removeAll()
        return removed + [one for one in waiting if one not in removed]

    def _write_eagerly(self) -> None:
        for writer in list(self._eager):
            if writer not in self._eager:
                continue  # one before it has ended it
            # While it writes it counts as waiting: a writer that is done calls
            # removeWriter, one that is not stays in and is then watched.
            self._readOrWrite(writer, False)
            if self._eager.pop(writer, False) is None and writer.fileno() != -1:
                super().addWriter(writer)
        if self._eager:  # asked for while others wrote
            self._asyncioEventloop.call_soon(self._write_eagerly)
