"""The delay worker: stores what is to be sent later, and sends what is due.

The rules are docs/channels1.md#delayed-messages.
One turn of its loop waits for a message on ``asgi.delay``, but no
longer than until the next stored one is due; stores it; and sends what is due.  It neither
polls the layer nor is late for what it knows of (docs/channels1.md#delay-worker).
What other processes
put into the table shows at the next look, ``database_sleep_duration`` seconds after the last
one at the latest.

=============================  ======================================================
what goes wrong                then
=============================  ======================================================
a message can't be stored      logged and dropped; the next one is taken
a message can't be sent        the same
its channel is full            tried again a second later
the database does not answer   a message in hand goes back to the layer; tried again
the layer does not answer      nothing is taken out of the table; tried again
=============================  ======================================================
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections import deque
from collections.abc import Mapping
from types import FrameType
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, close_old_connections
from django.utils import timezone

from channels.backoff import Backoff
from channels.delay.models import DelayedMessage
from channels.exceptions import LayerUnavailable, MessageTooLarge
from channels.layers.clients import Answer, Frame, GiveBack, WorkerClient
from channels.layers.plain import PlainWorkerClient, open_worker
from channels.outbox import count_dropped
from channels.process_signals import SignalHandlers

logger = logging.getLogger("django.channels")

CHANNEL = "asgi.delay"

#: Messages that one turn sends at most: then new ones are let in, and signals heard.
BATCH = 100

#: Shortest wait for what is due but was not to be had: another process is at it.
SHORTEST_WAIT = 0.02

#: First and longest pause while the layer or the database does not answer, in seconds.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0

#: Longest time for which a pause doesn't notice that the worker is to stop, in seconds.
PAUSE_SLICE = 0.1

#: What is wrong with a message that can't be turned into a row.
_UNSTORABLE = (
    ValidationError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
    DataError,
    IntegrityError,
)

#: What is wrong with a message that no layer carries.
_UNSENDABLE = (TypeError, ValueError, AssertionError, OverflowError, MessageTooLarge)


class Worker:
    """Delays messages of one channel layer, in the thread that calls :meth:`run`.

    Args:
        channel_layer: A :class:`~channels.asgi.ChannelLayerWrapper`; messages come from it
            and go to it.
        signal_handlers: Whether :meth:`run` takes SIGTERM, SIGINT and SIGHUP, which only the
            main thread can.
        database_sleep_duration: Longest time between two looks at the table, in seconds.

    Attributes:
        termed: Set to end the loop after the turn in progress.  It is read once for each
            turn and nowhere else: tests count on it.
        in_job: Whether something is being stored or sent.
    """

    def __init__(
        self,
        channel_layer: Any,
        signal_handlers: bool = True,
        database_sleep_duration: float = 1,
    ) -> None:
        self.channel_layer = channel_layer
        self.signal_handlers = signal_handlers
        self.database_sleep_duration = database_sleep_duration
        self.termed = False
        self.in_job = False
        self._client: WorkerClient | None = None
        self._started = False
        self._ready: deque[Frame] = deque()
        self._receipts: list[bytes] = []
        self._stopping = False
        self._look_at = 0.0
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE, spread=0)
        self._signals = SignalHandlers()

    # -- signals ---------------------------------------------------------------------

    def install_signal_handler(self) -> None:
        """Let SIGTERM, SIGINT and SIGHUP call :meth:`sigterm_handler`."""
        self._signals.install(self.sigterm_handler)

    def sigterm_handler(self, signo: int | None, frame: FrameType | None) -> None:
        """Stop after the message in hand.

        Raises:
            SystemExit: Nothing is in hand, and the layer's wait can't be ended otherwise.
        """
        self.termed = self._stopping = True
        client = self._client
        if client is not None:
            with contextlib.suppress(LayerUnavailable):  # then its wait ends by itself
                client.unblock()
        if self.in_job:
            logger.info("Shutdown signal received while busy, waiting for loop termination")
        elif client is not None and not isinstance(client, PlainWorkerClient):
            logger.info("Shutdown signal received while idle")
        else:
            logger.info("Shutdown signal received while idle, terminating immediately")
            sys.exit(0)

    # -- the loop --------------------------------------------------------------------

    def run(self) -> None:
        """Delay messages until told to stop.

        No message ends it, and neither does a layer or a database that stops answering.

        Raises:
            SystemExit: Stopped by a signal while idle, on a layer whose wait can't be ended.
            KeyboardInterrupt: Ctrl-C, if signals were left alone.
        """
        if self.signal_handlers:
            self.install_signal_handler()
        logger.info("Listening on %s", CHANNEL)
        self._client = client = open_worker(
            self.channel_layer, [CHANNEL], lambda: tuple(self._receipts)
        )
        self._started = False
        self._look_at = time.monotonic()
        try:
            while not self.termed:
                self._turn(client)
        finally:
            self.in_job = False
            self._close(client)
            self._client = None
            self._signals.restore()

    def _turn(self, client: WorkerClient) -> None:
        self.in_job = False
        try:
            frame = self._take(client)
            self.in_job = True
            if frame is not None:
                self._store(client, frame)
            # Only now, that the layer has answered: what is taken out of the table must go on.
            if time.monotonic() >= self._look_at:
                self._look()
        except LayerUnavailable as error:
            logger.warning("The channel layer does not answer (%s); trying again", error)
            self._pause()
        except Exception:
            logger.exception("Delaying messages failed; trying again")
            self._pause()
        else:
            self._backoff.reset()
        finally:
            close_old_connections()

    def _pause(self) -> None:
        """Wait longer each time, and no longer once told to stop."""
        self.in_job = False
        end = time.monotonic() + self._backoff.pause()
        while not self._stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, PAUSE_SLICE))

    def _close(self, client: WorkerClient) -> None:
        """Give back what was not looked at, and leave the layer."""
        try:
            while self._ready:
                self._give_back(client, self._ready.pop())
            if self._started:
                client.close()
        except Exception:
            logger.exception("The delay worker could not end cleanly")

    # -- in --------------------------------------------------------------------------

    def _take(self, client: WorkerClient) -> Frame | None:
        """Return the next frame, or ``None`` once it is time to look at the table."""
        if not self._started:
            client.start()
            self._started = True
        if not self._ready:
            taken = client.take(max(0.0, self._look_at - time.monotonic()))
            self._receipts += [frame.receipt for frame in taken if frame.receipt is not None]
            self._ready.extend(taken)
        if not self._ready:
            return None
        frame = self._ready.popleft()
        opened = client.open(frame)
        if opened is None and frame.receipt is not None:
            self._receipts.remove(frame.receipt)  # its sender has been told
        return opened

    def _store(self, client: WorkerClient, frame: Frame) -> None:
        """Write the messages of a frame into the table.

        Raises:
            DatabaseError: Those that are not in the table went back to the layer.
        """
        while frame.messages:
            content = frame.messages[0]
            try:
                stored = make_delayed_message(content)
                stored.save()
            except _UNSTORABLE as error:
                logger.error("Invalid message on %s: %s: %.200r", CHANNEL, error, content)
            except Exception:
                self._give_back(client, frame)
                raise
            else:
                self._look_at = min(self._look_at, _monotonic_time_of(stored))
            del frame.messages[0]
        if frame.receipt is not None:
            client.exchange([Answer(frame.receipt)], take=False)
            self._receipts.remove(frame.receipt)

    def _give_back(self, client: WorkerClient, frame: Frame) -> None:
        """Put a frame back where it was taken from, ahead of all others if the layer can."""
        (error,), _ = client.exchange([GiveBack(frame)], take=False)
        if error is not None:
            raise error
        if frame.receipt is not None:
            self._receipts.remove(frame.receipt)

    # -- out -------------------------------------------------------------------------

    def _look(self) -> None:
        """Send what is due, and find out when to look again."""
        taken = 0
        for message in DelayedMessage.objects.claim_due(BATCH):
            taken += 1
            self._send(message)
            if self._stopping:
                break
        now = time.monotonic()
        if taken == BATCH:
            self._look_at = now
            return
        wait = self.database_sleep_duration
        due = DelayedMessage.objects.next_due()
        if due is not None:
            left = (due - timezone.now()).total_seconds()
            wait = min(wait, max(left, SHORTEST_WAIT))
        self._look_at = now + wait

    def _send(self, message: DelayedMessage) -> None:
        """Send a message that was taken out of the table.

        Raises:
            Exception: The layer or the database failed.  At most once: what may have
                been sent is not sent again.
        """
        try:
            message.hand_over(self.channel_layer)
        except _UNSENDABLE as error:
            logger.error("Dropped %s, which can't be sent: %s", message, error)
            count_dropped("error")
        except Exception:
            logger.error("Lost %s: its outcome is unknown", message)
            count_dropped("error")
            raise


def make_delayed_message(content: Mapping[str, Any]) -> DelayedMessage:
    """Return the row for a message from ``asgi.delay``, not saved.

    Raises:
        ValueError: A key is missing or its value is of the wrong type.
        TypeError: The content holds something that is not JSON, or the delay is no number.
        OverflowError: The delay is beyond the calendar.
        ValidationError: The database would not take it.
    """
    missing = [key for key in ("channel", "content", "delay") if key not in content]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    channel, payload, delay = content["channel"], content["content"], content["delay"]
    if not isinstance(channel, str):
        raise ValueError("its channel must be text")
    if not isinstance(payload, dict):
        raise ValueError("its content must be a dict")
    message = DelayedMessage(channel_name=channel, content=json.dumps(payload))
    message.delay = delay
    message.full_clean()
    return message


def _monotonic_time_of(message: DelayedMessage) -> float:
    """Return when a message is due, on the clock that the loop waits by."""
    return time.monotonic() + (message.due_date - timezone.now()).total_seconds()
