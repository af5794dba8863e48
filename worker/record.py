"""What a worker process has begun, in memory that it shares with the parent of its pool.

When the process is killed, what its threads had taken and not begun goes back at once, and those
who wait for the rest are told (docs/channels1.md#lost-messages).  Written with every frame, so
it is a few bytes at fixed places and no call to anywhere.
"""

from __future__ import annotations

import logging
import mmap
import os
import struct
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from channels.backoff import Backoff
from channels.exceptions import LayerUnavailable

logger = logging.getLogger("django.channels")

#: Holds the number of the memory's file descriptor, in worker processes only.
ENVIRONMENT = "CHANNELS_WORKER_RECORDS"

#: How long it is tried to settle for a process that was killed, in seconds; then its servers
#: find out by themselves.
PATIENCE = 30.0

#: Bytes for one thread: name, number of the take, frames of it that have begun, receipt.
SLOT = 512

_NUMBERS = struct.Struct("=QQ")
_NAME, _NUMBER, _RECEIPT = 0, 128, 144
_LONGEST_NAME, _LONGEST_RECEIPT = _NUMBER - 1, 255


class InHand(NamedTuple):
    """What a worker thread had in hand as its process ended.

    ``take`` is the number of its last take, ``begun`` how many frames of that have begun, and
    ``receipt`` that of the frame which began last.
    """

    worker: str
    take: int
    begun: int
    receipt: bytes


class HandRecord:
    """One worker thread's slot; see :class:`channels.layers.clients.TakeRecord`."""

    def __init__(self, memory: mmap.mmap, slot: int) -> None:
        self._memory = memory
        self._at = slot * SLOT
        self._begun = 0

    def name(self, worker: str) -> None:
        """Begin to record, under the name in the process registry; ``""`` ends it."""
        _write_short(self._memory, self._at + _NAME, worker.encode()[:_LONGEST_NAME])

    def took(self, number: int) -> None:
        """Note that the frames of a take have come."""
        # In this order: a number never stands beside what has begun of another.
        self._begun = 0
        at = self._at + _NUMBER
        _NUMBERS.pack_into(self._memory, at, _NUMBERS.unpack_from(self._memory, at)[0], 0)
        _NUMBERS.pack_into(self._memory, at, number, 0)

    def began(self, receipt: bytes | None) -> None:
        """Note that the next frame has begun."""
        self._begun = begun = self._begun + 1
        _write_short(self._memory, self._at + _RECEIPT, (receipt or b"")[:_LONGEST_RECEIPT])
        struct.pack_into("=Q", self._memory, self._at + _NUMBER + 8, begun)


class SharedRecords:
    """The memory: made by the parent, found again by the child under a file descriptor.

    Args:
        fileno: Of the file; None makes one.
    """

    def __init__(self, slots: int, fileno: int | None = None) -> None:
        if fileno is None:
            with tempfile.TemporaryFile() as file:
                fileno = os.dup(file.fileno())
            os.ftruncate(fileno, slots * SLOT)
        self.fileno = fileno
        self._slots = slots
        self._memory = mmap.mmap(fileno, slots * SLOT)

    @classmethod
    def from_environment(cls) -> SharedRecords | None:
        """Return the memory that the parent has made; ``None`` if no pool started this process."""
        number = os.environ.pop(ENVIRONMENT, "")
        if not number:
            return None
        return cls(os.fstat(int(number)).st_size // SLOT, int(number))

    def record(self, slot: int) -> HandRecord | None:
        """Return the record of a thread; None if there are fewer."""
        return HandRecord(self._memory, slot) if slot < self._slots else None

    def read(self) -> list[InHand]:
        """Return what each thread that did not end by itself had in hand."""
        found = []
        for at in range(0, self._slots * SLOT, SLOT):
            worker = _read_short(self._memory, at + _NAME)
            if worker:
                take, begun = _NUMBERS.unpack_from(self._memory, at + _NUMBER)
                receipt = _read_short(self._memory, at + _RECEIPT)
                found.append(InHand(worker.decode(), take, begun, receipt))
        return found

    def close(self) -> None:
        self._memory.close()
        os.close(self.fileno)


def settle_for(layer: Any, pid: int, hands: Sequence[InHand]) -> None:
    """Have a layer settle for what a process had in hand when it was killed; in a thread.

    For a layer whose workers take one message at a time there is nothing to do.
    """
    if hands and hasattr(layer, "settle_for"):
        threading.Thread(target=_settle_for, args=(layer, pid, hands), name="settling").start()


def _settle_for(layer: Any, pid: int, hands: Sequence[InHand]) -> None:
    backoff, deadline = Backoff(), time.monotonic() + PATIENCE
    back = lost = 0
    left = list(hands)
    while left:
        try:
            count, gone = layer.settle_for(*left[0])
        except LayerUnavailable as error:
            if time.monotonic() > deadline:
                logger.error(
                    "What worker process %d had in hand could not be given back: the channel layer"
                    " does not answer (%s). Interface servers find out by themselves what is lost",
                    pid,
                    error,
                )
                return
            time.sleep(backoff.pause())
            continue
        except Exception:
            logger.exception("What worker process %d had in hand could not be given back", pid)
            return
        back, lost = back + count, lost + gone
        del left[0]
    logger.warning(
        "Worker process %d was killed: %d frame(s) that it had taken and not begun are back in"
        " their queue; interface servers were told of %d that it had begun and may not have"
        " answered",
        pid,
        back,
        lost,
    )


def _write_short(memory: mmap.mmap, at: int, value: bytes) -> None:
    memory[at + 1 : at + 1 + len(value)] = value
    memory[at] = len(value)


def _read_short(memory: mmap.mmap, at: int) -> bytes:
    return memory[at + 1 : at + 1 + memory[at]]
