"""One HTTP response as a state machine: replies in, actions out, no I/O.

A response is WAITING until its first valid message, then STARTED, then COMPLETE.
Calls never raise.  A message (docs/channels1.md#http-messages) is checked as a whole before
anything changes (#malformed-responses): a malformed one becomes a :class:`Malformed`, for the
log, and is ignored, so a correct one may still follow.  Only a chunk whose content is
lost for it is followed by a :class:`Fail`: the body can never be complete.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from channels.interface_server.protocol.messages import Pairs
from channels.names import FAILED
from channels.replies import Malformed, mistyped

# RFC 9110 section 5.6.2: what a field name is made of.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# What must never reach the wire inside a value: it would start a new header.
_LINE_BREAKS = re.compile(rb"[\r\n\0]+")


class ResponseState(enum.Enum):
    """How far a response is."""

    WAITING = "waiting"
    STARTED = "started"
    COMPLETE = "complete"


@dataclass(slots=True)
class Start:
    """Write the status line and the headers."""

    status: int
    headers: Pairs


@dataclass(slots=True)
class Write:
    """Write a part of the body; never empty."""

    data: bytes


@dataclass(slots=True)
class Finish:
    """Complete the response."""


@dataclass(slots=True)
class Fail:
    """Abort the response: it has started, and cannot be completed."""

    status: int


Action = Start | Write | Finish | Malformed | Fail


class Response:
    """How far one response is."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = ResponseState.WAITING

    def reply(self, message: Mapping[str, Any]) -> list[Action]:
        """Return what one message on the reply channel makes happen."""
        if self.state is ResponseState.COMPLETE:
            return []
        try:
            return self._carry_out(message)
        except _Problem as problem:
            malformed = Malformed(str(problem))
        if (
            self.state is ResponseState.WAITING
            or not isinstance(message, Mapping)
            or "status" in message
        ):
            return [malformed]
        self.state = ResponseState.COMPLETE
        return [malformed, Fail(500)]

    def end(self) -> None:
        """Do nothing more: nobody is left to answer."""
        self.state = ResponseState.COMPLETE

    def _carry_out(self, message: Mapping[str, Any]) -> list[Action]:
        if not isinstance(message, Mapping):
            raise _Problem(mistyped("a reply", "a dict", message))
        actions: list[Action] = []
        if self.state is ResponseState.WAITING:
            if "status" not in message:
                if "request" in message:
                    return []  # server push: docs/channels1.md#http-messages
                raise _Problem("the first message of a response needs a status")
            actions.append(Start(_status(message["status"]), _headers(message.get("headers"))))
        elif message.get(FAILED):
            self.state = ResponseState.COMPLETE
            return [Fail(500)]
        elif "status" in message:
            raise _Problem("a second status: the response has started already")
        content = _content(message.get("content"))
        if content:
            actions.append(Write(content))
        if message.get("more_content"):
            self.state = ResponseState.STARTED
        else:
            self.state = ResponseState.COMPLETE
            actions.append(Finish())
        return actions


class _Problem(Exception):
    """What is wrong with a message."""


def _status(status: object) -> int:
    if not isinstance(status, int) or isinstance(status, bool):
        raise _Problem(mistyped("status", "an int", status))
    if not 200 <= status <= 999:
        raise _Problem(f"status {status} cannot be sent: use 200 to 599")
    return status


def _content(content: object) -> bytes:
    if content is None:
        return b""
    if not isinstance(content, bytes):
        raise _Problem(mistyped("content", "bytes", content))
    return content


def _headers(headers: object) -> Pairs:
    if headers is None:
        return []
    if not isinstance(headers, Iterable) or isinstance(headers, Mapping | str | bytes):
        raise _Problem(mistyped("headers", "a list of pairs", headers))
    pairs = [_header(pair) for pair in headers]
    lengths = {value.strip() for name, value in pairs if name.lower() == b"content-length"}
    if len(lengths) > 1:
        # A proxy in front may believe the other one, and take content for a response.
        told = ", ".join(sorted(length.decode("latin-1") for length in lengths))
        raise _Problem(f"more than one Content-Length: {told:.80}")
    return pairs


def _header(pair: object) -> tuple[bytes, bytes]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise _Problem(f"a header must be a pair of a name and a value, not {pair!r:.80}")
    name, value = _octets(pair[0], "name"), _octets(pair[1], "value")
    if not _TOKEN.fullmatch(name):
        raise _Problem(f"{name!r:.80} is not a valid header name")
    return name, _LINE_BREAKS.sub(b" ", value)


def _octets(part: object, what: str) -> bytes:
    if isinstance(part, bytes):
        return part
    if not isinstance(part, str):
        raise _Problem(mistyped(f"a header {what}", "bytes", part))
    try:
        return part.encode("latin-1")
    except UnicodeEncodeError:
        raise _Problem(f"the header {what} {part!r:.80} has characters beyond latin-1") from None
