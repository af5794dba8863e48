"""Back-pressure: who waits for room in a full channel, first in, first out.

There is one waitlist and one timer for each full channel.  The head is tried again when a receipt
from that channel arrives (a worker took a frame, so there is room), else after 50 ms, doubling to
1 s.  While tries succeed, more of the waitlist is tried at once.  While the layer is away
everything that has something to send waits here, too.

A waiter is told :meth:`Waitlisted.attempt`, and reports back with :meth:`Waitlists.stored`,
:meth:`Waitlists.wait` or :meth:`Waitlists.leave`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol

from channels.backoff import Backoff
from channels.interface_server.timers import CallLater, Timer

#: Seconds until the head is tried again when no receipt arrives: at first, and at most.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0

#: Waiters of one waitlist that are tried at the same time, at most.
WIDEST = 64


class Waitlisted(Hashable, Protocol):
    """Something that waits for room."""

    def attempt(self) -> None:
        """Try to send; report the outcome soon, not necessarily at once."""


class Waitlist:
    """Those who wait for one channel, by the order in which they came, tried or not."""

    __slots__ = ("backoff", "timer", "trying", "waiters", "width")

    def __init__(self) -> None:
        # A dict would pass all that has left in front of the first.
        self.waiters: OrderedDict[Waitlisted, None] = OrderedDict()
        self.trying: set[Waitlisted] = set()
        self.backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE, spread=0.0)
        self.width = 1
        self.timer: Timer | None = None


class Waitlists:
    """All waitlists of one server, which stand still until :meth:`resume` unless ``ready()``.

    Attributes:
        by_channel: Empty while no channel is full, which is what the sender of each frame
            looks at.
    """

    def __init__(self, call_later: CallLater, ready: Callable[[], bool]) -> None:
        self._call_later = call_later
        self._ready = ready
        self.by_channel: dict[str, Waitlist] = {}

    def enter(self, channel: str, waiter: Waitlisted) -> None:
        """Try at once if nobody waits for the channel and the layer is there, else in turn."""
        if channel in self.by_channel or not self._ready():
            self.join(channel, waiter)
        else:
            waiter.attempt()

    def join(self, channel: str, waiter: Waitlisted) -> None:
        """Wait at the end of the channel's waitlist; who waits there already keeps the place."""
        waitlist = self.by_channel.get(channel)
        if waitlist is None:
            waitlist = self.by_channel[channel] = Waitlist()
        waitlist.waiters.setdefault(waiter)
        self._set_timer(waitlist)

    def wait(self, channel: str, waiter: Waitlisted) -> None:
        """There was no room: wait at the end, or go on waiting at the old place."""
        waitlist = self.by_channel.get(channel)
        if waitlist is None or waiter not in waitlist.trying:
            self.join(channel, waiter)
            return
        waitlist.trying.discard(waiter)
        waitlist.width = 1
        self._set_timer(waitlist)

    def room(self, channel: str) -> None:
        """A worker took something from the channel: try the head."""
        waitlist = self.by_channel.get(channel)
        if waitlist is not None:
            self._try(waitlist, len(waitlist.trying) + 1)

    def stored(self, channel: str, waiter: Waitlisted) -> None:
        """A try succeeded: the next ones may, too.  Without effect if there was no try."""
        waitlist = self.by_channel.get(channel)
        if waitlist is None or waiter not in waitlist.trying:
            return
        self.leave(channel, waiter)
        if waitlist.waiters:
            waitlist.backoff.reset()
            waitlist.width = min(waitlist.width * 2, WIDEST)
            if waitlist.timer is not None:
                waitlist.timer.cancel()
                waitlist.timer = None
            self._set_timer(waitlist)
            self._try(waitlist, waitlist.width)

    def leave(self, channel: str, waiter: Waitlisted) -> None:
        """Wait no longer; without effect if the waiter did not."""
        waitlist = self.by_channel.get(channel)
        if waitlist is None or waiter not in waitlist.waiters:
            return
        del waitlist.waiters[waiter]
        waitlist.trying.discard(waiter)
        if not waitlist.waiters:
            if waitlist.timer is not None:
                waitlist.timer.cancel()
            del self.by_channel[channel]

    def resume(self) -> None:
        """Try every head: the layer is back."""
        for waitlist in list(self.by_channel.values()):
            waitlist.backoff.reset()
            self._try(waitlist, 1)
            self._set_timer(waitlist)

    def _try(self, waitlist: Waitlist, width: int) -> None:
        while self._ready() and len(waitlist.trying) < width:
            untried = (one for one in waitlist.waiters if one not in waitlist.trying)
            waiter = next(untried, None)
            if waiter is None:
                return
            waitlist.trying.add(waiter)
            waiter.attempt()

    def _set_timer(self, waitlist: Waitlist) -> None:
        if waitlist.timer is None and waitlist.waiters:
            pause = waitlist.backoff.pause()
            waitlist.timer = self._call_later(pause, lambda: self._timed_out(waitlist))

    def _timed_out(self, waitlist: Waitlist) -> None:
        waitlist.timer = None
        if not self._ready():
            return  # resume() sets it again
        if not waitlist.trying:
            self._try(waitlist, 1)
        self._set_timer(waitlist)
