"""A connection to Redis that goes silent without ending, while new connections work."""

from __future__ import annotations

import asyncio
import time

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.clients import Reply
from channels.layers.redis import RedisChannelLayer
from channels.layers.redis.net import blocking
from tests.support.proxy import Proxy
from tests.support.redis_clients import back, run, sent, serving
from tests.support.waiting import until

pytestmark = pytest.mark.redis

BOX = "web.test!"


@pytest.fixture
def way(redis_server):
    """The way to Redis."""
    proxy = Proxy(redis_server.port)
    yield proxy
    proxy.close()


def test_an_interface_server_is_back_soon(redis_server, way):
    """Nothing is sent meanwhile, and what its old mailbox connection waits for never comes."""
    layer = RedisChannelLayer(hosts=[way.url], timeout=0.5)
    there = RedisChannelLayer(hosts=[redis_server.url])

    async def test():
        async with serving(layer) as (client, listener):
            there.group_add("room", BOX + "a")
            await client.mark()
            way.stall()
            await back(listener, 15.0)
            assert len(listener.told) == 2  # lost once, back once
            assert await sent(client, "work", {"n": 1}) is None
            there.send(BOX + "a", {"n": 2})
            there.send_group("room", {"n": 3})
            await until(lambda: Reply("a", {"n": 2}) in listener.items, "the mailbox is read")
            await until(lambda: listener.group_members() == [["a"]], "groups are known")

    run(test())
    layer.close()
    there.close()


def test_losing_the_old_mailbox_while_connecting_fails_what_waits_for_it(redis_server, way):
    layer = RedisChannelLayer(hosts=[way.url], timeout=0.5)

    async def test():
        async with serving(layer) as (client, listener):
            mailbox = client._session.mailbox
            mailbox._patience = 60.0  # nothing but the loss itself ends the wait
            way.stall()
            await until(lambda: mailbox._marks, "connecting waits for the old mailbox")
            stale = mailbox._connection
            stale._transport.abort()
            await back(listener, 2.0)
            assert mailbox._connection is not stale
            assert await sent(client, "work", {"n": 1}) is None

    run(test())
    layer.close()


def test_a_mailbox_that_stayed_where_the_name_led_before_is_given_up(
    redis_server, second_redis_server, way
):
    """It still brings things now and then, so only the deadline of connecting as a whole helps."""
    layer = RedisChannelLayer(hosts=[way.url], timeout=0.5)
    old = RedisChannelLayer(hosts=[redis_server.url])
    new = RedisChannelLayer(hosts=[second_redis_server.url])

    async def test():
        async with serving(layer) as (client, listener):
            own = client._session.mailbox._connection._transport.get_extra_info("sockname")[1]
            way.lead_to(second_redis_server.port)
            way.hang_up(keep=own)

            async def chatter():
                while True:
                    await asyncio.to_thread(old.send, BOX + "b", {})
                    await asyncio.sleep(0.1)

            talking = asyncio.create_task(chatter())
            await back(listener, 15.0)
            talking.cancel()
            new.send(BOX + "a", {"n": 1})
            await until(lambda: Reply("a", {"n": 1}) in listener.items, "the mailbox is read")

    run(test())
    for each in (layer, old, new):
        each.close()


def ping(connection):
    connection.send([("PING",)])
    (answer,) = connection.read()
    return answer


def test_one_error_is_all_that_idle_connections_cost(way):
    """Each of them would cost a time-out otherwise."""
    layer = RedisChannelLayer(hosts=[way.url], timeout=0.5)
    host = layer.hosts[0]
    lent = [host.connection("") for _ in range(5)]
    for connection in lent:
        ping(connection)
    host._idle += lent
    way.stall()

    started = time.monotonic()
    with pytest.raises(LayerUnavailable):
        layer.send("work", {"n": 1})
    for connection in lent:
        assert ping(connection) == b"PONG"

    assert time.monotonic() - started < 1.5
    layer.close()


def test_a_connection_that_was_idle_for_long_is_not_trusted(way, monkeypatch):
    monkeypatch.setattr(blocking, "STALE_SECONDS", 0.05)
    layer = RedisChannelLayer(hosts=[way.url])
    layer.send("work", {"n": 1})
    way.stall()
    time.sleep(0.1)

    layer.send("work", {"n": 2})

    assert way.accepted == 2
    layer.close()


def test_a_receive_that_waits_is_back_soon(redis_server, way, monkeypatch):
    """As scripts wait: its connection ends after 10 s, here after 1, and the next call works.

    ``rundelay`` waits as workers do; see the test of the site.
    """
    monkeypatch.setattr("channels.layers.redis.net.hosts.BLOCK_TIMEOUT", 1.0)
    layer = RedisChannelLayer(hosts=[way.url], timeout=0.5)
    there = RedisChannelLayer(hosts=[redis_server.url])
    there.send("work", {"n": 1})
    assert layer.receive(["work"], block=True) == ("work", {"n": 1})
    way.stall()

    with pytest.raises(LayerUnavailable):
        layer.receive(["work"], block=True)
    there.send("work", {"n": 2})

    assert layer.receive(["work"], block=True) == ("work", {"n": 2})
    layer.close()
    there.close()
