"""What an interface server's side of the layer survives; real servers, really killed or frozen."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.clients import Receipt, Reply, SocketEntry
from channels.layers.redis.layer import RedisChannelLayer
from tests.support.redis_clients import back, run, sent, serving, swallower
from tests.support.redis_server import Cluster, RedisServer, SentinelSet
from tests.support.waiting import eventually, until

pytestmark = pytest.mark.redis

BOX = "web.test!"


@pytest.fixture
def own_server():
    """A Redis that this test alone may kill."""
    server = RedisServer()
    yield server
    server.close()


async def blocked(redis_server):
    """Wait until the server's take waits inside Redis."""
    await until(
        lambda: redis_server.client.info("clients")["blocked_clients"] == 1, "the take waits"
    )


# -- Redis dies, and comes back empty ----------------------------------------------------


def test_memberships_sockets_and_entry_survive_a_redis_that_lost_everything(own_server):
    layer = RedisChannelLayer(hosts=[own_server.url])

    async def test():
        async with serving(layer) as (server_client, listener):
            for local in ("a", "b"):
                layer.group_add("room", BOX + local)
            layer.group_add("hall", BOX + "b")
            await sent(server_client, "main?c", {}, opens=SocketEntry("a", "/chat/", 1.0))
            await server_client.mark()
            before = own_server.client.zscore(layer.keys.members(BOX, "room"), "a")

            await asyncio.to_thread(own_server.restart)
            await back(listener)

            (lost,) = listener.told[:-1]
            assert isinstance(lost, LayerUnavailable)
            client, keys = own_server.client, layer.keys
            assert client.zscore(keys.members(BOX, "room"), "a") == pytest.approx(before, abs=2)
            assert set(client.smembers(keys.groups(BOX))) == {b"room", b"hall"}
            assert set(client.hkeys(keys.sockets(BOX))) == {b"a"}
            assert client.hget(keys.meta(BOX), "cap") == b"10000"
            await until(lambda: client.exists(keys.entry(BOX)), "the entry is back")

            await asyncio.to_thread(eventually, lambda: layer.send_group("room", {"n": 1}))
            await until(lambda: listener.group_members(), "the group message comes")
            assert listener.group_members() == [["a", "b"]]
            layer.group_discard("room", BOX + "a")
            layer.group_add("room", BOX + "c")
            layer.send_group("room", {"n": 2})
            await server_client.mark()
            assert listener.group_members()[-1] == ["b", "c"]

    run(test())


def test_a_node_of_a_cluster_that_lost_everything_gets_its_part_back():
    """Also a node that holds neither the mailbox nor the epoch."""
    cluster = Cluster()
    layer = RedisChannelLayer(hosts=[cluster.url.replace("redis:", "redis+cluster:")])
    host = layer.store.make_hosts()[0]

    def owner(key):
        return next(
            node for node in cluster.nodes if str(host.target(key)).endswith(str(node.port))
        )

    try:
        own = [owner(layer.keys.mail(BOX)), owner(layer.keys.epoch)]
        group = next(
            name
            for name in map("room{}".format, range(1000))
            if owner(layer.keys.group(name)) not in own
        )

        async def test():
            async with serving(layer) as (server_client, listener):
                layer.group_add(group, BOX + "a")
                await server_client.mark()

                await asyncio.to_thread(owner(layer.keys.group(group)).restart)
                await back(listener)

                await asyncio.to_thread(eventually, lambda: layer.send_group(group, {"n": 1}))
                await server_client.mark()
                assert listener.group_members() == [["a"]]

        run(test())
    finally:
        layer.close()
        host.close()
        cluster.close()


def test_a_flush_without_hanging_up_is_noticed_by_the_heartbeat(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url])
    client, keys = redis_server.client, layer.keys

    async def test():
        async with serving(layer) as (server_client, listener):
            for local in ("a", "b"):
                layer.group_add("room", BOX + local)
            await sent(server_client, "main?c", {}, opens=SocketEntry("a", "/chat/", 1.0))
            await server_client.mark()
            settled = server_client.settled_since

            client.flushall()

            await until(lambda: client.exists(keys.members(BOX, "room")), "members are back")
            await until(lambda: client.exists(keys.group("room")), "the group is back")
            assert client.hkeys(keys.sockets(BOX)) == [b"a"]
            assert server_client.settled_since > settled
            layer.send_group("room", {"n": 1})
            await server_client.mark()
            assert listener.group_members() == [["a", "b"]]
            assert listener.told == []  # it never stopped answering

    run(test())


