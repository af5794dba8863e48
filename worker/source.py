"""What the loop runs next, and what becomes of it: messages by the frame.

Frames are taken ahead, as many as are expected to run within a few milliseconds, and what their
consumers sent leaves by the batch (:mod:`channels.layers.batches`)::

    the last frame in hand has run    everything leaves, and the next frames come: one exchange
    frames are in hand                it is kept; when enough is, it is posted, and the answer
                                      read before the next batch leaves
    their time is over (hand.py)      an exchange, in which they go back
    something found its mailbox full  likewise; then that is tried again
    a slow consumer is about to run   likewise

With one frame in hand a worker so sends, answers and takes in one round trip per message.
A frame of several messages is answered after the last, and what each has sent leaves before
the next one runs, unless it may be kept for a moment.

What is in hand, and where it goes when the worker stops::

    current frame, from ``_position`` on ---> head of its queue, same receipt
    frames taken and not begun -------------> head of their queues
    receipts whose answer may not have left -> answered with the next exchange
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, NamedTuple

from channels.backoff import Backoff
from channels.exceptions import LayerUnavailable
from channels.layers.base import is_customised
from channels.layers.batches import Refused, batches_of
from channels.layers.clients import (
    ONE_EACH,
    Answer,
    Counts,
    Frame,
    GiveBack,
    GroupSend,
    Operation,
    Send,
    TakeRecord,
)
from channels.layers.plain import PlainWorkerClient, open_worker
from channels.outbox import SentBy, count_dropped, deliver, settle
from channels.worker.hand import WINDOW, Hand
from channels.worker.outcome import last_word
from channels.worker.pace import Pace

logger = logging.getLogger("django.channels")


class Delivery(NamedTuple):
    """One message to run: the arguments of :meth:`channels.worker.dispatch.Dispatcher.run`."""

    channel: str
    content: dict[str, Any]
    #: Whether nothing else of its connection can be running.
    ordered: bool
    #: Whether it may have run before.
    redelivered: bool
    #: Of its frame, for replies: so its server can tell those of a worker that it has given up.
    receipt: bytes | None


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
        record: Where the client tells what is in hand, if it can.
        window: Seconds within which frames that are taken must begin; 0 takes one at a time.
        clock: Monotonic, in seconds.
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
        window: float = WINDOW,
        record: TakeRecord | None = None,
        clock: Callable[[], float] = time.monotonic,
        **timing: Any,
    ) -> None:
        self._layer = layer
        self._listening = listening
        self._backoff = backoff
        self._pause = pause
        self._timing = {"clock": clock, **timing}
        self._quiet = quiet
        self._clock = clock
        self._client = open_worker(layer, channels, self.unanswered)
        if record is not None and (record_in := getattr(self._client, "record_in", None)):
            record_in(record)
        self.interruptible = not isinstance(self._client, PlainWorkerClient)
        self._batches = batches_of(self._client)
        self._hand = Hand(self._batches, window, clock)
        self._pace = Pace(window)
        self._started = False
        self._stopping = False
        self._down = False
        #: Whether the last exchange failed: no frame begins before one has succeeded.
        self._unsure = False
        self._frame: Frame | None = None
        self._position = 0
        self._began = 0.0
        #: What the messages of the current frame took, in seconds.
        self._spent = 0.0
        self._customised = False

    def unanswered(self) -> Collection[bytes]:
        """Return the receipts of the frames in hand; called by the heartbeat's thread.

        Whatever moves meanwhile is where it goes before it has left where it was.
        """
        frames = [*self._hand.frames, self._frame]
        receipts = [frame.receipt for frame in frames if frame is not None]
        return [*filter(None, receipts), *self._batches.receipts()]

    # -- taking --------------------------------------------------------------------

    def next(self) -> Delivery | None:
        """Return the next message; ``None`` if none came for seconds, or the layer is away."""
        self._see_if_given_up()
        frame = self._frame
        if frame is None:
            # What can't go back to the head of its queue is run.
            if not self._fetch() or (self._stopping and self.interruptible):
                return None
            with self._batches.lock:
                if not self._hand.frames:
                    return None  # the guard was faster
                taken = self._hand.frames.popleft()
            self._began = self._clock()
            self._position = 0
            try:
                frame = self._frame = self._client.open(taken)
            except Exception as error:
                self._went_wrong(error)
            if frame is None:
                return None
        else:
            self._began = self._clock()
        content = frame.messages[self._position]
        return Delivery(frame.channel, content, frame.ordered, frame.redelivered, frame.receipt)

    def begins(self, consumer: object) -> None:
        """Hear which consumer runs the message: nothing in hand waits for one that is slow."""
        if self._pace.is_slow(consumer) and (self._hand.frames or self._batches.is_pending()):
            self._exchange(take=False)

    def _fetch(self) -> bool:
        """Have a frame in hand, if one comes."""
        hand = self._hand
        if (hand.frames and not self._unsure) or self._stopping:
            return bool(hand.frames)
        try:
            self._start()
            self._customised = self._is_customised()
            if self._unsure or self._batches.is_pending():
                _, error = self._exchange(take=True)
                if error is not None:
                    raise error
            if not hand.frames and not self._unsure:
                hand.put(self._client.take(counts=self._counts()))
        except Exception as error:
            self._went_wrong(error)
            return False
        self._went_well()
        return bool(hand.frames)

    def _counts(self) -> Counts:
        """Return how many frames to take; if others count what is sent, one at a time."""
        return ONE_EACH if self._customised else self._pace.counts

    def _is_customised(self) -> bool:
        return self.interruptible and is_customised(self._layer)

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
        """Keep what the consumer of the message sent, after the last message with the receipt.

        It leaves now, or soon.
        """
        self._see_if_given_up()
        frame = self._frame
        if frame is None:
            return  # so it was, or this is the child of a fork
        origin = SentBy(consumer, frame.channel, frame.messages[self._position])
        self._position += 1
        last = self._position == len(frame.messages)
        if sends:
            self._customised = self._is_customised()
            if self._customised:
                sends = self._pass_customised(sends, consumer)
        if last and frame.receipt is not None:
            sends.append(Answer(frame.receipt))
        if sends:
            self._batches.keep(sends, origin)
        if last:
            self._frame = None
        in_hand = len(self._hand.frames) > 0 and self._clock() < self._hand.deadline
        if in_hand and self._batches.is_due():
            self._post()
        self._ran(frame, consumer, last)
        if not in_hand and (sends or self._hand.frames or self._batches.is_pending()):
            self._exchange(take=last)

    def later(self, sends: list[Operation], consumer: object, content: dict[str, Any]) -> None:
        """Send, and put the message back at the end of its channel.

        A frame that wants a receipt goes back from this message on, unanswered,
        so that nothing of its connection overtakes the message.
        """
        self._see_if_given_up()
        frame = self._frame
        if frame is None:
            return  # so it was, or this is the child of a fork
        if frame.receipt is None:
            sends.append(Send(frame.channel, content))
            self.done(sends, consumer)
            return
        self._ran(frame, consumer, last=True)
        rest = [content, *frame.messages[self._position + 1 :]]
        back = GiveBack(replace(frame, messages=rest), at_head=False)
        if self._is_customised():
            sends = self._pass_customised(sends, consumer)
        self._batches.keep([*sends, back], SentBy(consumer, frame.channel, content))
        refused, _ = self._exchange(take=True)
        if any(
            one is back and not isinstance(error, LayerUnavailable) for one, error, _ in refused
        ):
            # The message cannot travel (an app put something odd into it): it
            # counts as dropped, and what is behind it runs here and now.
            self.done([], consumer)
            return
        self._frame = None

    def _ran(self, frame: Frame, consumer: object, last: bool) -> None:
        seconds = self._clock() - self._began
        self._spent += seconds
        self._pace.ran(consumer, seconds)
        if last:
            self._pace.ended(frame.channel, self._spent)
            self._spent = 0.0
        if self._hand.surprised:
            self._hand.surprised = False
            self._pace.be_careful(frame.channel)

    def _pass_customised(self, sends: list[Operation], consumer: object) -> list[Operation]:
        """Send through the methods that were put in place of the layer's; return the rest."""
        # Something counts what is sent; only the client can do the rest.
        passed = [one for one in sends if isinstance(one, Send | GroupSend)]
        deliver([(self._layer, one) for one in passed], consumer, **self._timing)
        return [one for one in sends if not isinstance(one, Send | GroupSend)]

    # -- sending -----------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is kept: something else is about to go elsewhere, and must not overtake it."""
        if self._batches.is_pending():
            self._exchange(take=False)

    def _post(self) -> None:
        try:
            self._batches.post()
        except LayerUnavailable:
            self._unsure = True
        self._settle()

    def _exchange(self, *, take: bool) -> tuple[list[Refused], LayerUnavailable | None]:
        """Send what is kept, answer, give back what has not begun, and take frames.

        Returns what was refused for good, and whether there is an outage: then it is not known
        what happened, or nothing did.
        """
        error = self._send(take=take and not self._stopping)
        return self._settle(), error

    def _send(self, *, take: bool) -> LayerUnavailable | None:
        self._unsure = True
        try:
            self._hand.exchange(take=take, counts=self._counts())
        except LayerUnavailable as error:
            return error
        except Exception:
            self._settle()
            raise
        self._unsure = False
        return None

    def _settle(self) -> list[Refused]:
        """Look after what was refused: try again, and tell the clients that wait for it."""
        if not self._batches.is_refused():
            return []
        # What is in hand goes back first: it must not wait for a full mailbox.
        at_once = bool(self._hand.frames)
        refused = settle(
            self._batches, lambda: self._send(take=False), at_once=at_once, **self._timing
        )
        by_origin: dict[int, list[Refused]] = {}
        owed = []
        for one in refused:
            operation, error, origin = one
            by_origin.setdefault(id(origin), []).append(one)
            if isinstance(operation, Answer) and isinstance(error, LayerUnavailable):
                # The only push that is safe to repeat, and a socket waits for it.
                owed.append((operation, origin))
        if owed:
            self._batches.keep_first(owed)
        spoke = False
        for found in by_origin.values():
            origin = found[0][2]
            words = last_word(origin.channel, origin.content, [(one, why) for one, why, _ in found])
            if words:
                self._batches.keep(words, origin)
                spoke = True
        if spoke:
            self._send(take=False)
        return refused

    # -- stopping --------------------------------------------------------------------

    def _see_if_given_up(self) -> None:
        """Forget what is in hand if others take it for lost, and may run what comes behind it."""
        if not self._batches.given_up():
            return
        frames = self._hand.drop() + (self._frame is not None)
        messages = self._batches.drop()
        self._frame = None
        if frames or messages:
            count_dropped("given_up", frames + messages)
            logger.error(
                "This worker stood still for so long that it was taken for dead (was it frozen, or"
                " did a consumer never let other threads run?): %d frame(s) that it held and %d"
                " message(s) that it had not sent are dropped, as others go on without them",
                frames,
                messages,
            )

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
        self._hand.close()
        if (frame := self._frame) is not None:
            self._frame = None
            rest = replace(frame, messages=frame.messages[self._position :])
            # The frames in hand follow, and go in front of each other in their order.
            self._batches.keep([GiveBack(rest)], SentBy())
        if frame is not None or self._hand.frames or self._batches.is_pending():
            _, error = self._exchange(take=False)
            if error is not None:
                logger.warning(
                    "The channel layer does not answer; what was to go back to it or to leave may"
                    " be lost (%s)",
                    error,
                )
        self._hand.drop()
        if self._started:
            try:
                self._client.close()
            except LayerUnavailable as error:
                logger.warning("Could not take leave of the channel layer (%s)", error)
