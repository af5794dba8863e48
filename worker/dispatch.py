"""One message through routing and consumer, with everything of the user's inside a guard.

Nothing that a message, a route, a consumer, a signal's receiver or the callback does
gets out of :meth:`Dispatcher.run`: not ``SystemExit``, not ``KeyboardInterrupt``
raised by user code, not a recursion that ran too deep (docs/channels1.md#nothing-ends-a-worker).
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from django.db import close_old_connections, connections

from channels.layers.clients import Operation, Send
from channels.message import Message
from channels.outbox import Appended, Item
from channels.replies import payload_of
from channels.routing import connect_consumer, null_consumer
from channels.security.websockets import check_origin
from channels.signals import consumer_finished, consumer_started
from channels.unrouted import tell_if_unrouted, tell_of_default, tell_of_no_match
from channels.worker.contexts import run_coroutine
from channels.worker.outcome import (
    accept_if_asked,
    is_real_interrupt,
    judge,
    log_error,
    rescue,
    sign_malformed,
)

logger = logging.getLogger("django.channels")

Callback = Callable[[str, Message], object]


@dataclass(slots=True)
class Ran:
    """What running one message left to do."""

    #: Whether the message goes back to its channel.
    later: bool = False
    #: What ran it; ``None`` if no route matched.
    consumer: object = None
    #: For the worker's own layer, in order.
    sends: list[Operation] = field(default_factory=list)
    #: For other layers, in order, with the layer of each.
    others: list[Item] = field(default_factory=list)
    #: Ctrl-C that a person pressed, to be raised once all is flushed.
    interrupt: BaseException | None = None


class Dispatcher:
    """Runs messages for one worker.

    ``sender`` is that of the signals, ``retries`` how often ``ConsumeLater`` may put one message
    back, ``leaves`` whether the worker waits no longer for what it runs; ``begins`` is told which
    consumer is about to run.

    Attributes:
        scheduled: What consumers want to be called for later; to be closed.
        sent: What the consumer has sent: this thread's outbox puts it here.
    """

    def __init__(
        self,
        layer: Any,
        sender: type[Any],
        callback: Callback | None,
        retries: int,
        leaves: Callable[[], bool] | None = None,
        begins: Callable[[object], object] = lambda consumer: None,
    ) -> None:
        self._layer = layer
        self._sender = sender
        self._callback = callback
        self._retries = retries
        self._leaves = leaves
        self._begins = begins
        self.scheduled = ScheduledCalls(time.time)
        self.sent: list[Item] = []

    def run(
        self,
        channel: str,
        content: dict[str, Any],
        ordered: bool = False,
        redelivered: bool = False,
        receipt: bytes | None = None,
    ) -> Ran:
        """Run a message that was taken from a channel; never raises."""
        ran = Ran()
        message = None
        verdict = "failed"
        try:
            message = Message(content, channel, self._layer)
            message.worker_timers = self.scheduled
            message.worker_leaves = self._leaves
            if ordered:
                message.ordered = True
            if redelivered:
                message.redelivered = True
            if content.get("__retries__", 0) == self._retries:
                message.__doomed__ = True
            match = self._layer.router.match(message)
            if match is None:
                tell_of_no_match(channel, content, self._layer.router)
            else:
                ran.consumer, kwargs = match
                if ran.consumer is connect_consumer or ran.consumer is null_consumer:
                    tell_of_default(ran.consumer, channel, content, self._layer.router)
                self._begins(ran.consumer)
                if self._callback is not None:
                    self._call_back(channel, message, ran)
                verdict = self._consume(message, ran.consumer, kwargs, ran)
        except BaseException as error:
            self._guard(error, ran)
        ran.later = verdict == "later"
        if message is not None:
            if self.sent:
                self._sort_sent(ran, message, receipt)
            if verdict == "failed":
                rescue(message, ran.sends)
        return ran

    def _call_back(self, channel: str, message: Message, ran: Ran) -> None:
        assert self._callback is not None
        try:
            self._callback(channel, message)
        except BaseException as error:  # it only looks on: the message runs all the same
            self._guard(error, ran, self._callback)

    def _consume(self, message: Message, consumer: Any, kwargs: dict[str, Any], ran: Ran) -> str:
        """Call the consumer between the two signals and say what becomes of the message."""
        connects = message.channel.name == "websocket.connect"
        try:
            # As before a request: what DEBUG keeps of queries is forgotten, but not while a test
            # counts those of several messages; and what idled since the last consumer may
            # have been closed by the database's end.
            # One walk for both: finding the connections costs more than looking at them.
            for connection in connections.all(initialized_only=True):
                if not connection.force_debug_cursor:
                    connection.queries_log.clear()
                connection.close_if_unusable_or_obsolete()
            consumer_started.send(sender=self._sender, environ={})
            if connects:
                check_origin(message)
            result = consumer(message, **kwargs)
            if inspect.iscoroutine(result):
                run_coroutine(result)
            if connects:
                accept_if_asked(message)
        except BaseException as error:
            if is_real_interrupt(error):
                ran.interrupt = error
            return judge(error, message, consumer, self._retries)
        else:
            return "done"
        finally:
            # Every receiver runs, whatever another one raises; Django logs it.
            consumer_finished.send_robust(sender=self._sender)

    def _guard(self, error: BaseException, ran: Ran, culprit: object = None) -> None:
        if is_real_interrupt(error):
            ran.interrupt = error
        log_error(error, ran.consumer if culprit is None else culprit)

    def _sort_sent(self, ran: Ran, message: Message, receipt: bytes | None) -> None:
        """Keep what goes to the worker's own layer apart from the rest."""
        reply = None if message.reply_channel is None else message.reply_channel.name
        own, wrapped = self._layer, self._layer.channel_layer
        for layer, operation in self.sent:
            if isinstance(layer, Appended):
                layer = layer.channel_layer
            if isinstance(operation, Send):
                if operation.channel != reply:
                    tell_if_unrouted(layer, operation.channel, ran.consumer)
                elif payload_of(operation.message) is None:
                    # What asks for a reply on a channel receives there, route or not.
                    operation = sign_malformed(operation, message, ran.consumer)
                operation.receipt = receipt
            if layer is own or layer is wrapped:
                ran.sends.append(operation)
            else:
                ran.others.append((layer, operation))
        self.sent.clear()