def test_what_applications_changed_before_it_was_noticed_is_kept(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url])
    client, keys = redis_server.client, layer.keys

    async def test():
        async with serving(layer) as (server_client, listener):
            for local in ("a", "b", "c"):
                layer.group_add("room", BOX + local)
            await server_client.mark()

            client.flushall()
            layer.group_discard("room", BOX + "c")  # of which Redis knows nothing any more
            layer.group_add("room", BOX + "new")  # its numbers start again: seen at once
            layer.group_add("room", BOX + "brief")
            layer.group_discard("room", BOX + "brief")

            await until(lambda: client.zcard(keys.members(BOX, "room")) == 3, "all are back")
            await until(lambda: client.exists(keys.group("room")), "the group is back")
            layer.send_group("room", {"n": 1})
            await server_client.mark()
            assert listener.group_members() == [["a", "b", "new"]]
            assert set(client.zrange(keys.members(BOX, "room"), 0, -1)) == {
                b"a",
                b"b",
                b"new",
            }

    run(test())


def test_thousands_of_memberships_come_back_while_applications_go_on(own_server):
    layer = RedisChannelLayer(hosts=[own_server.url])
    keys = layer.keys

    async def test():
        async with serving(layer) as (server_client, listener):
            for n in range(2500):
                layer.group_add(f"room{n % 3}", f"{BOX}m{n}")
            await server_client.mark()
            stop = threading.Event()

            def go_on():
                n = 0
                while not stop.is_set():
                    n += 1
                    eventually(lambda n=n: layer.group_add("busy", f"{BOX}b{n % 50}"))
                    eventually(lambda n=n: layer.group_discard("busy", f"{BOX}b{(n * 7) % 50}"))

            application = threading.Thread(target=go_on)
            application.start()
            try:
                await asyncio.to_thread(own_server.restart)
                await back(listener)
                await asyncio.sleep(0.1)
            finally:
                stop.set()
                await asyncio.to_thread(application.join)
            await server_client.mark()

            client = own_server.client
            for group in ("room0", "room1", "room2", "busy"):
                stored = {name.decode() for name in client.zrange(keys.members(BOX, group), 0, -1)}
                assert set(server_client._memberships.members(group, server_client.now())) == stored
            assert sum(client.zcard(keys.members(BOX, f"room{n}")) for n in range(3)) == 2500
            assert server_client._memberships.number == int(client.hget(keys.meta(BOX), "number"))

    run(test())


def test_what_was_forgotten_and_closed_during_an_outage_is_gone_after_it(own_server):
    layer = RedisChannelLayer(hosts=[own_server.url])
    keys = layer.keys

    async def test():
        async with serving(layer) as (server_client, listener):
            for local in ("a", "b"):
                layer.group_add("room", BOX + local)
                await sent(server_client, "main?c", {}, opens=SocketEntry(local, "/", 1.0))
            await server_client.mark()
            own_server.client.client_kill_filter(_type="normal", skipme=True)
            await until(lambda: listener.told, "the outage is told")

            server_client.forget([("room", "a")])
            outcome = await sent(server_client, "main?c", {}, closes="a", past_capacity=True)
            assert isinstance(outcome, LayerUnavailable)
            await back(listener)

            await server_client.mark()
            assert not server_client.memberships("a")
            assert own_server.client.zrange(keys.members(BOX, "room"), 0, -1) == [b"b"]
            # The disconnect was not stored, so the socket is still written down.
            assert set(own_server.client.hkeys(keys.sockets(BOX))) == {b"a", b"b"}
            assert await sent(server_client, "main?c", {}, closes="a", past_capacity=True) is None
            await server_client.mark()
            assert own_server.client.hkeys(keys.sockets(BOX)) == [b"b"]

    run(test())


# -- Redis hangs ------------------------------------------------------------------------------


