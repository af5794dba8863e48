"""Bytes of queues and mailboxes: what surrounds the payloads, read without trust.

A *frame* is what a queue holds, an *item* what a mailbox holds.  All numbers are
big-endian.  Scripts put the part in front of ``|``, because only Redis knows the
time and the counters::

    frame  expiry(8) | flags(1) ttl_ms(4) mlen(1) [mailbox(mlen) number(8)] tlen(1) trace payload
    item   expiry(8) messages(8) bytes(8) number(8) | kind(1) ...

    R llen local payload            a message for one channel of the process
    F llen local number(8) payload  the same, sent in the run of its frame with this number
    G glen group payload            a message for the members of a group here
    A number(8)                     a receipt
    N number(8) cause(1)            the same for a frame that was dropped, or is lost
    J llen local glen group expiry(8) fresh(1)    joined; fresh: was no member before
    L llen local glen group         left
    B llen local                    the body list of this channel is no longer empty

``expiry`` is in Redis milliseconds; ``messages`` and ``bytes`` count what was ever pushed to
the mailbox, this item included; the item's ``number`` is that of the last change
of memberships.  Headers are never encrypted: a frame that cannot be decoded must still
be answered, and scripts read them.
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass

from channels.layers.clients import EXPIRED, LOST, UNREADABLE, Frame
from channels.layers.redis.wire.codec import ENCRYPTED, Codec, Undecodable
from channels.seldom import Seldom

logger = logging.getLogger("channels.layers.redis")

_SELDOM = Seldom()

#: Flags of a frame beside the codec's, which has 2.
ORDERED = 1
REDELIVERED = 4

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

_CAUSES = {EXPIRED: b"e", UNREADABLE: b"u", LOST: b"l"}
_CAUSE_OF = {ord(letter): cause for cause, letter in _CAUSES.items()}

# -- receipts ------------------------------------------------------------------------


def receipt_for(mailbox: str, number: int) -> bytes:
    """Return a receipt: which mailbox to answer, and with which number."""
    name = mailbox.encode("ascii")
    return bytes((len(name),)) + name + _NUMBER.pack(number)


def read_receipt(receipt: bytes) -> tuple[str, int]:
    """Return the mailbox and number of a receipt; :class:`ValueError` if it is none."""
    length = receipt[0] if receipt else 0
    if len(receipt) != 1 + length + 8:
        raise ValueError(f"not a receipt: {receipt!r}")
    return receipt[1 : 1 + length].decode("ascii"), _NUMBER.unpack_from(receipt, 1 + length)[0]


def number_for(mailbox: str, receipt: bytes | None) -> int | None:
    """Return the number of a receipt that this mailbox waits for; ``None`` for any other."""
    if receipt is None or receipt[1:-8] != mailbox.encode("ascii"):
        return None
    return int.from_bytes(receipt[-8:], "big")


def answer_for(receipt: bytes, cause: str = "") -> tuple[str, bytes]:
    """Return the mailbox that waits for a receipt, and the item that answers it.

    ``cause`` is why nothing will answer it, ``""`` if its frame has run.  ``ValueError`` if it is
    no receipt.
    """
    length = receipt[0] if receipt else 0
    if len(receipt) != 9 + length or receipt[length : length + 1] != b"!":
        raise ValueError(f"not a receipt: {receipt!r}")
    mailbox, number = receipt[1 : 1 + length].decode("ascii"), receipt[1 + length :]
    return mailbox, b"N" + number + _CAUSES[cause] if cause else b"A" + number


# -- frames: what queues hold --------------------------------------------------------


def frame(payload: bytes, ttl_ms: int, *, flags: int = 0, receipt: bytes = b"\0") -> bytes:
    """Return a frame without its expiry, which the push script puts in front.

    ``flags`` are ours and the codec's; without a ``receipt`` no answer is wanted.
    """
    return b"".join((_HEAD.pack(flags, min(ttl_ms, _MAX_TTL_MS)), receipt, _NO_TRACE, payload))


def frame_with_expiry(again: Frame, codec: Codec, now_ms: int) -> bytes:
    """Return a frame as it is stored, with the expiry that it had when it was taken."""
    expiry_ms = round(again.expires * 1000)
    ordered, redelivered = ORDERED * again.ordered, REDELIVERED * again.redelivered
    return _NUMBER.pack(expiry_ms) + frame(
        codec.payload(again.channel, *again.messages),
        max(0, expiry_ms - now_ms),
        flags=codec.flags | ordered | redelivered,
        receipt=again.receipt or b"\0",
    )


def receipt_of(raw: bytes) -> bytes | None:
    """Return the receipt of a stored frame; None if it has none, or is no frame."""
    length = raw[RECEIPT_OFFSET] if len(raw) > RECEIPT_OFFSET else 0
    return raw[RECEIPT_OFFSET : RECEIPT_OFFSET + length + 9] if length else None


@dataclass(slots=True)
class Unfit:
    """A frame that was taken and must not run: why, and what its sender waits for, if anything."""

    cause: str
    receipt: bytes | None


def open_frame(channel: str, raw: bytes, codec: Codec, now_ms: int) -> Frame | Unfit:
    """Return the frame in ``raw``, or why it must not run; says so in the log."""
    receipt = None
    try:
        try:
            expiry_ms, flags, ttl_ms, length = _FRAME.unpack_from(raw)
            end = RECEIPT_OFFSET + 1 + (length + 8 if length else 0)
            start = end + 1 + raw[end]
        except (struct.error, IndexError) as error:
            raise Undecodable("too short for a frame") from error
        if length:
            receipt = raw[RECEIPT_OFFSET:end]
        if start > len(raw):
            raise Undecodable("too short for a frame")
        if expiry_ms <= now_ms:
            _log_expired(channel, ttl_ms)
            return Unfit(EXPIRED, receipt)
        if (flags & ENCRYPTED) != codec.flags:
            state = "encrypted" if flags & ENCRYPTED else "not encrypted"
            raise Undecodable(f"the frame is {state}, against our settings")
        messages = codec.messages(raw[start:], ttl_ms / 1000)
    except Undecodable as error:
        logger.warning("dropped a frame of channel %s that cannot be read: %s", channel, error)
        return Unfit(UNREADABLE, receipt)
    ordered, redelivered = bool(flags & ORDERED), bool(flags & REDELIVERED)
    return Frame(channel, messages, receipt, ordered, expiry_ms / 1000, redelivered)


def _log_expired(channel: str, ttl_ms: int) -> None:
    if _SELDOM.due(channel):
        logger.warning(
            "dropped a frame of channel %s, and maybe more: nobody took it within %g s."
            " The workers are too few or too slow, or were away",
            channel,
            ttl_ms / 1000,
        )


def age_of_frame(raw: bytes, now_ms: int) -> int:
    """Return the age of a stored frame in whole seconds; 0 for what is none."""
    try:
        expiry_ms, _, ttl_ms, _ = _FRAME.unpack_from(raw)
    except struct.error:
        return 0
    return max(0, now_ms - (int(expiry_ms) - int(ttl_ms))) // 1000


# -- items: what mailboxes hold ------------------------------------------------------


# They are without their stamps.


def reply_item(local: str, payload: bytes, number: int | None = None) -> bytes:
    """Return an item for one channel of the process.

    ``number`` is that of the frame of this process in whose run it was sent.
    """
    name = local.encode("ascii")
    if number is None:
        return b"R%c%b%b" % (len(name), name, payload)
    return b"F%c%b%b%b" % (len(name), name, _NUMBER.pack(number), payload)


def group_item(group: str, payload: bytes) -> bytes:
    """Return an item for all members of a group in the process."""
    return b"G%c%b%b" % (len(group), group.encode("ascii"), payload)


def body_item(local: str) -> bytes:
    """Return an item that tells of a body list which was empty."""
    return b"B%c%b" % (len(local), local.encode("ascii"))


def receipt_item(number: int) -> bytes:
    """Return an item that answers a frame."""
    return b"A" + _NUMBER.pack(number)


@dataclass(slots=True)
class Item:
    """One item of a mailbox; which fields mean something depends on ``kind`` (see above).

    Attributes:
        expiry_ms: In Redis milliseconds, as ``member_expiry_ms``.
        pushed: Messages ever pushed to the mailbox, this one included.
        pushed_bytes: The same in bytes.
        number: Membership changes of the process so far, this one included.
        receipt: Number of the frame that is answered, or in whose run a message was sent.
        cause: Why the frame gets no answer.
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
    """Return a stored item of a mailbox, its payload not decoded; may raise ``Undecodable``."""
    try:
        kind = chr(raw[STAMP_SIZE])
        item = Item(kind, *_STAMP.unpack_from(raw))
        at = STAMP_SIZE + 1
        if kind in "RFJLB":
            item.local, at = _read_short(raw, at)
        if kind in "GJL":
            item.group, at = _read_short(raw, at)
        if kind == "F":
            (item.receipt,) = _NUMBER.unpack_from(raw, at)
            at += 8
        if kind in "RFG":
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
