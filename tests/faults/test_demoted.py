"""A Redis that does not serve any more, and says so, while the name leads elsewhere by now."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.clients import Reply
from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer
from tests.support.frames import messages_of
from tests.support.proxy import Proxy
from tests.support.redis_clients import run, sent, serving
from tests.support.redis_server import RedisServer, free_port
from tests.support.waiting import eventually, until, wait_until

pytestmark = pytest.mark.redis

BOX = "web.test!"


@pytest.fixture
def first():
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def name(first):
    """What clients know the primary by."""
    proxy = Proxy(first.port)
    yield proxy
    proxy.close()


def demote(server, name, new, error):
    """Make a running primary a replica of another one, which the name leads to from now on."""
    if error == "MASTERDOWN":
        server.client.config_set("replica-serve-stale-data", "no")
        server.client.replicaof("127.0.0.1", free_port())  # nobody is there
    elif error == "NOREPLICAS":
        server.client.config_set("min-replicas-to-write", 1)
    else:
        server.client.replicaof("127.0.0.1", new.port)
    name.lead_to(new.port)


def in_threads(number, action):
    """Do something in so many threads at once; return the errors."""
    errors, barrier = [], threading.Barrier(number)

    def act():
        barrier.wait()
        try:
            action()
        except LayerUnavailable as error:
            errors.append(error)

    threads = [threading.Thread(target=act) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize("error", ["READONLY", "MASTERDOWN", "NOREPLICAS"])
def test_a_client_goes_where_the_name_leads_after_one_error(first, name, redis_server, error):
    """The connections that were idle too; before, each client stayed until its process ended."""
    layer = RedisChannelLayer(hosts=[name.url])
    assert in_threads(8, lambda: layer.channel_statistics("work")) == []
    demote(first, name, redis_server, error)

    with pytest.raises(LayerUnavailable, match=error):
        layer.send("work", {"n": 1})

    assert in_threads(8, lambda: layer.send("work", {"n": 2})) == []
    there = RedisChannelLayer(hosts=[redis_server.url])
    assert there.receive(["work"]) == ("work", {"n": 2})
    layer.close()
    there.close()


def test_a_worker_goes_where_the_name_leads(first, name, redis_server):
    layer = RedisChannelLayer(hosts=[name.url])
    there = RedisChannelLayer(hosts=[redis_server.url])
    worker = layer.open_worker(["work"], held=tuple)
    worker.start()
    layer.send("work", {"n": 1})
    assert messages_of(worker, worker.take()) == [{"n": 1}]
    demote(first, name, redis_server, "READONLY")

    there.send("work", {"n": 2})
    frames = eventually(worker.take)

    assert messages_of(worker, frames) == [{"n": 2}]
    worker.close()
    layer.close()
    there.close()


def test_an_interface_server_goes_where_the_name_leads(first, name, redis_server):
    layer = RedisChannelLayer(hosts=[name.url])
    there = RedisChannelLayer(hosts=[redis_server.url])

    async def test():
        async with serving(layer) as (server_client, listener):
            assert await sent(server_client, "work", {"n": 1}) is None
            await asyncio.to_thread(demote, first, name, redis_server, "READONLY")
            await until(lambda: listener.told[-1:] == ["back"], "the layer is back")
            assert await sent(server_client, "work", {"n": 2}) is None
            assert await asyncio.to_thread(there.receive, ["work"]) == ("work", {"n": 2})
            there.send(BOX + "a", {"n": 3})
            await until(lambda: Reply("a", {"n": 3}) in listener.items, "the new mailbox is read")

    run(test())
    layer.close()
    there.close()


def test_a_redis_that_is_full_keeps_its_connections(first):
    """Taking goes on and makes room; who sends is told what to do."""
    layer = RedisChannelLayer(hosts=[first.url])

    async def test():
        async with serving(layer) as (server_client, listener):
            assert await sent(server_client, "work", {"n": 1}) is None
            connected = first.client.info("stats")["total_connections_received"]
            first.client.config_set("maxmemory", 1)
            with pytest.raises(LayerUnavailable, match=r"OOM .*maxmemory"):
                layer.send("work", {"n": 2})
            assert "OOM" in str(await sent(server_client, "work", {"n": 3}))
            assert layer.receive(["work"]) == ("work", {"n": 1})
            first.client.config_set("maxmemory", 0)
            layer.send("work", {"n": 4})
            assert await sent(server_client, "work", {"n": 5}) is None
            assert listener.told == []
            # The synchronous layer's own, once.
            assert first.client.info("stats")["total_connections_received"] <= connected + 1

    run(test())
    layer.close()


def test_a_redis_that_is_loading_is_waited_for(first):
    for number in range(20):
        first.client.set(f"filler{number}", os.urandom(3000))  # cannot be compressed
    first.client.config_set("save", "3600 1")
    layer = RedisChannelLayer(hosts=[first.url])

    async def test():
        async with serving(layer) as (server_client, listener):
            assert await sent(server_client, "work", {"n": 1}) is None
            first.client.save()
            first.options = ("key-load-delay 50000", "loading-process-events-interval-bytes 1024")
            await asyncio.to_thread(first.kill)
            starting = asyncio.create_task(asyncio.to_thread(first.start))
            reasons = []

            def refused():
                try:
                    layer.group_channels("room")
                except LayerUnavailable as error:
                    reasons.append(str(error))
                return any("loading" in reason for reason in reasons)

            await asyncio.to_thread(wait_until, refused, "it says that it is loading")
            await starting
            await until(lambda: listener.told[-1:] == ["back"], "the layer is back")
            assert await sent(server_client, "work", {"n": 3}) is None
            assert eventually(lambda: layer.receive(["work"])) == ("work", {"n": 1})

    run(test())
    layer.close()


def test_what_sentinel_calls_the_master_is_not_believed_when_it_is_none(redis_sentinel):
    """The Sentinel's connection goes silent, too, and is made anew in time."""
    way = Proxy(redis_sentinel.sentinel.port)
    master = redis_sentinel.master.client
    layer = RedisSentinelChannelLayer(
        hosts=[("127.0.0.1", way.port)], services=[redis_sentinel.name]
    )
    try:
        layer.send("work", {"n": 1})
        way.stall()
        master.replicaof("127.0.0.1", redis_sentinel.replica.port)
        try:
            with pytest.raises(LayerUnavailable, match="READONLY"):
                layer.send("work", {"n": 2})
            started = time.monotonic()
            with pytest.raises(LayerUnavailable, match="is not the master"):
                layer.send("work", {"n": 3})
        finally:
            master.replicaof("NO", "ONE")
        layer.send("work", {"n": 4})
        assert time.monotonic() - started < 3
        assert way.accepted == 2
        received = [layer.receive(["work"])[1]["n"] for _ in range(2)]
        assert received == [1, 4]
    finally:
        layer.close()
        way.close()
