"""What workers of this process keep back, and nothing else of the process may overtake.

A worker lets what its consumers sent leave by the batch.  Whatever the process asks of a layer
itself (sends that go at once, groups, threads of a consumer) goes behind that, in the same
pipeline if it goes to the same server.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from channels.layers.redis.net.protocol import Packable


class Backlog(Protocol):
    """What one worker keeps back."""

    def is_mine(self) -> bool:
        """Whether the calling thread has interrupted itself while it sends it."""
        ...

    def flush(self) -> None:
        """Send it, and wait until it is known what became of it.

        Raises:
            LayerUnavailable: It is not known, or was not sent.
        """
        ...

    def behind(self, ring: object, index: int, commands: Sequence[Packable]) -> list[Any] | None:
        """Send it with commands behind; return their answers, None if they must go elsewhere."""
        ...

    def forget(self) -> None:
        """Drop everything, in the child after a fork: it is the parent's."""
        ...


class Barrier:
    """The backlogs of one process.

    A worker's thread waits for its own only: other threads' consumers run at the same time as
    its own, in no order.  Any other thread may work for a consumer, and waits for all.
    """

    def __init__(self) -> None:
        #: Those that have something, or have not read what became of it.
        self.waiting: set[Backlog] = set()
        self._by_thread: dict[int, Backlog] = {}

    def enter(self, backlog: Backlog) -> None:
        """Take the calling thread for the one that fills a backlog."""
        self._by_thread[threading.get_ident()] = backlog

    def leave(self, backlog: Backlog) -> None:
        self.waiting.discard(backlog)
        for thread in [one for one, own in list(self._by_thread.items()) if own is backlog]:
            self._by_thread.pop(thread, None)

    def pass_behind(
        self, ring: object, index: int, commands: Sequence[Packable]
    ) -> list[Any] | None:
        """Let everything leave that must; return what was answered to the commands behind it.

        None if they were not sent.

        Raises:
            LayerUnavailable: Of something that must go first, or of the commands.
        """
        own = self._by_thread.get(threading.get_ident())
        backlogs = [own] if own is not None else list(self.waiting)
        backlogs = [each for each in backlogs if each in self.waiting and not each.is_mine()]
        answers = None
        while backlogs and answers is None:
            backlog = backlogs.pop()
            if not backlogs:
                answers = backlog.behind(ring, index, commands)
            else:
                backlog.flush()
        return answers

    def flush(self) -> None:
        """Let everything leave that the calling thread must not overtake."""
        self.pass_behind(None, 0, ())

    def _after_fork(self) -> None:
        backlogs, self.waiting = {*self.waiting, *self._by_thread.values()}, set()
        self._by_thread = {}
        for backlog in backlogs:
            backlog.forget()


#: Of this process, whatever its layers.
BARRIER = Barrier()

if hasattr(os, "register_at_fork"):  # where there are forks
    os.register_at_fork(after_in_child=BARRIER._after_fork)
