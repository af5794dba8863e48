"""One WebSocket as a state machine: replies in, actions out, no I/O.

The bridge feeds in what workers send (:meth:`Socket.reply`), what the server
itself decides (:meth:`Socket.close`) and what the network saw (:meth:`Socket.gone`).
Every call returns the actions that the caller must carry out, in order.  Calls
never raise: what is malformed in a reply becomes a :class:`Malformed` action, the last
one, and the socket is as it was: whether that ends it is for the caller to say.

A socket is in one of four states and only ever moves to the right::

    CONNECTING ---> OPEN ---> CLOSING ---> CLOSED

What a reply may hold, and in which order its parts count, is contract messages.md
section 2.4.  One thing differs for the better: an empty frame can be sent
(known-flaws.md F-26) by a reply that says nothing else.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from channels.exceptions import SENDABLE_CLOSE_CODES, is_sendable_close_code
from channels.names import FAILED

#: Close code for "the server met a condition that kept it from going on".
INTERNAL_ERROR = 1011

_KEYS = frozenset({"accept", "text", "bytes", "close"})


class State(enum.Enum):
    """Where a socket is in its life."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


# Module level names: an attribute of an enum class costs a lookup per frame.
CONNECTING = State.CONNECTING
OPEN = State.OPEN
CLOSING = State.CLOSING
CLOSED = State.CLOSED


@dataclass(slots=True)
class Accept:
    """Complete the handshake."""


@dataclass(slots=True)
class Reject:
    """Refuse the handshake with this HTTP status."""

    status: int


@dataclass(slots=True)
class SendText:
    """Send one text frame."""

    text: str


@dataclass(slots=True)
class SendBytes:
    """Send one binary frame."""

    data: bytes


@dataclass(slots=True)
class Close:
    """Start the closing handshake with this code."""

    code: int


@dataclass(slots=True)
class Malformed:
    """Log that a reply could not be carried out, and why."""

    problem: str


Action = Accept | Reject | SendText | SendBytes | Close | Malformed


def payload_of(message: Mapping[str, Any]) -> str | bytes | None:
    """Return the one frame that an open socket sends for this reply.

    ``None`` if the reply is anything else than one frame: it must go through
    :meth:`Socket.reply`.  This is the whole check of nearly every reply.
    """
    if len(message) != 1:
        return None
    text = message.get("text")
    if text is not None:
        return text if isinstance(text, str) else None
    data = message.get("bytes")
    return data if isinstance(data, bytes) else None


def problem_when_open(message: Mapping[str, Any]) -> str | None:
    """Return what an open socket would find malformed in this reply, ``None`` if nothing."""
    for action in Socket(OPEN).reply(message):
        if isinstance(action, Malformed):
            return action.problem
    return None


class Socket:
    """The state of one socket.

    Attributes:
        state: Where it is; read it, never set it.
    """

    __slots__ = ("state",)

    def __init__(self, state: State = CONNECTING) -> None:
        self.state = state

    def reply(self, message: Mapping[str, Any]) -> list[Action]:
        """Return what one message on the reply channel makes happen."""
        if self.state is CLOSING or self.state is CLOSED:
            return []
        if isinstance(message, Mapping) and message.get(FAILED):
            return self._end(500, INTERNAL_ERROR)
        actions: list[Action] = []
        problem = _foreign_keys(message) or self._carry_out(message, actions)
        if problem is not None:
            actions.append(Malformed(problem))
        return actions

    def close(self, code: int, status: int = 503) -> list[Action]:
        """Return how the server itself ends the socket; ``status`` is for the handshake."""
        if self.state is CLOSING or self.state is CLOSED:
            return []
        return self._end(status, code)

    def gone(self) -> None:
        """Take note that the connection is no more."""
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
        if text and data:
            return "both text and bytes: send two messages"
        if data:
            self._open(actions)  # even if they turn out to be no bytes
            if not isinstance(data, bytes):
                return f"bytes must be bytes, not {type(data).__name__}"
            actions.append(SendBytes(data))
        elif text:
            self._open(actions)
            if not isinstance(text, str):
                return f"text must be str, not {type(text).__name__}"
            actions.append(SendText(text))
        elif self.state is OPEN and not message.get("accept") and not message.get("close"):
            if isinstance(text, str):
                actions.append(SendText(text))
            elif isinstance(data, bytes):
                actions.append(SendBytes(data))
        return None

    def _close_on_request(self, close: object, actions: list[Action]) -> str | None:
        if not close:
            return None
        if self.state is CONNECTING:
            actions.extend(self._end(403, 1000))
            return None
        if not isinstance(close, int):
            return f"close must be True or an int, not {type(close).__name__}"
        code = 1000 if close is True else close
        if not is_sendable_close_code(code):
            return f"close code {code} cannot be sent: use True, {SENDABLE_CLOSE_CODES}"
        actions.extend(self._end(403, code))
        return None

    def _open(self, actions: list[Action]) -> None:
        if self.state is CONNECTING:
            self.state = OPEN
            actions.append(Accept())

    def _end(self, status: int, code: int) -> list[Action]:
        connecting = self.state is CONNECTING
        self.state = CLOSING
        return [Reject(status) if connecting else Close(code)]


def _foreign_keys(message: object) -> str | None:
    if not isinstance(message, Mapping):
        return f"a reply must be a dict, not {type(message).__name__}"
    if message.keys() <= _KEYS:
        return None
    keys = ", ".join(sorted(repr(key) for key in message.keys() - _KEYS))
    return f"unknown key {keys}: a WebSocket reply may hold accept, text, bytes and close"
