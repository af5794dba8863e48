"""Waiting for what must happen soon: with a bound, and saying what did not happen."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import redis

from channels.exceptions import LayerError

#: Longest wait for something that should happen soon; only a failing test waits so long.
PATIENCE = 30.0

Result = TypeVar("Result")


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait for a condition; a Redis that does not answer meanwhile counts as not yet."""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {patience:g} s")
        time.sleep(0.02)


async def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Let the event loop run until a condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {patience:g} s"
        await asyncio.sleep(0.005)


def eventually(action: Callable[[], Result], patience: float = PATIENCE) -> Result:
    """Do something that fails while the layer is away, until it works."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return action()
        except LayerError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
