"""The order in which a take looks at its channels."""

from __future__ import annotations

from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.worker.order import BURST, FairOrder

KEYS = Keys()


def fair(*channels):
    return FairOrder(KEYS, channels, lambda command: command)


def channels(command):
    return [str(key).rpartition(":")[2] for key in command[2:-1] if "{q}" in str(key)]


def test_every_channel_comes_first_in_turn():
    order = fair("a", "b", "c")

    assert [channels(order.next_take({}))[0] for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


def test_waiting_takes_and_others_share_one_order():
    order = fair("a", "b")

    assert order.next_take({}, 5)[:3] == ("BLMPOP", "5", 2)
    assert channels(order.next_take({})) == ["b", "a"]


def test_a_channel_goes_last_after_a_burst_until_another_gives():
    order = fair("a", "b", "c")
    for _ in range(BURST - 10):
        assert order.took(KEYS.queue("b").encode(), 1) == "b"
    order.took(KEYS.queue("b").encode(), 10)

    assert [channels(order.next_take({}))[-1] for _ in range(3)] == ["b", "b", "b"]

    order.took(KEYS.queue("c").encode(), 1)
    assert [channels(order.next_take({}))[0] for _ in range(3)] == ["a", "b", "c"]


def test_waiting_commands_are_packed_once():
    packed = []
    order = FairOrder(KEYS, ["a", "b"], lambda command: packed.append(command) or command)
    for _ in range(10):
        order.next_take({}, 5)

    assert len(packed) == 2


def test_each_channel_gives_as_many_frames_as_it_may_and_a_wait_the_fewest():
    order = fair("a", "b", "c")
    counts = {"a": 16, "c": 4}

    assert order.next_take(counts)[-3:] == (16, 1, 4)
    assert order.next_take(counts)[-3:] == (1, 4, 16)
    assert order.next_take({**counts, "b": 8}, 5)[-2:] == ("COUNT", 4)
