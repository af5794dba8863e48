"""Numbered messages, and the check that each arrives once, in order and unharmed.

Every message carries the number of the socket that asked and its own number in that socket's
row.  A :class:`Script` makes them, an :class:`Inbox` takes what one socket receives and counts
what was lost, came twice, came late or is not ours.  No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

#: Bytes of text in each message.
SIZE = 32

_HEADER = bytes([0x81, SIZE])
#: The mask is zero: legal, and no work for us.
_MASKED_HEADER = bytes([0x81, 0x80 | SIZE]) + bytes(4)
_FILLER = b"x" * (SIZE - 18)
_PING = 0x89


@dataclass(frozen=True)
class Counts:
    """What went wrong with the messages of one measurement."""

    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    foreign: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __bool__(self) -> bool:
        return any(astuple(self))

    def __str__(self) -> str:
        return (
            f"{self.lost:,} lost, {self.duplicated:,} duplicated, {self.reordered:,} reordered,"
            f" {self.foreign:,} with wrong content"
        )


class Script:
    """The messages that one socket has asked with, in order."""

    def __init__(self, number: int) -> None:
        self.start = b"%08d:" % number
        self.answers: list[bytes] = []

    def ask(self) -> bytes:
        """Return the next message as a client's frame."""
        text = b"%b%08d:%b" % (self.start, len(self.answers), _FILLER)
        self.answers.append(_HEADER + text)
        return _MASKED_HEADER + text


class Inbox:
    """What one socket receives of a script.

    Attributes:
        pinged: Pings that nobody has answered yet, as the frames that answer them.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._answers = script.answers
        self._next = 0
        self._missing: set[int] = set()
        self._rest = b""
        self._duplicated = self._reordered = self._foreign = 0
        self.pinged: list[bytes] = []

    def feed(self, data: bytes) -> int:
        """Take bytes off the wire; return how many messages arrived for the first time."""
        number = self._next
        if number < len(self._answers) and data == self._answers[number] and not self._rest:
            self._next += 1
            return 1
        return sum(map(self._take, self._frames(data)))

    def counts(self) -> Counts:
        """Return what has gone wrong, if nothing arrives any more."""
        lost = len(self._missing) + len(self._answers) - self._next
        return Counts(lost, self._duplicated, self._reordered, self._foreign)

    def _frames(self, data: bytes) -> Iterable[bytes]:
        rest = self._rest + data
        at = 0
        while len(rest) - at >= 2:
            length = rest[at + 1] & 0x7F
            if length == 126 and len(rest) - at >= 4:
                end = at + 4 + int.from_bytes(rest[at + 2 : at + 4], "big")
            else:
                end = at + 2 + length
            if end > len(rest):
                break
            yield rest[at:end]
            at = end
        self._rest = rest[at:]

    def _take(self, frame: bytes) -> int:
        if frame[0] == _PING:
            self.pinged.append(bytes([0x8A, 0x80 | len(frame) - 2]) + bytes(4) + frame[2:])
            return 0
        number = self._number(frame)
        if number is None:
            self._foreign += 1
            return 0
        if number >= self._next:
            self._missing.update(range(self._next, number))
            self._next = number + 1
            return 1
        if number in self._missing:
            self._missing.remove(number)
            self._reordered += 1
            return 1
        self._duplicated += 1
        return 0

    def _number(self, frame: bytes) -> int | None:
        """Return the number of a message, or None if the script has no such message."""
        digits = frame[11:19]
        if not digits.isdigit() or int(digits) >= len(self._answers):
            return None
        number = int(digits)
        return number if self._answers[number] == frame else None


def total(inboxes: Iterable[Inbox]) -> Counts:
    """Add up what went wrong."""
    return sum((inbox.counts() for inbox in inboxes), Counts())
