"""What a worker has in hand and has not begun, and the guard that lets nothing wait there.

No frame stays unbegun in a worker for longer than the window after it came: when that has
passed, whatever is left goes back to the head of its queue, for others to take.  The worker sees
to that itself between two messages.  While a consumer runs, the *guard* does, a thread
that sleeps until then; it sends what other consumers have left, too.

A frame is popped, and given back, under the lock of what is kept; so it is either begun or given
back.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence

from channels.exceptions import LayerUnavailable
from channels.layers.batches import Batches, NotSent
from channels.layers.clients import ONE_EACH, Counts, Frame, GiveBack

logger = logging.getLogger("django.channels")

#: Seconds within which what is taken must have begun, unless the worker is told otherwise.
WINDOW = 0.005


class Hand:
    """Frames that were taken, in the order in which they run.

    Args:
        batches: What is kept; frames leave through it.
        window: Seconds that a frame may be here.
        clock: Monotonic, in seconds.
        guarded: Whether a thread watches over it; else only :meth:`look` does.

    Attributes:
        frames: Looked at by other threads; popped under the lock of ``batches``.
        deadline: When they are given back; ``math.inf`` while there is nothing to watch.
        surprised: Whether the guard had to give frames back since this was last set to False.
    """

    def __init__(
        self,
        batches: Batches,
        window: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        guarded: bool = True,
    ) -> None:
        self.frames: deque[Frame] = deque()
        self.deadline = math.inf
        self.surprised = False
        self._batches = batches
        self._window = window
        self.clock = clock
        self._guarded = guarded
        self._guard = _Guard(self)
        _hands.add(self)

    def put(self, frames: Sequence[Frame]) -> None:
        """Have frames that were taken this moment."""
        self.frames.extend(frames)
        if len(self.frames) > 1:
            self.deadline = self.clock() + self._window
            if self._guarded:
                self._guard.wake()

    def exchange(self, *, take: bool, counts: Counts = ONE_EACH) -> None:
        """Send what is kept, give back all frames, and take.

        Raises:
            NotSent: Everything is as it was.
            LayerUnavailable: It is not known what became of anything.  The frames may have gone
                back, so they must not run here.
        """
        with self._batches.lock:
            back = list(self.frames)
            try:
                outcomes, taken = self._batches.exchange(
                    [GiveBack(frame) for frame in back], take=take, counts=counts
                )
            except NotSent:
                raise
            except LayerUnavailable:
                self.drop()
                raise
            self.frames.clear()
            self.deadline = math.inf
            # What Redis refused to take back stays, and runs.
            refused = zip(back, outcomes, strict=True)
            self.put([*(frame for frame, error in refused if error is not None), *taken])

    def look(self) -> bool:
        """Give everything back if its time has come, and return whether it had."""
        if self.clock() < self.deadline:
            return False
        with self._batches.lock:
            if self.clock() < self.deadline:
                return False
            self.surprised = True
            self.exchange(take=False)
        return True

    def drop(self) -> int:
        """Forget everything; return how many frames that was."""
        with self._batches.lock:
            dropped = len(self.frames)
            self.frames.clear()
            self.deadline = math.inf
        return dropped

    def close(self) -> None:
        """End the guard."""
        self._guard.close()

    def _after_fork(self) -> None:
        """Forget everything in a child: it is the parent's."""
        self.frames.clear()
        self.deadline = math.inf
        self._guard = _Guard(self)


class _Guard:
    """The thread that watches over a hand; started when it is first woken.

    It sleeps until the deadline that it has seen, finds a later one, and sleeps on: nobody
    wakes it for each take.  Only when there was none at all it waits to be woken.
    """

    def __init__(self, hand: Hand) -> None:
        self._hand = weakref.ref(hand)
        self._awake = threading.Event()
        self._parked = True
        self._closed = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Hear that there is a deadline."""
        if self._parked:
            self._parked = False
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="channels-guard", daemon=True
                )
                self._thread.start()
            self._awake.set()

    def close(self) -> None:
        self._closed = True
        self._awake.set()

    def _watch(self) -> None:
        while not self._closed and (hand := self._hand()) is not None:
            wait = hand.deadline - hand.clock()
            if wait <= 0:
                self._look(hand)
            elif wait < math.inf:
                time.sleep(wait)
            else:
                self._park(hand)

    def _park(self, hand: Hand) -> None:
        self._awake.clear()
        self._parked = True
        if hand.deadline == math.inf:  # still: from now on, who sets one wakes us
            del hand
            self._awake.wait()
        self._parked = False

    def _look(self, hand: Hand) -> None:
        try:
            hand.look()
        except NotSent:
            # The worker hears of it with its next exchange; until then there is no use in trying.
            hand.deadline = math.inf
        except LayerUnavailable as error:
            logger.warning(
                "The channel layer did not answer while frames were given back that this worker"
                " had taken and not begun: they may be back in their queue, or lost (%s)",
                error,
            )
        except Exception:
            logger.exception("Giving back what a worker had taken failed")
            hand.deadline = math.inf


_hands: weakref.WeakSet[Hand] = weakref.WeakSet()


def _after_fork() -> None:
    for hand in list(_hands):
        hand._after_fork()


if hasattr(os, "register_at_fork"):  # where there are forks
    os.register_at_fork(after_in_child=_after_fork)
