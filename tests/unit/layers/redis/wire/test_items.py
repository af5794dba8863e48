"""Bytes of frames and items: there and back, and nothing else."""

from __future__ import annotations

import collections
import random
import struct

import msgpack
import pytest

from channels.exceptions import MessageTooLarge
from channels.layers.clients import EXPIRED, LOST, UNREADABLE, Frame
from channels.layers.redis.wire import items
from channels.layers.redis.wire.codec import Codec, Undecodable
from channels.layers.redis.wire.items import Unfit
from channels.layers.values import MAX_DEPTH

LIMIT = 10_000
NOW = 1_800_000_000_000


def stored(frame, expiry_ms=NOW + 60_000):
    return struct.pack(">Q", expiry_ms) + frame


def stamped(item):
    return struct.pack(">QQQQ", NOW, 7, 700, 3) + item


@pytest.fixture
def codec():
    return Codec(LIMIT)


class TestPayloads:
    def test_every_type_comes_back_as_it_was_but_tuples_as_lists(self, codec):
        message = {
            "bytes": b"\xff\x00\xc1",
            "str": "h\xe9llo \U0001f600",
            "ints": [0, -1, 2**64 - 1, -(2**63)],
            "keys": {1: {True: b"x"}, None: 2, b"\xff": {2**64 - 1: 3}},
            "float": 0.1,
            "none": None,
            "bools": [True, False],
            "pairs": [(b"a", b"b")],
            "nested": {"x": {"y": [{}]}},
        }

        (found,) = codec.messages(codec.payload("work", message), 60)

        assert found == {**message, "pairs": [[b"a", b"b"]]}

    def test_subclasses_travel_as_what_they_stand_for(self, codec):
        class Text(str):
            pass

        (found,) = codec.messages(
            codec.payload("work", {Text("k"): Text("v"), "b": bytearray(b"x")}), 60
        )

        assert found == {"k": "v", "b": b"x"}
        assert {type(part) for part in (*found, found["k"])} == {str}

    @pytest.mark.parametrize(
        "value",
        [{0.5: 2}, {"a": object()}, {"a": 2**64}, {2**64: 1}, {"a": [set()]}, {"a": "\ud800"}],
    )
    def test_what_cannot_travel_is_refused_with_its_place(self, codec, value):
        with pytest.raises(TypeError, match="'outer'"):
            codec.payload("work", {"outer": value})

    def test_a_message_of_another_class_is_looked_at_all_the_same(self, codec):
        message = collections.OrderedDict(n=1, b=bytearray(b"x"))

        assert codec.messages(codec.payload("work", message), 60) == [{"n": 1, "b": b"x"}]
        with pytest.raises(TypeError, match="'a'"):
            codec.payload("work", collections.OrderedDict(a=object()))
        with pytest.raises(TypeError, match="which is not a str"):
            codec.payload("work", collections.OrderedDict({1: 2}))

    def test_a_message_may_be_a_hundred_levels_deep(self, codec):
        message = {"n": 1}
        for _ in range(MAX_DEPTH - 1):
            message = {"n": message}

        assert codec.messages(codec.payload("work", message), 60) == [message]
        with pytest.raises(TypeError, match="nested"):
            codec.payload("work", {"n": message})

    def test_a_message_that_holds_itself_is_refused(self, codec):
        message = {}
        message["self"] = message

        with pytest.raises(TypeError, match="nested"):
            codec.payload("work", message)

    def test_the_limit_is_in_packed_bytes(self, codec):
        overhead = len(msgpack.packb({"body": b"x" * LIMIT})) - LIMIT
        codec.payload("work", {"body": b"x" * (LIMIT - overhead)})

        with pytest.raises(MessageTooLarge) as caught:
            codec.payload("work", {"body": b"x" * (LIMIT - overhead + 1)})

        assert (caught.value.channel, caught.value.size, caught.value.limit) == (
            "work",
            LIMIT + 1,
            LIMIT,
        )

    def test_several_messages_travel_in_one_payload(self, codec):
        messages = [{"n": n} for n in range(5)]

        assert codec.messages(codec.payload("work", *messages), 60) == messages

    @pytest.mark.parametrize(
        "payload",
        [b"", b"\xc1", b"\x01", b"\x81", b"\x81\xa1a", b"\x80\x81", b"\x80\x05", b"\x81\x90\x01"],
    )
    def test_anything_else_is_undecodable(self, codec, payload):
        with pytest.raises(Undecodable):
            codec.messages(payload, 60)

    def test_deep_nesting_is_undecodable_rather_than_fatal(self, codec):
        with pytest.raises(Undecodable):
            codec.messages(b"\x91" * 100_000, 60)


