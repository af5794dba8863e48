"""Looks after frames without a receipt, while there are any."""

from __future__ import annotations

import logging

from channels.exceptions import LayerError
from channels.interface_server.bridge.disconnect import DISCONNECT
from channels.interface_server.bridge.listeners import AWAITED, Listeners
from channels.interface_server.bridge.lost import MOST_SUSPECTS, LostPolicy
from channels.interface_server.bridge.state import NO_WORKER, Core

log = logging.getLogger(__name__)

#: Seconds between two looks; the first while something is missing.
INTERVAL = 1.0
CALM_INTERVAL = 2.0


class Watch:
    """Drives :class:`LostPolicy`: one timer, and none while nothing is in flight."""

    def __init__(self, core: Core, listeners: Listeners) -> None:
        self._core = core
        self._listeners = listeners
        settings = core.settings
        self._policy = LostPolicy(
            lambda channel: settings.group_expiry if channel == DISCONNECT else settings.expiry,
            core.layer.held_as,
        )
        self._looking = False
        self._outages = 0
        core.on_watch = self.start

    def start(self) -> None:
        """Begin to look, as something is in flight."""
        self._core.watching = True
        self._note()
        self._wind()

    def layer_lost(self) -> None:
        """Forget what is being looked at: nothing is lost while the layer is away."""
        self._outages += 1

    def _note(self) -> int:
        core = self._core
        settled = core.layer.now() - core.layer.settled_since
        return self._policy.note(core.clock.monotonic(), core.last_receipt, settled)

    def _wind(self) -> None:
        interval = INTERVAL if self._policy.anything_missing else CALM_INTERVAL
        self._core.clock.call_later(interval, self._tick)

    def _tick(self) -> None:
        core = self._core
        if not core.in_flight and not core.farewells:
            core.watching = False
            return
        self._give_up_unattended()
        limit = self._note()
        if limit and core.up and not self._looking:
            suspects = self._suspects(limit)
            if suspects:
                self._looking = True
                core.spawn(self._look(suspects))
        self._wind()

    def _give_up_unattended(self) -> None:
        """Refuse those who have waited for a first worker for long enough."""
        core = self._core
        for channel in AWAITED:
            if self._listeners.given_up(channel):
                waiting = [n for n, owner in core.in_flight.items() if owner.channel == channel]
                for receipt in waiting:
                    core.give_up(receipt, NO_WORKER)

    def _suspects(self, limit: int) -> dict[str, list[int]]:
        suspects: dict[str, list[int]] = {}
        for frames in (self._core.in_flight, self._core.farewells):
            for receipt, owner in frames.items():
                if receipt > limit:
                    break  # in the order of sending
                receipts = suspects.setdefault(owner.channel, [])
                if len(receipts) < MOST_SUSPECTS:
                    receipts.append(receipt)
        return suspects

    async def _look(self, suspects: dict[str, list[int]]) -> None:
        core, layer, outages = self._core, self._core.layer, self._outages
        try:
            processes = await layer.processes()
            queued = {
                channel: await layer.queued(channel, receipts)
                for channel, receipts in suspects.items()
            }
            if outages != self._outages:
                return
            verdicts = self._policy.look(core.clock.monotonic(), suspects, processes, queued)
            if verdicts:
                await layer.mark()
            if outages == self._outages:
                for verdict in verdicts:
                    self._core.give_up(verdict.receipt, verdict.cause)
        except LayerError as error:
            log.debug("could not look after frames without a receipt: %s", error)
        finally:
            self._looking = False