#: Pause before what failed is tried again, in seconds.
RETRY_PAUSE = 5.0

#: Most of what is due that is done between two messages: these must not wait for long.
BATCH = 20

#: Called with whether the worker is about to stop.
Call = Callable[[bool], object]


class ScheduledCalls:
    """What a worker is asked to look at later, between two messages, each under a key.

    Offered to decorators as ``Message.worker_timers``; used by the worker's thread only.  There
    is no thread behind it: an idle worker looks when its take returns, every few seconds.

    Attributes:
        calls: What there is to call, by key, and when; empty most of the time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock  # wall-clock time, in seconds
        self.calls: dict[Hashable, tuple[float, Call]] = {}
        self._next = float("inf")

    def set(self, key: Hashable, due: float, call: Call) -> None:
        """Have something called at a time or soon after it; the first under a key counts."""
        self.calls.setdefault(key, (due, call))
        self._next = min(self._next, due)

    @property
    def pending(self) -> bool:
        """Whether anything is due."""
        return self._next <= self._clock()

    def run(self) -> None:
        """Call what is due; what raises is logged, and tried again after a pause."""
        now = self._clock()
        due = [key for key, (when, _) in self.calls.items() if when <= now][:BATCH]
        close_old_connections()
        for key in due:
            _, call = self.calls.pop(key)
            try:
                call(False)
            except Exception:
                logger.exception("What was due failed; trying again in %d s", RETRY_PAUSE)
                self.set(key, now + RETRY_PAUSE, call)
        self._next = min((when for when, _ in self.calls.values()), default=float("inf"))
        close_old_connections()

    def close(self) -> None:
        """Call everything, due or not, for the last time; it is told that the worker stops.

        Raises:
            Exception: What the first call that failed has raised; the rest is left out.
        """
        calls, self.calls, self._next = self.calls, {}, float("inf")
        if calls:
            close_old_connections()
            for _, call in calls.values():
                call(True)
            close_old_connections()
