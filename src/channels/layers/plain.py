"""A layer that has only the synchronous interface, as our own processes use it.

For layers from elsewhere, and for those whose ``send``, ``send_group`` or ``receive`` a project
or a test replaced: :class:`PlainWorkerClient` calls nothing else, and looks each up on the layer
(or its wrapper) at every call.  :class:`PlainServerClient` is the same in an event loop: one
thread receives, one sends in order, so a slow layer never holds up the loop.

Such a layer knows no receipts, so a frame counts as answered as soon as it is stored, and holds
one message; it has no process registry, so nothing is judged lost, and no way past a capacity.
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

from channels import names
from channels.backoff import Backoff
from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.layers.base import clients_may_replace
from channels.layers.clients import (
    ONE_EACH,
    PLAIN,
    Counts,
    Done,
    Frame,
    GiveBack,
    GroupSend,
    Item,
    MailboxHandler,
    Operation,
    ProcessEntry,
    Receipt,
    Reply,
    Send,
    SendOptions,
    WorkerClient,
)

log = logging.getLogger(__name__)

#: Pause in seconds of a worker after a receive that gave nothing: not every layer waits.
EMPTY_PAUSE = 0.01

#: Longest pause after a look that must not wait as long as the layer may, in seconds.
LOOK_PAUSE = 0.1

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

    def receive(self, channels: Any, block: bool = False) -> tuple[Any, Any]:
        """Return the next message."""
        ...


def open_worker(
    layer: Any, channels: Collection[str], held: Callable[[], Collection[bytes]]
) -> WorkerClient:
    """Return the worker's side of a layer, or of a wrapper's: its own client or the adapter."""
    if channels and clients_may_replace(layer):
        raw = getattr(layer, "channel_layer", layer)
        client: WorkerClient = raw.open_worker(channels, held=held)
        return client
    return PlainWorkerClient(layer, channels)


class PlainWorkerClient:
    """A :class:`~channels.layers.clients.WorkerClient` that calls a layer once for each message.

    A take that waits can only be left by an exception from a signal handler.

    Args:
        layer: Any layer, or a wrapper.
        channels: Names to receive on; handed on as they are.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        layer: PlainLayer,
        channels: Collection[str] = (),
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._layer = layer
        self._channels = channels
        self._sleep = sleep

    def start(self) -> None:
        """Do nothing: such a layer connects by itself."""

    def take(self, longest: float | None = None, counts: Counts = ONE_EACH) -> list[Frame]:
        """Receive a message; without ``longest`` wait for one as long as the layer does.

        Raises:
            Exception: Whatever the layer raises.
        """
        frames = self._receive(block=longest is None)
        if not frames:
            self._sleep(EMPTY_PAUSE if longest is None else min(longest, LOOK_PAUSE))
        return frames

    def open(self, frame: Frame) -> Frame | None:
        return frame

    def exchange(
        self, operations: Sequence[Operation], *, take: bool = True, counts: Counts = ONE_EACH
    ) -> tuple[list[Exception | None], list[Frame]]:
        """Carry out operations one by one; no frame is taken along.

        What follows a message that found its channel full, for the same channel or mailbox,
        is reported full and not sent, so that nothing overtakes.  A group may reach any mailbox.
        After ``LayerUnavailable`` nothing more is tried: it would wait for the same answer that
        does not come.
        """
        full: set[str] = set()
        return [self._outcome(operation, full) for operation in operations], []

    def unblock(self) -> None:
        """Do nothing: the receive in progress ends by itself."""

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def _receive(self, *, block: bool) -> list[Frame]:
        channel, message = self._layer.receive(self._channels, block=block)
        return [] if channel is None else [Frame(channel, [message])]

    def _outcome(self, operation: Operation, full: set[str]) -> Exception | None:
        target = _target(operation)
        if full and _waits_behind(target, full):
            full.add(target)
            return ChannelFull(target)
        try:
            if isinstance(operation, Send):
                self._layer.send(operation.channel, operation.message)
            elif isinstance(operation, GroupSend):
                self._layer.send_group(operation.group, operation.message)  # type: ignore[attr-defined]  # an extension
            elif isinstance(operation, GiveBack):
                (message,) = operation.frame.messages  # as it was received
                self._layer.send(operation.frame.channel, message)
        except LayerUnavailable:
            raise
        except self._errors(ChannelFull):
            full.add(target)
            return ChannelFull(target)
        except self._errors(MessageTooLarge):
            return MessageTooLarge(target)
        except Exception as error:  # a foreign layer may raise anything
            return error
        return None

    def _errors(self, ours: type[Exception]) -> tuple[type[Exception], ...]:
        """Return our error and the layer's own of the same name."""
        return ours, getattr(self._layer, ours.__name__, ours)


