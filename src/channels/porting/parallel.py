"""The same work for many items, by as many processes as there are processor cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

#: Fewer items are done sooner than processes are started.
MANY = 40

T = TypeVar("T")
R = TypeVar("R")

#: What the processes do; they are forked, so they have it without its being pickled.
_work: Callable[[Any], Any]


def in_order(work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Yield the results in the order of the items, which many processes share if there are many.

    Only items and results are sent from one process to another.

    Raises:
        BrokenProcessPool: One of the processes was killed.
    """
    cores = _cores()
    # To fork beside other threads may copy a lock that is held.
    alone = threading.active_count() == 1 and "fork" in multiprocessing.get_all_start_methods()
    if len(items) < MANY or cores < 2 or not alone:
        yield from map(work, items)
        return
    global _work
    _work = work
    with ProcessPoolExecutor(
        cores, multiprocessing.get_context("fork"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as processes:
        try:
            yield from processes.map(_call, items, chunksize=4)
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise


def _call(item: Any) -> Any:
    return _work(item)


def _cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
