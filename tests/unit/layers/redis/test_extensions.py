"""Flush and statistics of the Redis layer: what stays, and what leaves."""

from __future__ import annotations

import pytest

from channels.layers.redis import RedisChannelLayer


@pytest.mark.redis
def test_flush_leaves_other_layers_alone_whatever_the_prefix(redis_server):
    odd = RedisChannelLayer(hosts=[redis_server.url], prefix="a*[x]?\\:", stats_prefix="s*:")
    other = RedisChannelLayer(hosts=[redis_server.url], prefix="ab[x]?\\:", stats_prefix="sa:")
    odd.send("work", {})
    odd.group_add("room", "p!a")
    other.send("work", {"n": 1})

    odd.flush()

    assert odd.receive(["work"]) == (None, None)
    assert odd.group_channels("room") == []
    assert other.receive(["work"]) == ("work", {"n": 1})
    odd.close()
    other.close()


@pytest.mark.redis
def test_flush_spares_the_register_and_the_capacity_of_servers(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url], capacity=2)
    client, keys = redis_server.client, layer.keys
    client.execute_command(*layer.commands.announce("web.a!"))
    client.hset(keys.entry("web.a!"), "kind", "server")
    client.hset(keys.sockets("web.a!"), "x", "y")
    client.set(keys.epoch, "e")
    client.zadd(keys.processes, {"web.a!": 1})
    for name in ("web.a!x", "web.b!x", "work"):
        layer.send(name, {})

    layer.flush()

    assert {key.decode() for key in client.scan_iter()} == {
        keys.meta("web.a!"),
        keys.entry("web.a!"),
        keys.sockets("web.a!"),
        keys.epoch,
        keys.processes,
    }
    client.hset(keys.meta("web.a!"), mapping={"tm": 5000, "tb": 1})  # reported late
    for _ in range(100):
        layer.send("web.a!x", {})
    assert layer.channel_statistics("web.a!")["messages_count"] == 100
    layer.close()


@pytest.mark.redis
def test_mailboxes_that_are_gone_for_good_leave_the_statistics(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url])
    layer.send("old.server!a", {})
    layer.send("new.server!a", {})
    assert layer.global_statistics()["messages_count"] == 2

    redis_server.client.delete(layer.keys.meta("old.server!"))  # it expires after a day

    assert layer.global_statistics()["messages_count"] == 1
    assert redis_server.client.smembers(layer.keys.mailboxes) == {b"new.server!"}
    layer.close()
