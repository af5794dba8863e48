"""Conformance: new channels, groups and the other extensions (docs/channels1.md#channel-layer)."""

from __future__ import annotations

import pickle

import pytest

from channels.layers.conformance.common import CAPACITY, Clock, Conformance, Layer, MakeLayer


class GroupRules(Conformance):
    """New channels, groups, flush, statistics, and what the layer tells of itself."""

    # -- new channels --------------------------------------------------------------------

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

    # -- groups --------------------------------------------------------------------------

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

    # -- flush ---------------------------------------------------------------------------

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

    # -- statistics ----------------------------------------------------------------------

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

    def test_the_age_is_that_of_the_oldest_message_in_whole_seconds(
        self, layer: Layer, clock: Clock
    ) -> None:
        for channel in ("main?a", "p!a"):
            layer.send(channel, {"n": 1})
        clock.advance(1 + self.margin)
        for channel in ("main?a", "p!a"):
            layer.send(channel, {"n": 2})

        ages = [layer.channel_statistics(name)["messages_max_age"] for name in ("main?a", "p!")]

        assert all(1 <= age < 1 + self.patience for age in ages)
        assert [type(age) for age in ages] == [int, int]

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
