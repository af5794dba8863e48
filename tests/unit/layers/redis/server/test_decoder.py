"""What a mailbox's bytes become, item by item; no Redis, no clock of its own."""

from __future__ import annotations

import struct

import pytest

from channels.layers.clients import GroupMessage, Joined, MoreBody, NotRun, Receipt, Reply, Unread
from channels.layers.redis.net.protocol import RedisClock
from channels.layers.redis.server.decoder import FIRST_MARK, MailboxDecoder
from channels.layers.redis.server.memberships import Drift, Memberships
from channels.layers.redis.wire import items

#: Redis time of these tests, in milliseconds.
NOW = 1_000_000


def stamped(item, *, pushed=0, size=0, number=0, expiry=NOW + 1000):
    """An item as the scripts store it."""
    return struct.pack(">QQQQ", expiry, pushed, size, number) + item


def join(local, group, number):
    head = bytes((len(local),)) + local.encode() + bytes((len(group),)) + group.encode()
    return stamped(b"J" + head + struct.pack(">Q", NOW + 5000) + b"\1", number=number)


def leave(local, group, number):
    head = bytes((len(local),)) + local.encode() + bytes((len(group),)) + group.encode()
    return stamped(b"L" + head, number=number)


@pytest.fixture
def codec():
    return items.Codec(1 << 20)


@pytest.fixture
def memberships():
    return Memberships()


@pytest.fixture
def marks():
    return []


