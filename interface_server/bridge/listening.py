"""Whether some worker listens on a channel, as far as the process registry tells."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from channels.exceptions import LayerError
from channels.interface_server.timers import TimerWheel
from channels.layers.clients import ServerClient
from channels.seldom import Seldom

log = logging.getLogger(__name__)

#: Runs a coroutine in the background.
Spawn = Callable[[Coroutine[Any, Any, None]], object]

#: Seconds that what the registry said is believed.
CACHE_SECONDS = 2.0

#: Seconds after which it is no longer believed while it is being read again.
STALE_SECONDS = 10.0

#: Seconds for which it is not told that no worker listens: both tiers start at the same time, and
#: workers take longer.
SILENT_SECONDS = 3.0

#: Channels whose messages a client waits for.
AWAITED = ("http.request", "websocket.connect")


class ListeningChannels:
    """A copy of the registry's channels, a couple of seconds old when it is used often.

    Workers that are not in the registry (of a layer that has none, or whose methods a
    project replaced) are known by what they run: ``ran`` has the channels whose frames were run
    since the registry was read last.  Clients wait for a worker for ``worker_wait`` seconds,
    negative for ever; ``ready`` says whether the layer answers.
    """

    def __init__(
        self,
        layer: ServerClient,
        wheel: TimerWheel,
        spawn: Spawn,
        worker_wait: float,
        ready: Callable[[], bool],
    ) -> None:
        self._layer = layer
        self._clock = wheel.clock
        self._spawn = spawn
        self._wait = worker_wait
        self._seldom = Seldom(wheel.clock)
        self._ready = ready
        self.ran: set[str] = set()
        self._channels: set[str] | None = None
        self._missing_since: dict[str, float] = {}
        self._read_at = float("-inf")
        self._reading = False

    def may_listen(self, channel: str) -> bool:
        """Return False only if live workers are known and none of them listens on the channel."""
        age = self.refresh()
        return not self._channels or age > STALE_SECONDS or channel in self._channels

    def missing(self, channel: str) -> bool:
        """Whether it is known that no worker listens on a channel of :data:`AWAITED`."""
        return self.refresh() <= STALE_SECONDS and channel in self._missing_since

    def given_up(self, channel: str) -> bool:
        """Whether that has been so for longer than clients are to wait for a worker."""
        if self._wait < 0 or not self.missing(channel):
            return False
        if self._clock() - self._missing_since[channel] < self._wait:
            return False
        self._tell(channel)
        return True

    def refresh(self) -> float:
        """Read the registry, if that is due; return how old the copy is, in seconds."""
        age = self._clock() - self._read_at
        if age >= CACHE_SECONDS and not self._reading and self._ready():
            self._reading = True
            self._spawn(self._read())
        return age

    async def _read(self) -> None:
        channels: set[str] | None = None
        try:
            processes = await self._layer.processes()
        except LayerError as error:
            log.debug("the process registry cannot be read: %s", error)
        else:
            if processes:  # else it knows not even this server
                workers = [one for one in processes if one.kind == "worker"]
                channels = set().union(*(worker.channels for worker in workers))
        finally:
            self._reading = False
            now = self._clock()
            if now - self._read_at > STALE_SECONDS:
                self._missing_since.clear()  # nothing is known of the time between
            self._read_at = now
        self._channels = channels
        ran, self.ran = self.ran, set()
        for channel in AWAITED:
            if channels is None or channel in channels or channel in ran:
                self._missing_since.pop(channel, None)
            else:
                since = self._missing_since.setdefault(channel, now)
                if now - since >= SILENT_SECONDS:
                    self._tell(channel)

    def _tell(self, channel: str) -> None:
        if self._seldom.due(channel):
            wait = self._wait
            what = f", for {wait:g} s, and then get 503 until one listens" if wait >= 0 else ""
            log.warning(
                "no worker listens on %s: clients wait for one%s."
                " Start one: python manage.py runworker",
                channel,
                what,
            )
