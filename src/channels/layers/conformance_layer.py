"""Conformance of the synchronous interface (contract layer.md sections 1 to 4)."""

# ruff: noqa: D102 - names of tests are sentences already
from __future__ import annotations

import contextlib
import pickle
import re
import threading
import time
from typing import Any

import pytest

from channels.layers.conformance_common import CAPACITY, Clock, Conformance, Layer, MakeLayer

VALID_CHANNELS = [
    "http.request",
    "websocket-receive_2",
    "http.response!ab0def",
    "http.request.body?ab0def",
    "0.a_b-c?d_e-f.1",
    "web.Zk81!",
    "a" * 99,
    "a" * 49 + "!" + "b" * 49,
]

INVALID_CHANNELS = [
    pytest.param("¯\\_(ツ)_/¯", id="shrug"),
    pytest.param("chan£el", id="pound"),
    pytest.param("chan+nel", id="plus"),
    pytest.param("chan nel", id="space"),
    pytest.param("chan\n", id="newline"),
    pytest.param("chan:nel", id="colon"),
    pytest.param("channel٣", id="arabic-digit"),
    pytest.param("channel!é", id="letter-behind-type"),
    pytest.param("two?types!", id="two-types"),
    pytest.param("two!types?x", id="two-types-turned"),
    pytest.param("twice!!", id="type-twice"),
    pytest.param("main?", id="no-random-part"),
    pytest.param("!local", id="no-mailbox"),
    pytest.param("", id="empty"),
    pytest.param("a" * 100, id="100-characters"),
    pytest.param(b"bytes", id="bytes"),
    pytest.param(None, id="none"),
]

VALID_GROUPS = ["foo.bar", "0.a_b-c", "g" * 99]

INVALID_GROUPS = [
    pytest.param("foo?bar", id="question-mark"),
    pytest.param("foo!bar", id="exclamation-mark"),
    pytest.param("foo=bar", id="equals"),
    pytest.param("foo bar", id="space"),
    pytest.param("foo\n", id="newline"),
    pytest.param("füü", id="non-ascii"),
    pytest.param("g٣", id="arabic-digit"),
    pytest.param("", id="empty"),
    pytest.param("g" * 100, id="100-characters"),
    pytest.param(b"bytes", id="bytes"),
]

CANNOT_TRAVEL = [
    pytest.param({1, 2}, id="set"),
    pytest.param(object(), id="object"),
    pytest.param(1j, id="complex"),
    pytest.param(2**64, id="too-large-int"),
    pytest.param(-(2**63) - 1, id="too-small-int"),
    pytest.param({1: "one"}, id="int-key"),
    pytest.param("\ud800", id="half-surrogate"),
]


class StrSubclass(str):
    """As Django's ``SafeString`` is one."""

    __slots__ = ()


