"""Group messages to the members in this process, spread over the turns of the event loop.

Ten thousand writes take a tenth of a second, in which no other socket of the process would get
its answer.  So members are served for :data:`SLICE` seconds in a turn; the rest wait for the next
turns.  What waits for a socket is given to it before anything else from the layer is
(:meth:`GroupDeliveries.catch_up`): on one socket, nothing overtakes.

A member with several messages due gets all of them in one write.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Hashable, Sequence
from itertools import islice

from channels.interface_server.bridge.interfaces import Recipient
from channels.interface_server.bridge.state import BridgeState
from channels.interface_server.bridge.websocket import BridgedWebSocket
from channels.interface_server.protocol.websocket import OPEN
from channels.layers.clients import GroupMessage
from channels.replies import payload_of, problem_when_open

log = logging.getLogger(__name__)

#: How long members are served in one turn of the loop, in seconds: what a broadcast may add to
#: each of the turns that an answer to another socket takes.  A turn costs some 20 microseconds.
SLICE = 0.001

#: Members that are served between two looks at the clock.
BETWEEN_LOOKS = 16

#: Group messages that may wait for members; when there is one more, the first is finished at
#: once.  So what waits is bounded, and a process with too many broadcasts takes fewer of them.
MOST_WAITING = 32


class _Delivery:
    """One group message, and the members that have not got it."""

    __slots__ = ("frames", "group", "malformed", "message", "missing", "payload", "problem")

    def __init__(self, item: GroupMessage) -> None:
        self.group, self.message = item.group, item.message
        self.payload = payload_of(item.message)
        self.problem = problem_when_open(item.message) if self.payload is None else None
        self.malformed = False
        #: The frame for each framing.
        self.frames: dict[Hashable, bytes] = {}
        #: The next one last.
        self.missing: dict[str, None] = dict.fromkeys(reversed(tuple(item.members)))

    def frame_for(self, socket: BridgedWebSocket) -> bytes | None:
        """Return what an open socket is to be sent, ``None`` for all that is not one frame."""
        if self.payload is None or socket.machine.state is not OPEN:
            return None
        framing = socket.port.framing
        frame = self.frames.get(framing)
        if frame is None:
            frame = self.frames[framing] = socket.port.frame(self.payload)
        return frame

    def reply_to(self, socket: BridgedWebSocket) -> None:
        """Carry out as a reply what is not one frame, or comes to a socket that is not open."""
        if self.problem is not None:
            self.malformed = True
            socket.reply_of_group(self.message)
        else:
            socket.reply(self.message)


def _send(socket: BridgedWebSocket, due: Sequence[_Delivery]) -> None:
    """Send what is due, in order and in as few writes as there can be."""
    frames: list[bytes] = []
    for one in due:
        frame = one.frame_for(socket)
        if frame is not None:
            frames.append(frame)
            continue
        if frames:
            socket.port.send_now(frames)
            frames = []
        one.reply_to(socket)
    if frames:
        socket.port.send_now(frames)


class GroupDeliveries:
    """The group messages that have come, and not yet gone to all members.

    Each is checked once, and framed once for each ``framing``.  What no socket can carry out is
    logged once, not once for each member.
    """

    def __init__(self, state: BridgeState) -> None:
        self._state = state
        self._waiting: deque[_Delivery] = deque()
        #: Whether members are being served, or will be in the next turn.
        self._running = False

    def __len__(self) -> int:
        """Return how many messages some member has not got."""
        return len(self._waiting)

    def add(self, item: GroupMessage) -> None:
        """Take over a message; members get it by :meth:`run` and :meth:`catch_up`."""
        while len(self._waiting) >= MOST_WAITING:
            self._serve(self._waiting[0], len(self._waiting[0].missing))
        self._waiting.append(_Delivery(item))

    def catch_up(self, local: str) -> None:
        """Give a socket or request what waits for it; to be called before anything else is."""
        due = [one for one in self._waiting if one.missing.pop(local, True) is None]
        recipient = self._state.recipients.get(local)
        if due and recipient is not None:
            self._give(recipient, due)

    def run(self) -> None:
        """Serve members, in order, until the slice is over; the rest in the next turns."""
        if not self._running:
            self._run_slice()

    def _run_slice(self) -> None:
        self._running = True
        waiting, wheel = self._waiting, self._state.wheel
        end = wheel.clock() + SLICE
        while waiting:
            self._serve(waiting[0], BETWEEN_LOOKS)
            if waiting and wheel.clock() >= end:
                wheel.call_later(0, self._run_slice)
                return
        self._running = False

    def _serve(self, first: _Delivery, most: int) -> None:
        """Serve some members of the first message, and drop it after the last."""
        recipients, missing = self._state.recipients, first.missing
        later = tuple(islice(self._waiting, 1, None))
        for _ in range(min(most, len(missing))):
            local, _ = missing.popitem()
            recipient = recipients.get(local)
            due = [first]
            if later:
                due += [one for one in later if one.missing.pop(local, True) is None]
            if recipient is not None:
                self._give(recipient, due)
        if not missing:
            self._waiting.popleft()
            if first.malformed:
                self._tell(first)

    def _give(self, recipient: Recipient, due: Sequence[_Delivery]) -> None:
        try:
            if type(recipient) is BridgedWebSocket:
                _send(recipient, due)
            else:
                for one in due:
                    recipient.reply(one.message)
        except Exception:
            self._state.broken(recipient, due[0].group)

    def _tell(self, delivery: _Delivery) -> None:
        """Log what was malformed: once, not once for each member."""
        state = self._state
        state.counters.group_malformed += 1
        if state.seldom.due((delivery.group, delivery.problem)):
            log.error("malformed message to group %s: %s", delivery.group, delivery.problem)