class TestEncryption:
    def test_the_first_key_encrypts_and_all_decrypt(self):
        old, new = Codec(LIMIT, ["old"]), Codec(LIMIT, ["new", b"old"])
        payload = old.payload("work", {"secret": "x"})

        assert new.messages(payload, 60) == [{"secret": "x"}]
        with pytest.raises(Undecodable):
            old.messages(new.payload("work", {}), 60)
        assert b"secret" not in payload

    def test_a_payload_is_refused_once_it_outlived_its_frame(self, monkeypatch):
        codec = Codec(LIMIT, ["key"])
        payload = codec.payload("work", {})
        import time

        later = time.time() + 80
        monkeypatch.setattr(time, "time", lambda: later)

        assert codec.messages(payload, 3600) == [{}]
        with pytest.raises(Undecodable):
            codec.messages(payload, 60)

    def test_a_frame_against_our_settings_is_refused_and_can_be_answered(self, codec, caplog):
        receipt = items.receipt_for("web.a!", 5)
        encrypting = Codec(LIMIT, ["key"])
        raw = stored(items.frame(codec.payload("work", {}), 1000, receipt=receipt))

        assert items.open_frame("work", raw, encrypting, NOW) == Unfit(UNREADABLE, receipt)
        assert "the frame is not encrypted, against our settings" in caplog.text


class TestFrames:
    @pytest.mark.parametrize("receipt", [b"\0", items.receipt_for("web.abc!", 2**63)])
    @pytest.mark.parametrize("trace", [b"", b"t" * 255])
    def test_a_frame_comes_back_as_it_was(self, codec, receipt, trace):
        raw = stored(
            items.frame(
                codec.payload("work", {"n": 1}),
                60_000,
                flags=items.ORDERED,
                receipt=receipt,
            )
        )
        at = items.RECEIPT_OFFSET + len(receipt)
        assert raw[at] == 0
        raw = raw[:at] + bytes((len(trace),)) + trace + raw[at + 1 :]

        assert items.open_frame("work", raw, codec, NOW) == Frame(
            "work", [{"n": 1}], None if receipt == b"\0" else receipt, True, (NOW + 60_000) / 1000
        )

    @pytest.mark.parametrize(("ordered", "redelivered"), [(True, True), (False, False)])
    def test_a_frame_that_is_given_back_keeps_everything(self, codec, ordered, redelivered):
        receipt = items.receipt_for("web.abc!", 9)
        messages, expires = [{"n": 1}, {"n": 2}], (NOW + 1234) / 1000
        frame = Frame("work", messages, receipt, ordered, expires, redelivered)

        raw = items.frame_with_expiry(frame, codec, NOW)

        assert items.open_frame("work", raw, codec, NOW) == frame
        assert struct.unpack_from(">I", raw, 9) == (1234,)

    def test_a_frame_that_has_expired_is_refused_and_can_be_answered(self, codec, caplog):
        receipt = items.receipt_for("web.abc!", 9)
        raw = stored(items.frame(codec.payload("work", {}), 60_000, receipt=receipt), NOW)

        assert items.open_frame("work", raw, codec, NOW) == Unfit(EXPIRED, receipt)
        assert "nobody took it within 60 s" in caplog.text
        assert items.open_frame("work", raw, codec, NOW - 1).messages == [{}]

    def test_the_age_of_a_frame_is_the_time_since_it_was_sent(self, codec):
        raw = stored(items.frame(b"\x80", 60_000), NOW + 57_900)

        assert items.age_of_frame(raw, NOW) == 2
        assert items.age_of_frame(raw[:13], NOW) == 0

    def test_the_receipt_is_where_scripts_look_for_it(self, codec):
        receipt = items.receipt_for("web.abc!", 9)
        raw = stored(items.frame(b"\x80", 1, receipt=receipt))

        assert raw[items.RECEIPT_OFFSET : items.RECEIPT_OFFSET + len(receipt)] == receipt

    def test_every_cut_of_a_frame_is_unreadable(self, codec):
        receipt = items.receipt_for("web.abc!", 9)
        raw = stored(items.frame(b"\x81\xa1n\x01", 1, receipt=receipt))
        known = items.RECEIPT_OFFSET + len(receipt) + 1

        for length in range(len(raw)):
            refused = items.open_frame("work", raw[:length], codec, NOW)
            assert refused == Unfit(UNREADABLE, receipt if length >= known else None)

    def test_noise_never_gets_past_the_reader(self, codec):
        noise = random.Random(1)
        for _ in range(5000):
            raw = noise.randbytes(noise.randrange(80))
            frame = items.open_frame("work", raw, codec, 0)
            if isinstance(frame, Frame):
                assert all(type(message) is dict for message in frame.messages)


