"""What tests do with WebSockets of a running site."""

from __future__ import annotations

import asyncio
import functools
import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus


def live(test):
    """Run an ``async def`` test, for a while at most."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 40))

    return run


async def say(socket, content):
    await socket.send(content if isinstance(content, str | bytes) else json.dumps(content))


async def hear(socket):
    text = await asyncio.wait_for(socket.recv(), 20)
    return json.loads(text)


async def ask(socket, content):
    await say(socket, content)
    return await hear(socket)


async def silent(socket, *others):
    """Assert that nothing more comes to a socket: by the time others were answered, it would."""
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(socket.recv(), 0.3)


async def closed(socket):
    with pytest.raises(ConnectionClosed) as end:
        await asyncio.wait_for(socket.recv(), 20)
    return end.value.rcvd.code


async def refused(opening):
    with pytest.raises(InvalidStatus) as error:
        async with opening:
            pass
    return error.value.response.status_code


def in_thread(call, *args, **kwargs):
    return asyncio.to_thread(call, *args, **kwargs)
