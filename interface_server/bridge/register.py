"""Whether some worker listens on a channel, as far as the register tells."""

from __future__ import annotations

import logging

from channels.exceptions import LayerError
from channels.interface_server.bridge.core import Core

log = logging.getLogger(__name__)

#: Seconds that what the register said is believed.
CACHE_SECONDS = 2.0

#: Seconds after which it is no longer believed while it is being read again.
STALE_SECONDS = 10.0


class Listeners:
    """A copy of the register's channels, a couple of seconds old when it is used often."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._channels: set[str] | None = None
        self._read_at = float("-inf")
        self._reading = False

    def may_listen(self, channel: str) -> bool:
        """Return False only if live workers are known and none of them listens on the channel."""
        age = self._core.clock.monotonic() - self._read_at
        if age > CACHE_SECONDS and not self._reading:
            self._reading = True
            self._core.spawn(self._read())
        return self._channels is None or age > STALE_SECONDS or channel in self._channels

    async def _read(self) -> None:
        try:
            workers = [p for p in await self._core.face.processes() if p.kind == "worker"]
        except LayerError as error:
            log.debug("the register cannot be read: %s", error)
            self._channels = None
        else:
            self._channels = set().union(*(p.channels for p in workers)) if workers else None
        finally:
            self._reading = False
            self._read_at = self._core.clock.monotonic()
