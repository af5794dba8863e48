"""Reading the mailbox: what is taken when, and what of it is delivered; by scripted bytes."""

from __future__ import annotations

import asyncio
import struct

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.clients import GroupMessage, Receipt, Reply
from channels.layers.redis import RedisChannelLayer
from channels.layers.redis.server import connections as connections_module
from channels.layers.redis.server.connections import Connections
from channels.layers.redis.server.mailbox import BUSY, Mailbox
from channels.layers.redis.server.memberships import Memberships
from channels.layers.redis.wire import items
from tests.support.redis_clients import Listener
from tests.support.scripted_redis import NOW, ScriptedRedis, stamped

NAME = "web.abc!"


@pytest.fixture
def redis(monkeypatch):
    scripted = ScriptedRedis()
    monkeypatch.setattr(connections_module, "open_connection", scripted.open)
    return scripted


class Reading:
    """A mailbox that is read."""

    def __init__(self, redis):
        self.redis = redis
        self.store = RedisChannelLayer(hosts=["redis://scripted"]).store
        clock = self.store.ring.hosts[0].clock
        clock.measure([NOW // 1000, 0], clock.monotonic())
        self.lost = []
        self.memory_lost = []
        self.memberships = Memberships()
        self.connections = Connections(self.store, NAME)
        self.mailbox = Mailbox(
            NAME,
            self.store,
            clock,
            self.memberships,
            self.connections,
            lambda: self.memory_lost.append(True),
        )
        self.handler = self.mailbox.handler = Listener()

    async def open(self):
        await self.connections.open(self.lost.append)
        self.mailbox.open(await self.redis.open(None, timeout=1.0, on_lost=self.lost.append))
        await turns()

    def reply(self, local, n, **stamp):
        payload = self.store.codec.payload(NAME + local, {"n": n})
        return stamped(items.reply_item(local, payload), **stamp)


async def turns(number=20):
    """Let the event loop turn."""
    for _ in range(number):
        await asyncio.sleep(0)


def read(redis, body):
    """Run the body of a test with a mailbox that is read."""

    async def test():
        reading = Reading(redis)
        await reading.open()
        await body(reading)

    asyncio.run(test())


def test_it_takes_again_once_what_it_took_was_delivered(redis):
    async def body(reading):
        assert len(redis.words("BLMPOP")) == 1

        redis.put(reading.reply("a", 1), reading.reply("b", 2))
        await turns()

        assert reading.handler.items == [Reply("a", {"n": 1}), Reply("b", {"n": 2})]
        assert len(redis.words("BLMPOP")) == 2

    read(redis, body)


def test_a_process_that_waits_for_many_receipts_lets_the_mailbox_fill(redis):
    async def body(reading):
        reading.mailbox.decoder.awaited.update(range(1, BUSY + 2))

        redis.put(stamped(items.receipt_item(1)))
        await turns()

        assert reading.handler.items == [Receipt(1)]
        assert len(redis.words("BLMPOP")) == 1  # a moment later

    read(redis, body)


def test_what_memberships_miss_is_read_before_the_item_that_showed_it(redis):
    async def body(reading):
        expiry = str(NOW + 5000).encode()
        redis.snapshot = [3, b"room", [b"a", expiry]]
        payload = reading.store.codec.payload("room", {"n": 2})

        redis.put(
            reading.reply("a", 1),
            stamped(items.group_item("room", payload), number=3),
            reading.reply("a", 3),
        )
        await turns()

        assert [redis.name(one) for one in redis.asked][-2:] == ["SNAPSHOT", "BLMPOP"]
        assert reading.handler.items == [
            Reply("a", {"n": 1}),
            GroupMessage("room", ("a",), {"n": 2}),
            Reply("a", {"n": 3}),
        ]

    read(redis, body)


def test_numbers_that_go_backwards_tell_that_redis_lost_its_memory(redis):
    async def body(reading):
        join = b"J\x01a\x04room" + struct.pack(">Q", NOW + 5000) + b"\1"
        redis.put(stamped(join, number=1), stamped(join, number=2), stamped(join, number=1))
        await turns()

        assert reading.memory_lost == [True]
        assert reading.memberships.members("room", NOW / 1000) == ("a",)

    read(redis, body)


def test_an_empty_answer_is_followed_by_the_next_take(redis):
    async def body(reading):
        await reading.connections.ask(("CLIENT", "UNBLOCK", 1))
        await turns()

        assert len(redis.words("BLMPOP")) == 2

    read(redis, body)


def test_a_take_that_is_refused_ends_the_connection(redis):
    redis.answers["BLMPOP"] = PermissionError("NOPERM this user has no permissions")

    async def body(reading):
        (error,) = reading.lost
        assert "Redis refused to give the mailbox" in str(error)
        assert not reading.mailbox.connected

    read(redis, body)


def test_an_error_of_the_handler_does_not_stop_the_reading(redis, caplog):
    async def body(reading):
        reading.handler.deliver = None
        redis.put(reading.reply("a", 1))
        await turns()
        del reading.handler.deliver
        redis.put(reading.reply("a", 2))
        await turns()

        assert reading.handler.items == [Reply("a", {"n": 2})]

    read(redis, body)
    assert "failed to take 1 items" in caplog.text


def test_a_mark_passes_when_what_was_there_before_it_was_delivered(redis):
    async def body(reading):
        mark = asyncio.ensure_future(reading.mailbox.mark())
        await turns()
        assert mark.done()

        redis.answers["PUSH_MAILBOX"] = [1, 0, 0]  # it stays where it is
        mark = asyncio.ensure_future(reading.mailbox.mark())
        await turns()
        assert not mark.done()
        redis.put(reading.reply("a", 1), stamped(items.receipt_item((1 << 63) + 1)))
        await turns()
        assert mark.done()
        assert reading.handler.items == [Reply("a", {"n": 1})]

    read(redis, body)


def test_a_mark_that_redis_refuses_fails(redis):
    redis.answers["PUSH_MAILBOX"] = MemoryError("OOM command not allowed")

    async def body(reading):
        with pytest.raises(LayerUnavailable, match="Redis refused a mark"):
            await reading.mailbox.mark()

    read(redis, body)


def test_marks_fail_when_the_connection_is_lost(redis):
    redis.answers["PUSH_MAILBOX"] = [1, 0, 0]

    async def body(reading):
        mark = asyncio.ensure_future(reading.mailbox.mark())
        await turns()
        reading.mailbox.interrupt(LayerUnavailable("it is away"))

        with pytest.raises(LayerUnavailable, match="away"):
            await mark

    read(redis, body)


def test_draining_ends_the_take_and_delivers_what_waits(redis):
    async def body(reading):
        redis.mailbox.append(reading.reply("a", 1))  # it came just after the take had ended
        await reading.mailbox.drain()

        assert reading.handler.items == [Reply("a", {"n": 1})]
        assert [redis.name(one) for one in redis.asked].count("BLMPOP") == 1

    read(redis, body)


def test_what_was_taken_is_reported(redis):
    async def body(reading):
        redis.put(reading.reply("a", 1, pushed=700))
        await turns()

        (report,) = redis.words("HSET")
        assert report[2:] == [b"tm", b"700", b"tb", b"0"]

    read(redis, body)