def test_a_frozen_redis_is_told_in_time_and_recovered_from(own_server):
    layer = RedisChannelLayer(hosts=[own_server.url], timeout=0.5)

    async def test():
        async with serving(layer) as (server_client, listener):
            await sent(server_client, "main?c", {"n": 1})
            with own_server.frozen():
                started = time.monotonic()
                outcome = await sent(server_client, "main?c", {"n": 2})
                assert isinstance(outcome, LayerUnavailable)
                assert time.monotonic() - started < 2.0
                assert len(listener.told) == 1
                assert server_client.settled_since == float("inf")
                # What is sent meanwhile is refused at once.
                started = time.monotonic()
                assert isinstance(await sent(server_client, "main?c", {"n": 3}), LayerUnavailable)
                assert time.monotonic() - started < 0.3
            await back(listener)
            assert len(listener.told) == 2
            assert server_client.settled_since <= server_client.now()
            assert await sent(server_client, "main?c", {"n": 4}) is None
            layer.send(BOX + "a", {"n": 5})
            await until(lambda: Reply("a", {"n": 5}) in listener.items, "the mailbox is read")

    run(test())


def test_a_redis_that_hangs_while_nothing_is_sent_is_noticed_too(own_server):
    layer = RedisChannelLayer(hosts=[own_server.url], timeout=0.5)

    async def test():
        async with serving(layer) as (_, listener):
            with own_server.frozen():
                await until(lambda: listener.told, "the outage is told", 5.0)
            await back(listener)

    run(test())


def test_stopping_while_redis_hangs_ends(own_server):
    layer = RedisChannelLayer(hosts=[own_server.url], timeout=0.5)

    async def test():
        async with serving(layer) as (server_client, _):
            own_server.client.config_set("timeout", 0)
            with own_server.frozen():
                started = time.monotonic()
                await server_client.stop()
                assert time.monotonic() - started < 5.0

    run(test())


def test_an_outage_that_lasts_is_told_once(own_server):
    layer = RedisChannelLayer(hosts=[own_server.url])

    async def test():
        async with serving(layer) as (_, listener):
            await asyncio.to_thread(own_server.kill)
            await until(lambda: listener.told, "the outage is told")
            await asyncio.sleep(1.0)
            assert len(listener.told) == 1
            await asyncio.to_thread(own_server.start)
            await back(listener)
            assert len(listener.told) == 2

    run(test())


# -- nothing is lost when a server stops, nothing repeated when an answer is lost ------------


def test_stopping_during_a_blocked_read_loses_no_item(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url])
    client, keys = redis_server.client, layer.keys

    async def one(round_):
        received = []
        async with serving(layer) as (server_client, listener):
            received = listener.items

            def push():
                for n in range(20):
                    layer.send(BOX + "a", {"n": n})

            pushing = asyncio.get_running_loop().run_in_executor(None, push)
            await asyncio.sleep(round_ % 10 * 0.0004)
            await server_client.stop()
            await pushing
        left = client.llen(keys.mail(BOX))
        numbers = [item.message["n"] for item in received]
        assert numbers == list(range(20 - left)), round_
        client.delete(keys.mail(BOX))
        return len(numbers), left

    async def test():
        return [await one(round_) for round_ in range(200)]

    delivered = []

    async def body():
        delivered.extend(await test())

    run(body())
    assert sum(number + left for number, left in delivered) == 200 * 20
    assert any(left for _, left in delivered)  # some did stop in the middle


def test_losing_the_other_connection_costs_nothing_of_the_mailbox(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url])

    async def test():
        async with serving(layer) as (server_client, listener):
            stop, pushed = threading.Event(), []

            def push():
                while not stop.is_set():
                    layer.send(BOX + "a", {"n": len(pushed)})
                    pushed.append(1)

            application = threading.Thread(target=push)
            application.start()
            try:
                for _ in range(20):
                    outages = len(listener.told)
                    own = server_client._connections.own.connection
                    redis_server.client.client_kill_filter(_id=own.client_id)
                    await until(lambda n=outages: len(listener.told) == n + 2, "it is back")
            finally:
                stop.set()
                await asyncio.to_thread(application.join)
            await until(lambda: len(listener.items) == len(pushed), "all came")
            numbers = [item.message["n"] for item in listener.items]
            assert numbers == list(range(len(pushed)))
            assert server_client.counters()["missed"] == 0

    run(test())


