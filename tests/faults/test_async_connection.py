"""A connection of the interface server to something that does not behave like Redis."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.address import parse_host
from channels.layers.redis.net.asynchronous import open_connection
from channels.layers.redis.wire import scripts
from channels.layers.redis.wire.keys import Keys
from tests.support.redis_clients import run
from tests.support.waiting import until


@contextlib.asynccontextmanager
async def server(talk):
    """Listen, and let ``talk(reader, writer)`` deal with each client."""

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


def target(port):
    return parse_host(("127.0.0.1", port))


async def silent(reader, writer):
    while await reader.read(1 << 16):
        pass


def test_a_server_that_never_answers_is_given_up():
    async def test():
        async with server(silent) as port:
            started = time.monotonic()
            with pytest.raises(LayerUnavailable):
                await open_connection(target(port), timeout=0.5)
            assert time.monotonic() - started < 5

    run(test())


def test_a_port_that_nobody_listens_on_is_reported():
    async def test():
        with pytest.raises(LayerUnavailable, match="not reachable"):
            await open_connection(target(1), timeout=0.5)

    run(test())


@pytest.mark.redis
def test_what_is_unanswered_when_redis_hangs_up_is_answered(redis_server):
    async def test():
        lost, answered = [], []
        connection = await open_connection(
            target(redis_server.port), timeout=5, on_lost=lost.append
        )
        connection.submit([("BLPOP", "nothing", 0)], lambda *answer: answered.append(answer))
        connection.submit([("PING",), ("PING",)], lambda *answer: answered.append(answer))
        redis_server.client.client_kill_filter(_id=connection.client_id)
        await until(lambda: len(answered) == 2, "both are answered")

        assert len(lost) == 1
        assert answered == [(None, lost[0]), (None, lost[0])]
        connection.submit([("PING",)], lambda *answer: answered.append(answer))
        assert len(answered) == 2  # not at once
        await until(lambda: len(answered) == 3, "the late one is answered")
        with pytest.raises(LayerUnavailable):
            await connection.execute([("PING",)])

    run(test())


@pytest.mark.redis
def test_closing_on_purpose_is_no_outage(redis_server):
    async def test():
        lost, answered = [], []
        connection = await open_connection(
            target(redis_server.port), timeout=5, on_lost=lost.append
        )
        connection.submit([("BLPOP", "nothing", 0)], lambda *answer: answered.append(answer))
        connection.close()
        connection.close()
        assert lost == []
        assert isinstance(answered[0][1], LayerUnavailable)

    run(test())


@pytest.mark.redis
def test_errors_are_passed_on_in_their_place(redis_server):
    async def test():
        connection = await open_connection(target(redis_server.port), timeout=5)
        answers = await connection.execute([("SET", "k", "v"), ("LPUSH", "k", "x"), ("GET", "k")])
        assert answers[0] == b"OK"
        assert "WRONGTYPE" in str(answers[1])
        assert answers[2] == b"v"
        connection.close()

    run(test())


@pytest.mark.redis
def test_a_wait_that_is_given_up_does_not_shift_the_answers(redis_server):
    async def test():
        connection = await open_connection(target(redis_server.port), timeout=5)
        waiting = asyncio.ensure_future(connection.execute([("BLPOP", "nothing", 0.2)]))
        await asyncio.sleep(0.05)
        waiting.cancel()
        assert await connection.execute([("ECHO", "mine")]) == [b"mine"]
        connection.close()

    run(test())


@pytest.mark.redis
def test_an_answer_in_pieces_is_put_together(redis_server):
    async def test():
        connection = await open_connection(target(redis_server.port), timeout=5)
        big = b"x" * 3_000_000
        answers = await connection.execute([("SET", "big", big), ("GET", "big"), ("DEL", "big")])
        assert answers == [b"OK", big, 1]
        connection.close()

    run(test())


def test_garbage_ends_the_connection():
    async def babble(reader, writer):
        await reader.read(1 << 16)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read(1 << 16)

    async def test():
        async with server(babble) as port:
            with pytest.raises(LayerUnavailable):
                await open_connection(target(port), timeout=0.5)

    run(test())


@pytest.mark.redis
def test_a_replica_is_not_taken_for_the_master_that_it_should_be(redis_sentinel):
    async def test():
        there = replace(target(redis_sentinel.replica.port), service="mymaster")
        with pytest.raises(LayerUnavailable, match="is not the master of 'mymaster'"):
            await open_connection(there, timeout=5)

    run(test())


@pytest.mark.redis
def test_an_unknown_script_is_loaded_and_that_call_repeated(redis_server):
    async def test():
        connection = await open_connection(target(redis_server.port), timeout=5)
        redis_server.client.script_flush()
        keys = Keys()
        push = scripts.PUSH_QUEUE.call(
            (keys.queue("work"), keys.statistics("work"), keys.global_statistics), 5, 60_000, b"x"
        )
        answers = await connection.execute([("ECHO", "a"), push, ("ECHO", "b")])
        assert answers == [b"a", [1], b"b"]
        connection.close()

    run(test())
