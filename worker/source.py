"""What the loop runs next, and what becomes of it: messages by the frame.

One round trip per consumer run: the flush of message N, with the receipt if it was the last of
its frame, takes the next frame too, and only an empty answer falls back to the take that waits.
A frame of several messages is flushed after each of them that has sent something: else replies
would wait for the next one's consumer, and what that one sends at once would overtake them.

What is in hand, and where it goes when the worker stops::

    current frame, from ``_position`` on ---> head of its queue, same receipt
    frames taken and not begun -------------> head of their queues
    receipts whose answer may not have left -> answered with the next exchange
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, NamedTuple

from channels.backoff import Backoff
from channels.exceptions import LayerUnavailable
from channels.layers.base import is_customised
from channels.layers.clients import Answer, Frame, GiveBack, GroupSend, Operation, Send
from channels.layers.plain import PlainWorkerClient, open_worker
from channels.outbox import Refused, deliver, report_unknown, settle
from channels.worker.outcome import last_word

logger = logging.getLogger("django.channels")


class Delivery(NamedTuple):
    """One message to run: the arguments of :meth:`channels.worker.dispatch.Dispatcher.run`."""

    channel: str
    content: dict[str, Any]
    #: Whether nothing else of its connection can be running.
    ordered: bool


class Source:
    """Takes frames from a worker's client and gives their messages out one by one.

    Not thread-safe but for :meth:`stop` and :meth:`unanswered`.

    Args:
        layer: The wrapper; sends go through it if its methods were replaced.
        channels: Names to take from.
        listening: Called once, if given, when the client has started.
        backoff: Pauses between tries while the layer does not answer.
        pause: Waits for so many seconds; ends early once the worker is told to stop.
        quiet: Whether another thread of this process says that the layer does not answer.
        timing: ``clock`` and ``sleep`` of :func:`channels.outbox.settle`, if not the system's.

    Attributes:
        interruptible: Whether :meth:`stop` ends a take that waits.  Then stopping is safe at any
            time: no frame is lost (docs/channels1.md#a-worker-that-stops).  If not, only an
            exception from a signal handler leaves it.
    """

    def __init__(
        self,
        layer: Any,
        channels: Collection[str],
        *,
        listening: Callable[[], object] | None,
        backoff: Backoff,
        pause: Callable[[float], object],
        quiet: bool = False,
        **timing: Any,
    ) -> None:
        self._layer = layer
        self._listening = listening
        self._backoff = backoff
        self._pause = pause
        self._timing = timing
        self._quiet = quiet
        self._client = open_worker(layer, channels, self.unanswered)
        self.interruptible = not isinstance(self._client, PlainWorkerClient)
        self._started = False
        self._stopping = False
        self._down = False
        self._ready: list[Frame] = []
        self._frame: Frame | None = None
        self._position = 0
        #: Receipts whose answer may not have left.
        self._doubtful: list[bytes] = []

    def unanswered(self) -> Collection[bytes]:
        """Return the receipts of the frames in hand; called by the heartbeat's thread.

        Whatever moves meanwhile is where it goes before it has left where it was.
        """
        frames = [*self._ready, self._frame]
        receipts = [frame.receipt for frame in frames if frame is not None]
        return [*filter(None, receipts), *self._doubtful]

    # -- taking --------------------------------------------------------------------

    def next(self) -> Delivery | None:
        """Return the next message; ``None`` if none came for seconds, or the layer is away."""
        frame = self._frame
        if frame is None:
            if not self._ready and not self._stopping:
                try:
                    self._start()
                    if self._doubtful:
                        # The only push that is safe to repeat.
                        self._flush([], None, take=True)
                    if not self._ready:
                        self._ready += self._client.take()
                except Exception as error:
                    self._went_wrong(error)
                else:
                    self._went_well()
            # What can't go back to the head of its queue is run.
            if not self._ready or (self._stopping and self.interruptible):
                return None
            frame = self._frame = self._ready[0]
            self._position = 0
            del self._ready[0]
        return Delivery(frame.channel, frame.messages[self._position], frame.ordered)

    def _start(self) -> None:
        if not self._started:
            self._client.start()
            self._started = True
            if self._listening is not None:
                self._listening()

    def _went_wrong(self, error: Exception) -> None:
        if isinstance(error, LayerUnavailable):
            log = logger.debug if self._down or self._quiet else logger.warning
            self._down = True
            log("The channel layer does not answer (%s); trying again until it does", error)
        else:
            logger.error("Taking from the channel layer failed; the worker goes on", exc_info=error)
        self._pause(self._backoff.pause())

    def _went_well(self) -> None:
        if self._down:
            self._down = False
            (logger.debug if self._quiet else logger.info)("The channel layer answers again")
        self._backoff.reset()

    # -- giving back -----------------------------------------------------------------

    def done(self, sends: list[Operation], consumer: object) -> None:
        """Flush what the consumer of the message sent; after the last message, answer."""
        frame = self._frame
        assert frame is not None
        content = frame.messages[self._position]
        self._position += 1
        last = self._position == len(frame.messages)
        answer = frame.receipt if last else None
        if answer is not None:
            # Until it is known to be answered, whatever goes wrong: a socket waits for it.
            self._doubtful.append(answer)
        if last:
            self._frame = None
        if not sends and answer is None:
            return
        try:
            refused = self._flush(sends, consumer, take=last)
            sends = last_word(frame.channel, content, refused) if refused else []
            if sends:
                self._flush(sends, consumer, take=False)
        except LayerUnavailable as error:
            report_unknown(sends, consumer, error)

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
        rest = [content, *frame.messages[self._position + 1 :]]
        back = GiveBack(replace(frame, messages=rest), at_head=False)
        sends.append(back)
        try:
            refused = self._flush(sends, consumer, take=True)
        except LayerUnavailable as error:
            report_unknown(sends, consumer, error)
            refused = []
        if any(
            operation is back and not isinstance(error, LayerUnavailable)
            for operation, error in refused
        ):
            # The message cannot travel (an app put something odd into it): it
            # counts as dropped, and what is behind it runs here and now.
            self.done([], consumer)
            return
        self._frame = None

    def _flush(self, operations: list[Operation], consumer: object, *, take: bool) -> list[Refused]:
        """Carry out operations, and take a frame if there is none to run; return what was refused.

        A receipt whose answer may not have left is answered again with the next flush.

        Raises:
            LayerUnavailable: It is not known what happened of what is in ``operations`` then.
        """
        if self.interruptible and operations and is_customised(self._layer):
            # Something counts what is sent; only the client can do the rest.
            sends = [one for one in operations if isinstance(one, Send | GroupSend)]
            deliver([(self._layer, one) for one in sends], consumer, **self._timing)
            operations[:] = [one for one in operations if not isinstance(one, Send | GroupSend)]
        operations += map(Answer, self._doubtful)
        take = take and not self._stopping and not self._ready
        outcomes, frames = self._client.exchange(operations, take=take)
        self._ready += frames  # at once: what goes wrong now must not lose them
        refused: list[Refused] = []
        if outcomes.count(None) != len(outcomes):
            refused = settle(self._client, operations, outcomes, consumer, **self._timing)
        # Those whose host did not answer are answered again.
        self._doubtful = [
            operation.receipt
            for operation, error in refused
            if isinstance(operation, Answer) and isinstance(error, LayerUnavailable)
        ]
        return refused

    # -- stopping --------------------------------------------------------------------

    def stop(self) -> None:
        """Take nothing more, and end a take that waits; for signal handlers and other threads."""
        self._stopping = True
        try:
            self._client.unblock()
        except LayerUnavailable:
            logger.warning("The channel layer does not answer; the take in progress ends by itself")

    def close(self) -> None:
        """Give back what has not run, answer what may not be answered, and leave the layer."""
        self._stopping = True
        # The one to be run first is put at the head last.
        unrun = list(reversed(self._ready))
        if (frame := self._frame) is not None:
            unrun.append(replace(frame, messages=frame.messages[self._position :]))
        operations: list[Operation] = [GiveBack(frame) for frame in unrun]
        if operations or self._doubtful:
            try:
                self._flush(operations, None, take=False)
            except LayerUnavailable as error:
                report_unknown(operations, None, error)
        self._frame = None
        self._ready.clear()
        self._doubtful.clear()
        if self._started:
            try:
                self._client.close()
            except LayerUnavailable as error:
                logger.warning("Could not take leave of the channel layer (%s)", error)
