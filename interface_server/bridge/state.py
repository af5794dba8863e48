"""What the parts of the bridge share: who is here, what is in flight, and the layer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from channels import names
from channels.interface_server.bridge.interfaces import Owner, Recipient
from channels.interface_server.bridge.listening import ListeningChannels, Spawn
from channels.interface_server.bridge.waitlist import Waitlists
from channels.interface_server.counters import BridgeCounters
from channels.interface_server.settings import Settings
from channels.interface_server.timers import Timed, TimerWheel
from channels.layers.clients import EXPIRED, LOST, UNREADABLE, ServerClient
from channels.names import CONSUMER
from channels.seldom import Seldom

log = logging.getLogger(__name__)

#: Letters of a local name: nobody guesses 2**91 (docs/channels1.md#reply-channel-names).
LOCAL_LENGTH = 16

#: Seconds that a stop gives a receipt whose socket ends meanwhile; also how often it looks whether
#: a layer that is away came back.
LAST_WAIT = 0.1

#: Cause of a frame that no worker is there for.
NO_WORKER = "no worker"

#: Lost frames that are remembered, the last ones: what still comes of their runs is dropped.
MOST_LOST = 10_000

#: What happened to a frame, and what to do about it.
WHY = {
    LOST: "the worker that held it is gone (was it killed?)",
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


class BridgeState:
    """The shared state of one interface server's bridge."""

    def __init__(
        self, layer: ServerClient, settings: Settings, wheel: TimerWheel, spawn: Spawn
    ) -> None:
        self.layer = layer
        self.settings = settings
        self.wheel = wheel
        self.spawn = spawn
        self.counters = BridgeCounters()
        self.up = False  # whether the layer answers
        self.outages = 0  # how often it did not
        self.refusing = False  # whether new sockets and requests are turned away (draining)
        self.stopping = False  # whether disconnects wait for hardly anything any more
        self.recipients: dict[str, Recipient] = {}  # by the local part of the reply channel
        # Frames without a receipt so far, in the order of sending; disconnects, which nobody
        # waits for, and chunks of request bodies.
        self.in_flight: dict[int, Owner] = {}
        self.disconnects: dict[int, Owner] = {}
        self.chunks: dict[int, Owner] = {}
        self.lost_frames: dict[int, None] = {}  # numbers of frames that were lost, the last ones
        self.sockets = 0  # that are not gone
        self.unfinished = 0  # announced sockets whose disconnect has not left
        self.ending: dict[Timed, None] = {}  # gone, and the disconnect waits for a receipt
        self.last_receipt = 0
        self.monitored = False  # whether receipts are looked after
        self.start_monitor: Callable[[], None] = lambda: None
        self.on_finished: Callable[[], None] = lambda: None
        self.seldom = Seldom(wheel.clock)
        self.waitlists = Waitlists(wheel.call_later, lambda: self.up)
        self.listening = ListeningChannels(
            layer, wheel, spawn, settings.worker_wait, lambda: self.up
        )

    @property
    def closed(self) -> bool:
        """Whether new sockets and requests get 503."""
        return self.refusing or not self.up

    @property
    def disconnect_timeout(self) -> float:
        """Seconds that a disconnect waits for the frame before it, at most."""
        return LAST_WAIT if self.stopping else self.settings.disconnect_timeout

    def new_local(self) -> str:
        while True:
            local = names.random_part(LOCAL_LENGTH)
            if local not in self.recipients:
                return local

    def new_receipt(self, owner: Owner, frames: dict[int, Owner] | None = None) -> int:
        """Return the number of a frame that is about to leave; it is one of those in flight."""
        self.last_receipt = receipt = self.last_receipt + 1
        if frames is None:
            frames = self.in_flight
        frames[receipt] = owner
        if not self.monitored:
            self.start_monitor()
        return receipt

    def settle(self, receipt: int) -> Owner | None:
        """Return, once, whose frame has that number; ``None`` if it was settled before."""
        for frames in (self.in_flight, self.disconnects, self.chunks):
            if receipt in frames:
                return frames.pop(receipt)
        return None

    def give_up(self, receipt: int, cause: str) -> None:
        """Tell, and count, that a frame never ran; without effect if it is settled already."""
        owner = self.settle(receipt)
        if owner is not None:
            if cause == LOST:
                self.lost_frames[receipt] = None
                if len(self.lost_frames) > MOST_LOST:
                    del self.lost_frames[next(iter(self.lost_frames))]
            counter = _COUNTERS[cause]
            setattr(self.counters, counter, getattr(self.counters, counter) + 1)
            owner.lost(receipt, cause)

    def finished(self) -> None:
        self.unfinished -= 1
        if not self.unfinished:
            self.on_finished()

    def forget(self, local: str) -> None:
        """End a socket or request: no reply reaches it, and it is in no group any more."""
        self.recipients.pop(local, None)
        groups = self.layer.memberships(local)
        if groups:
            self.layer.forget([(group, local) for group in groups])

    def malformed(self, what: str, problem: str, message: object) -> None:
        """Log a reply that could not be carried out, or not all of it."""
        self.counters.malformed += 1
        consumer = message.get(CONSUMER) if isinstance(message, Mapping) else None
        if self.seldom.due((what, problem, consumer)):
            origin = f" from consumer {consumer:.200}" if isinstance(consumer, str) else ""
            log.error("malformed %s%s: %s", what, origin, problem)

    def broken(self, recipient: Recipient | None, item: str) -> None:
        """Log what an item of the mailbox raised, and end the one socket or request it was for."""
        name = item if recipient is None else recipient.reply_channel
        log.exception("%s: could not be delivered", name)
        if recipient is not None:
            try:
                recipient.broken()
            except Exception:
                log.exception("%s: could not be ended", name)
