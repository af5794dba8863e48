"""What a mailbox's bytes become, item by item; no Redis, no clock of its own."""

from __future__ import annotations

import struct

import pytest

from channels.layers.clients import GroupMessage, Joined, MoreBody, NotRun, Receipt, Reply, Unread
from channels.layers.redis.net.protocol import RedisClock
from channels.layers.redis.server.decoder import FIRST_MARK, Intake
from channels.layers.redis.server.memberships import Drift, GroupRegistry
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
def registry():
    return GroupRegistry()


@pytest.fixture
def marks():
    return []


@pytest.fixture
def intake(codec, registry, marks):
    clock = RedisClock(lambda: 0.0)
    clock.measure((NOW // 1000, 0), 0.0)
    return Intake(registry, codec, clock, lifetime=60, marked=marks.append)


def test_each_kind_becomes_an_item_in_order(intake, codec):
    payload = codec.payload("x", {"n": 1})
    intake.feed(
        [
            stamped(items.receipt_item(2**40)),
            join("a", "room", 1),
            stamped(items.reply_item("a", payload), pushed=1),
            stamped(items.group_item("room", payload), pushed=2, number=1),
            stamped(items.body_item("a")),
            leave("a", "room", 2),
        ]
    )

    delivered, drift = intake.read()

    assert drift is Drift.NONE
    assert delivered == [
        Receipt(2**40),
        Joined("room", "a"),
        Reply("a", {"n": 1}),
        GroupMessage("room", ("a",), {"n": 1}),
        MoreBody("a"),
    ]
    assert not intake.waiting


def test_several_messages_of_one_payload_are_several_replies(intake, codec):
    packed = codec.pack("x", {"n": 1}) + codec.pack("x", {"n": 2})
    intake.feed([stamped(items.reply_item("a", packed), pushed=1)])

    assert intake.read()[0] == [Reply("a", {"n": 1}), Reply("a", {"n": 2})]


def test_what_has_expired_is_dropped_but_receipts_are_not(intake, codec):
    payload = codec.payload("x", {})
    intake.feed(
        [
            stamped(items.reply_item("a", payload), pushed=1, expiry=NOW),
            stamped(items.receipt_item(3), expiry=NOW - 1),
        ]
    )

    assert intake.read()[0] == [Unread("a", "expired"), Receipt(3)]
    assert intake.counters()["expired"] == 1


def test_what_was_dropped_unrun_is_told_with_its_cause(intake):
    receipts = [items.receipt_for("p!", number) for number in (4, 5)]
    intake.awaited |= {4, 5}
    intake.feed(
        [
            stamped(items.answer_for(receipts[0], "expired")[1]),
            stamped(items.answer_for(receipts[1], "unreadable")[1]),
        ]
    )

    assert intake.read()[0] == [NotRun(4, "expired"), NotRun(5, "unreadable")]
    assert not intake.awaited


def test_marks_are_told_and_not_delivered(intake, marks):
    intake.feed([stamped(items.receipt_item(FIRST_MARK + 7)), stamped(items.receipt_item(7))])

    assert intake.read()[0] == [Receipt(7)]
    assert marks == [FIRST_MARK + 7]


def test_reading_stops_in_front_of_what_shows_a_drift_and_goes_on_after_a_rebuild(
    intake, registry, codec
):
    payload = codec.payload("x", {"n": 1})
    intake.feed(
        [
            stamped(items.receipt_item(1)),
            stamped(items.group_item("room", payload), pushed=1, number=4),
            stamped(items.receipt_item(2)),
        ]
    )

    assert intake.read() == ([Receipt(1)], Drift.MISSED)
    assert intake.waiting
    intake.feed([stamped(items.receipt_item(3))])  # comes while we wait
    registry.rebuild(4, [("room", "a", NOW / 1000 + 5)])

    delivered, drift = intake.read()

    assert drift is Drift.NONE
    assert delivered == [
        GroupMessage("room", ("a",), {"n": 1}),
        Receipt(2),
        Receipt(3),
    ]


def test_a_group_message_without_members_here_is_not_delivered(intake, codec):
    intake.feed([stamped(items.group_item("room", codec.payload("x", {})), pushed=1)])

    assert intake.read() == ([], Drift.NONE)


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
        stamped(b"J\x01a"),
        stamped(b"L"),
        stamped(b"B\x09a"),
    ],
)
def test_what_does_not_decode_is_dropped_and_counted(intake, bad, caplog):
    intake.feed([bad, stamped(items.receipt_item(1))])

    *told, last = intake.read()[0]
    assert last == Receipt(1)
    assert all(type(item) is Unread for item in told)  # if it is seen for whom it was
    assert intake.counters()["undecodable"] == 1
    assert "cannot be read" in caplog.text


def test_a_flood_of_what_does_not_decode_is_no_flood_in_the_log(intake, caplog):
    intake.feed([stamped(b"?")] * 1000)
    intake.read()

    assert intake.counters()["undecodable"] == 1000
    assert len(caplog.records) == 10


def test_messages_that_never_came_are_counted(intake, codec):
    payload = codec.payload("x", {})
    intake.feed([stamped(items.reply_item("a", payload), pushed=1, size=10)])
    intake.feed([stamped(items.reply_item("a", payload), pushed=4, size=40)])
    intake.feed([stamped(items.receipt_item(1), pushed=6, size=60)])

    assert intake.counters()["missed"] == 4
    assert (intake.taken, intake.taken_bytes) == (6, 60)


def test_counters_that_were_lost_with_redis_are_no_loss(intake, codec):
    payload = codec.payload("x", {})
    intake.feed([stamped(items.reply_item("a", payload), pushed=100, size=10)])
    before = intake.counters()["missed"]
    intake.feed([stamped(items.reply_item("a", payload), pushed=1, size=10)])

    assert intake.counters()["missed"] == before
    assert intake.taken == 1
