"""What the parts of the bridge share: who is here, what is in flight, and the layer.

Everything runs in one thread, the event loop's.  The dictionaries are read on
the way of every frame, so they are plain attributes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from channels import names
from channels.interface_server.bridge.clock import Clock
from channels.interface_server.bridge.delays import DelayQueue
from channels.interface_server.bridge.waitlist import Waitlists
from channels.interface_server.counters import BridgeCounters
from channels.interface_server.settings import Settings
from channels.layers.clients import EXPIRED, UNREADABLE, ServerClient
from channels.names import CONSUMER
from channels.seldom import Seldom

log = logging.getLogger(__name__)

#: Letters of a local name: nobody guesses 2**91 (docs/channels1.md#reply-channel-names).
LOCAL_LENGTH = 16

#: Disconnects whose receipt is awaited, at most.  Without a worker that listens they stay
#: unanswered for as long as the server runs; they are in the layer in any case.
MOST_DISCONNECTS = 10_000

#: Cause of a frame whose worker took it and is gone; and of one that no worker is there for.
LOST = "lost"
NO_WORKER = "no worker"

#: What happened to a frame, and what to do about it.
WHY = {
    LOST: "the worker that postponed it is gone (was it killed?)",
    EXPIRED: "no worker took it before it expired: they are too few, too slow, or away",
    NO_WORKER: "no worker listens; start one: python manage.py runworker",
    UNREADABLE: "a worker could not read it: it needs the keys of this server"
    " (symmetric_encryption_keys); its log says more",
}

_COUNTERS = {
    LOST: "lost",
    EXPIRED: "expired",
    UNREADABLE: "unreadable",
    NO_WORKER: "unattended",
}

#: Why a reply was dropped, and what to do about it.
DROPPED = {
    EXPIRED: "this server took it too late; it stood still, or Redis did",
    UNREADABLE: "it does not decode: workers need the keys of this server"
    " (symmetric_encryption_keys)",
}

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Owner(Protocol):
    """Who waits for a receipt."""

    channel: str
    reply_channel: str

    def answered(self, receipt: int) -> None:
        """Take note that every message of the frame has run."""
        ...

    def lost(self, receipt: int, cause: str) -> None:
        """Take note that the frame never ran, or not whole.

        Args:
            receipt: Its number.
            cause: ``LOST``, or as of :class:`~channels.layers.clients.NotRun`.
        """
        ...


class Recipient(Protocol):
    """A socket or a request, by its reply channel."""

    reply_channel: str

    def reply(self, message: Mapping[str, Any]) -> None:
        """Carry out a message on the reply channel."""
        ...

    def broken(self) -> None:
        """End it: carrying out a message raised."""
        ...

    def unread(self, cause: str) -> None:
        """Take note that a message on the reply channel came and was dropped."""
        ...


class Postponed(Protocol):
    """Whatever has something to send when the layer is back."""

    def advance(self) -> None:
        """Send what comes next, if anything can be sent."""
        ...


class Listening(Protocol):
    """What is known of the workers; see :class:`~.register.Listeners`."""

    def missing(self, channel: str) -> bool:
        """Whether it is known that no worker listens on the channel."""
        ...


class Stalling(Protocol):
    """A socket with a time limit."""

    def stalled(self) -> None:
        """Take note that it was not read for too long."""
        ...

    def overdue(self) -> None:
        """Take note that its disconnect has waited for long enough."""
        ...


class BridgeState:
    """The shared state of one interface server's bridge.

    Attributes:
        up: Whether the layer answers.
        refusing: Whether new sockets and requests are turned away (draining).
        stopping: Whether disconnects wait for nothing any more.
        recipients: Sockets and requests by the local part of their reply channel.
        in_flight: Frames without a receipt so far, in the order of sending.
        disconnects: The same for disconnects, which nobody waits for.
        chunks: The same for request bodies.
        postponed: Whoever has something to send when the layer is back.
        unfinished: Announced sockets whose disconnect has not left.
        ran: Channels whose frames were run since ``listeners`` looked last.
        listeners: Who listens on what.
        seldom: What was logged already, by cause and path.
        last_receipt: The number that was given last.
        frame_messages: Messages that one frame carries at most.
    """

    def __init__(self, layer: ServerClient, settings: Settings, clock: Clock, spawn: Spawn) -> None:
        self.layer = layer
        self.settings = settings
        self.clock = clock
        self.spawn = spawn
        self.counters = BridgeCounters()
        self.up = False
        self.refusing = False
        self.stopping = False
        self.recipients: dict[str, Recipient] = {}
        self.in_flight: dict[int, Owner] = {}
        self.disconnects: dict[int, Owner] = {}
        self.chunks: dict[int, Owner] = {}
        self.postponed: dict[Postponed, None] = {}
        self.unfinished = 0
        self.sockets = 0
        self.last_receipt = 0
        self.frame_messages = settings.frame_messages
        self.monitoring = False
        self.ran: set[str] = set()
        self.listeners: Listening
        self.on_unanswered: Callable[[], None] = lambda: None
        self.on_finished: Callable[[], None] = lambda: None
        self.seldom = Seldom(clock.monotonic)
        self.waitlists = Waitlists(clock, lambda: self.up)
        self.stalls: DelayQueue[Stalling] = DelayQueue(
            clock, settings.stall_timeout, lambda recipient: recipient.stalled()
        )
        self.overdue: DelayQueue[Stalling] = DelayQueue(
            clock, settings.disconnect_timeout, lambda recipient: recipient.overdue()
        )

    @property
    def closed(self) -> bool:
        """Whether new sockets and requests get 503."""
        return self.refusing or not self.up

    def new_local(self) -> str:
        """Return a local name that nobody can guess and nobody here has."""
        while True:
            local = names.random_part(LOCAL_LENGTH)
            if local not in self.recipients:
                return local

    def new_receipt(self, owner: Owner) -> int:
        """Return the number of a frame that is about to leave."""
        self.last_receipt = receipt = self.last_receipt + 1
        self.in_flight[receipt] = owner
        if not self.monitoring:
            self.on_unanswered()
        return receipt

    def new_disconnect(self, owner: Owner) -> int:
        """Return the number of a disconnect that is about to leave."""
        receipt = self.new_receipt(owner)
        del self.in_flight[receipt]
        self.disconnects[receipt] = owner
        if len(self.disconnects) > MOST_DISCONNECTS:
            del self.disconnects[next(iter(self.disconnects))]
        return receipt

    def new_chunk(self, owner: Owner) -> int:
        """Return the number of a part of a request body that is about to leave."""
        self.last_receipt = receipt = self.last_receipt + 1
        self.chunks[receipt] = owner
        return receipt

    def give_up(self, receipt: int, cause: str) -> None:
        """Tell, and count, that a frame never ran; no matter if it is settled already."""
        owner = (
            self.in_flight.pop(receipt, None)
            or self.disconnects.pop(receipt, None)
            or self.chunks.pop(receipt, None)
        )
        if owner is None:
            self.counters.late_receipts += 1
            return
        counter = _COUNTERS[cause]
        setattr(self.counters, counter, getattr(self.counters, counter) + 1)
        owner.lost(receipt, cause)

    def finished(self) -> None:
        """Take note that the end of one announced socket was told."""
        self.unfinished -= 1
        if not self.unfinished:
            self.on_finished()

    def malformed(self, what: str, problem: str, message: object) -> None:
        """Log a reply that could not be carried out, or not all of it."""
        self.counters.malformed += 1
        consumer = message.get(CONSUMER) if isinstance(message, Mapping) else None
        if self.seldom.due((what, problem, consumer)):
            origin = f" from consumer {consumer:.200}" if isinstance(consumer, str) else ""
            log.error("malformed %s%s: %s", what, origin, problem)

    def broken(self, recipient: Recipient) -> None:
        """Log what an item of the mailbox raised, and end the one socket or request it was for."""
        log.exception("%s: could not be delivered", recipient.reply_channel)
        try:
            recipient.broken()
        except Exception:
            log.exception("%s: could not be ended", recipient.reply_channel)

    # -- the layer goes and comes back ----------------------------------------------------

    def layer_back(self) -> None:
        """Let everything that waited for the layer leave."""
        self.up = True
        postponed, self.postponed = self.postponed, {}
        for waiting in postponed:
            waiting.advance()
        self.waitlists.resume()
