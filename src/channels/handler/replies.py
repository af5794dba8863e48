"""From a Django response to its replies, each sent as early as it helps the client, if it is there.

A response that is complete in one reply leaves first in the consumer's flush,
in one round trip with everything else.  The replies of a longer one leave at
once.  Past :data:`MAILBOX_SHARE` they leave through the layer's list for response bodies, so
that one slow client does not fill the mailbox that it shares with the others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterable, Callable, Generator, Mapping
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.http.response import HttpResponseBase

from channels import exceptions
from channels.backoff import Backoff
from channels.exceptions import LayerUnavailable, RequestAborted
from channels.layers.base import DEFAULT_EXPIRY, Presence, is_customised
from channels.layers.clients import HEARTBEAT_INTERVAL, Send
from channels.names import is_process_local
from channels.outbox import count_dropped, pending_message_store

logger = logging.getLogger("django.channels")

#: Bytes of a response's content that may go through the server's mailbox.
MAILBOX_SHARE = 1024 * 1024

#: How often the layer is asked at most, in seconds.
LOOK_INTERVAL = 0.5

#: How long an interface server may be without a heartbeat before it counts as dead, in seconds:
#: after an outage of the layer all of them are, until they write the next one.
SILENCE = 2 * HEARTBEAT_INTERVAL + 1

#: How long asynchronous content may take to end once it was cancelled, in seconds, before it is
#: cancelled again and at last left: its worker has others to serve.
CLOSING_TIME = 5.0

BodySend = Callable[[str, Mapping[str, Any]], None]


class ClientMonitor:
    """Tells whether the client of a request is still there.  Not thread-safe.

    The interface server marks the reply channel of a request that ended before its response was
    complete.  Streaming asks now and then, so an endless response ends with its client.
    """

    def __init__(self, reply_channel: Any, *, clock: Callable[[], float] = time.monotonic) -> None:
        layer = getattr(reply_channel, "channel_layer", None)
        self._presence: Callable[[str], Presence] | None = getattr(layer, "presence", None)
        self._channel = str(reply_channel)
        self._clock = clock
        # The first look is due at once: the request may have waited longer than its client.
        self._looked = clock() - LOOK_INTERVAL
        self._silent_since: float | None = None
        self._gone = False

    def gone(self) -> bool:
        """Return True once the client does not wait for the response any more.

        False while that is not known: the layer does not answer, or is one that can't tell.
        """
        if self._gone or self._presence is None:
            return self._gone
        now = self._clock()
        if now - self._looked < LOOK_INTERVAL:
            return False
        self._looked = now
        try:
            presence = self._presence(self._channel)
        except LayerUnavailable:
            return False
        if presence is not Presence.SILENT:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
        self._gone = presence is Presence.GONE or (
            self._silent_since is not None and now - self._silent_since >= SILENCE
        )
        return self._gone


class ReplySender:
    """Sends the replies to one request, in order.

    ``leaves`` tells whether the worker waits no longer for the response.
    """

    def __init__(
        self,
        reply_channel: Any,
        leaves: Callable[[], bool] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._channel = reply_channel
        self._clock = clock
        self._sleep = sleep
        self._client = ClientMonitor(reply_channel, clock=clock)
        self._leaves = leaves
        self._sent = 0
        self._body_send: BodySend | None = None

    def send(self, reply: dict[str, Any]) -> bool:
        """Send a reply, or have it sent first when the consumer ends; False if it was dropped.

        While there is no room for it, it waits, at most until a message would have expired
        (docs/channels1.md#replies-that-find-no-room).

        Raises:
            LayerUnavailable: It may or may not have been sent.
        """
        whole = "status" in reply and not reply.get("more_content")
        channel = self._channel
        operation = Send(channel.name, reply)
        if whole and pending_message_store.keep(channel.channel_layer, operation, first=True):
            return True
        if not whole and self._client.gone():
            logger.debug("Nobody waits at %s any more", self._channel.name)
            return False
        size = len(reply.get("content", b""))
        # The first reply, which has the status, always takes the common way;
        # behind the first that did not, all others must follow.
        if self._body_send is None and self._sent and self._sent + size > MAILBOX_SHARE:
            self._body_send = _find_body_send(self._channel)
        self._sent += size
        return self._send_patiently(reply)

    def _send_patiently(self, reply: dict[str, Any]) -> bool:
        layer = self._channel.channel_layer
        full = (exceptions.ChannelFull, getattr(layer, "ChannelFull", exceptions.ChannelFull))
        backoff = Backoff(0.05, 0.5, growth=1.5, spread=0)
        deadline = None
        while True:
            try:
                if self._body_send is None:
                    self._channel.send(reply, immediately=True)
                else:
                    self._body_send(self._channel.name, reply)
            except full:
                now = self._clock()
                if deadline is None:
                    deadline = now + getattr(layer, "expiry", DEFAULT_EXPIRY)
                if now >= deadline:
                    break
                if self._client.gone() or (self._leaves is not None and self._leaves()):
                    return False
                self._sleep(min(backoff.pause(), deadline - now))
            else:
                return True
        logger.error("Dropped the rest of a response: %s stays full", self._channel.name)
        count_dropped("full")
        return False


def _find_body_send(channel: Any) -> BodySend | None:
    """Return the layer's way for long bodies; None if it has none or wants to see each send."""
    layer = channel.channel_layer
    if is_customised(layer) or not is_process_local(str(channel.name)):
        return None
    layer = getattr(layer, "channel_layer", layer)
    found: BodySend | None = getattr(layer, "send_body", None)
    return found


# -- from a response to its parts ------------------------------------------------------


def encode_headers(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    """Return the headers in their order and spelling, then a ``Set-Cookie`` for each cookie."""
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    for cookie in response.cookies.values():
        headers.append((b"Set-Cookie", cookie.OutputString().encode("ascii")))
    return headers


def iterate_async(
    content: AsyncIterable[bytes], unwanted: Callable[[], bool] | None = None, path: str = ""
) -> Generator[bytes, None, None]:
    """Yield what an asynchronous iterable gives, in a thread without an event loop.

    All of it runs in one task of one loop, so the iterable may hold time-outs, locks and task
    groups open while it yields.  The loop stands still between two parts.  At the end, whatever
    that is, the content is cancelled and closed.

    Raises:
        RequestAborted: The client is gone: ``unwanted`` is asked while there is no part.
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
    """Return the next part, or None: after the last, or if none came for a while."""
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
