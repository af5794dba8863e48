"""A layer that has only the synchronous interface, as a :class:`ServerClient`.

For layers from elsewhere.  Blocking calls run in two threads: one receives, one
sends in order, so replies of a slow layer never hold up the event loop.  Such a layer
knows no receipts, so a frame counts as answered as soon as it is stored; it has no
register, so nothing is judged lost; and it has no way past a capacity.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.layers.clients import (
    Done,
    Item,
    MailboxListener,
    Message,
    ProcessEntry,
    Receipt,
    Reply,
    SocketEntry,
)

log = logging.getLogger(__name__)

#: Pause in seconds between two looks into a mailbox whose layer ignores ``block``.
POLL_PAUSE = 0.05

#: Seconds between two tries while a layer raises: at first, and at most.
FIRST_RETRY = 0.5
LONGEST_RETRY = 5.0


class PlainLayer(Protocol):
    """What the adapter needs of a layer."""

    def send(self, channel: str, message: Any, /) -> object:
        """Store a message."""
        ...

    def receive(self, channels: Any, block: bool = False, /) -> tuple[Any, Any]:
        """Return the next message."""
        ...


_Job = tuple[str, Sequence[Mapping[str, Any]], int, "Done | None"]


class PlainServerClient:
    """See :class:`~channels.layers.clients.ServerClient`."""

    def __init__(
        self, layer: PlainLayer, mailbox: str, sleep: Callable[[float], object] | None = None
    ) -> None:
        self.mailbox = mailbox
        self.settled_since = 0.0
        self._layer = layer
        self._full = (ChannelFull, getattr(layer, "ChannelFull", ChannelFull))
        self._too_large = (MessageTooLarge, getattr(layer, "MessageTooLarge", MessageTooLarge))
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._calls: deque[Callable[[], None]] = deque()
        self._scheduled = False
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sleep = sleep or self._stopping.wait
        self._threads: list[threading.Thread] = []

    def now(self) -> float:
        """Return this host's own time: there is no other."""
        return time.time()

    async def start(self, listener: MailboxListener, info: Mapping[str, Any]) -> None:
        """Start both threads."""
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        for work in (self._receive_loop, self._send_loop):
            thread = threading.Thread(
                target=work, name=f"{self.mailbox}{work.__name__}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def send(
        self,
        channel: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        receipt: int = 0,
        done: Done | None = None,
        expiry: float | None = None,
        past_capacity: bool = False,
        opens: SocketEntry | None = None,
        closes: str | None = None,
    ) -> None:
        """Queue messages for the sending thread."""
        self._jobs.put((channel, messages, receipt, done))

    def forget(self, memberships: Sequence[tuple[str, str]]) -> None:
        """Do nothing: such a layer does not tell who joined."""

    def memberships(self, local: str) -> Collection[str]:
        """Return nothing, for the same reason."""
        return ()

    def keep(self, locals_: Collection[str]) -> None:
        """Do nothing, for the same reason."""

    def gone(self, local: str) -> None:
        """Do nothing: such a layer has no way to ask."""

    async def read_body(self, local: str, limit: int) -> list[Message]:
        """Return nothing: everything comes through the mailbox."""
        return []

    async def processes(self) -> list[ProcessEntry]:
        """Return nothing: nobody is known."""
        return []

    async def queued(self, channel: str, receipts: Collection[int]) -> set[int]:
        """Return all of them: nothing is ever judged lost."""
        return set(receipts)

    def held_as(self, receipt: int) -> bytes:
        """Return some form; nobody shows it."""
        return b"%d" % receipt

    async def mark(self) -> None:
        """Return at once."""

    async def stop(self) -> None:
        """Send what is queued, and end both threads (the receiving one after its wait)."""
        self._stopping.set()
        self._jobs.put(None)
        for thread in self._threads:
            await self._loop.run_in_executor(None, thread.join, 10.0)
        self._run_calls()

    # -- in the receiving thread ---------------------------------------------------------

    def _receive_loop(self) -> None:
        retry, lost = FIRST_RETRY, False
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                channel, message = self._layer.receive([self.mailbox], True)
            except Exception as error:  # a foreign layer may raise anything
                if not lost:
                    lost = True
                    self._call(partial(self._listener.layer_lost, error))
                self._sleep(retry)
                retry = min(retry * 2, LONGEST_RETRY)
                continue
            if lost:
                lost, retry = False, FIRST_RETRY
                self._call(self._listener.layer_back)
            if channel is not None:
                reply = Reply(channel[len(self.mailbox) :], message)
                self._call(partial(self._deliver, reply))
            elif time.monotonic() - started < POLL_PAUSE / 5:
                self._sleep(POLL_PAUSE)

    # -- in the sending thread -------------------------------------------------------------

    def _send_loop(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            channel, messages, receipt, done = job
            error = self._send(channel, messages)
            self._call(partial(self._sent, error, receipt, done))

    def _send(self, channel: str, messages: Sequence[Mapping[str, Any]]) -> Exception | None:
        try:
            for message in messages:
                self._layer.send(channel, message)
        except self._full:
            return ChannelFull(channel)
        except self._too_large:
            return MessageTooLarge(channel)
        except (TypeError, AssertionError, LayerUnavailable) as error:
            return error
        except Exception as error:  # a foreign layer may raise anything
            unavailable = LayerUnavailable(str(error))
            unavailable.__cause__ = error
            return unavailable
        return None

    # -- in the loop -----------------------------------------------------------------------

    def _call(self, call: Callable[[], None]) -> None:
        with self._lock:
            self._calls.append(call)
            scheduled, self._scheduled = self._scheduled, True
        if not scheduled:
            try:
                self._loop.call_soon_threadsafe(self._run_calls)
            except RuntimeError:
                log.debug("the event loop is closed, nothing can be delivered any more")

    def _run_calls(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, deque()
            self._scheduled = False
        for call in calls:
            try:
                call()
            except Exception:
                log.exception("could not deliver from %s", self.mailbox)

    def _deliver(self, item: Item) -> None:
        self._listener.deliver([item])

    def _sent(self, error: Exception | None, receipt: int, done: Done | None) -> None:
        if done is not None:
            done(error)
        if error is None and receipt:
            self._deliver(Receipt(receipt))
