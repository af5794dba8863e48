"""The interface server's client against a real Redis: what it costs, and what it writes there.

What every layer's client must do is in the conformance suite.
"""

from __future__ import annotations

import asyncio

import msgpack
import pytest

from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.layers.clients import UNREADABLE, Joined, NotRun, Reply, SocketEntry, Unread
from channels.layers.redis.layer import RedisChannelLayer
from channels.layers.redis.wire import items, scripts
from tests.support.redis_clients import Listener, run, sent, serving
from tests.support.waiting import until

pytestmark = pytest.mark.redis

BOX = "web.test!"


@pytest.fixture
def layer(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url])
    yield layer
    layer.close()


def calls(redis_server, command):
    """How often Redis ran a command so far."""
    statistics = redis_server.client.info("commandstats")
    return statistics.get(f"cmdstat_{command}", {}).get("calls", 0)


def meta(redis_server, layer):
    """The counters of the mailbox."""
    found = redis_server.client.hgetall(layer.keys.meta(BOX))
    return {name.decode(): int(value) for name, value in found.items()}


# -- what it costs -----------------------------------------------------------------------


def test_frames_of_one_turn_for_one_channel_are_one_call(redis_server, layer):
    async def test():
        async with serving(layer) as (server_client, _):
            before = calls(redis_server, "evalsha")
            outcomes = await asyncio.gather(
                *(sent(server_client, "work", {"n": n}) for n in range(50))
            )
            assert outcomes == [None] * 50
            assert calls(redis_server, "evalsha") == before + 1

    run(test())


def test_an_idle_server_does_not_poll(redis_server, layer):
    async def test():
        async with serving(layer):
            await asyncio.sleep(0.05)
            before = calls(redis_server, "blmpop")
            await asyncio.sleep(1.0)
            assert calls(redis_server, "blmpop") <= before + 1

    run(test())


def test_many_pipelines_at_once_keep_their_order(redis_server, layer):
    layer.capacity = 100_000

    async def test():
        async with serving(layer) as (server_client, _):
            outcomes = []
            for n in range(3000):
                server_client.send("main?abc", [{"n": n}], done=outcomes.append)
                if n % 7 == 0:
                    await asyncio.sleep(0)
            await until(lambda: len(outcomes) == 3000, "all are stored")
            assert set(outcomes) == {None}
            received = [layer.receive(["main?abc"])[1]["n"] for _ in range(3000)]
            assert received == list(range(3000))

    run(test())


# -- sending ------------------------------------------------------------------------------


def test_what_fits_is_stored_and_the_rest_is_full(layer):
    async def test():
        async with serving(layer) as (server_client, _):
            outcomes = await asyncio.gather(
                *(sent(server_client, "main?abc", {"n": n}) for n in range(120))
            )
            assert outcomes[:100] == [None] * 100
            assert all(isinstance(outcome, ChannelFull) for outcome in outcomes[100:])
            assert (outcomes[100].channel, outcomes[100].capacity) == ("main?abc", 100)

    run(test())


def test_frames_that_were_refused_are_not_awaited_for_ever(redis_server):
    """Else the mailbox would be read late for the rest of the server's life."""
    layer = RedisChannelLayer(hosts=[redis_server.url], capacity=1)

    async def test():
        async with serving(layer) as (server_client, _):
            mailbox = server_client._session.mailbox
            await asyncio.gather(
                *(sent(server_client, "work", {}, receipt=n) for n in range(1, 21))
            )
            mailbox.settle()
            await sent(server_client, "other", {}, receipt=21)  # traffic goes on meanwhile
            assert len(mailbox.decoder.awaited) == 21
            mailbox.settle()
            assert mailbox.decoder.awaited == {21}

    run(test())
    layer.close()


def test_an_error_in_a_callback_does_not_disturb_the_others(layer, caplog):
    def broken(outcome):
        raise RuntimeError("a bug elsewhere")

    async def test():
        async with serving(layer) as (server_client, _):
            server_client.send("work", [{"n": 1}], done=broken)
            assert await sent(server_client, "work", {"n": 2}) is None

    run(test())
    assert "a bug elsewhere" in caplog.text


def test_scripts_that_redis_forgot_are_loaded_and_called_again(redis_server, layer):
    async def test():
        async with serving(layer) as (server_client, listener):
            redis_server.client.script_flush()
            assert await sent(server_client, "main?abc", {"n": 1}, receipt=1) is None
            await server_client.mark()
            assert layer.receive(["main?abc"])[1] == {"n": 1}
            assert listener.told == []

    run(test())


def test_a_name_that_is_no_shared_channel_is_refused(layer):
    async def test():
        async with serving(layer) as (server_client, _):
            assert isinstance(await sent(server_client, "web.other!x", {}), TypeError)
            assert isinstance(await sent(server_client, "no name", {}), TypeError)
            assert isinstance(await sent(server_client, "work", {"n": object()}), TypeError)
            large = await sent(server_client, "work", {"n": b"x" * 5_000_000})
            assert isinstance(large, MessageTooLarge)

    run(test())


