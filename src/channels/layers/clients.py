"""The two clients of a layer that only this project's own processes use.

Applications use the synchronous interface (:mod:`channels.layers.base`).  Workers and interface
servers need more: many messages in one round trip, receipts, an ordered mailbox for each
process, and who is alive.  For a layer without clients :mod:`channels.layers.plain` stands in.

frame
    One or more messages from one sender for one channel, run in order by one worker.
receipt
    A number that the interface server gives to a frame, and gets back in its mailbox once
    every message of it has run.  For workers opaque ``bytes``.
mailbox
    Everything addressed to one process, in the order in which it was sent.  Its name
    ends in ``!``.

Times are seconds on the layer's own clock (Redis time for the Redis layer).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

#: How often a process writes its heartbeat, and how long one counts, in seconds.
HEARTBEAT_INTERVAL = 2.0
HEARTBEAT_TTL = 10.0

#: How long it is known that a channel leads to nobody any more, in seconds.  Longer is of no
#: use: what arrives for it later has its server say so again.
GONE_EXPIRY = 300.0

#: Why something was dropped that no one ran: nobody took it in time; or it does not decode, as
#: when sender and reader have different keys.  And of a frame that nobody will answer, as it was
#: in the hands of a worker that is dead: some of it may have run.
EXPIRED = "expired"
UNREADABLE = "unreadable"
LOST = "lost"

Message = dict[str, Any]


# -- the worker's side ---------------------------------------------------------------


@dataclass(slots=True)
class Frame:
    """What a take gives a worker; but for channel and receipt known once it was opened.

    Attributes:
        channel: That it was taken from.
        messages: At least one, of an open frame.
        receipt: To be answered once all have run; ``None`` if no answer is wanted.
        ordered: Whether nothing else of its connection can be running.
        expires: When; given back as it is.
        redelivered: Whether it was sent before and counts as lost: some of it may have run.
        stored: As the layer has it, while it is not open; given back as it is.
        host: Which of the layer's hosts it came from; ``None`` if that is no matter.
    """

    channel: str
    messages: list[Message]
    receipt: bytes | None = None
    ordered: bool = False
    expires: float = 0.0
    redelivered: bool = False
    stored: bytes = field(default=b"", repr=False, compare=False)
    host: int | None = field(default=None, repr=False, compare=False)


@dataclass(slots=True)
class Send:
    """Send a message to a channel, within its capacity.

    Attributes:
        channel: Where to.
        message: What.
        receipt: Receipt of the frame in whose run it was sent, for a reply to the same process:
            the process drops it if it has given that frame up.
    """

    channel: str
    message: Mapping[str, Any]
    receipt: bytes | None = field(default=None, compare=False)


@dataclass(slots=True)
class GroupSend:
    """Send a message to a group; members that are full are skipped and counted."""

    group: str
    message: Mapping[str, Any]


@dataclass(slots=True)
class Answer:
    """Give a receipt back; never refused for lack of room."""

    receipt: bytes


@dataclass(slots=True)
class GiveBack:
    """Put what is left of a frame back on its channel, past the capacity.

    ``at_head`` if it has not run (a graceful stop), else at the tail (``ConsumeLater``).
    """

    frame: Frame
    at_head: bool = True


Operation = Send | GroupSend | Answer | GiveBack


#: How many frames of each channel a take may bring; one of those that are not named.
Counts = Mapping[str, int]

#: One of each.
ONE_EACH: Counts = {}


class TakeRecord(Protocol):
    """Where a worker says what it has in hand, for who gives it back when the worker was killed.

    A client that can has ``record_in``, which is given one before :meth:`WorkerClient.start`.
    """

    def name(self, worker: str) -> None:
        """Begin to record, under the name in the process registry; ``""`` ends it."""
        ...

    def took(self, number: int) -> None:
        """Note that the frames of a take have come."""
        ...

    def began(self, receipt: bytes | None) -> None:
        """Note that the next frame of it has begun."""
        ...


class WorkerClient(Protocol):
    """One worker thread's connection to the layer.  Not thread-safe but for :meth:`unblock`."""

    def start(self) -> None:
        """Connect, and start the heartbeat; called until it has once not raised.

        Raises:
            LayerUnavailable: There is no answer.
        """
        ...

    def take(self, longest: float | None = None, counts: Counts = ONE_EACH) -> list[Frame]:
        """Wait for frames, at most a few seconds; ``[]`` if none came or on :meth:`unblock`.

        Fair among the channels; the frames are of one channel, in its order.

        Args:
            longest: Wait no longer than so many seconds, to within 0.01 s; 0 to only look.
            counts: How many frames may come.

        Raises:
            LayerUnavailable: Frames may have been lost on their way.  The caller pauses.
        """
        ...

    def open(self, frame: Frame) -> Frame | None:
        """Return a frame that was taken with its messages; ``None`` if it must not run.

        One that has expired or does not decode is counted, logged and reported to its sender
        (:class:`NotRun`).  An open one is returned as it is.

        Raises:
            LayerUnavailable: It must not run, and its sender may not have heard.
        """
        ...

    def exchange(
        self, operations: Sequence[Operation], *, take: bool = True, counts: Counts = ONE_EACH
    ) -> tuple[list[Exception | None], list[Frame]]:
        """Carry out operations and take frames, in one round trip.

        (Two, if a group is among them: its processes are read first.)  Operations on one
        channel or mailbox keep their order: behind one that was full, all for the same
        mailbox are reported full and not stored.  A mailbox that is full for a message to a
        group is skipped and counted.

        Args:
            operations: What to do, in this order.
            take: Whether to take frames too, without waiting for any.
            counts: How many may come.

        Returns:
            For each operation ``None`` or why it was not carried out (``ChannelFull``,
            ``MessageTooLarge``, ``TypeError`` …), and the frames taken.

        Raises:
            LayerUnavailable: Any of it may have happened.  Only what is safe to repeat may be.
        """
        ...

    def unblock(self) -> None:
        """End a :meth:`take` soon, now or next, without losing a frame; safe in signal handlers."""
        ...

    def close(self) -> None:
        """Stop the heartbeat, and disconnect."""
        ...


