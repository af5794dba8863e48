"""Whether the client of a request is still there, for a worker that goes on answering it.

The interface server marks the reply channel of a request that ended before its response was
complete: the client went away, or its time was up.  Whoever streams asks now and then, so
an endless response ends with its client; ordinary responses, complete in one message, ask nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from channels.exceptions import LayerUnavailable
from channels.layers.base import Presence
from channels.layers.clients import HEARTBEAT_INTERVAL

#: How often the layer is asked at most, in seconds.
LOOK_INTERVAL = 0.5

#: How long an interface server may be without a heartbeat before it counts as dead, in seconds:
#: after an outage of the layer all of them are, until they write the next one.
SILENCE = 2 * HEARTBEAT_INTERVAL + 1


class ClientWatch:
    """Asks the layer of a reply channel, not more often than is of use.  Not thread-safe.

    Args:
        reply_channel: The request's; ``None`` if nobody is to be answered.
        clock: Monotonic time, in seconds.
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
        """Return True once nobody waits for the response any more.

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