#: The target of all groups: their members are not known here.
_GROUPS = "*"


def _target(operation: Operation) -> str:
    """Return a name that is the same for messages that must not overtake each other."""
    if isinstance(operation, Send):
        return names.non_local_name(str(operation.channel))
    if isinstance(operation, GiveBack):
        return operation.frame.channel
    return _GROUPS


def _waits_behind(target: str, full: set[str]) -> bool:
    """Whether a message must wait: a group may reach every process-local channel."""
    if target == _GROUPS:
        return any(names.is_process_local(other) or other == _GROUPS for other in full)
    return target in full or (names.is_process_local(target) and _GROUPS in full)


#: What the interface server is told as it is.
_TOLD = (ChannelFull, MessageTooLarge, TypeError, AssertionError)


def _as_outage(error: Exception) -> LayerUnavailable:
    unavailable = LayerUnavailable(str(error))
    unavailable.__cause__ = error
    return unavailable


_Job = tuple[str, Sequence[Mapping[str, Any]], int, "Done | None"]


class PlainServerClient:
    """See :class:`~channels.layers.clients.ServerClient`."""

    def __init__(
        self, layer: PlainLayer, mailbox: str, sleep: Callable[[float], object] | None = None
    ) -> None:
        self.mailbox = mailbox
        self.settled_since = 0.0
        self._layer = layer
        self._sender = PlainWorkerClient(layer)
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

    async def start(self, handler: MailboxHandler, info: Mapping[str, Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._handler = handler
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
        receipt: int = 0,
        done: Done | None = None,
        options: SendOptions = PLAIN,
    ) -> None:
        self._jobs.put((channel, messages, receipt, done))

    def forget(self, memberships: Sequence[tuple[str, str]]) -> None:
        """Do nothing: such a layer does not tell who joined."""

    def memberships(self, local: str) -> Collection[str]:
        return ()

    def keep(self, locals_: Collection[str]) -> None:
        """Do nothing, for the same reason."""

    def gone(self, local: str) -> None:
        """Do nothing: such a layer has no way to ask."""

    async def read_body(self, local: str, limit: int) -> list[dict[str, Any]]:
        return []

    async def processes(self) -> list[ProcessEntry]:
        return []

    async def queued(self, channel: str, receipts: Collection[int]) -> set[int]:
        return set(receipts)

    def receipt_bytes(self, receipt: int) -> bytes:
        return b"%d" % receipt

    async def mark(self) -> None:
        """Return at once."""

    async def stop(self) -> None:
        self._stopping.set()
        self._jobs.put(None)
        for thread in self._threads:
            await self._loop.run_in_executor(None, thread.join, 10.0)
        self._run_calls()

    # -- in the receiving thread ---------------------------------------------------------

    def _receive_loop(self) -> None:
        backoff, lost = Backoff(FIRST_RETRY, LONGEST_RETRY, spread=0), False
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                channel, message = self._layer.receive([self.mailbox], True)
            except Exception as error:  # a foreign layer may raise anything
                if not lost:
                    lost = True
                    self._call(partial(self._handler.layer_lost, error))
                self._sleep(backoff.pause())
                continue
            if lost:
                lost = False
                backoff.reset()
                self._call(self._handler.layer_back)
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
                ((error,), _) = self._sender.exchange([Send(channel, message)])
                if error is not None:
                    return error if isinstance(error, _TOLD) else _as_outage(error)
        except LayerUnavailable as error:
            return error
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
        self._handler.deliver([item])

    def _sent(self, error: Exception | None, receipt: int, done: Done | None) -> None:
        if done is not None:
            done(error)
        if error is None and receipt:
            self._deliver(Receipt(receipt))
