"""Private names of the layers of old: readable, with a warning that names the replacement."""

import pytest

from channels.layers.inmemory import InMemoryChannelLayer
from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer
from channels.layers.redis.net.ring import ring_index

HOSTS = [("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.1", 3)]


def deprecated(new):
    return pytest.warns(DeprecationWarning, match=new)


@pytest.mark.parametrize("keys", [None, ["secret"]])
def test_a_message_survives_serialize_and_deserialize(keys):
    layer = RedisChannelLayer(symmetric_encryption_keys=keys)
    message = {"text": "x", "counts": {1: b"y"}}

    with deprecated(r"codec\.payload"):
        payload = layer.serialize(message)
    with deprecated(r"codec\.messages"):
        assert layer.deserialize(payload) == message


def test_a_name_is_hashed_to_its_host():
    layer = RedisChannelLayer(hosts=HOSTS)

    with deprecated("ring_index"):
        assert layer.consistent_hash("web.abc!") == ring_index("web.abc!", 3)
    with deprecated("ring_index"):
        assert layer.consistent_hash(b"web.abc!") == ring_index("web.abc!", 3)


def test_the_lists_of_a_receive_are_told_by_host():
    layer = RedisChannelLayer(hosts=HOSTS, prefix="x:")

    with deprecated(r"receive\("):
        found = layer._receive_list_names(["work", "web.abc!"])

    home = ring_index("web.abc!", 3)
    assert {index: names[0] for index, names in found.items()} == dict.fromkeys(
        range(3), "x:{q}:work"
    )
    assert found[home] == ["x:{q}:work", "x:{web.abc!}:mail"]


def test_the_sentinel_layer_has_them_too():
    layer = RedisSentinelChannelLayer(services=["mymaster"])

    with deprecated("ring_index"):
        assert layer.consistent_hash("anything") == 0


class TestInMemory:
    @pytest.fixture
    def layer(self):
        layer = InMemoryChannelLayer(clock=lambda: 100.0)
        layer.group_add("room", "p!a")
        layer.group_add("room", "p!b")
        layer.group_add("other", "work")
        layer.send("work", {"n": 1})
        layer.send("work", {"list": [2]})
        layer.send_group("room", {"n": 3})
        return layer

    def test_what_waits_can_be_looked_at(self, layer):
        with deprecated("messages_pending"):
            channels = layer._channels

        assert set(channels) == {"work", "p!"}
        assert [message for _, message in channels["work"]] == [{"n": 1}, {"list": [2]}]
        assert [message for _, message in channels["p!"]] == [{"n": 3}, {"n": 3}]
        assert {expires for queue in channels.values() for expires, _ in queue} == {160.0}

    def test_members_can_be_looked_at(self, layer):
        with deprecated("group_channels"):
            groups = layer._groups

        assert list(groups["room"]) == ["p!a", "p!b"]
        assert "work" in groups["other"]

    def test_nothing_can_be_changed_through_them(self, layer):
        with deprecated("messages_pending"):
            channels = layer._channels
        with deprecated("group_channels"):
            groups = layer._groups
        channels["work"][1][1]["list"].append("changed")

        with pytest.raises(TypeError):
            channels["work"] = ()
        with pytest.raises(TypeError):
            groups["room"]["p!c"] = 1.0
        with pytest.raises(AttributeError):
            layer._groups = {}
        assert layer.receive(["work"])[1] == {"n": 1}
        assert layer.receive(["work"])[1] == {"list": [2]}
        assert layer.group_channels("room") == ["p!a", "p!b"]
