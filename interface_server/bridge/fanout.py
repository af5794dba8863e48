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
from collections.abc import Hashable, Mapping, Sequence
from itertools import islice
from typing import Any

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

#: Group messages that may wait for members: as many as a mailbox brings at once.  When there is
#: one more, the first are finished; a process with too many broadcasts takes fewer of them.
MOST_WAITING = 100


class _Message:
    """One group message: what it comes to for an open socket is found out once."""

    __slots__ = ("content", "frames", "malformed", "payload", "problem")

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.payload = payload_of(content)
        self.problem = problem_when_open(content) if self.payload is None else None
        self.malformed = False
        #: The frame for each framing.
        self.frames: dict[Hashable, bytes] = {}

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
            socket.reply_of_group(self.content)
        else:
            socket.reply(self.content)


class _Delivery:
    """Messages in a row for the same members, and the members that have not got them."""

    __slots__ = ("ahead", "begun", "group", "members", "messages", "missing")

    def __init__(self, item: GroupMessage) -> None:
        self.group = item.group
        self.members = item.members
        self.messages = [_Message(item.message)]
        #: The next one last.
        self.missing: dict[str, None] = dict.fromkeys(reversed(tuple(item.members)))
        #: How many of the messages those have that were not served in their turn.
        self.ahead: dict[str, int] = {}
        #: Whether a member was served in its turn: then there can be no more messages.
        self.begun = False

    def catch_up(self, local: str) -> list[_Message]:
        """Return what a member has not got, before its turn; the caller gives it."""
        if local not in self.missing:
            return []
        due = self._due(local)
        self.ahead[local] = len(self.messages)
        return due

    def serve(self, local: str) -> list[_Message]:
        """Return what a member has not got, if it has not been served; the caller gives it."""
        if self.missing.pop(local, True) is not None:
            return []
        self.begun = True
        return self._due(local)

    def serve_next(self) -> tuple[str, list[_Message]]:
        """Return the member whose turn it is, and what it has not got; the caller gives it."""
        self.begun = True
        local, _ = self.missing.popitem()
        return local, self._due(local)

    def _due(self, local: str) -> list[_Message]:
        return self.messages[self.ahead[local] :] if local in self.ahead else self.messages


def _send(socket: BridgedWebSocket, due: Sequence[_Message]) -> None:
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
        self._messages = 0
        #: Whether members are being served, or will be in the next turn.
        self._running = False

    def __len__(self) -> int:
        """Return how many messages some member has not got."""
        return self._messages

    def add(self, item: GroupMessage) -> None:
        """Take over a message; members get it by :meth:`run` and :meth:`catch_up`."""
        waiting = self._waiting
        while self._messages >= MOST_WAITING:
            self._serve(waiting[0], len(waiting[0].missing))
        last = waiting[-1] if waiting else None
        # The same object, as layers give it while nobody joins or leaves: no need to compare.
        if last is not None and last.members is item.members and not last.begun:
            last.messages.append(_Message(item.message))
        else:
            waiting.append(_Delivery(item))
        self._messages += 1

    def catch_up(self, local: str) -> None:
        """Give a socket or request what waits for it; to be called before anything else is."""
        due = [message for one in self._waiting for message in one.catch_up(local)]
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
        """Serve some members of the first messages, and drop those after the last member."""
        recipients, missing = self._state.recipients, first.missing
        later = tuple(islice(self._waiting, 1, None))
        for _ in range(min(most, len(missing))):
            local, due = first.serve_next()
            if later:
                due = [*due, *(message for one in later for message in one.serve(local))]
            recipient = recipients.get(local)
            if due and recipient is not None:
                self._give(recipient, due)
        if not missing:
            self._waiting.popleft()
            self._messages -= len(first.messages)
            for message in first.messages:
                if message.malformed:
                    self._tell(first.group, message.problem)

    def _give(self, recipient: Recipient, due: Sequence[_Message]) -> None:
        try:
            if type(recipient) is BridgedWebSocket:
                _send(recipient, due)
            else:
                for one in due:
                    recipient.reply(one.content)
        except Exception:
            self._state.broken(recipient, "GroupMessage")

    def _tell(self, group: str, problem: str | None) -> None:
        """Log what was malformed: once, not once for each member."""
        state = self._state
        state.counters.group_malformed += 1
        if state.seldom.due((group, problem)):
            log.error("malformed message to group %s: %s", group, problem)
