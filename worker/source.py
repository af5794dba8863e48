"""Messages by the frame: the fast way, for layers that have a worker's client.

One round trip per consumer run: the flush of message N, with the receipt if it was
the last of its frame, takes the next frame too, and only an empty answer falls
back to the take that waits.

A frame of several messages is flushed after each of them that has sent something.
Letting them share one flush at the end of the frame was measured (frames of ten echoes
on a local Redis: 22 us a message instead of 49, single messages cost 60 in any case)
and left out: the replies to a message would wait for the next one's consumer, which
may be slow, and what that one sends at once, or adds to a group, would overtake them.

What is in hand, and where it goes when the worker stops::

    current frame, from ``_position`` on ---> head of its queue, same receipt
    frames taken and not begun -------------> head of their queues
    receipts whose answer may not have left -> answered with the next exchange
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from channels.backoff import Backoff
from channels.exceptions import LayerUnavailable
from channels.layers.clients import (
    Answer,
    Frame,
    GiveBack,
    GroupSend,
    Operation,
    Send,
    WorkerClient,
)
from channels.worker.flush import Flush, Refused, flush_plainly, report_unknown
from channels.worker.outcome import last_word

logger = logging.getLogger("django.channels")


class Delivery(NamedTuple):
    """One message to run: the arguments of :meth:`channels.worker.dispatch.Dispatcher.run`."""

    channel: str
    content: dict[str, Any]
    #: Whether nothing else of its connection can be running.
    ordered: bool


class FrameSource:
    """Takes frames from a worker's client and gives their messages out one by one.

    Not thread-safe but for :meth:`stop` and :meth:`held`.

    Args:
        layer: The wrapper; sends go through it if its methods were replaced.
        open_client: Called once with :meth:`held`; returns the client.
        listening: Called once, when the client has started for the first time.
        backoff: Pauses between tries while the layer does not answer.
        clock: Monotonic time, in seconds.
        sleep: Waits for so many seconds.
        pause: The same, but ends early once the worker is told to stop.
    """

    #: Stopping is safe at any time: no frame is lost (docs/channels1.md#a-worker-that-stops).
    interruptible = True

    def __init__(
        self,
        layer: Any,
        open_client: Callable[[Callable[[], Collection[bytes]]], WorkerClient],
        *,
        listening: Callable[[], None],
        backoff: Backoff,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        pause: Callable[[float], None],
    ) -> None:
        #: Whether another thread of this process says that the layer does not answer.
        self.quiet = False
        self._layer = layer
        self._clock = clock
        self._sleep = sleep
        self._held: dict[bytes, None] = {}
        self._client = open_client(self.held)
        self._flush = Flush(self._exchange, self._accept, clock=clock, sleep=sleep)
        self._listening = listening
        self._backoff = backoff
        self._pause = pause
        self._started = False
        self._stopping = False
        self._down = False
        self._ready: deque[Frame] = deque()
        self._frame: Frame | None = None
        self._position = 0
        self._owed: list[bytes] = []

    def held(self) -> Collection[bytes]:
        """Return the receipts in hand; called by the heartbeat's thread."""
        return list(self._held)

    # -- taking --------------------------------------------------------------------

    def next(self) -> Delivery | None:
        """Return the next message; ``None`` if none came for a while.

        Waits a few seconds at most, and while the layer does not answer for the
        pause before the next try.
        """
        frame = self._frame
        if frame is None:
            if not self._ready and not self._stopping:
                self._take()
            if not self._ready or self._stopping:
                return None
            frame = self._frame = self._ready.popleft()
            self._position = 0
        return Delivery(frame.channel, frame.messages[self._position], frame.ordered)

    def _take(self) -> None:
        try:
            if not self._started:
                self._client.start()
                self._started = True
                self._listening()
            if self._owed:
                self._answer_owed()
            if not self._ready:
                self._accept(self._client.take())
        except LayerUnavailable as error:
            self._wait_for_layer(error)
        except Exception:
            logger.exception("Taking from the channel layer failed; the worker goes on")
            self._pause(self._backoff.pause())
        else:
            if self._down:
                self._down = False
                (logger.debug if self.quiet else logger.info)("The channel layer answers again")
            self._backoff.reset()

    def _accept(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            if frame.receipt is not None:
                self._held[frame.receipt] = None
            self._ready.append(frame)

    def _wait_for_layer(self, error: Exception) -> None:
        pause = self._backoff.pause()
        log = logger.debug if self._down or self.quiet else logger.warning
        self._down = True
        log("The channel layer does not answer (%s); trying again until it does", error)
        self._pause(pause)

    # -- giving back -----------------------------------------------------------------

    def done(self, sends: list[Operation], consumer: object) -> None:
        """Flush what the consumer of the message sent; after the last message, answer."""
        frame = self._frame
        assert frame is not None
        content = frame.messages[self._position]
        self._position += 1
        last = self._position == len(frame.messages)
        receipt = None
        if last:
            self._frame = None
            receipt = frame.receipt
            if receipt is not None:
                sends.append(Answer(receipt))
        if not sends:
            return
        refused = self._carry(sends, consumer, receipt, take=last)
        if refused:
            end = last_word(frame.channel, content, refused)
            if end:
                self._carry(end, consumer, None, take=False)

    def later(self, sends: list[Operation], consumer: object, content: dict[str, Any]) -> None:
        """Flush, and put the message back at the end of its channel.

        A frame that wants a receipt goes back from this message on, unanswered,
        so that nothing of its connection overtakes the message.
        """
        frame = self._frame
        assert frame is not None
        if frame.receipt is None:
            sends.append(Send(frame.channel, content))
            self.done(sends, consumer)
            return
        back = GiveBack(
            Frame(
                frame.channel,
                [content, *frame.messages[self._position + 1 :]],
                frame.receipt,
                frame.ordered,
                frame.expires,
            ),
            at_head=False,
        )
        sends.append(back)
        refused = self._carry(sends, consumer, None, take=True)
        if any(
            operation is back and not isinstance(error, LayerUnavailable)
            for operation, error in refused
        ):
            # The message cannot travel (an app put something odd into it): it
            # counts as dropped, and what is behind it runs here and now.
            self.done([], consumer)
            return
        self._held.pop(frame.receipt, None)
        self._frame = None

    def _carry(
        self,
        operations: list[Operation],
        consumer: object,
        receipt: bytes | None,
        *,
        take: bool,
    ) -> list[Refused]:
        """Flush; a receipt whose answer may not have left is owed and goes with the next one."""
        if operations and self._layer.replaced_methods():
            operations = self._carry_plainly(operations, consumer)
        if self._owed:
            operations += [Answer(owed) for owed in self._owed]
        take = take and not self._stopping and not self._ready
        if receipt is not None:
            # Until it is known to be answered, whatever goes wrong: a socket waits for it.
            self._owed.append(receipt)
        try:
            refused = self._flush(operations, consumer, take=take)
        except LayerUnavailable as error:
            report_unknown(operations, consumer, error)
            return []
        self._settle_owed(refused)
        return refused

    def _carry_plainly(self, operations: list[Operation], consumer: object) -> list[Operation]:
        """Send through the wrapper, where somebody counts; return what only the client can do."""
        sends = [one for one in operations if isinstance(one, Send | GroupSend)]
        flush_plainly(self._layer, sends, consumer, clock=self._clock, sleep=self._sleep)
        return [one for one in operations if not isinstance(one, Send | GroupSend)]

    def _answer_owed(self) -> None:
        """Answer again what may not have been answered: the only push that is safe to repeat.

        Raises:
            LayerUnavailable: Still no answer.
        """
        operations: list[Operation] = [Answer(receipt) for receipt in self._owed]
        self._settle_owed(self._flush(operations, None, take=not self._stopping))

    def _settle_owed(self, refused: Sequence[Refused]) -> None:
        """Forget the receipts that were answered; keep those whose host did not answer."""
        if not refused:
            for receipt in self._owed:
                self._held.pop(receipt, None)
            self._owed.clear()
            return
        still = {
            operation.receipt
            for operation, error in refused
            if isinstance(operation, Answer) and isinstance(error, LayerUnavailable)
        }
        for receipt in self._owed:
            if receipt not in still:
                self._held.pop(receipt, None)
        self._owed = [receipt for receipt in self._owed if receipt in still]

    def _exchange(
        self, operations: Sequence[Operation], *, take: bool = True
    ) -> tuple[list[Exception | None], list[Frame]]:
        return self._client.exchange(operations, take=take)

    # -- stopping --------------------------------------------------------------------

    def stop(self) -> None:
        """Take nothing more, and end a take that waits; for signal handlers and other threads."""
        self._stopping = True
        try:
            self._client.unblock()
        except LayerUnavailable:
            logger.warning("The channel layer does not answer; the take in progress ends by itself")

    def close(self) -> None:
        """Give back what has not run, answer what is owed, and leave the layer."""
        self._stopping = True
        operations: list[Operation] = [Answer(receipt) for receipt in self._owed]
        operations += [GiveBack(frame) for frame in self._unrun()]
        if operations:
            try:
                self._flush(operations, None, take=False)
            except LayerUnavailable as error:
                report_unknown(operations, None, error)
        self._held.clear()
        self._owed.clear()
        if self._started:
            try:
                self._client.close()
            except LayerUnavailable as error:
                logger.warning("Could not take leave of the channel layer (%s)", error)

    def _unrun(self) -> list[Frame]:
        """Return the frames to put at the head, the one to be run first put there last."""
        frames = list(reversed(self._ready))
        self._ready.clear()
        if self._frame is not None:
            frame, self._frame = self._frame, None
            rest = frame.messages[self._position :]
            frames.append(Frame(frame.channel, rest, frame.receipt, frame.ordered, frame.expires))
        return frames
