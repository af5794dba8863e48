"""Where the delay worker gets its messages from: the channel ``asgi.delay`` of a layer.

By the frame if the layer can (:class:`FrameIntake`): then a wait lasts exactly until a message
comes, its time is up or a signal arrives, and what could not be stored is given back.
Otherwise by its plain ``receive`` (:class:`PlainIntake`), which has to be asked again and again.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from channels.exceptions import LayerUnavailable
from channels.layers.base import clients_may_replace
from channels.layers.clients import Answer, Frame, GiveBack, WorkerClient

CHANNEL = "asgi.delay"

#: Pause after an empty receive of a layer that can't wait for so long as we want, in seconds.
EMPTY_PAUSE = 0.1


class FrameIntake:
    """Takes frames; not thread-safe but for :meth:`stop`."""

    #: A wait can be ended at any time without losing a message.
    interruptible = True

    def __init__(self, layer: Any) -> None:
        self._receipts: list[bytes] = []
        self._client: WorkerClient = layer.open_worker(
            [CHANNEL], held=lambda: tuple(self._receipts)
        )
        self._started = False
        self._ready: deque[Frame] = deque()

    def next(self, longest: float) -> Frame | None:
        """Return the next frame; ``None`` if none came within ``longest`` seconds, or after a stop.

        Raises:
            LayerUnavailable: Try again later.
        """
        if not self._started:
            self._client.start()
            self._started = True
        if not self._ready:
            taken = self._client.take(longest) if longest > 0 else self._client.exchange([])[1]
            self._receipts += [frame.receipt for frame in taken if frame.receipt is not None]
            self._ready.extend(taken)
        return self._ready.popleft() if self._ready else None

    def done(self, frame: Frame) -> None:
        """Tell whoever sent the frame that it is stored, if they want to know."""
        if frame.receipt is not None:
            self._client.exchange([Answer(frame.receipt)], take=False)
            self._receipts.remove(frame.receipt)

    def give_back(self, frame: Frame) -> None:
        """Put a frame back where it was taken from, ahead of all others."""
        self._client.exchange([GiveBack(frame)], take=False)
        if frame.receipt is not None:
            self._receipts.remove(frame.receipt)

    def stop(self) -> None:
        """End a wait in progress, or the next one; may be called by a signal handler."""
        with contextlib.suppress(LayerUnavailable):  # then it ends by itself
            self._client.unblock()

    def close(self) -> None:
        """Give back what was not looked at, and leave the layer."""
        while self._ready:
            self.give_back(self._ready.pop())
        if self._started:
            self._client.close()


class PlainIntake:
    """Receives messages one by one, from any layer."""

    #: The receive of a layer that waits can only be left by an exception.
    interruptible = False

    def __init__(self, layer: Any, sleep: Callable[[float], object] = time.sleep) -> None:
        self._layer = layer
        self._sleep = sleep

    def next(self, longest: float) -> Frame | None:
        """Return the next message as a frame; ``None``, perhaps after a pause, if there is none."""
        channel, content = self._layer.receive([CHANNEL], block=False)
        if channel is None:
            if longest > 0:
                self._sleep(min(longest, EMPTY_PAUSE))
            return None
        return Frame(channel, [content])

    def done(self, frame: Frame) -> None:
        """Do nothing: nobody waits for an answer."""

    def give_back(self, frame: Frame) -> None:
        """Send the message to its channel again."""
        for content in frame.messages:
            self._layer.send(frame.channel, content)

    def stop(self) -> None:
        """Do nothing: the pause in progress is short."""

    def close(self) -> None:
        """Do nothing: nothing is held."""


def open_intake(layer: Any) -> FrameIntake | PlainIntake:
    """Return what takes messages from a layer, or from a wrapper's."""
    raw = getattr(layer, "channel_layer", layer)
    return FrameIntake(raw) if clients_may_replace(raw) else PlainIntake(layer)
