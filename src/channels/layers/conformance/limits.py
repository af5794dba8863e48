"""Conformance: capacity and expiry (docs/channels1.md#capacity-and-expiry)."""

from __future__ import annotations

import re

import pytest

from channels.layers.conformance.common import CAPACITY, Clock, Conformance, Layer, MakeLayer


class LimitRules(Conformance):
    """What does not fit, and what is too old."""

    # -- capacity ------------------------------------------------------------------------

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

        self.run_threads(send, send, send)

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

    # -- expiry --------------------------------------------------------------------------

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
