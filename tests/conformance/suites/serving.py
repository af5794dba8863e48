"""How the conformance tests of interface servers run one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from channels.layers.clients import (
    Frame,
    Item,
    Joined,
    SendOptions,
    ServerClient,
    WorkerClient,
)
from channels.layers.conformance.common import Clock, Conformance, Layer

T = TypeVar("T")

MAILBOX = "web.test!"

MEBIBYTE = 1024 * 1024


class Listener:
    """Keeps what a server is told."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.threads: set[int] = set()
        self.depth = 0
        self._changed = asyncio.Event()

    def deliver(self, items: Sequence[Item]) -> None:
        """Note the items."""
        assert self.depth == 0, "deliver() was called from within deliver()"
        self.depth += 1
        self.items.extend(items)
        self.threads.add(threading.get_ident())
        self._changed.set()
        self.depth -= 1

    def layer_lost(self, error: Exception) -> None:
        """There is no outage in these tests."""
        raise AssertionError("the layer was lost") from error

    def layer_back(self) -> None:
        """There is no outage in these tests."""
        raise AssertionError("the layer is back, but was never lost")

    def messages(self) -> list[Item]:
        """Return what was delivered without the notices of joins."""
        return [item for item in self.items if not isinstance(item, Joined)]

    async def until(self, ready: Callable[[], bool], patience: float) -> None:
        """Wait until something is true that depends on the items."""
        deadline = time.monotonic() + patience
        while not ready():
            self._changed.clear()
            left = deadline - time.monotonic()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except asyncio.TimeoutError:
                raise AssertionError(f"it did not come; delivered: {self.items}") from None


class Servers(Conformance):
    """How the tests run a server."""

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run the body of a test in an event loop, for a bounded time."""

        async def bounded() -> None:
            await asyncio.wait_for(test, 4 * self.patience)

        asyncio.run(bounded())

    @contextlib.asynccontextmanager
    async def serving(
        self, layer: Layer, mailbox: str = MAILBOX
    ) -> AsyncIterator[tuple[ServerClient, Listener]]:
        """Start a server, and stop it at the end."""
        client: ServerClient = layer.open_server(mailbox)
        listener = Listener()
        await client.start(listener, {"version": "test"})
        try:
            yield client, listener
        finally:
            await asyncio.wait_for(client.stop(), self.patience)

    async def sent(
        self, client: ServerClient, channel: str, *messages: Any, receipt: int = 0, **options: Any
    ) -> Exception | None:
        """Send a frame and return its outcome."""
        outcome: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        client.send(channel, messages, receipt, outcome.set_result, SendOptions(**options))
        return await asyncio.wait_for(outcome, self.patience)

    async def taken(self, worker: WorkerClient) -> Frame:
        """Take a frame that must be there, without blocking the loop."""
        return await asyncio.to_thread(self.take, worker)

    async def exchanged(self, worker: WorkerClient, *operations: Any) -> list[Exception | None]:
        """Carry out operations without blocking the loop, and take nothing."""
        outcomes, frames = await asyncio.to_thread(worker.exchange, operations, take=False)
        assert frames == []
        return outcomes

    async def delivered(self, listener: Listener, count: int) -> list[Item]:
        """Wait for so many items that are not notices of joins, and return them."""
        await listener.until(lambda: len(listener.messages()) >= count, self.patience)
        return listener.messages()

    async def eventually(
        self, look: Callable[[], Awaitable[T]], good: Callable[[T], bool], clock: Clock
    ) -> T:
        """Look again and again, time passing between, until it is good; return what was seen."""
        deadline = time.monotonic() + self.patience
        while True:
            seen = await look()
            if good(seen):
                return seen
            assert time.monotonic() < deadline, f"it stayed at {seen}"
            await asyncio.to_thread(clock.advance, 0.25)
            await asyncio.sleep(0.01)

    def open_sockets(self, layer: Layer, mailbox: str) -> set[str]:
        """Return the local parts of the sockets that a server has written down."""
        return {socket.local for socket in layer.open_sockets(mailbox)}
