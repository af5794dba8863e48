"""Messages one by one through the synchronous interface: for layers without a worker's client.

Also used whenever ``send`` or ``send_group`` was put onto the wrapper itself, as tests
do: then every item goes through it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from channels.backoff import Backoff
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.clients import Operation
from channels.worker.flush import flush_plainly
from channels.worker.source import Delivery

logger = logging.getLogger("django.channels")

#: Pause after an empty receive, in seconds: not every layer waits by itself.
EMPTY_PAUSE = 0.01

#: Tries to put one message back for ``ConsumeLater``, and the pause between them in seconds.
REQUEUE_TRIES = 10
REQUEUE_PAUSE = 0.05


class PlainSource:
    """Receives from a layer with ``receive`` and sends with ``send`` and ``send_group``.

    Args:
        layer: The wrapper; its methods are looked up at each call.
        channels: Names to receive on.
        listening: Called once, before the first receive.
        backoff: Pauses between tries while the layer does not answer.
        clock: Monotonic time, in seconds.
        sleep: Waits for so many seconds.
        pause: The same, but ends early once the worker is told to stop.
    """

    #: A receive that waits can only be left by an exception from the signal handler.
    interruptible = False

    def __init__(
        self,
        layer: Any,
        channels: Collection[str],
        *,
        listening: Callable[[], None],
        backoff: Backoff,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        pause: Callable[[float], None],
    ) -> None:
        self._layer = layer
        self._channels = channels
        self._listening: Callable[[], None] | None = listening
        self._backoff = backoff
        self._sleep = sleep
        self._pause = pause
        self._clock = clock
        self._channel = ""

    def next(self) -> Delivery | None:
        """Return the next message; ``None``, after a pause, if none came."""
        if self._listening is not None:
            self._listening()
            self._listening = None
        try:
            channel, content = self._layer.receive(self._channels, block=True)
        except Exception as error:
            log = logger.warning if isinstance(error, LayerUnavailable) else logger.exception
            log("Receiving from the channel layer failed (%s); trying again", error)
            self._pause(self._backoff.pause())
            return None
        self._backoff.reset()
        if channel is None:
            self._sleep(EMPTY_PAUSE)
            return None
        self._channel = channel
        return Delivery(channel, content, ordered=False)

    def done(self, sends: list[Operation], consumer: object) -> None:
        """Send what the consumer left."""
        if sends:
            flush_plainly(self._layer, sends, consumer, clock=self._clock, sleep=self._sleep)

    def later(self, sends: list[Operation], consumer: object, content: dict[str, Any]) -> None:
        """Send what the consumer left, and the message once to the end of its channel."""
        self.done(sends, consumer)
        for attempt in range(REQUEUE_TRIES):
            if attempt:
                self._sleep(REQUEUE_PAUSE)
            try:
                self._layer.send(self._channel, content)
            except (ChannelFull, self._layer.ChannelFull):
                continue
            except Exception:
                logger.exception("Could not put a message back on channel %s", self._channel)
            return
        logger.error("Dropped a message: channel %s stays full", self._channel)

    def stop(self) -> None:
        """Do nothing: the receive in progress ends by itself."""

    def close(self) -> None:
        """Do nothing: nothing is held."""