# -- the interface server's side -----------------------------------------------------


@dataclass(slots=True)
class Reply:
    """A message for one channel of this process; ``local`` is the part behind the ``!``.

    ``receipt`` is the number of the frame of this process in whose run it was sent, if that is
    known, else 0.
    """

    local: str
    message: Message
    receipt: int = 0


@dataclass(slots=True)
class GroupMessage:
    """A message for all members of a group in this process, in the order in which they joined."""

    group: str
    members: Collection[str]
    message: Message


@dataclass(slots=True)
class Receipt:
    """Every message of the frame sent with this number has run."""

    number: int


@dataclass(slots=True)
class NotRun:
    """The frame sent with this number gets no receipt: it expired, is unreadable, or was lost."""

    number: int
    cause: str


@dataclass(slots=True)
class Unread:
    """A message for one channel of this process came and was dropped, for such a cause."""

    local: str
    cause: str


@dataclass(slots=True)
class Joined:
    """A channel of this process was added to a group.

    If the connection is gone the server answers with :meth:`ServerClient.forget`.
    """

    group: str
    local: str


@dataclass(slots=True)
class MoreBody:
    """A response body holds something: see :meth:`ServerClient.read_body`."""

    local: str


Item = Reply | GroupMessage | Receipt | NotRun | Unread | Joined | MoreBody


@dataclass(slots=True)
class SocketEntry:
    """What is written down of an open socket, to end it by if we die."""

    local: str
    path: str
    connected_at: float


@dataclass(frozen=True, slots=True)
class SendOptions:
    """What few frames ask for.

    Attributes:
        expiry: Seconds that it lives; ``None`` for the layer's.
        past_capacity: Store it even if the channel is full.
        opens: Socket to write down in the same pipeline.  If the frame is refused it is
            taken off again; after ``LayerUnavailable`` it stays (the frame may have been
            stored) until a frame with ``closes``.
        closes: Local part of the socket to remove in the same pipeline; it stays written
            down if the frame was not stored for certain.
        redelivered: Tell who takes it that it was sent before (:attr:`Frame.redelivered`); of
            frames with a receipt only.
    """

    expiry: float | None = None
    past_capacity: bool = False
    opens: SocketEntry | None = None
    closes: str | None = None
    redelivered: bool = False


PLAIN = SendOptions()


