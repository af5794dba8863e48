"""Conformance: names, what messages may hold, and receiving (docs/channels1.md#channel-layer)."""

from __future__ import annotations

import enum
import threading
import time
from typing import Any

import pytest

from channels.layers.conformance.common import Conformance, Layer, MakeLayer

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
    pytest.param({2**64: "x"}, id="too-large-int-key"),
    pytest.param({(1,): "x"}, id="tuple-key"),
    pytest.param({"\ud800": "x"}, id="half-surrogate-key"),
    pytest.param("\ud800", id="half-surrogate"),
]


class StrSubclass(str):
    """As Django's ``SafeString`` is one."""

    __slots__ = ()


class Level(enum.IntEnum):
    """As an application's choices are one."""

    HIGH = 3


class MessageRules(Conformance):
    """Names, messages and receiving."""

    # -- names ---------------------------------------------------------------------------

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

    # -- messages ------------------------------------------------------------------------

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
            "ints": [0, -1, 2**63 - 1, 2**64 - 1, -(2**63)],
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

    @pytest.mark.parametrize(
        "key", [0, -(2**63), 2**64 - 1, True, None, b"\xff", b"", StrSubclass("safe"), Level.HIGH]
    )
    def test_keys_below_the_message_keep_their_type(self, layer: Layer, key: Any) -> None:
        """``{"counts": {pk: n}}`` is ordinary code; so is an enumeration as a key."""
        message: dict[str, Any] = {"counts": {key: 1, "list": [{key: {key: [2]}}]}}
        layer.group_add("group", "p!member")
        layer.send("work", message)
        layer.send_group("group", message)
        message["counts"][key] = message["counts"]["list"][0][key] = "changed"

        expected = {"counts": {key: 1, "list": [{key: {key: [2]}}]}}
        kind = {StrSubclass: str, Level: int}.get(type(key), type(key))
        for channel in ("work", "p!"):
            _, received = self.receive(layer, channel)
            assert received == expected
            assert received is not None
            assert {type(found) for found in received["counts"] if found != "list"} == {kind}

    def test_a_key_of_the_message_itself_is_text(self, layer: Layer) -> None:
        for key in (1, None, b"x", True):
            with pytest.raises(TypeError, match="key"):
                layer.send("work", {key: 1})

        assert self.receive(layer, "work") == (None, None)

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

    # -- receiving -----------------------------------------------------------------------

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

        self.run_threads(read, read, read, read)
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
