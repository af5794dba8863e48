"""Looks after frames without a receipt, while there are any."""

from __future__ import annotations

import logging

from channels.exceptions import LayerError
from channels.interface_server.bridge.disconnect import DISCONNECT
from channels.interface_server.bridge.listeners import AWAITED, Listeners
from channels.interface_server.bridge.lost import MOST_SUSPECTS, LostPolicy
from channels.interface_server.bridge.state import NO_WORKER, BridgeState

log = logging.getLogger(__name__)

#: Seconds between two looks; the first while something is missing.
INTERVAL = 1.0
CALM_INTERVAL = 2.0


class ReceiptMonitor:
    """Drives :class:`LostPolicy`: one timer, and none while nothing is in flight."""

    def __init__(self, state: BridgeState, listeners: Listeners) -> None:
        self._state = state
        self._listeners = listeners
        settings = state.settings
        self._policy = LostPolicy(
            lambda channel: settings.group_expiry if channel == DISCONNECT else settings.expiry,
            state.layer.held_as,
        )
        self._looking = False
        self._outages = 0
        state.on_unanswered = self.start

    def start(self) -> None:
        """Begin to look, as something is in flight."""
        self._state.monitoring = True
        self._note()
        self._wind()

    def layer_lost(self) -> None:
        """Forget what is being looked at: nothing is lost while the layer is away."""
        self._outages += 1

    def _note(self) -> int:
        state = self._state
        settled = state.layer.now() - state.layer.settled_since
        return self._policy.note(state.clock.monotonic(), state.last_receipt, settled)

    def _wind(self) -> None:
        interval = INTERVAL if self._policy.anything_missing else CALM_INTERVAL
        self._state.clock.call_later(interval, self._tick)

    def _tick(self) -> None:
        state = self._state
        if not state.in_flight and not state.disconnects:
            state.monitoring = False
            return
        self._give_up_unattended()
        limit = self._note()
        if limit and state.up and not self._looking:
            suspects = self._suspects(limit)
            if suspects:
                self._looking = True
                state.spawn(self._look(suspects))
        self._wind()

    def _give_up_unattended(self) -> None:
        """Refuse those who have waited for a first worker for long enough."""
        state = self._state
        for channel in AWAITED:
            if self._listeners.given_up(channel):
                waiting = [n for n, owner in state.in_flight.items() if owner.channel == channel]
                for receipt in waiting:
                    state.give_up(receipt, NO_WORKER)

    def _suspects(self, limit: int) -> dict[str, list[int]]:
        suspects: dict[str, list[int]] = {}
        for frames in (self._state.in_flight, self._state.disconnects):
            for receipt, owner in frames.items():
                if receipt > limit:
                    break  # in the order of sending
                receipts = suspects.setdefault(owner.channel, [])
                if len(receipts) < MOST_SUSPECTS:
                    receipts.append(receipt)
        return suspects

    async def _look(self, suspects: dict[str, list[int]]) -> None:
        state, layer, outages = self._state, self._state.layer, self._outages
        try:
            processes = await layer.processes()
            queued = {
                channel: await layer.queued(channel, receipts)
                for channel, receipts in suspects.items()
            }
            if outages != self._outages:
                return
            verdicts = self._policy.look(state.clock.monotonic(), suspects, processes, queued)
            if verdicts:
                await layer.mark()
            if outages == self._outages:
                for verdict in verdicts:
                    self._state.give_up(verdict.receipt, verdict.cause)
        except LayerError as error:
            log.debug("could not look after frames without a receipt: %s", error)
        finally:
            self._looking = False
