"""One WebSocket as a state machine: replies in, actions out, no I/O.

Every call returns the actions that the caller must carry out, in order.  Calls
never raise: what is malformed in a reply becomes a :class:`Malformed` action, the last
one, and the socket is as it was: whether that ends it is for the caller to say.

A socket is in one of four states and only ever moves to the right::

    CONNECTING ---> OPEN ---> CLOSING ---> CLOSED

What a reply may hold, and in which order its parts count: docs/channels1.md#websocket-messages.
One thing differs for the better: an empty frame can be sent
(docs/channels1.md#empty-and-wrong-frames) by a reply that says nothing else.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from channels.interface_server.settings import Settings
from channels.names import FAILED
from channels.replies import Malformed, close_problem, content_problem, foreign_keys

#: Close code for "the server met a condition that kept it from going on".
INTERNAL_ERROR = 1011


class SocketState(enum.Enum):
    """Where a socket is in its life."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


# Module level names: an attribute of an enum class costs a lookup per frame.
CONNECTING, OPEN, CLOSING, CLOSED = SocketState


@dataclass(slots=True)
class Accept:
    """Complete the handshake."""


@dataclass(slots=True)
class Reject:
    """Refuse the handshake with this HTTP status."""

    status: int


@dataclass(slots=True)
class SendPayload:
    """Send one message: text, or binary if it is bytes."""

    payload: str | bytes


@dataclass(slots=True)
class Close:
    """Start the closing handshake with this code."""

    code: int


Action = Accept | Reject | SendPayload | Close | Malformed


class Socket:
    """Where one socket is in its life."""

    __slots__ = ("state",)

    def __init__(self, state: SocketState = CONNECTING) -> None:
        self.state = state

    def reply(self, message: Mapping[str, Any]) -> list[Action]:
        """Return what one message on the reply channel makes happen."""
        if self.state is CLOSING or self.state is CLOSED:
            return []
        if isinstance(message, Mapping) and message.get(FAILED):
            return self._end(500, INTERNAL_ERROR)
        actions: list[Action] = []
        problem = foreign_keys(message) or self._carry_out(message, actions)
        if problem is not None:
            actions.append(Malformed(problem))
        return actions

    def close(self, code: int, status: int = 503) -> list[Action]:
        """Return how the server itself ends the socket; ``status`` is for the handshake."""
        if self.state is CLOSING or self.state is CLOSED:
            return []
        return self._end(status, code)

    def gone(self) -> None:
        """Do nothing more: the connection is gone."""
        self.state = CLOSED

    def _carry_out(self, message: Mapping[str, Any], actions: list[Action]) -> str | None:
        """Add the actions of a reply, until one of its parts is found to be malformed."""
        accept = message.get("accept")
        if accept:
            self._open(actions)
        elif accept is not None and accept == False and self.state is CONNECTING:  # noqa: E712 - 0 counts too, "" does not
            self.state = CLOSING
            actions.append(Reject(403))
            return None
        problem = self._send(message, actions)
        if problem is not None:
            return problem
        return self._close_on_request(message.get("close"), actions)

    def _send(self, message: Mapping[str, Any], actions: list[Action]) -> str | None:
        text, data = message.get("text"), message.get("bytes")
        if bool(text) != bool(data):
            self._open(actions)  # even if it turns out to be of the wrong type
        problem = content_problem(message)
        if problem is not None:
            return problem
        payload = data or text
        if payload:
            actions.append(SendPayload(payload))
        elif self.state is OPEN and not message.get("accept") and not message.get("close"):
            if isinstance(text, str):
                actions.append(SendPayload(text))
            elif isinstance(data, bytes):
                actions.append(SendPayload(data))
        return None

    def _close_on_request(self, close: Any, actions: list[Action]) -> str | None:
        if not close:
            return None
        if self.state is CONNECTING:
            actions.extend(self._end(403, 1000))
            return None
        problem = close_problem(close)
        if problem is None:
            actions.extend(self._end(403, 1000 if close is True else close))
        return problem

    def _open(self, actions: list[Action]) -> None:
        if self.state is CONNECTING:
            self.state = OPEN
            actions.append(Accept())

    def _end(self, status: int, code: int) -> list[Action]:
        connecting = self.state is CONNECTING
        self.state = CLOSING
        return [Reject(status) if connecting else Close(code)]


class Due(enum.Enum):
    """What to do now."""

    NOTHING = "nothing"
    PING = "ping"
    DROP = "drop"
    END = "end"


def look(
    settings: Settings,
    now: float,
    born: float,
    heard_at: float,
    pinged_at: float | None,
    paused: bool,
) -> tuple[Due, float | None]:
    """Return what is due on an open socket, and in how many seconds to look again, if at all.

    It ends ``websocket_timeout`` after it was born, is pinged ``ping_interval`` after its client
    was heard last, and dropped ``ping_timeout`` after a ping that is not answered yet; not while
    it is paused, as no pong could be seen.
    """
    deadlines = []
    if settings.websocket_timeout >= 0:
        deadlines.append((born + settings.websocket_timeout, Due.END))
    if paused:
        pass  # the bridge measures for how long
    elif pinged_at is not None:
        deadlines.append((pinged_at + settings.ping_timeout, Due.DROP))
    elif settings.ping_interval > 0:
        deadlines.append((heard_at + settings.ping_interval, Due.PING))
    if not deadlines:
        return Due.NOTHING, None
    time, due = min(deadlines, key=lambda deadline: deadline[0])
    return (due, None) if time <= now else (Due.NOTHING, time - now)
