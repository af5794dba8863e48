"""Bytes of queues and mailboxes: what surrounds the payloads, read without trust.

A *frame* is what a queue holds, an *item* what a mailbox holds.  All numbers are
big-endian.  Scripts put the part in front of ``|``, because only Redis knows the
time and the counters::

    frame  expiry(8) | flags(1) ttl_ms(4) mlen(1) [mailbox(mlen) number(8)] tlen(1) trace payload
    item   expiry(8) messages(8) bytes(8) number(8) | kind(1) ...

    R llen local payload            a message for one channel of the process
    G glen group payload            a message for the members of a group here
    A number(8)                     a receipt
    N number(8) cause(1)            the same for a frame that was dropped
    J llen local glen group expiry(8) fresh(1)    joined; fresh: was no member before
    L llen local glen group         left
    B llen local                    the body list of this channel is no longer empty

``expiry`` is in Redis milliseconds; ``messages`` and ``bytes`` count what was ever pushed to
the mailbox, this item included; the item's ``number`` is that of the last change
of memberships.  A *payload* is one or more msgpack maps, one after the other, or a
Fernet token of that.  Headers are never encrypted: a frame that cannot be decoded
must still be answered, and scripts read them.
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass

from channels.layers.clients import EXPIRED, UNREADABLE, Frame
from channels.layers.redis.wire.codec import ENCRYPTED, Codec, Undecodable
from channels.seldom import Seldom

logger = logging.getLogger("channels.layers.redis")

_seldom = Seldom()

ORDERED = 1

#: Bytes that scripts put in front of an item of a mailbox.
STAMP_SIZE = 32

#: Where the receipt starts in a stored frame (Lua counts from one).
RECEIPT_OFFSET = 13

_FRAME = struct.Struct(">QBIB")
_STAMP = struct.Struct(">QQQQ")
_NUMBER = struct.Struct(">Q")
_HEAD = struct.Struct(">BI")
_MAX_TTL_MS = 0xFFFFFFFF

#: Frames have room for what would trace them; nothing writes any.
_NO_TRACE = b"\0"

_CAUSES = {EXPIRED: b"e", UNREADABLE: b"u"}
_CAUSE_OF = {ord(letter): cause for cause, letter in _CAUSES.items()}

# -- receipts ------------------------------------------------------------------------


def receipt_for(mailbox: str, number: int) -> bytes:
    """Return a receipt: which mailbox to answer, and with which number."""
    name = mailbox.encode("ascii")
    return bytes((len(name),)) + name + _NUMBER.pack(number)


def read_receipt(receipt: bytes) -> tuple[str, int]:
    """Return the mailbox and the number of a receipt.

    Raises:
        ValueError: It was not made by :func:`receipt_for`.
    """
    length = receipt[0] if receipt else 0
    if len(receipt) != 1 + length + 8:
        raise ValueError(f"not a receipt: {receipt!r}")
    return receipt[1 : 1 + length].decode("ascii"), _NUMBER.unpack_from(receipt, 1 + length)[0]


def answer_for(receipt: bytes, cause: str = "") -> tuple[str, bytes]:
    """Return the mailbox that waits for a receipt, and the item that answers it.

    Args:
        receipt: From :func:`receipt_for`.
        cause: Why its frame was dropped; nothing if it has run.

    Raises:
        ValueError: It is not a receipt.
    """
    length = receipt[0] if receipt else 0
    if len(receipt) != 9 + length or not length:
        raise ValueError(f"not a receipt: {receipt!r}")
    mailbox, number = receipt[1 : 1 + length].decode("ascii"), receipt[1 + length :]
    return mailbox, b"N" + number + _CAUSES[cause] if cause else b"A" + number


# -- frames: what queues hold --------------------------------------------------------


def frame(payload: bytes, ttl_ms: int, *, flags: int = 0, receipt: bytes = b"\0") -> bytes:
    """Return a frame without its expiry, which the push script puts in front.

    Args:
        payload: From :class:`Codec`.
        ttl_ms: Milliseconds that it lives.
        flags: ``ORDERED``, and the codec's flags.
        receipt: From :func:`receipt_for`; by default none is wanted.
    """
    return b"".join((_HEAD.pack(flags, min(ttl_ms, _MAX_TTL_MS)), receipt, _NO_TRACE, payload))


def frame_with_expiry(frame_: Frame, codec: Codec, now_ms: int) -> bytes:
    """Return a frame as it is stored, with the expiry that it had when it was taken."""
    expiry = round(frame_.expires * 1000)
    packed = b"".join(codec.pack(frame_.channel, message) for message in frame_.messages)
    head = frame(
        codec.seal(packed),
        max(0, expiry - now_ms),
        flags=codec.flags | (ORDERED if frame_.ordered else 0),
        receipt=frame_.receipt or b"\0",
    )
    return _NUMBER.pack(expiry) + head


@dataclass(slots=True)
class FrameHead:
    """What a stored frame says in front of its payload.

    Attributes:
        expiry_ms: In Redis milliseconds.
        flags: ``ORDERED`` and ``ENCRYPTED``.
        ttl_ms: Milliseconds that it was given to live.
        receipt: What to answer, if anything.
        start: Where the payload starts.
    """

    expiry_ms: int
    flags: int
    ttl_ms: int
    receipt: bytes | None
    start: int


def read_frame_head(raw: bytes) -> FrameHead:
    """Return the header of a stored frame.

    Raises:
        Undecodable: It is too short for its own lengths.
    """
    try:
        expiry_ms, flags, ttl_ms, length = _FRAME.unpack_from(raw)
        end = RECEIPT_OFFSET + 1 + (length + 8 if length else 0)
        start = end + 1 + raw[end]
    except (struct.error, IndexError) as error:
        raise Undecodable("too short for a frame") from error
    receipt = raw[RECEIPT_OFFSET:end] if length else None
    if start > len(raw):
        raise Undecodable("too short for a frame", receipt)
    return FrameHead(expiry_ms, flags, ttl_ms, receipt, start)


def read_frame(channel: str, raw: bytes, head: FrameHead, codec: Codec) -> Frame:
    """Return a stored frame, given its header.

    Raises:
        Undecodable: The payload is not ours, or is encrypted when we have no keys, or
            the other way round.
    """
    if (head.flags & ENCRYPTED) != codec.flags:
        state = "encrypted" if head.flags & ENCRYPTED else "not encrypted"
        raise Undecodable(f"the frame is {state}, against our settings", head.receipt)
    try:
        messages = codec.messages(raw[head.start :], head.ttl_ms / 1000)
    except Undecodable as error:
        error.receipt = head.receipt
        raise
    return Frame(channel, messages, head.receipt, bool(head.flags & ORDERED), head.expiry_ms / 1000)


@dataclass(slots=True)
class Refused:
    """A frame that was taken and must not run.

    Attributes:
        channel: Where it was taken from.
        cause: ``EXPIRED`` or ``UNREADABLE``.
        receipt: What its sender waits for, if anything.
    """

    channel: str
    cause: str
    receipt: bytes | None

    @property
    def counter(self) -> str:
        """Which counter of the channel it adds to."""
        return "expired_count" if self.cause == EXPIRED else "undecodable_count"


def open_frame(channel: str, raw: bytes, codec: Codec, now_ms: int) -> Frame | Refused:
    """Return the frame in ``raw``, or why there is none; says so in the log."""
    try:
        head = read_frame_head(raw)
        if head.expiry_ms <= now_ms:
            if _seldom.due((EXPIRED, channel)):
                logger.warning(
                    "dropped a frame of channel %s, and maybe more: nobody took it within %g s."
                    " The workers are too few or too slow, or were away",
                    channel,
                    head.ttl_ms / 1000,
                )
            return Refused(channel, EXPIRED, head.receipt)
        return read_frame(channel, raw, head, codec)
    except Undecodable as error:
        logger.warning("dropped a frame of channel %s that cannot be read: %s", channel, error)
        return Refused(channel, UNREADABLE, error.receipt)


# -- items: what mailboxes hold ------------------------------------------------------


def reply_item(local: str, payload: bytes) -> bytes:
    """Return an item for one channel of the process, without its stamp."""
    return b"R" + _short(local) + payload


def group_item(group: str, payload: bytes) -> bytes:
    """Return an item for all members of a group in the process, without its stamp."""
    return b"G" + _short(group) + payload


def body_item(local: str) -> bytes:
    """Return an item that tells of a body list which was empty, without its stamp."""
    return b"B" + _short(local)


def receipt_item(number: int) -> bytes:
    """Return an item that answers a frame, without its stamp."""
    return b"A" + _NUMBER.pack(number)


def _short(text: str) -> bytes:
    return bytes((len(text),)) + text.encode("ascii")


@dataclass(slots=True)
class Item:
    """One item of a mailbox.  Which fields mean something depends on ``kind``.

    Attributes:
        kind: ``R``, ``G``, ``A``, ``N``, ``J``, ``L`` or ``B``, as a character.
        expiry_ms: When the item expires, in Redis milliseconds.
        pushed: Messages ever pushed to the mailbox, this one included.
        pushed_bytes: The same in bytes.
        number: Membership changes of the process so far, this one included.
        local: Local part (R, J, L, B).
        group: Group (G, J, L).
        payload: For :meth:`Codec.messages` (R, G).
        receipt: Number of the receipt (A, N).
        cause: Why the frame was dropped (N).
        member_expiry_ms: When the membership expires, in Redis milliseconds (J).
    """

    kind: str
    expiry_ms: int
    pushed: int
    pushed_bytes: int
    number: int
    local: str = ""
    group: str = ""
    payload: bytes = b""
    receipt: int = 0
    cause: str = ""
    member_expiry_ms: int = 0


def read_item(raw: bytes) -> Item:
    """Return a stored item of a mailbox; its payload is not decoded.

    Raises:
        Undecodable: It is not one.
    """
    try:
        kind = chr(raw[STAMP_SIZE])
        item = Item(kind, *_STAMP.unpack_from(raw))
        at = STAMP_SIZE + 1
        if kind in "RJLB":
            item.local, at = _read_short(raw, at)
        if kind in "GJL":
            item.group, at = _read_short(raw, at)
        if kind in "RG":
            item.payload = raw[at:]
        elif kind in "AN":
            (item.receipt,) = _NUMBER.unpack_from(raw, at)
            item.cause = _CAUSE_OF[raw[at + 8]] if kind == "N" else ""
        elif kind == "J":
            (item.member_expiry_ms,) = _NUMBER.unpack_from(raw, at)
        elif kind not in "LB":
            raise Undecodable("an item of a kind that is not known")
    except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
        raise Undecodable("not an item of a mailbox") from error
    return item


def _read_short(raw: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + raw[at]
    if end > len(raw):
        raise IndexError("too short")
    return raw[at + 1 : end].decode("ascii"), end
