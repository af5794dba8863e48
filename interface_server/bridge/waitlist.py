"""Back-pressure: who waits for room in a full channel, first in, first out.

There is one line and one timer for each full channel, not one for each socket.
The head is tried again when a receipt from that channel arrives (a worker took
a frame, so there is room), else after 50 ms, doubling to 1 s.  While tries
succeed, more of the line is tried at once.

Nothing is sent here: an *entry* is told :meth:`Entry.attempt`, and reports back
with :meth:`Lines.stored`, :meth:`Lines.wait` or :meth:`Lines.leave`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from typing import Protocol

from channels.interface_server.bridge.clock import Clock, Timer

#: Seconds until the head is tried again when no receipt arrives: at first, and at most.
FIRST_DELAY = 0.05
LONGEST_DELAY = 1.0

#: Entries of one line that are tried at the same time, at most.
WIDEST = 64


class Entry(Hashable, Protocol):
    """Whatever waits in a line."""

    def attempt(self) -> None:
        """Try again; report the outcome soon, not necessarily at once."""
        ...


class _Line:
    """Those who wait for one channel, by the order in which they came."""

    __slots__ = ("delay", "heap", "next_ticket", "tickets", "timer", "trying", "width")

    def __init__(self) -> None:
        self.heap: list[tuple[int, Entry]] = []
        self.tickets: dict[Entry, int] = {}
        self.trying: set[Entry] = set()
        self.next_ticket = 0
        self.delay = FIRST_DELAY
        self.width = 1
        self.timer: Timer | None = None

    def pop(self) -> Entry | None:
        """Return the first who still waits and is not being tried."""
        while self.heap:
            ticket, entry = heapq.heappop(self.heap)
            if self.tickets.get(entry) == ticket:
                self.trying.add(entry)
                return entry
        return None


class Lines:
    """All lines of one server.

    Args:
        clock: Moves the timers.
        ready: Whether the layer can be tried; while not, lines stand still until
            :meth:`resume`.

    Attributes:
        by_channel: The lines; empty while no channel is full, which is what the
            sender of each frame looks at.
    """

    def __init__(self, clock: Clock, ready: Callable[[], bool]) -> None:
        self._clock = clock
        self._ready = ready
        self.by_channel: dict[str, _Line] = {}

    def join(self, channel: str, entry: Entry) -> None:
        """Wait at the end of the channel's line; who waits there already keeps the place."""
        line = self.by_channel.get(channel)
        if line is None:
            line = self.by_channel[channel] = _Line()
        if entry in line.tickets:
            return
        ticket = line.tickets[entry] = line.next_ticket
        line.next_ticket += 1
        heapq.heappush(line.heap, (ticket, entry))
        self._wind(channel, line)

    def wait(self, channel: str, entry: Entry) -> None:
        """Take note that there was no room: wait at the end, or go on waiting at the old place."""
        line = self.by_channel.get(channel)
        if line is not None and entry in line.trying:
            self.refused(channel, entry)
        else:
            self.join(channel, entry)

    def room(self, channel: str) -> None:
        """Take note that a worker took something from the channel: try the head."""
        line = self.by_channel.get(channel)
        if line is not None:
            self._try(line, len(line.trying) + 1)

    def stored(self, channel: str, entry: Entry) -> None:
        """Take note that a try succeeded: the next ones may, too.  No harm if there was none."""
        line = self.by_channel.get(channel)
        if line is None or entry not in line.trying:
            return
        line = self._leave(channel, entry)
        if line is not None:
            line.delay = FIRST_DELAY
            line.width = min(line.width * 2, WIDEST)
            if line.timer is not None:
                line.timer.cancel()
                line.timer = None
            self._wind(channel, line)
            self._try(line, line.width)

    def refused(self, channel: str, entry: Entry) -> None:
        """Take note that there was no room: the entry is back at its old place."""
        line = self.by_channel[channel]
        line.trying.discard(entry)
        heapq.heappush(line.heap, (line.tickets[entry], entry))
        line.width = 1
        self._wind(channel, line)

    def leave(self, channel: str, entry: Entry) -> None:
        """Take note that the entry no longer waits; no harm if it did not."""
        self._leave(channel, entry)

    def resume(self) -> None:
        """Try every head: the layer is back."""
        for channel, line in list(self.by_channel.items()):
            line.delay = FIRST_DELAY
            self._try(line, 1)
            self._wind(channel, line)

    def _leave(self, channel: str, entry: Entry) -> _Line | None:
        line = self.by_channel.get(channel)
        if line is None or line.tickets.pop(entry, None) is None:
            return None
        line.trying.discard(entry)
        if line.tickets:
            return line
        if line.timer is not None:
            line.timer.cancel()
        del self.by_channel[channel]
        return None

    def _try(self, line: _Line, width: int) -> None:
        while self._ready() and len(line.trying) < width:
            entry = line.pop()
            if entry is None:
                return
            entry.attempt()

    def _wind(self, channel: str, line: _Line) -> None:
        if line.timer is None and line.tickets:
            line.timer = self._clock.call_later(line.delay, lambda: self._ring(channel, line))
            line.delay = min(line.delay * 2, LONGEST_DELAY)

    def _ring(self, channel: str, line: _Line) -> None:
        line.timer = None
        if not self._ready():
            return  # resume() winds it up again
        if not line.trying:
            self._try(line, 1)
        self._wind(channel, line)