def test_an_expired_frame_trimmed_by_a_push_is_answered(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url], capacity=1)

    async def test():
        async with serving(layer) as (server_client, listener):
            await sent(server_client, "main?abc", {"n": 1}, receipt=7, expiry=0.05)
            await sent(server_client, "main?abc", {"n": 2}, expiry=60, past_capacity=True)
            await asyncio.sleep(0.1)
            outcome = await sent(server_client, "main?abc", {"n": 3})
            assert isinstance(outcome, ChannelFull)  # the second one is there
            await until(
                lambda: NotRun(7, "expired") in listener.items, "the expired frame is answered"
            )

    run(test())


def test_sending_after_the_end_is_refused(layer):
    async def test():
        async with serving(layer) as (server_client, _):
            pass
        assert isinstance(await sent(server_client, "work", {}), LayerUnavailable)

    run(test())


# -- the mailbox ---------------------------------------------------------------------------


def test_what_was_taken_is_reported_within_seconds(redis_server, layer):
    async def test():
        async with serving(layer) as (server_client, _):
            for n in range(10):
                layer.send(BOX + "a", {"n": n})
            await server_client.mark()
            await until(lambda: meta(redis_server, layer).get("tm") == 10, "it is reported", 5.0)
            counters = meta(redis_server, layer)
            assert counters["pm"] == 10
            assert counters["pb"] == counters["tb"] > 0
            assert (counters["cap"], counters["capb"]) == (10_000, 32 * 1024 * 1024)

    run(test())


def test_a_busy_mailbox_is_reported_even_if_nothing_is_sent(redis_server, layer):
    async def test():
        async with serving(layer) as (_, listener):
            pairs = [scripts.MESSAGE, items.reply_item("a", layer.codec.payload("a", {}))] * 500
            for _ in range(6):
                redis_server.client.execute_command(*layer.commands.post(BOX), *pairs)
            await until(lambda: len(listener.items) == 3000, "all are delivered")
            await until(lambda: meta(redis_server, layer).get("tm", 0) >= 2000, "most are reported")

    run(test())


def test_items_that_do_not_decode_are_dropped_and_counted(redis_server, layer):
    async def test():
        async with serving(layer) as (server_client, listener):
            for bad in (b"R\x01a\xc1", b"R\x50short", b"X", b"Gnonsense", b"A12", b"J"):
                pairs = [scripts.MESSAGE, bad]
                redis_server.client.execute_command(*layer.commands.post(BOX), *pairs)
            redis_server.client.rpush(layer.keys.mail(BOX), b"no stamp")
            layer.send(BOX + "a", {"n": 1})
            await server_client.mark()
            # Where the name of whom it was for can be read, that one is told.
            assert listener.items == [
                Unread("a", UNREADABLE),
                Unread("short", UNREADABLE),
                Reply("a", {"n": 1}),
            ]
            assert server_client.counters()["undecodable"] == 7

    run(test())


def test_an_error_of_the_listener_does_not_stop_the_mailbox(layer, caplog):
    async def test():
        async with serving(layer) as (server_client, listener):
            original = listener.deliver
            listener.deliver = None
            layer.send(BOX + "a", {"n": 1})
            await server_client.mark()
            listener.deliver = original
            layer.send(BOX + "a", {"n": 2})
            await until(lambda: listener.items == [Reply("a", {"n": 2})], "the second comes")

    run(test())
    assert "the listener failed" in caplog.text


def test_messages_are_encrypted_on_their_way(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url], symmetric_encryption_keys=["secret"])

    async def test():
        async with serving(layer) as (server_client, listener):
            await sent(server_client, "main?abc", {"text": "hidden"}, {"text": "too"}, receipt=1)
            (stored,) = redis_server.client.lrange(layer.keys.queue("main?abc"), 0, -1)
            assert b"hidden" not in stored
            assert layer.receive(["main?abc"])[1] == {"text": "hidden"}
            layer.group_add("room", BOX + "a")
            layer.send(BOX + "a", {"text": "reply"})
            layer.send_group("room", {"text": "all"})
            await server_client.mark()
            assert [item.message["text"] for item in listener.messages()] == ["reply", "all"]

    run(test())


# -- memberships -----------------------------------------------------------------------------


def test_a_missed_join_is_found_out_with_the_next_group_message(redis_server, layer):
    async def test():
        async with serving(layer) as (server_client, listener):
            layer.group_add("room", BOX + "a")
            await server_client.mark()
            # As if the join of b had been lost on its way.
            client, keys = redis_server.client, layer.keys
            client.zadd(keys.members(BOX, "room"), {"b": 2**44})
            client.hincrby(keys.meta(BOX), "number", 1)

            layer.send_group("room", {"n": 1})
            layer.send(BOX + "a", {"n": 2})
            await server_client.mark()

            assert listener.group_members() == [["a", "b"]]
            assert listener.items[-1] == Reply("a", {"n": 2})
            layer.group_add("room", BOX + "c")
            layer.send_group("room", {"n": 3})
            await server_client.mark()
            assert listener.group_members()[-1] == ["a", "b", "c"]

    run(test())


