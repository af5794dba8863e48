"""What a WebSocket reply may hold (docs/channels1.md#websocket-messages), for worker and server.

The server decides what a reply does; the worker looks at what its consumers send only to be
able to say whose fault it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from channels.exceptions import SENDABLE_CLOSE_CODES, is_sendable_close_code
from channels.names import CONSUMER

_KEYS = frozenset({"accept", "text", "bytes", "close"})


@dataclass(slots=True)
class Malformed:
    """What became of a reply: log why it could not be carried out."""

    problem: str


def payload_of(message: Mapping[str, Any]) -> str | bytes | None:
    """Return the one frame that an open socket sends for this reply.

    ``None`` if the reply is anything else than one frame: it must be looked at closely.
    This is the whole check of nearly every reply.
    """
    if len(message) != 1:
        return None
    text = message.get("text")
    if text is not None:
        return text if isinstance(text, str) else None
    data = message.get("bytes")
    return data if isinstance(data, bytes) else None


def problem_when_open(message: object) -> str | None:
    """Return what an open socket finds malformed in a reply, ``None`` if nothing."""
    problem = foreign_keys(message)
    if problem is None and isinstance(message, Mapping):
        problem = content_problem(message) or close_problem(message.get("close"))
    return problem


def mistyped(name: str, expected: str, value: object) -> str:
    """Return what is wrong with a value of another type than expected."""
    return f"{name} must be {expected}, not {type(value).__name__}"


def foreign_keys(message: object) -> str | None:
    """Return which keys of a reply are unknown."""
    if not isinstance(message, Mapping):
        return mistyped("a reply", "a dict", message)
    if message.keys() <= _KEYS:
        return None
    foreign = message.keys() - _KEYS - {CONSUMER}
    if not foreign:
        return None
    keys = ", ".join(sorted(repr(key) for key in foreign))
    return f"unknown key {keys}: a WebSocket reply may hold accept, text, bytes and close"


def content_problem(message: Mapping[str, Any]) -> str | None:
    """Return what is wrong with ``text`` and ``bytes``."""
    text, data = message.get("text"), message.get("bytes")
    if text and data:
        return "both text and bytes: send two messages"
    if data and not isinstance(data, bytes):
        return mistyped("bytes", "bytes", data)
    if text and not isinstance(text, str):
        return mistyped("text", "str", text)
    return None


def close_problem(close: object) -> str | None:
    """Return what is wrong with ``close``, on an open socket."""
    if not close or close is True:
        return None
    if not isinstance(close, int):
        return mistyped("close", "True or an int", close)
    if not is_sendable_close_code(close):
        return f"close code {close} cannot be sent: use True, {SENDABLE_CLOSE_CODES}"
    return None
