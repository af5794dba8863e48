"""The connections of an interface server: made, lost, made again; by scripted bytes."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.clients import Reply
from channels.layers.redis import RedisChannelLayer
from channels.layers.redis.server import connections as connections_module
from channels.layers.redis.server import session as session_module
from channels.layers.redis.server.session import Session
from channels.layers.redis.wire import items
from tests.support.redis_clients import Listener
from tests.support.scripted_redis import ScriptedRedis, stamped
from tests.support.waiting import until

NAME = "web.abc!"


class StillHeartbeat:
    """A heartbeat that beats when a test says so."""

    def __init__(self, *args, beaten, **options):
        self.beaten = beaten

    def beat(self):
        return ()

    def start(self):
        pass

    def stop(self):
        pass


@pytest.fixture
def redis(monkeypatch):
    scripted = ScriptedRedis()
    monkeypatch.setattr(connections_module, "open_connection", scripted.open)
    monkeypatch.setattr(session_module, "open_connection", scripted.open)
    monkeypatch.setattr(session_module, "Heartbeat", StillHeartbeat)
    monkeypatch.setattr(session_module, "FIRST_BACKOFF", 0.001)
    return scripted


@contextlib.asynccontextmanager
async def serving(store):
    """A session that has started, and who hears of it."""
    session, listener = Session(store, NAME), Listener()
    await session.start(listener, {})
    try:
        yield session, listener
    finally:
        await session.stop()


@pytest.fixture
def store():
    return RedisChannelLayer(hosts=["redis://scripted"]).store


def run(test):
    asyncio.run(asyncio.wait_for(test, 20))


def test_it_is_up_once_redis_was_put_right_and_the_mailbox_is_read(redis, store):
    async def test():
        async with serving(store) as (session, _):
            asked = [redis.name(one) for one in redis.asked]

            assert session.up
            assert session.settled_since == session.clock.now_ms() / 1000
            # Whose memory it is, capacity and sockets, memberships; then the mailbox, and a mark.
            assert asked.index("INFO") < asked.index("HSET") < asked.index("SNAPSHOT")
            assert asked.index("SNAPSHOT") < asked.index("BLMPOP") < asked.index("PUSH_MAILBOX")

    run(test())


def test_a_redis_that_is_away_at_the_start_is_reported_and_nothing_is_started(redis, store):
    redis.away = True

    async def test():
        session = Session(store, NAME)
        with pytest.raises(LayerUnavailable, match="it is away"):
            await session.start(Listener(), {})
        assert not session.up
        await session.stop()

    run(test())


def test_a_redis_that_is_not_ready_is_reported(redis, store):
    redis.answers["GET"] = RuntimeError("LOADING Redis is loading the dataset in memory")

    async def test():
        session = Session(store, NAME)
        with pytest.raises(LayerUnavailable, match="LOADING"):
            await session.start(Listener(), {})

    run(test())


def test_an_outage_is_told_once_and_its_end_too(redis, store):
    async def test():
        async with serving(store) as (session, listener):
            redis.away = True
            redis.connections[0].lose(LayerUnavailable("it went away"))
            assert not session.up
            assert [str(one) for one in listener.told] == ["it went away"]

            await asyncio.sleep(0)
            redis.away = False
            await until(lambda: session.up, "it is back")

            assert listener.told[1:] == ["back"]

    run(test())


def test_a_mailbox_connection_that_is_well_is_kept_through_an_outage(redis, store):
    async def test():
        async with serving(store) as (session, listener):
            _, mailbox = redis.connections
            redis.connections[0].lose(LayerUnavailable("it went away"))
            await until(lambda: session.up, "it is back")

            assert mailbox.error is None
            redis.put(stamped(items.reply_item("a", store.codec.payload("a", {"n": 1}))))
            await until(lambda: listener.items == [Reply("a", {"n": 1})], "it is read")

    run(test())


def test_the_take_of_a_lost_mailbox_connection_is_ended_before_the_next_one(redis, store):
    async def test():
        async with serving(store) as (session, _):
            redis.connections[1].lose(LayerUnavailable("it went away"))
            await until(lambda: session.up, "it is back")

            assert [b"CLIENT", b"UNBLOCK", b"2"] in redis.asked

    run(test())


def test_what_was_forgotten_meanwhile_is_discarded_at_the_next_connection(redis, store):
    async def test():
        async with serving(store) as (session, _):
            redis.connections[0].lose(LayerUnavailable("it went away"))
            session.forgotten["room", "a"] = None
            await until(lambda: session.up, "it is back")

            assert len(redis.words("LEAVE")) == 1
            assert not session.forgotten

    run(test())


@pytest.mark.parametrize("seen", ["by the connect", "by the heartbeat"])
def test_memberships_and_sockets_are_written_back_once_the_memory_was_lost(redis, store, seen):
    redis.snapshot = [1, b"room", [b"a", b"9000000000000"]]

    async def test():
        async with serving(store) as (session, listener):
            session.sockets["a"] = b"entry"
            redis.epoch = b"second"
            redis.snapshot = [0]
            if seen == "by the connect":
                redis.connections[0].lose(LayerUnavailable("it went away"))
            else:
                memories = await session._read_memories()
                session._heartbeat.beaten(memories)
            await until(lambda: redis.words("ZADD"), "it is written back")
            await until(lambda: session.up, "it is up")

            (restored,) = redis.words("RESTORE")
            assert restored[-3:-1] == [b"room", b"a"]
            assert [b"HSET", store.keys.sockets(NAME).encode(), b"a", b"entry"] in redis.asked
            assert len(listener.told) == (2 if seen == "by the connect" else 0)

    run(test())


def test_stopping_sends_what_is_queued_and_delivers_what_waits(redis, store):
    async def test():
        async with serving(store) as (session, listener):
            redis.mailbox.append(stamped(items.reply_item("a", store.codec.payload("a", {"n": 1}))))
            session.connections.call(("PING",))
        assert redis.words("PING")
        assert listener.items == [Reply("a", {"n": 1})]
        assert all(one.error is not None for one in redis.connections)

    run(test())
