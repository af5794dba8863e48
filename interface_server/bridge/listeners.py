"""Whether some worker listens on a channel, as far as the register tells."""

from __future__ import annotations

import logging

from channels.exceptions import LayerError
from channels.interface_server.bridge.state import BridgeState

log = logging.getLogger(__name__)

#: Seconds that what the register said is believed.
CACHE_SECONDS = 2.0

#: Seconds after which it is no longer believed while it is being read again.
STALE_SECONDS = 10.0

#: Seconds for which it is not told that no worker listens: both tiers start at the same time, and
#: workers take longer.
SILENT_SECONDS = 3.0

#: Channels whose messages somebody waits for.
AWAITED = ("http.request", "websocket.connect")


class Listeners:
    """A copy of the register's channels, a couple of seconds old when it is used often.

    Workers that don't register (of a layer that knows no register, or whose methods somebody
    replaced) are known by what they run.
    """

    def __init__(self, state: BridgeState) -> None:
        self._state = state
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
        """Whether that has been so for longer than anybody is to wait for a worker."""
        wait = self._state.settings.worker_wait
        if wait < 0 or not self.missing(channel):
            return False
        if self._state.clock.monotonic() - self._missing_since[channel] < wait:
            return False
        self._tell(channel)
        return True

    @property
    def attended(self) -> bool:
        """Whether a worker may be there for some of what clients ask."""
        return not all(self.given_up(channel) for channel in AWAITED)

    def refresh(self) -> float:
        """Read the register, if that is due; return how old the copy is, in seconds."""
        age = self._state.clock.monotonic() - self._read_at
        if age >= CACHE_SECONDS and not self._reading and self._state.up:
            self._reading = True
            self._state.spawn(self._read())
        return age

    async def _read(self) -> None:
        state = self._state
        channels: set[str] | None = None
        try:
            processes = await state.layer.processes()
        except LayerError as error:
            log.debug("the register cannot be read: %s", error)
        else:
            if processes:  # else it knows not even this server
                workers = [one for one in processes if one.kind == "worker"]
                channels = set().union(*(worker.channels for worker in workers))
        finally:
            self._reading = False
            now = state.clock.monotonic()
            if now - self._read_at > STALE_SECONDS:
                self._missing_since.clear()  # who knows what was between
            self._read_at = now
        self._channels = channels
        ran, state.ran = state.ran, set()
        for channel in AWAITED:
            if channels is None or channel in channels or channel in ran:
                self._missing_since.pop(channel, None)
            else:
                since = self._missing_since.setdefault(channel, now)
                if now - since >= SILENT_SECONDS:
                    self._tell(channel)

    def _tell(self, channel: str) -> None:
        state, wait = self._state, self._state.settings.worker_wait
        if state.seldom.due((Listeners, channel)):
            what = f", for {wait:g} s, and then get 503 until one listens" if wait >= 0 else ""
            log.warning(
                "no worker listens on %s: clients wait for one%s."
                " Start one: python manage.py runworker",
                channel,
                what,
            )