class TestReceipts:
    def test_a_receipt_names_its_mailbox_and_number(self):
        receipt = items.receipt_for("web.abc!", 77)

        assert items.read_receipt(receipt) == ("web.abc!", 77)
        assert items.answer_for(receipt) == ("web.abc!", items.receipt_item(77))

    def test_only_the_mailbox_that_waits_for_it_is_told_the_number(self):
        receipt = items.receipt_for("web.abc!", 77)

        assert items.number_for("web.abc!", receipt) == 77
        assert items.number_for("web.abcd!", receipt) is None
        assert items.number_for("web.abc!", None) is None

    @pytest.mark.parametrize(
        "receipt", [b"", b"\0", b"\5web", b"\0" + bytes(8), b"\xf2D\xc9", b"\3web" + bytes(8)]
    )
    def test_what_is_no_receipt_is_refused(self, receipt):
        with pytest.raises(ValueError):
            items.answer_for(receipt)


class TestItems:
    @pytest.mark.parametrize(
        ("item", "fields"),
        [
            (items.reply_item("abc", b"pay"), {"kind": "R", "local": "abc", "payload": b"pay"}),
            (items.reply_item("", b"pay"), {"kind": "R", "local": "", "payload": b"pay"}),
            (
                items.reply_item("abc", b"pay", 2**64 - 1),
                {"kind": "F", "local": "abc", "receipt": 2**64 - 1, "payload": b"pay"},
            ),
            (items.group_item("room", b"pay"), {"kind": "G", "group": "room", "payload": b"pay"}),
            (items.receipt_item(2**64 - 1), {"kind": "A", "receipt": 2**64 - 1}),
            (
                items.answer_for(items.receipt_for("web.abc!", 9), LOST)[1],
                {"kind": "N", "receipt": 9, "cause": LOST},
            ),
            (items.body_item("abc"), {"kind": "B", "local": "abc"}),
            (
                b"J\3abc\4room" + struct.pack(">QB", NOW, 1),
                {
                    "kind": "J",
                    "local": "abc",
                    "group": "room",
                    "member_expiry_ms": NOW,
                },
            ),
            (b"L\3abc\4room", {"kind": "L", "local": "abc", "group": "room"}),
        ],
    )
    def test_an_item_comes_back_as_it_was(self, item, fields):
        found = items.read_item(stamped(item))

        expected = items.Item(fields.pop("kind"), NOW, 7, 700, 3, **fields)
        assert found == expected

    def test_noise_never_gets_past_the_reader(self):
        noise = random.Random(2)
        for _ in range(5000):
            raw = bytearray(noise.randbytes(32 + noise.randrange(30)))
            if len(raw) > 32:
                raw[32] = noise.choice(b"RFGANJLBx")
            try:
                found = items.read_item(bytes(raw))
            except Undecodable:
                continue
            assert found.kind in "RFGANJLB"
