"""Which host has what."""

from __future__ import annotations

import binascii

from channels.layers.redis.net.address import Target
from channels.layers.redis.net.hosts import Host
from channels.layers.redis.net.ring import Ring, ring_index


def test_a_name_always_has_the_same_host():
    for name in ("main?abc", "web.abc!", "room"):
        expected = int((binascii.crc32(name.encode()) & 0xFFF) / (4096 / 3))
        assert ring_index(name, 3) == expected


def test_names_are_spread_over_all_hosts():
    counts = [0, 0, 0]
    for n in range(3000):
        counts[ring_index(f"name{n}?", 3)] += 1

    assert min(counts) > 800


def a_ring(size):
    return Ring([Host(Target("tcp", {"port": port})) for port in range(1, size + 1)])


def test_messages_of_a_shared_channel_go_to_each_host_in_turn():
    ring = a_ring(3)

    found = [ring.index_for("work") for _ in range(6)]

    assert sorted(found[:3]) == [0, 1, 2]
    assert found[3:] == found[:3]


def test_messages_of_all_other_channels_go_where_their_name_leads():
    ring = a_ring(3)

    for _ in range(3):
        assert ring.index_for("main?abc") == ring.index("main?abc")
        assert ring.index_for("web.abc!xyz") == ring.index("web.abc!")


def test_one_host_has_everything():
    assert {a_ring(1).index_for(name) for name in ("work", "main?abc", "web.abc!x")} == {0}
