"""Back-pressure: who waits for room in a full channel, first in, first out.

There is one waitlist and one timer for each full channel, not one for each socket.
The head is tried again when a receipt from that channel arrives (a worker took
a frame, so there is room), else after 50 ms, doubling to 1 s.  While tries
succeed, more of the waitlist is tried at once.

Nothing is sent here: a *waiter* is told :meth:`Waiter.attempt`, and reports back
with :meth:`Waitlists.stored`, :meth:`Waitlists.wait` or :meth:`Waitlists.leave`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from typing import Protocol

from channels.interface_server.bridge.clock import Clock, Timer

#: Seconds until the head is tried again when no receipt arrives: at first, and at most.
FIRST_DELAY = 0.05
LONGEST_DELAY = 1.0

#: Waiters of one waitlist that are tried at the same time, at most.
WIDEST = 64


class Waiter(Hashable, Protocol):
    """Whatever waits in a waitlist."""

    def attempt(self) -> None:
        """Try again; report the outcome soon, not necessarily at once."""
        ...


class Waitlist:
    """Those who wait for one channel, by the order in which they came."""

    __slots__ = ("delay", "heap", "next_ticket", "tickets", "timer", "trying", "width")

    def __init__(self) -> None:
        self.heap: list[tuple[int, Waiter]] = []
        self.tickets: dict[Waiter, int] = {}
        self.trying: set[Waiter] = set()
        self.next_ticket = 0
        self.delay = FIRST_DELAY
        self.width = 1
        self.timer: Timer | None = None

    def pop(self) -> Waiter | None:
        """Return the first who still waits and is not being tried."""
        while self.heap:
            ticket, waiter = heapq.heappop(self.heap)
            if self.tickets.get(waiter) == ticket:
                self.trying.add(waiter)
                return waiter
        return None


class Waitlists:
    """All waitlists of one server.

    Args:
        clock: Moves the timers.
        ready: Whether the layer can be tried; while not, waitlists stand still until
            :meth:`resume`.

    Attributes:
        by_channel: The waitlists; empty while no channel is full, which is what the
            sender of each frame looks at.
    """

    def __init__(self, clock: Clock, ready: Callable[[], bool]) -> None:
        self._clock = clock
        self._ready = ready
        self.by_channel: dict[str, Waitlist] = {}

    def join(self, channel: str, waiter: Waiter) -> None:
        """Wait at the end of the channel's waitlist; who waits there already keeps the place."""
        waitlist = self.by_channel.get(channel)
        if waitlist is None:
            waitlist = self.by_channel[channel] = Waitlist()
        if waiter in waitlist.tickets:
            return
        ticket = waitlist.tickets[waiter] = waitlist.next_ticket
        waitlist.next_ticket += 1
        heapq.heappush(waitlist.heap, (ticket, waiter))
        self._wind(channel, waitlist)

    def wait(self, channel: str, waiter: Waiter) -> None:
        """Take note that there was no room: wait at the end, or go on waiting at the old place."""
        waitlist = self.by_channel.get(channel)
        if waitlist is not None and waiter in waitlist.trying:
            self.refused(channel, waiter)
        else:
            self.join(channel, waiter)

    def room(self, channel: str) -> None:
        """Take note that a worker took something from the channel: try the head."""
        waitlist = self.by_channel.get(channel)
        if waitlist is not None:
            self._try(waitlist, len(waitlist.trying) + 1)

    def stored(self, channel: str, waiter: Waiter) -> None:
        """Take note that a try succeeded: the next ones may, too.  No harm if there was none."""
        waitlist = self.by_channel.get(channel)
        if waitlist is None or waiter not in waitlist.trying:
            return
        waitlist = self._leave(channel, waiter)
        if waitlist is not None:
            waitlist.delay = FIRST_DELAY
            waitlist.width = min(waitlist.width * 2, WIDEST)
            if waitlist.timer is not None:
                waitlist.timer.cancel()
                waitlist.timer = None
            self._wind(channel, waitlist)
            self._try(waitlist, waitlist.width)

    def refused(self, channel: str, waiter: Waiter) -> None:
        """Take note that there was no room: the waiter is back at its old place."""
        waitlist = self.by_channel[channel]
        waitlist.trying.discard(waiter)
        heapq.heappush(waitlist.heap, (waitlist.tickets[waiter], waiter))
        waitlist.width = 1
        self._wind(channel, waitlist)

    def leave(self, channel: str, waiter: Waiter) -> None:
        """Take note that the waiter no longer waits; no harm if it did not."""
        self._leave(channel, waiter)

    def resume(self) -> None:
        """Try every head: the layer is back."""
        for channel, waitlist in list(self.by_channel.items()):
            waitlist.delay = FIRST_DELAY
            self._try(waitlist, 1)
            self._wind(channel, waitlist)

    def _leave(self, channel: str, waiter: Waiter) -> Waitlist | None:
        waitlist = self.by_channel.get(channel)
        if waitlist is None or waitlist.tickets.pop(waiter, None) is None:
            return None
        waitlist.trying.discard(waiter)
        if waitlist.tickets:
            return waitlist
        if waitlist.timer is not None:
            waitlist.timer.cancel()
        del self.by_channel[channel]
        return None

    def _try(self, waitlist: Waitlist, width: int) -> None:
        while self._ready() and len(waitlist.trying) < width:
            waiter = waitlist.pop()
            if waiter is None:
                return
            waiter.attempt()

    def _wind(self, channel: str, waitlist: Waitlist) -> None:
        if waitlist.timer is None and waitlist.tickets:
            waitlist.timer = self._clock.call_later(
                waitlist.delay, lambda: self._ring(channel, waitlist)
            )
            waitlist.delay = min(waitlist.delay * 2, LONGEST_DELAY)

    def _ring(self, channel: str, waitlist: Waitlist) -> None:
        waitlist.timer = None
        if not self._ready():
            return  # resume() winds it up again
        if not waitlist.trying:
            self._try(waitlist, 1)
        self._wind(channel, waitlist)
