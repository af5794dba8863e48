"""What a message runs in: a clean context, and one event loop for all that is asynchronous.

Language, time zone, URL conf and script prefix are context variables, as are those of
applications and the context of ``decimal``: what one client's message sets must not be there
when the next client's is run.  So each message runs in a copy of the worker's own context.
Database connections stay with the thread.  Caches do not by themselves: Django keeps them in a
context variable too, and each message would connect to them anew.

asgiref's ``async_to_sync`` makes a new loop (and a new thread) at each call, unless the
calling thread says which loop is the program's.  Here one loop in a companion thread serves all
messages of a worker's thread, so clients and pools that are bound to a loop can be kept by the
application, background tasks live on, and an ``async def`` view is cheap.  ``sync_to_async`` in
it comes back to the worker's own thread, where its database connections are.
"""

from __future__ import annotations

import asyncio
import contextlib
import decimal
import logging
import os
import threading
from collections.abc import Coroutine, Iterator
from contextvars import Context, copy_context
from typing import Any

from asgiref.sync import SyncToAsync, async_to_sync
from django.conf import settings
from django.core.cache import caches
from django.urls import set_script_prefix

logger = logging.getLogger("django.channels")

#: What the variable of ``decimal`` is called, in C and in Python.
_DECIMAL = "decimal_context"


class CleanContexts:
    """Makes a context for each message of one thread; all have what the first call's has."""

    def __init__(self) -> None:
        self._base: Context | None = None
        self._decimals: decimal.Context | None = None

    def make(self) -> Context:
        """Return a new one, in which nothing has run."""
        context = (self._prepare() if self._base is None else self._base).copy()
        if self._decimals is not None:
            context.run(decimal.setcontext, self._decimals.copy())
        return context

    def _prepare(self) -> Context:
        base = self._base = Context()
        for variable, value in copy_context().items():
            if variable.name != _DECIMAL:
                base.run(variable.set, value)
            elif _is_changed(value):
                # It is changed in place, so copies of the variable would share it; and copying
                # it takes 3 microseconds, so not if a new one does.
                self._decimals = value.copy()
        base.run(_prepare_django)
        return base


def _is_changed(context: decimal.Context) -> bool:
    context = context.copy()
    context.clear_flags()
    return repr(context) != repr(decimal.Context())


def _prepare_django() -> None:
    if settings.FORCE_SCRIPT_NAME is not None:
        # django.setup() set it too, but perhaps in another thread.
        set_script_prefix(settings.FORCE_SCRIPT_NAME)
    for alias in settings.CACHES:
        with contextlib.suppress(Exception):  # what uses it is told what is wrong with it
            caches[alias] = caches.create_connection(alias)


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it in :func:`program_loop` if that is open; else asgiref makes a loop for it."""

    async def await_it() -> Any:
        return await coroutine

    return async_to_sync(await_it)()


@contextlib.contextmanager
def program_loop() -> Iterator[None]:
    """Have asgiref use one loop for all that this thread runs; cancel what is left at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="worker-asyncio", daemon=True)
    thread.start()
    told = SyncToAsync.threadlocal
    before = (getattr(told, "main_event_loop", None), getattr(told, "main_event_loop_pid", None))
    told.main_event_loop, told.main_event_loop_pid = loop, os.getpid()
    try:
        yield
    finally:
        told.main_event_loop, told.main_event_loop_pid = before
        try:
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(timeout=5)
        except Exception:
            logger.exception("What a worker ran asynchronously did not end cleanly")
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