def test_a_server_that_takes_over_a_mailbox_knows_its_members(layer):
    layer.group_add("room", BOX + "a")
    layer.group_add("room", BOX + "b")
    while layer.receive([BOX])[0]:
        pass

    async def test():
        async with serving(layer) as (server_client, listener):
            layer.send_group("room", {"n": 1})
            await until(lambda: listener.messages(), "the message comes")
            assert sorted(listener.group_members()[0]) == ["a", "b"]
            assert set(server_client.memberships("a")) == {"room"}

    run(test())


def test_keeping_renews_memberships_and_the_list_of_processes(redis_server, layer):
    keys, client = layer.keys, redis_server.client

    async def test():
        async with serving(layer) as (server_client, _):
            for local in ("kept", "other"):
                layer.group_add("room", BOX + local)
            await server_client.mark()
            for key in (keys.members(BOX, "room"), keys.group("room")):
                for member in client.zrange(key, 0, -1):
                    client.zadd(key, {member: (server_client.now() + 5) * 1000})

            server_client.keep(["kept", "stranger"])
            await server_client.mark()

            members = dict(client.zrange(keys.members(BOX, "room"), 0, -1, withscores=True))
            assert members[b"kept"] / 1000 == pytest.approx(server_client.now() + 86400, abs=60)
            assert members[b"other"] / 1000 == pytest.approx(server_client.now() + 5, abs=60)
            processes = dict(client.zrange(keys.group("room"), 0, -1, withscores=True))
            assert processes[BOX.encode()] / 1000 == pytest.approx(
                server_client.now() + 86400, abs=60
            )

    run(test())


def test_a_join_is_told_and_forgetting_it_ends_it(redis_server, layer):
    async def test():
        async with serving(layer) as (server_client, listener):
            layer.group_add("room", BOX + "a")
            await server_client.mark()
            assert listener.items == [Joined("room", "a")]
            server_client.forget([("room", "a")])
            await server_client.mark()
            assert not server_client.memberships("a")
            assert not redis_server.client.exists(layer.keys.members(BOX, "room"))

    run(test())


# -- the register --------------------------------------------------------------------------------


def test_sockets_are_written_down_with_path_and_time(redis_server, layer):
    async def test():
        async with serving(layer) as (server_client, _):
            entry = SocketEntry("a", "/chat/", 12.5)
            await sent(server_client, "main?c", {}, opens=entry)
            await server_client.mark()
            stored = redis_server.client.hgetall(layer.keys.sockets(BOX))
            assert {k: msgpack.unpackb(v) for k, v in stored.items()} == {b"a": ["/chat/", 12.5]}
            await sent(server_client, "main?c", {}, closes="a")
            await server_client.mark()
            assert not redis_server.client.exists(layer.keys.sockets(BOX))

    run(test())


def test_the_entry_shows_the_counters_and_lives_for_a_ttl(redis_server, layer):
    async def test():
        async with serving(layer) as (server_client, _):
            (entry,) = await server_client.processes()
            assert entry.info["version"] == "test"
            assert entry.info["mailbox"]["taken"] == 0
            assert 0 < redis_server.client.pttl(layer.keys.entry(BOX)) <= 10_000
        assert not redis_server.client.exists(layer.keys.entry(BOX))

    run(test())


def test_a_start_without_redis_says_so_and_leaves_nothing_behind(redis_server):
    layer = RedisChannelLayer(hosts=["redis://127.0.0.1:1/0"])

    async def test():
        server_client = layer.open_server(BOX)
        with pytest.raises(LayerUnavailable):
            await server_client.start(Listener(), {})
        await server_client.stop()

    run(test())


def test_a_unix_socket_and_another_database_will_do(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.unix_url.replace("db=0", "db=3")])

    async def test():
        async with serving(layer) as (server_client, listener):
            assert await sent(server_client, "main?c", {"n": 1}) is None
            layer.send(BOX + "a", {"n": 2})
            await server_client.mark()
            assert listener.items == [Reply("a", {"n": 2})]
        assert not redis_server.client.exists(layer.keys.queue("main?c"))
        assert layer.receive(["main?c"]) == ("main?c", {"n": 1})

    run(test())


def test_shared_channels_are_spread_over_the_hosts(redis_server, second_redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url, second_redis_server.url])

    async def test():
        async with serving(layer) as (server_client, _):
            for n in range(10):
                assert await sent(server_client, "work", {"n": n}, receipt=n + 1) is None
            lengths = [
                server.client.llen(layer.keys.queue("work"))
                for server in (redis_server, second_redis_server)
            ]
            assert lengths == [5, 5]
            assert await server_client.queued("work", range(1, 20)) == set(range(1, 11))

    run(test())