class LayerConformance(Conformance):
    """Rules for every layer; see :mod:`channels.layers.conformance` for the fixtures."""

    # -- names ---------------------------------------------------------------------

    @pytest.mark.parametrize("name", VALID_CHANNELS)
    def test_a_valid_name_carries_messages(self, layer: Layer, name: str) -> None:
        layer.send(name, {"n": 1})

        assert self.receive(layer, layer.non_local_name(name)) == (name, {"n": 1})

    @pytest.mark.parametrize("name", INVALID_CHANNELS)
    def test_an_invalid_name_is_refused(self, layer: Layer, name: Any) -> None:
        with pytest.raises(TypeError):
            layer.send(name, {"n": 1})
        with pytest.raises(TypeError):
            layer.receive([name])
        with pytest.raises(TypeError):
            layer.group_add("group", name)

    def test_a_process_local_name_must_end_at_its_mark_to_receive(self, layer: Layer) -> None:
        with pytest.raises(TypeError):
            layer.receive(["p!local"])
        with pytest.raises(TypeError):
            layer.receive(["good", "p!local"])

    @pytest.mark.parametrize("name", VALID_GROUPS)
    def test_a_valid_group_name_carries_messages(self, layer: Layer, name: str) -> None:
        layer.group_add(name, "member")
        layer.send_group(name, {"n": 1})

        assert self.receive(layer, "member") == ("member", {"n": 1})

    @pytest.mark.parametrize("name", INVALID_GROUPS)
    def test_an_invalid_group_name_is_refused(self, layer: Layer, name: Any) -> None:
        with pytest.raises(TypeError):
            layer.group_add(name, "member")
        with pytest.raises(TypeError):
            layer.group_discard(name, "member")
        with pytest.raises(TypeError):
            layer.group_channels(name)
        with pytest.raises(TypeError):
            layer.send_group(name, {"n": 1})

    def test_the_validators_tell_valid_from_invalid(self, layer: Layer) -> None:
        assert layer.valid_channel_name("http.response!ab0def") is True
        assert layer.valid_channel_name("http.response!", receive=True) is True
        assert layer.valid_group_name("foo.bar") is True
        assert layer.valid_channel_names(["a", "b!"], receive=True) is True
        with pytest.raises(TypeError):
            layer.valid_channel_name("http.response!ab0def", receive=True)
        with pytest.raises(AssertionError):
            layer.valid_channel_names([])
        with pytest.raises(AssertionError):
            layer.valid_channel_names("http.request")
        with pytest.raises(TypeError):
            layer.valid_channel_names(["good", "b d"])

    # -- messages --------------------------------------------------------------------

    def test_three_messages_all_come_back(self, layer: Layer) -> None:
        for n in range(3):
            layer.send("work", {"n": n})

        received = self.receive_all(layer, "work")

        assert {channel for channel, _ in received} == {"work"}
        assert sorted(message["n"] for _, message in received) == [0, 1, 2]

    def test_bytes_and_str_stay_what_they_are(self, layer: Layer) -> None:
        message = {
            "bytes": b"\x00\xff\xfe{}\x80 \x7f",
            "empty": b"",
            "text": "ünïcødé ☃ \U0001f40d \x00",
            "nested": {"list": [b"a", "a", {"deep": b"\xc3"}], "ключ": "v"},
        }
        layer.send("work", message)

        _, received = self.receive(layer, "work")

        assert received == message  # b"a" != "a"

    def test_every_type_of_the_contract_travels(self, layer: Layer) -> None:
        message = {
            "ints": [0, -1, 2**63 - 1, -(2**63)],
            "floats": [0.5, -1e300, float("inf")],
            "bools": [True, False],
            "none": None,
            "dict": {"a": {"b": {}}},
            "list": [[], [[1]]],
        }
        layer.send("work", message)

        _, received = self.receive(layer, "work")

        assert received == message
        assert received is not None
        assert [type(value) for value in received["bools"]] == [bool, bool]
        assert type(received["floats"][0]) is float

    def test_a_tuple_comes_back_as_a_sequence(self, layer: Layer) -> None:
        layer.send("work", {"headers": [(b"host", b"example.com")]})

        _, received = self.receive(layer, "work")

        assert received is not None
        assert [list(pair) for pair in received["headers"]] == [[b"host", b"example.com"]]

    def test_a_subclass_of_str_comes_back_as_str(self, layer: Layer) -> None:
        layer.send("work", {"text": StrSubclass("safe")})

        _, received = self.receive(layer, "work")

        assert received == {"text": "safe"}
        assert received is not None
        assert type(received["text"]) is str

    @pytest.mark.parametrize("value", CANNOT_TRAVEL)
    def test_a_value_that_cannot_travel_is_refused_by_name(self, layer: Layer, value: Any) -> None:
        layer.group_add("group", "work")

        with pytest.raises(TypeError) as caught:
            layer.send("work", {"outer": [0, {"inner": value}]})
        with pytest.raises(TypeError):
            layer.send_group("group", {"outer": value})

        for part in ("work", "outer", "inner"):
            assert part in str(caught.value)
        assert self.receive(layer, "work") == (None, None)

    @pytest.mark.parametrize("message", [[1], "text", b"bytes", None, 5])
    def test_a_message_must_be_a_dict(self, layer: Layer, message: Any) -> None:
        layer.group_add("group", "work")

        with pytest.raises(AssertionError):
            layer.send("work", message)
        with pytest.raises(AssertionError):
            layer.send_group("group", message)

        assert self.receive(layer, "work") == (None, None)

    def test_the_reserved_key_is_refused(self, layer: Layer) -> None:
        with pytest.raises(AssertionError):
            layer.send("work", {"__asgi_channel__": "x"})

        assert self.receive(layer, "work") == (None, None)

    def test_a_message_of_one_megabyte_travels(self, layer: Layer) -> None:
        layer.send("work", {"body": b"x" * 1024 * 1024})

        _, received = self.receive(layer, "work")

        assert received == {"body": b"x" * 1024 * 1024}

    def test_a_message_that_is_too_large_is_refused(self, make_layer: MakeLayer) -> None:
        layer = make_layer(max_message_size=1000)
        layer.group_add("group", "work")
        layer.send("work", {"body": b"x" * 900})

        with pytest.raises(layer.MessageTooLarge) as caught:
            layer.send("work", {"body": b"x" * 1100})
        with pytest.raises(layer.MessageTooLarge):
            layer.send_group("group", {"body": b"x" * 1100})

        assert (caught.value.channel, caught.value.limit) == ("work", 1000)
        assert caught.value.size > 1100
        assert len(self.receive_all(layer, "work")) == 1

    def test_changing_a_message_after_the_send_changes_nothing(self, layer: Layer) -> None:
        message: dict[str, Any] = {"n": 1, "list": [1], "dict": {"deep": {"x": 1}}}
        layer.send("work", message)
        message["n"] = 2
        message["list"].append(2)
        message["dict"]["deep"]["x"] = 2

        _, received = self.receive(layer, "work")

        assert received == {"n": 1, "list": [1], "dict": {"deep": {"x": 1}}}

    def test_members_of_a_group_share_no_message(self, layer: Layer) -> None:
        message: dict[str, Any] = {"list": [1]}
        for member in ("one", "two", "p!a", "p!b"):
            layer.group_add("group", member)
        layer.send_group("group", message)
        message["list"].append("sender")

        received = self.receive_all(layer, "one", "two", "p!")
        first = received[0][1]
        first["list"].append("receiver")

        assert [m["list"] for _, m in received[1:]] == [[1]] * 3

    # -- receiving -------------------------------------------------------------------

    def test_nothing_waiting_is_told_at_once(self, layer: Layer) -> None:
        assert layer.receive(["work", "other"]) == (None, None)
        assert layer.receive(["work"], block=False) == (None, None)

    def test_no_channels_give_nothing(self, layer: Layer) -> None:
        assert layer.receive([]) == (None, None)
        assert layer.receive([], block=True) == (None, None)
        assert layer.receive(set()) == (None, None)

    def test_the_names_may_come_in_any_iterable(self, layer: Layer) -> None:
        for n in range(3):
            layer.send("main?abc", {"n": n})

        received = [
            layer.receive({"main?abc"}),
            layer.receive(("main?abc",)),
            layer.receive(name for name in ["main?abc"]),
        ]

        assert [message["n"] for _, message in received] == [0, 1, 2]

    def test_of_several_channels_the_one_with_a_message_is_found(self, layer: Layer) -> None:
        layer.send("two", {"n": 2})

        assert self.receive(layer, "one", "two", "three") == ("two", {"n": 2})

    @pytest.mark.parametrize("channel", ["main?abc", "p!abc"])
    def test_order_is_exact_where_one_reader_is(self, make_layer: MakeLayer, channel: str) -> None:
        layer = make_layer(capacity=50)
        for n in range(50):
            layer.send(channel, {"n": n})

        received = self.receive_all(layer, layer.non_local_name(channel))

        assert [message["n"] for _, message in received] == list(range(50))

    def test_a_mailbox_yields_full_names_in_order(self, layer: Layer) -> None:
        layer.send("p!a", {"n": 1})
        layer.send("p!b", {"n": 2})
        layer.send("p!a", {"n": 3})
        layer.send("q!a", {"n": 4})

        assert self.receive_all(layer, "p!") == [
            ("p!a", {"n": 1}),
            ("p!b", {"n": 2}),
            ("p!a", {"n": 3}),
        ]
        assert self.receive(layer, "q!") == ("q!a", {"n": 4})

    def test_a_busy_channel_does_not_starve_a_quiet_one(self, layer: Layer) -> None:
        layer.send("quiet", {"n": 0})

        for _ in range(200):
            layer.send("busy", {"n": 1})
            channel, _ = self.receive(layer, "busy", "quiet")
            if channel == "quiet":
                return

        raise AssertionError("the quiet channel was never served")

    def test_several_readers_get_each_message_once(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=200)
        for n in range(200):
            layer.send("work", {"n": n})
        taken: list[int] = []

        def read() -> None:
            taken.extend(message["n"] for _, message in self.receive_all(layer, "work"))

        self.run_threads([read] * 4)
        taken.extend(message["n"] for _, message in self.receive_all(layer, "work"))

        assert sorted(taken) == list(range(200))

    def test_a_blocking_receive_wakes_when_a_message_comes(self, layer: Layer) -> None:
        deadline = time.monotonic() + self.patience
        sender = threading.Timer(0.2, layer.send, ["two", {"n": 1}])
        sender.start()
        channel = message = None
        while channel is None and time.monotonic() < deadline:
            channel, message = layer.receive(["one", "two"], block=True)
        sender.join()

        assert (channel, message) == ("two", {"n": 1})

    def test_a_blocking_receive_takes_what_is_there_already(self, layer: Layer) -> None:
        layer.send("p!a", {"n": 1})

        assert layer.receive(["p!"], block=True) == ("p!a", {"n": 1})

    def test_a_blocking_receive_ends_without_a_message(self, layer: Layer) -> None:
        started = time.monotonic()

        assert layer.receive(["work"], block=True) == (None, None)

        assert time.monotonic() - started < self.patience

    def test_receive_many_is_the_old_name(self, layer: Layer) -> None:
        layer.send("p!a", {"n": 1})

        with pytest.warns(DeprecationWarning, match="receive"):
            assert layer.receive_many(["p!"]) == ("p!a", {"n": 1})
        with pytest.warns(DeprecationWarning, match="receive"):
            assert layer.receive_many(["p!"], block=False) == (None, None)

    # -- capacity --------------------------------------------------------------------

    def test_a_full_channel_refuses_and_stores_nothing(self, layer: Layer) -> None:
        for n in range(CAPACITY):
            layer.send("main?abc", {"n": n})

        with pytest.raises(layer.ChannelFull) as caught:
            layer.send("main?abc", {"n": CAPACITY})

        assert (caught.value.channel, caught.value.capacity) == ("main?abc", CAPACITY)
        received = self.receive_all(layer, "main?abc")
        assert [message["n"] for _, message in received] == [0, 1, 2]

    def test_a_message_received_makes_room_for_one(self, layer: Layer) -> None:
        for n in range(CAPACITY):
            layer.send("main?abc", {"n": n})
        self.receive(layer, "main?abc")

        layer.send("main?abc", {"n": 3})

        with pytest.raises(layer.ChannelFull):
            layer.send("main?abc", {"n": 4})

    def test_a_full_channel_leaves_others_alone(self, layer: Layer) -> None:
        for n in range(CAPACITY):
            layer.send("main?abc", {"n": n})

        layer.send("main?xyz", {"n": 0})

        assert self.receive(layer, "main?xyz") == ("main?xyz", {"n": 0})

    def test_channels_of_one_mailbox_share_its_capacity(self, layer: Layer) -> None:
        for local in "abc":
            layer.send(f"p!{local}", {})

        with pytest.raises(layer.ChannelFull):
            layer.send("p!d", {})

        layer.send("q!a", {})

    def test_of_several_senders_no_more_get_through_than_fit(self, make_layer: MakeLayer) -> None:
        layer = make_layer(capacity=20)
        refused: list[int] = []

        def send() -> None:
            for n in range(20):
                try:
                    layer.send("main?abc", {"n": n})
                except layer.ChannelFull:
                    refused.append(n)

        self.run_threads([send] * 3)

        assert len(refused) == 40
        assert len(self.receive_all(layer, "main?abc")) == 20

    def test_capacities_are_found_by_pattern(self, make_layer: MakeLayer) -> None:
        layer = make_layer(
            capacity=42,
            channel_capacity={"http.response!*": 10, "http.request": 100},
        )

        assert layer.get_capacity("http.disconnect") == 42
        assert layer.get_capacity("http.request") == 100
        assert layer.get_capacity("http.response!abcdefgh") == 10

    def test_the_first_pattern_that_fits_wins(self, make_layer: MakeLayer) -> None:
        layer = make_layer(
            channel_capacity={re.compile("a.*z"): 1, "ab*": 2, "abz": 3, re.compile("c"): 4}
        )

        assert layer.get_capacity("abz") == 1
        assert layer.get_capacity("abc") == 2
        # A regular expression is matched at the start, a glob with the whole name.
        assert layer.get_capacity("czz") == 4
        assert layer.get_capacity("xabz") == layer.capacity

    def test_a_pattern_may_name_the_mailbox_or_the_whole_channel(
        self, make_layer: MakeLayer
    ) -> None:
        layer = make_layer(
            capacity=1,
            channel_capacity={"p.*!": 2, re.compile(r"q\..*!.+"): 3, "r.*!*": 4},
        )

        for channel, capacity in (("p.x!a", 2), ("q.x!a", 3), ("r.x!a", 4), ("s.x!a", 1)):
            for _ in range(capacity):
                layer.send(channel, {})
            with pytest.raises(layer.ChannelFull):
                layer.send(channel, {})

    def test_a_full_member_of_a_group_is_skipped_without_an_error(self, layer: Layer) -> None:
        layer.group_add("group", "main?full")
        layer.group_add("group", "main?free")
        for _ in range(CAPACITY):
            layer.send("main?full", {"n": 0})

        layer.send_group("group", {"n": 1})

        assert self.receive(layer, "main?free") == ("main?free", {"n": 1})
        assert len(self.receive_all(layer, "main?full")) == CAPACITY

    @pytest.mark.parametrize("member", ["main?abc", "p!abc"])
    def test_sending_to_a_group_never_raises_channel_full(self, layer: Layer, member: str) -> None:
        layer.group_add("group", member)

        for n in range(CAPACITY + 2):
            layer.send_group("group", {"n": n})

        received = self.receive_all(layer, layer.non_local_name(member))
        assert [message["n"] for _, message in received] == list(range(CAPACITY))

    # -- expiry ----------------------------------------------------------------------

    @pytest.mark.parametrize("channel", ["work", "main?abc", "p!abc"])
    def test_an_unread_message_expires(
        self, short_lived: Layer, clock: Clock, channel: str
    ) -> None:
        short_lived.send(channel, {})

        clock.advance(self.expiry + self.margin)

        assert self.receive(short_lived, short_lived.non_local_name(channel)) == (None, None)

    def test_a_message_behind_an_expired_one_is_received(
        self, short_lived: Layer, clock: Clock
    ) -> None:
        short_lived.send("main?abc", {"n": 1})
        clock.advance(self.expiry * 0.7)
        short_lived.send("main?abc", {"n": 2})
        clock.advance(self.expiry * 0.3 + self.margin)

        assert self.receive_all(short_lived, "main?abc") == [("main?abc", {"n": 2})]

    @pytest.mark.parametrize("channel", ["main?abc", "p!abc"])
    def test_expired_messages_take_no_room(
        self, short_lived: Layer, clock: Clock, channel: str
    ) -> None:
        for _ in range(CAPACITY):
            short_lived.send(channel, {"n": 0})
        clock.advance(self.expiry + self.margin)

        for _ in range(CAPACITY):
            short_lived.send(channel, {"n": 1})

        received = self.receive_all(short_lived, short_lived.non_local_name(channel))
        assert [message["n"] for _, message in received] == [1] * CAPACITY

    def test_a_message_of_a_group_expires_too(self, short_lived: Layer, clock: Clock) -> None:
        for member in ("one", "p!a", "p!b"):
            short_lived.group_add("group", member)
        short_lived.send_group("group", {})

        clock.advance(self.expiry + self.margin)

        assert self.receive(short_lived, "one", "p!") == (None, None)

    @pytest.mark.parametrize("member", ["work", "p!abc"])
    def test_a_membership_expires(self, short_lived: Layer, clock: Clock, member: str) -> None:
        short_lived.group_add("group", member)

        clock.advance(self.group_expiry + self.margin)
        short_lived.send_group("group", {})

        assert list(short_lived.group_channels("group")) == []
        assert self.receive(short_lived, short_lived.non_local_name(member)) == (None, None)

    @pytest.mark.parametrize("member", ["work", "p!abc"])
    def test_adding_again_renews_a_membership(
        self, short_lived: Layer, clock: Clock, member: str
    ) -> None:
        short_lived.group_add("group", member)
        clock.advance(self.group_expiry * 0.6)
        short_lived.group_add("group", member)
        clock.advance(self.group_expiry * 0.6)

        short_lived.send_group("group", {"n": 1})

        assert list(short_lived.group_channels("group")) == [member]
        assert self.receive_all(short_lived, short_lived.non_local_name(member)) == [
            (member, {"n": 1})
        ]

    # -- new channels ----------------------------------------------------------------

    def test_a_new_channel_is_a_single_reader_name(self, layer: Layer) -> None:
        one = layer.new_channel("test.foo?")
        two = layer.new_channel("test.foo?")

        assert type(one) is str
        assert one != two
        assert one.startswith("test.foo?")
        assert one.count("?") == 1
        assert not one.endswith("?")
        layer.send(one, {"n": 1})
        assert self.receive(layer, one, two) == (one, {"n": 1})

    @pytest.mark.parametrize("pattern", ["test!", "test.foo", "test?x", ""])
    def test_a_pattern_must_end_in_a_question_mark(self, layer: Layer, pattern: str) -> None:
        with pytest.raises((AssertionError, TypeError, ValueError)):
            layer.new_channel(pattern)

    # -- groups ----------------------------------------------------------------------

    def test_a_group_message_reaches_exactly_the_members(self, layer: Layer) -> None:
        for member in ("one", "two", "three"):
            layer.group_add("group", member)
        layer.group_discard("group", "two")

        layer.send_group("group", {"n": 1})

        received = self.receive_all(layer, "one", "two", "three")
        assert sorted(channel for channel, _ in received) == ["one", "three"]
        assert [message for _, message in received] == [{"n": 1}] * 2

    def test_a_group_message_reaches_the_members_of_a_mailbox(self, layer: Layer) -> None:
        for member in ("p!a", "p!b", "p!c", "q!a"):
            layer.group_add("group", member)
        layer.group_discard("group", "p!b")

        layer.send_group("group", {"n": 1})

        received = self.receive_all(layer, "p!")
        assert sorted(received, key=str) == [("p!a", {"n": 1}), ("p!c", {"n": 1})]
        assert self.receive_all(layer, "q!") == [("q!a", {"n": 1})]

    def test_group_messages_and_replies_keep_their_order(self, layer: Layer) -> None:
        layer.group_add("group", "p!a")

        layer.send("p!a", {"n": 1})
        layer.send_group("group", {"n": 2})
        layer.send("p!a", {"n": 3})

        received = self.receive_all(layer, "p!")
        assert [message["n"] for _, message in received] == [1, 2, 3]

    def test_adding_twice_delivers_once(self, layer: Layer) -> None:
        for member in ("work", "p!a"):
            layer.group_add("group", member)
            layer.group_add("group", member)

        layer.send_group("group", {"n": 1})

        assert len(self.receive_all(layer, "work", "p!")) == 2

    def test_who_joins_after_the_send_gets_nothing(self, layer: Layer) -> None:
        layer.group_add("group", "p!early")
        layer.send_group("group", {"n": 1})
        layer.group_add("group", "p!late")

        assert self.receive_all(layer, "p!") == [("p!early", {"n": 1})]

    def test_discarding_what_is_not_there_is_no_error(self, layer: Layer) -> None:
        layer.group_add("group", "one")

        layer.group_discard("group", "two")
        layer.group_discard("group", "p!a")
        layer.group_discard("nobody", "one")

        assert list(layer.group_channels("group")) == ["one"]

    def test_leaving_one_group_keeps_the_others(self, layer: Layer) -> None:
        for group in ("first", "second"):
            layer.group_add(group, "p!a")
        layer.group_discard("first", "p!a")

        layer.send_group("first", {"n": 1})
        layer.send_group("second", {"n": 2})

        assert self.receive_all(layer, "p!") == [("p!a", {"n": 2})]

    def test_group_channels_lists_the_members(self, layer: Layer) -> None:
        for member in ("one", "p!a", "p!b", "q!a"):
            layer.group_add("group", member)
        assert set(layer.group_channels("group")) == {"one", "p!a", "p!b", "q!a"}

        layer.group_discard("group", "p!a")
        layer.group_discard("group", "one")

        assert set(layer.group_channels("group")) == {"p!b", "q!a"}

    def test_an_empty_group_has_no_members_and_takes_messages(self, layer: Layer) -> None:
        layer.send_group("nobody", {"n": 1})

        assert list(layer.group_channels("nobody")) == []

    # -- flush -----------------------------------------------------------------------

    def test_flush_drops_messages(self, layer: Layer) -> None:
        for channel in ("work", "main?abc", "p!abc"):
            layer.send(channel, {})

        layer.flush()

        assert self.receive(layer, "work", "main?abc", "p!") == (None, None)

    def test_flush_drops_groups(self, layer: Layer) -> None:
        for member in ("work", "p!abc"):
            layer.group_add("group", member)
        layer.send_group("group", {})

        layer.flush()
        layer.send_group("group", {})

        assert list(layer.group_channels("group")) == []
        assert self.receive(layer, "work", "p!") == (None, None)

    def test_a_flushed_layer_works_as_a_new_one(self, layer: Layer) -> None:
        layer.group_add("group", "p!a")
        layer.flush()

        layer.group_add("group", "p!a")
        layer.send_group("group", {"n": 1})

        assert self.receive_all(layer, "p!") == [("p!a", {"n": 1})]

    def test_flush_makes_room(self, layer: Layer) -> None:
        for _ in range(CAPACITY):
            layer.send("main?abc", {})

        layer.flush()

        layer.send("main?abc", {})

    # -- statistics --------------------------------------------------------------------

    def test_global_statistics_count_sends_and_refusals(self, layer: Layer) -> None:
        assert layer.global_statistics() == {"messages_count": 0, "channel_full_count": 0}
        for channel in ("main?a", "main?a", "main?a", "main?a", "p!a"):
            self.send_or_drop(layer, channel)

        assert layer.global_statistics() == {"messages_count": 4, "channel_full_count": 1}

    def test_channel_statistics_count_what_happened_to_one(self, layer: Layer) -> None:
        for channel in ("main?a", "main?a", "main?a", "main?a", "main?a", "main?b"):
            self.send_or_drop(layer, channel)
        self.receive(layer, "main?a")

        statistics = layer.channel_statistics("main?a")

        assert 0 <= statistics.pop("messages_max_age") < self.patience
        assert statistics == {
            "messages_count": 3,
            "messages_pending": 2,
            "channel_full_count": 2,
        }

    def test_an_unused_channel_has_empty_statistics(self, layer: Layer) -> None:
        assert layer.channel_statistics("main?a") == {
            "messages_count": 0,
            "messages_pending": 0,
            "messages_max_age": 0,
            "channel_full_count": 0,
        }

    def test_statistics_of_a_mailbox_go_by_its_name(self, layer: Layer) -> None:
        layer.send("p!a", {})
        layer.send("p!b", {})

        statistics = layer.channel_statistics("p!")

        assert (statistics["messages_count"], statistics["messages_pending"]) == (2, 2)

    def test_the_age_is_that_of_the_oldest_message(self, layer: Layer, clock: Clock) -> None:
        layer.send("main?a", {"n": 1})
        clock.advance(1)
        layer.send("main?a", {"n": 2})

        age = layer.channel_statistics("main?a")["messages_max_age"]

        assert 1 - self.margin <= age < 1 + self.patience

    def test_a_group_message_that_was_dropped_is_counted(self, layer: Layer) -> None:
        layer.group_add("group", "p!a")
        for _ in range(CAPACITY + 1):
            layer.send_group("group", {})

        assert layer.channel_statistics("p!")["channel_full_count"] == 1
        assert layer.global_statistics()["channel_full_count"] == 1

    def test_flush_clears_the_statistics(self, layer: Layer) -> None:
        layer.send("main?a", {})

        layer.flush()

        assert layer.global_statistics() == {"messages_count": 0, "channel_full_count": 0}
        assert layer.channel_statistics("main?a")["messages_count"] == 0

    # -- the layer's attributes ----------------------------------------------------------

    def test_the_exceptions_are_attributes_and_can_be_pickled(self, layer: Layer) -> None:
        full = pickle.loads(pickle.dumps(layer.ChannelFull("work", 3)))
        large = pickle.loads(pickle.dumps(layer.MessageTooLarge("work", 5, 4)))

        assert issubclass(layer.ChannelFull, Exception)
        assert issubclass(layer.MessageTooLarge, Exception)
        assert (type(full), full.channel, full.capacity) == (layer.ChannelFull, "work", 3)
        assert (large.channel, large.size, large.limit) == ("work", 5, 4)
        assert "work" in str(full)
        assert "work" in str(large)

    def test_an_error_as_raised_can_be_pickled(self, layer: Layer) -> None:
        for _ in range(CAPACITY):
            layer.send("main?abc", {})
        with pytest.raises(layer.ChannelFull) as caught:
            layer.send("main?abc", {})

        copied = pickle.loads(pickle.dumps(caught.value))

        assert str(copied) == str(caught.value)

    def test_the_extensions_are_told(self, layer: Layer) -> None:
        assert {"groups", "flush", "statistics"} <= set(layer.extensions)

    def test_the_settings_are_attributes(self, make_layer: MakeLayer) -> None:
        layer = make_layer(expiry=30, group_expiry=300, capacity=7, channel_capacity={"a": 1})

        assert (layer.expiry, layer.group_expiry, layer.capacity) == (30, 300, 7)
        assert layer.get_capacity("a") == 1

    # -- helpers -------------------------------------------------------------------------

    def send_or_drop(self, layer: Layer, channel: str) -> None:
        """Send, and swallow ChannelFull."""
        with contextlib.suppress(layer.ChannelFull):
            layer.send(channel, {})

    def run_threads(self, targets: list[Any]) -> None:
        """Run functions at the same time, and wait for them."""
        threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.patience)
            assert not thread.is_alive()
