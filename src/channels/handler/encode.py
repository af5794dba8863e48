"""From a Django response to its parts: headers as bytes, and the body part by part.

Streaming responses are read one part at a time, whether their content is an
ordinary or an asynchronous iterator; Django's own synchronous handler collects
the latter in memory first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Generator, Iterable
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.http.response import HttpResponseBase

from channels.exceptions import RequestAborted
from channels.handler.presence import LOOK_INTERVAL


def encode_headers(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    """Return the headers in their order and spelling, then a ``Set-Cookie`` for each cookie."""
    headers = [
        (_encode(name, "ascii"), _encode(value, "latin-1")) for name, value in response.items()
    ]
    headers += [
        (b"Set-Cookie", cookie.OutputString().encode("ascii"))
        for cookie in response.cookies.values()
    ]
    return headers


def _encode(value: str | bytes, encoding: str) -> bytes:
    return value.encode(encoding) if isinstance(value, str) else bytes(value)


def stream_parts(response: Any) -> Iterable[bytes]:
    """Return the parts of a streaming response, each as soon as it is there.

    Waiting for a part of an asynchronous one, it asks ``response._client_gone``, if there is
    such a function, whether anybody still wants it.
    """
    if getattr(response, "is_async", False):
        return iterate_async(response, getattr(response, "_client_gone", None))
    parts: Iterable[bytes] = response
    return parts


def iterate_async(
    content: AsyncIterable[bytes], gone: Callable[[], bool] | None = None
) -> Generator[bytes, None, None]:
    """Yield what an asynchronous iterable gives, in a thread without an event loop.

    All of it runs in one task of one loop, so the iterable may hold time-outs,
    locks and task groups open while it yields.  The loop stands still between
    two parts.

    Args:
        content: Closed at the end, whatever the end is.
        gone: Asked now and then while there is no part: whether nobody waits for one.

    Raises:
        RequestAborted: Nobody waits for the next part.
        Exception: Whatever the content raised.
    """
    loop = asyncio.new_event_loop()
    parts: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
    pump = loop.create_task(_pump(content, parts))
    try:
        while True:
            part = loop.run_until_complete(_next_part(parts, pump))
            if part is not None:
                yield part
            elif pump.done() and parts.empty():
                return
            elif gone is not None and gone():
                raise RequestAborted("the client went away before its response was complete")
    finally:
        _close(loop)


async def _pump(content: AsyncIterable[bytes], parts: asyncio.Queue[bytes]) -> None:
    # Synchronous code that the content calls (the ORM) shares one thread, which
    # ends with the content; so must the database connections of that thread.
    async with ThreadSensitiveContext():
        try:
            async for part in content:
                await parts.put(part)
        finally:
            await sync_to_async(connections.close_all)()


async def _next_part(parts: asyncio.Queue[bytes], pump: asyncio.Task[None]) -> bytes | None:
    """Return the next part, or None: after the last, or if none came for a while.

    Raises:
        Exception: Whatever the content raised.
    """
    if parts.empty() and not pump.done():
        getting = asyncio.ensure_future(parts.get())
        await asyncio.wait(
            {getting, pump}, timeout=LOOK_INTERVAL, return_when=asyncio.FIRST_COMPLETED
        )
        if getting.done():
            return getting.result()
        getting.cancel()
    if not parts.empty():
        return parts.get_nowait()
    if pump.done():
        await pump
    return None


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs, as ``asyncio.run`` does, and close the loop."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