@pytest.fixture
def decoder(codec, memberships, marks):
    clock = RedisClock(lambda: 0.0)
    clock.measure((NOW // 1000, 0), 0.0)
    return MailboxDecoder(memberships, codec, clock, lifetime=60, marked=marks.append)


def test_each_kind_becomes_an_item_in_order(decoder, codec):
    payload = codec.payload("x", {"n": 1})
    raw = [
        stamped(items.receipt_item(2**40)),
        join("a", "room", 1),
        stamped(items.reply_item("a", payload), pushed=1),
        stamped(items.group_item("room", payload), pushed=2, number=1),
        stamped(items.body_item("a")),
        leave("a", "room", 2),
    ]

    delivered, drift = decoder.read(raw)

    assert drift is Drift.NONE
    assert delivered == [
        Receipt(2**40),
        Joined("room", "a"),
        Reply("a", {"n": 1}),
        GroupMessage("room", ("a",), {"n": 1}),
        MoreBody("a"),
    ]
    assert not decoder.waiting


def test_several_messages_of_one_payload_are_several_replies(decoder, codec):
    packed = codec.payload("x", {"n": 1}, {"n": 2})
    raw = [stamped(items.reply_item("a", packed), pushed=1)]

    assert decoder.read(raw)[0] == [Reply("a", {"n": 1}), Reply("a", {"n": 2})]


def test_a_reply_in_the_run_of_a_frame_has_its_number(decoder, codec):
    payload = codec.payload("x", {"n": 1})
    raw = [
        stamped(items.reply_item("a", payload, 7), pushed=1),
        stamped(items.reply_item("a", payload), pushed=2),
        stamped(items.reply_item("b", payload, 2**40), pushed=3, expiry=NOW),
        stamped(items.reply_item("c", b"\xc1", 7), pushed=4),
    ]

    assert decoder.read(raw)[0] == [
        Reply("a", {"n": 1}, 7),
        Reply("a", {"n": 1}),
        Unread("b", "expired"),
        Unread("c", "unreadable"),
    ]
    assert (decoder.taken, decoder.missed) == (4, 0)


def test_what_has_expired_is_dropped_but_receipts_are_not(decoder, codec):
    payload = codec.payload("x", {})
    raw = [
        stamped(items.reply_item("a", payload), pushed=1, expiry=NOW),
        stamped(items.receipt_item(3), expiry=NOW - 1),
    ]

    assert decoder.read(raw)[0] == [Unread("a", "expired"), Receipt(3)]
    assert decoder.counters()["expired"] == 1


def test_what_was_dropped_unrun_is_told_with_its_cause(decoder):
    receipts = [items.receipt_for("p!", number) for number in (4, 5, 6)]
    decoder.awaited |= {4, 5, 6}
    raw = [
        stamped(items.answer_for(receipts[0], "expired")[1]),
        stamped(items.answer_for(receipts[1], "unreadable")[1]),
        stamped(items.answer_for(receipts[2], "lost")[1]),
    ]

    expected = [NotRun(4, "expired"), NotRun(5, "unreadable"), NotRun(6, "lost")]
    assert decoder.read(raw)[0] == expected
    assert not decoder.awaited


def test_marks_are_told_and_not_delivered(decoder, marks):
    raw = [stamped(items.receipt_item(FIRST_MARK + 7)), stamped(items.receipt_item(7))]

    assert decoder.read(raw)[0] == [Receipt(7)]
    assert marks == [FIRST_MARK + 7]


def test_reading_stops_in_front_of_what_shows_a_drift_and_goes_on_after_a_rebuild(
    decoder, memberships, codec
):
    payload = codec.payload("x", {"n": 1})
    raw = [
        stamped(items.receipt_item(1)),
        stamped(items.group_item("room", payload), pushed=1, number=4),
        stamped(items.receipt_item(2)),
    ]

    assert decoder.read(raw) == ([Receipt(1)], Drift.MISSED)
    assert decoder.waiting
    raw = [stamped(items.receipt_item(3))]  # comes while we wait
    memberships.rebuild(4, [("room", "a", NOW / 1000 + 5)])

    delivered, drift = decoder.read(raw)

    assert drift is Drift.NONE
    assert delivered == [
        GroupMessage("room", ("a",), {"n": 1}),
        Receipt(2),
        Receipt(3),
    ]


def test_a_group_message_without_members_here_is_not_delivered(decoder, codec):
    raw = [stamped(items.group_item("room", codec.payload("x", {})), pushed=1)]

    assert decoder.read(raw) == ([], Drift.NONE)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"x" * 20,
        stamped(b""),
        stamped(b"?"),
        stamped(b"A123"),
        stamped(b"R"),
        stamped(b"R\x03ab"),
        stamped(b"R\x01a" + b"\xc1"),
        stamped(b"R\x01a" + b"\x01"),
        stamped(b"R\x01\xff\x80"),
        stamped(b"F\x01a\x00\x00\x01\x80"),
        stamped(b"J\x01a"),
        stamped(b"L"),
        stamped(b"B\x09a"),
    ],
)
def test_what_does_not_decode_is_dropped_and_counted(decoder, bad, caplog):
    raw = [bad, stamped(items.receipt_item(1))]

    *told, last = decoder.read(raw)[0]
    assert last == Receipt(1)
    assert all(type(item) is Unread for item in told)  # if it is seen for whom it was
    assert decoder.counters()["undecodable"] == 1
    assert "cannot be read" in caplog.text


def test_a_flood_of_what_does_not_decode_is_no_flood_in_the_log(decoder, caplog):
    raw = [stamped(b"?")] * 1000
    decoder.read(raw)

    assert decoder.counters()["undecodable"] == 1000
    assert len(caplog.records) == 10


def test_messages_that_never_came_are_counted(decoder, codec):
    payload = codec.payload("x", {})
    decoder.read([stamped(items.reply_item("a", payload), pushed=1, size=10)])
    decoder.read([stamped(items.reply_item("a", payload), pushed=4, size=40)])
    decoder.read([stamped(items.receipt_item(1), pushed=6, size=60)])

    assert decoder.counters()["missed"] == 4
    assert (decoder.taken, decoder.taken_bytes) == (6, 60)


def test_counters_that_were_lost_with_redis_are_no_loss(decoder, codec):
    payload = codec.payload("x", {})
    decoder.read([stamped(items.reply_item("a", payload), pushed=100, size=10)])
    before = decoder.counters()["missed"]
    decoder.read([stamped(items.reply_item("a", payload), pushed=1, size=10)])

    assert decoder.counters()["missed"] == before
    assert decoder.taken == 1
