"""From a Django response to its parts: headers as bytes, and the body part by part.

Streaming responses are read one part at a time, whether their content is an
ordinary or an asynchronous iterator; Django's own synchronous handler collects
the latter in memory first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Generator, Iterable
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.http.response import HttpResponseBase

from channels.exceptions import RequestAborted
from channels.handler.replies import LOOK_INTERVAL

logger = logging.getLogger("django.channels")

#: How long asynchronous content may take to end once it was cancelled, in seconds, before it is
#: cancelled again and at last left: its worker has others to serve.
CLOSING_TIME = 5.0


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

    Waiting for a part of an asynchronous one, it asks ``response._unwanted``, if there is
    such a function, whether to give up.
    """
    if getattr(response, "is_async", False):
        return iterate_async(
            response, getattr(response, "_unwanted", None), getattr(response, "_path", "")
        )
    parts: Iterable[bytes] = response
    return parts


def iterate_async(
    content: AsyncIterable[bytes], unwanted: Callable[[], bool] | None = None, path: str = ""
) -> Generator[bytes, None, None]:
    """Yield what an asynchronous iterable gives, in a thread without an event loop.

    All of it runs in one task of one loop, so the iterable may hold time-outs,
    locks and task groups open while it yields.  The loop stands still between
    two parts.

    Args:
        content: Cancelled and closed at the end, whatever the end is; one that does not end
            within :data:`CLOSING_TIME` is cancelled again, then left.
        path: Of the request, for the log.
        unwanted: Asked now and then while there is no part: whether its client is gone.

    Raises:
        RequestAborted: The client is gone.
        Exception: Whatever the content raised.
    """
    loop = asyncio.new_event_loop()
    parts: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
    leaving = asyncio.Event()
    pump = loop.create_task(_pump(content, parts, leaving))
    try:
        while True:
            part = loop.run_until_complete(_next_part(parts, pump))
            if part is not None:
                yield part
            elif pump.done() and parts.empty():
                return
            elif unwanted is not None and unwanted():
                raise RequestAborted("nobody waits for the rest of the response")
    finally:
        leaving.set()
        _close(loop, path)


async def _pump(
    content: AsyncIterable[bytes], parts: asyncio.Queue[bytes], leaving: asyncio.Event
) -> None:
    # Synchronous code that the content calls (the ORM) shares one thread, which
    # ends with the content; so must the database connections of that thread.
    async with ThreadSensitiveContext():
        try:
            async for part in content:
                if leaving.is_set():
                    break  # it took no notice of being cancelled
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


def _close(loop: asyncio.AbstractEventLoop, path: str) -> None:
    """Cancel what still runs, as ``asyncio.run`` does, and close the loop; in bounded time."""
    try:
        for _ in range(2):
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            _wait(loop, tasks)
        _wait(loop, {loop.create_task(loop.shutdown_asyncgens())})
        if asyncio.all_tasks(loop):
            logger.error(
                "The asynchronous content of the response to %s did not end when it was cancelled,"
                " and was left as it was: let CancelledError and GeneratorExit pass, and bound what"
                " is awaited in 'finally'",
                path or "a request",
            )
    finally:
        # Its executor is told to end and not waited for: a thread can't be interrupted.
        loop.close()


def _wait(loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[Any]]) -> None:
    """Give tasks :data:`CLOSING_TIME` to end; what they raise is of no use."""
    if tasks:
        done, _ = loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSING_TIME))
        for task in done:
            if not task.cancelled():
                task.exception()