@dataclass(slots=True)
class ProcessEntry:
    """A process that is alive, as its last heartbeat said.

    Attributes:
        name: Mailbox of an interface server; any unique name of a worker.
        kind: ``"server"`` or ``"worker"``.
        channels: What it listens on; empty for a server.
        unanswered: Receipts of the frames that it has taken and not answered.
        beat: Number of the heartbeat; grows by one at each.
        seen: When it was written.
        info: host, pid, version, counters.
    """

    name: str
    kind: str
    channels: frozenset[str] = frozenset()
    unanswered: frozenset[bytes] = frozenset()
    beat: int = 0
    seen: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)


class MailboxHandler(Protocol):
    """What an interface server is told; called in its event loop, never concurrently."""

    def deliver(self, items: Sequence[Item]) -> None:
        """Take the next items of the mailbox, in order.  Must not block."""
        ...

    def layer_lost(self, error: Exception) -> None:
        """Called once for each outage."""
        ...

    def layer_back(self) -> None:
        """Called once the layer answers again, with memberships and sockets written back."""
        ...


Done = Callable[["Exception | None"], None]


class ServerClient(Protocol):
    """An interface server's connection to the layer, in an asyncio event loop.

    What returns at once leaves in one pipeline at the end of the turn of the loop, in order.

    Attributes:
        mailbox: Its name; ends in ``!``.
        settled_since: Since when the layer has answered without having lost its memory;
            ``math.inf`` while it does not answer.  Until that is a :data:`HEARTBEAT_TTL` ago
            nobody may be judged dead and nothing lost: others may not have beaten again.
    """

    mailbox: str

    @property
    def settled_since(self) -> float:
        """See above."""
        ...

    def now(self) -> float:
        """Return the time on the layer's clock."""
        ...

    async def start(self, handler: MailboxHandler, info: Mapping[str, Any]) -> None:
        """Connect, beat, and deliver the mailbox to ``handler`` from now on.

        Args:
            handler: Told of everything.
            info: Shown as it is at each heartbeat; any thread may read it.

        Raises:
            LayerUnavailable: There is no answer.
        """
        ...

    def send(
        self,
        channel: str,
        messages: Sequence[Mapping[str, Any]],
        receipt: int = 0,
        done: Done | None = None,
        options: SendOptions = PLAIN,
    ) -> None:
        """Queue a frame.

        Args:
            channel: Shared or single-reader channel.
            messages: At least one.
            receipt: Number to get back as :class:`Receipt`; 0 for none.  A frame with one
                is *ordered*.
            done: Called in the loop with the outcome: ``None``, ``ChannelFull``,
                ``MessageTooLarge``, ``TypeError`` or ``LayerUnavailable`` (it may be stored).
            options: What few frames ask for.
        """
        ...

    def forget(self, memberships: Sequence[tuple[str, str]]) -> None:
        """Discard ``(group, local)`` memberships of this process."""
        ...

    def memberships(self, local: str) -> Collection[str]:
        """Return the groups that this channel is in."""
        ...

    def keep(self, locals_: Collection[str]) -> None:
        """Renew the memberships of these live sockets for another ``group_expiry``."""
        ...

    def gone(self, local: str) -> None:
        """Mark ``local`` as gone for those who still send to it, for :data:`GONE_EXPIRY`.

        They ask with the layer's ``presence``.  What waits in the response body list goes, too.
        """
        ...

    async def read_body(self, local: str, limit: int) -> list[Message]:
        """Take up to ``limit`` chunks from the response body list of ``local``, in order.

        Raises:
            LayerUnavailable: There is no answer.
            LayerError: One of them does not decode; what was taken is lost.
        """
        ...

    async def processes(self) -> list[ProcessEntry]:
        """Return every process whose heartbeat is younger than :data:`HEARTBEAT_TTL`."""
        ...

    async def queued(self, channel: str, receipts: Collection[int]) -> set[int]:
        """Return which of our receipts are still on frames waiting in the channel."""
        ...

    def receipt_bytes(self, receipt: int) -> bytes:
        """Return the form in which :attr:`ProcessEntry.unanswered` shows our receipt."""
        ...

    async def mark(self) -> None:
        """Return when everything that was in the mailbox at the time of the call was delivered."""
        ...

    async def stop(self) -> None:
        """Send what is queued, deliver what waits, and disconnect."""
        ...
