"""The in-flight rule for one socket, without I/O: events in, frames (lists of messages) out.

At most one frame of a socket is unanswered at any time.  What the client sends
meanwhile waits here and leaves together as one frame, so the events of a socket
are run strictly in order and a busy socket gets batches instead of round trips.
The numbers in ``order`` are given when a message leaves: what is discarded leaves no gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

Message = dict[str, Any]


class InboundBuffer:
    """What one socket has said and no worker has run yet."""

    __slots__ = (
        "_frame",
        "_order",
        "_waiting",
        "busy",
        "end",
        "losses",
        "path",
        "reply_channel",
        "size",
    )

    def __init__(self, reply_channel: str, path: str) -> None:
        self.reply_channel = reply_channel
        self.path = path
        self.busy = False  # whether a frame is in flight
        self.losses = 0  # how often the frame in flight, or put back, was lost
        self.size = 0  # bytes that wait
        self.end: int | None = None  # the close code, once the connection is gone
        self._order = 0
        self._waiting: deque[str | bytes] | None = None
        self._frame: list[Message] | None = None  # in flight or, unless busy, put back

    @property
    def waiting(self) -> int:
        put_back = 0 if self.busy else len(self._frame or ())
        return put_back + len(self._waiting or ())

    def connect(self, details: Mapping[str, Any]) -> Message:
        """Return the message that announces the socket; it is in flight from now on."""
        self.busy = True
        return {**details, "reply_channel": self.reply_channel, "order": 0}

    def take(self, payload: str | bytes) -> list[Message]:
        """Add a message to the frame that leaves now, and return that."""
        self._order = order = self._order + 1
        message: Message = {
            "reply_channel": self.reply_channel,
            "path": self.path,
            "order": order,
            "text" if isinstance(payload, str) else "bytes": payload,
        }
        self.busy = True
        if self._frame is None:
            self._frame = [message]
        else:
            self._frame.append(message)
        return self._frame

    def hold(self, payload: str | bytes) -> None:
        """Keep what the client sent until :meth:`next`."""
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(payload)
        self.size += _size(payload)

    def answered(self) -> bool:
        """The frame in flight has run, or never will; return whether there is more to tell."""
        self.busy = False
        self.losses = 0
        self._frame = None
        return self._waiting is not None or self.end is not None

    def put_back(self) -> None:
        """The layer had no room for the frame in flight: it is the next to leave."""
        self.busy = False

    def lost(self) -> int:
        """The frame in flight may not have run: it is the next to leave, alone.

        Returns:
            How often in a row that has happened to it.
        """
        self.busy = False
        self.losses += 1
        return self.losses

    def next(self, most: int, size: int) -> list[Message] | None:
        """Return the next frame, ``None`` if nothing waits or one is in flight.

        It carries at most so many messages, and so many bytes unless it is a single message.
        """
        if self.busy:
            return None
        frame, waiting, room = self._frame, self._waiting, size
        if self.losses:  # some of it may have run; what follows has not
            self.busy = True
            return frame
        while waiting and (not frame or (len(frame) < most and _size(waiting[0]) <= room)):
            payload = waiting.popleft()
            length = _size(payload)
            room -= length
            self.size -= length
            frame = self.take(payload)
        if not waiting:
            self._waiting = None
        self.busy = frame is not None
        return frame

    def discard(self) -> int:
        """Drop all that waits, and return how many messages that was."""
        dropped = self.waiting
        if self._frame is not None and not self.busy:
            # They had their numbers, and nobody saw them.
            self._order -= 0 if self.losses else len(self._frame)
            self.losses = 0
            self._frame = None
        self._waiting = None
        self.size = 0
        return dropped

    def disconnect(self) -> Message:
        """Return the message that tells of the end; nothing leaves after it."""
        return {
            "reply_channel": self.reply_channel,
            "path": self.path,
            "order": self._order + 1,
            "code": self.end,
        }


def _size(payload: str | bytes) -> int:
    """Return the bytes that a payload takes in a frame."""
    if isinstance(payload, str) and not payload.isascii():
        return len(payload.encode("utf-8", "replace"))
    return len(payload)
