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

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from channels.layers.clients import EXPIRED, UNREADABLE, Frame
from channels.layers.redis.wire.codec import ENCRYPTED, Codec, Undecodable

__all__ = [
    "ENCRYPTED",
    "ORDERED",
    "Codec",
    "FrameHead",
    "Item",
    "Undecodable",
    "answer_for",
    "body_item",
    "body_payloads",
    "frame",
    "frame_with_expiry",
    "group_item",
    "read_frame",
    "read_frame_head",
    "read_item",
    "read_receipt",
    "receipt_for",
    "receipt_item",
    "reply_item",
]

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


def frame(
    payload: bytes, ttl_ms: int, *, flags: int = 0, receipt: bytes = b"\0", trace: bytes = b""
) -> bytes:
    """Return a frame without its expiry, which the push script puts in front.

    Args:
        payload: From :class:`Codec`.
        ttl_ms: Milliseconds that it lives.
        flags: ``ORDERED``, and the codec's flags.
        receipt: From :func:`receipt_for`; by default none is wanted.
        trace: Up to 255 bytes that travel with it.
    """
    return b"".join(
        (_HEAD.pack(flags, min(ttl_ms, _MAX_TTL_MS)), receipt, bytes((len(trace),)), trace, payload)
    )


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
        fresh: Whether the channel was no member before (J).
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
    fresh: bool = False


def read_item(raw: bytes) -> Item:
    """Return a stored item of a mailbox; its payload is not decoded.

    Raises:
        Undecodable: It is not one.
    """
    try:
        item = Item(chr(raw[STAMP_SIZE]), *_STAMP.unpack_from(raw))
        _READERS[item.kind](item, raw, STAMP_SIZE + 1)
    except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
        raise Undecodable("not an item of a mailbox") from error
    return item


def _read_short(raw: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + raw[at]
    if end > len(raw):
        raise IndexError("too short")
    return raw[at + 1 : end].decode("ascii"), end


def _read_reply(item: Item, raw: bytes, at: int) -> None:
    item.local, at = _read_short(raw, at)
    item.payload = raw[at:]


def _read_group(item: Item, raw: bytes, at: int) -> None:
    item.group, at = _read_short(raw, at)
    item.payload = raw[at:]


def _read_answer(item: Item, raw: bytes, at: int) -> None:
    (item.receipt,) = _NUMBER.unpack_from(raw, at)


def _read_dropped(item: Item, raw: bytes, at: int) -> None:
    _read_answer(item, raw, at)
    item.cause = _CAUSE_OF[raw[at + 8]]


def _read_join(item: Item, raw: bytes, at: int) -> None:
    item.local, at = _read_short(raw, at)
    item.group, at = _read_short(raw, at)
    (item.member_expiry_ms,) = _NUMBER.unpack_from(raw, at)
    item.fresh = raw[at + 8] == 1


def _read_leave(item: Item, raw: bytes, at: int) -> None:
    item.local, at = _read_short(raw, at)
    item.group, at = _read_short(raw, at)


def _read_body(item: Item, raw: bytes, at: int) -> None:
    item.local, at = _read_short(raw, at)


_READERS = {
    "R": _read_reply,
    "G": _read_group,
    "A": _read_answer,
    "N": _read_dropped,
    "J": _read_join,
    "L": _read_leave,
    "B": _read_body,
}


def body_payloads(popped: Sequence[bytes]) -> list[bytes]:
    """Return the payloads among what was popped from a body list (stamp and payload in turn)."""
    return list(popped[1::2])