def test_redis_is_told_not_to_serve_a_link_that_was_lost(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url])

    def unblocked():
        statistics = redis_server.client.info("commandstats")
        return statistics.get("cmdstat_client|unblock", {}).get("calls", 0)

    async def test():
        async with serving(layer) as (_, listener):
            await blocked(redis_server)
            before = unblocked()
            (waiting,) = [
                client for client in redis_server.client.client_list() if "b" in client["flags"]
            ]
            redis_server.client.client_kill_filter(_id=waiting["id"])
            await back(listener)
            assert unblocked() == before + 1
            layer.send(BOX + "a", {"n": 1})
            await until(lambda: listener.items, "the mailbox is read")

    run(test())


def test_a_send_whose_answer_is_lost_is_not_repeated(redis_server):
    with swallower(redis_server.port) as proxy:
        layer = RedisChannelLayer(hosts=[proxy.url])

        async def test():
            async with serving(layer) as (server_client, listener):
                proxy.swallow(b"precious")
                outcome = await sent(server_client, "main?c", {"text": "precious"}, receipt=1)
                assert isinstance(outcome, LayerUnavailable)
                await back(listener)
                assert proxy.swallowed == 1
                assert redis_server.client.llen(layer.keys.queue("main?c")) == 1
                assert await sent(server_client, "main?c", {"text": "next"}) is None

        run(test())


def test_a_take_whose_answer_is_lost_costs_what_was_in_it_and_is_counted(redis_server):
    direct = RedisChannelLayer(hosts=[redis_server.url])
    with swallower(redis_server.port) as proxy:
        layer = RedisChannelLayer(hosts=[proxy.url])

        async def test():
            async with serving(layer) as (server_client, listener):
                direct.group_add("room", BOX + "a")
                await server_client.mark()
                await blocked(redis_server)
                proxy.swallow(b"BLMPOP")
                direct.send(BOX + "a", {"n": 1})  # ends the take that waits
                await until(lambda: Reply("a", {"n": 1}) in listener.items, "the first comes")
                await blocked(redis_server)
                direct.group_add("room", BOX + "b")  # in the answer that is swallowed
                await back(listener)
                direct.send_group("room", {"n": 2})
                await until(lambda: listener.group_members(), "the group message comes")
                assert listener.group_members() == [["a", "b"]]  # rebuilt
                direct.send(BOX + "a", {"n": 3})
                await until(lambda: Reply("a", {"n": 3}) in listener.items, "the next comes")
                assert proxy.swallowed == 1

        run(test())


def test_messages_lost_on_their_way_are_counted(redis_server):
    direct = RedisChannelLayer(hosts=[redis_server.url])
    with swallower(redis_server.port) as proxy:
        layer = RedisChannelLayer(hosts=[proxy.url])

        async def test():
            async with serving(layer) as (server_client, listener):
                await server_client.mark()
                await blocked(redis_server)
                proxy.swallow(b"BLMPOP")
                direct.send(BOX + "a", {"n": 1})
                await until(lambda: listener.items, "the first comes")
                await blocked(redis_server)
                direct.send(BOX + "a", {"n": 2})
                await back(listener)
                direct.send(BOX + "a", {"n": 3})
                await until(lambda: len(listener.items) == 2, "the next comes")
                assert [item.message["n"] for item in listener.items] == [1, 3]
                assert server_client.counters()["missed"] == 1

        run(test())


# -- failover -----------------------------------------------------------------------------------


def test_a_failover_is_followed():
    from channels.layers.redis import RedisSentinelChannelLayer

    servers = SentinelSet()
    try:
        layer = RedisSentinelChannelLayer(
            hosts=[("127.0.0.1", servers.sentinel.port)], services=[servers.name]
        )

        async def test():
            async with serving(layer) as (server_client, listener):
                layer.group_add("room", BOX + "a")
                await server_client.mark()
                await asyncio.to_thread(servers.fail_over)
                await back(listener)
                assert await sent(server_client, "main?c", {"n": 1}, receipt=3) is None
                await asyncio.to_thread(eventually, lambda: layer.send_group("room", {"n": 2}))
                await until(lambda: listener.group_members(), "the group message comes")
                assert listener.group_members() == [["a"]]
                taken = await asyncio.to_thread(
                    eventually, lambda: layer.receive(["main?c"], block=True)
                )
                assert taken == ("main?c", {"n": 1})
                await until(lambda: Receipt(3) in listener.items, "the receipt comes")

        run(test())
    finally:
        servers.close()
