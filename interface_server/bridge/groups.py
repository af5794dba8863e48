"""The life of the memberships of this process's sockets."""

from __future__ import annotations

from channels.interface_server.bridge.state import BridgeState
from channels.interface_server.bridge.websocket import BridgedWebSocket

#: A membership is renewed so many times before it would end (docs/channels1.md#memberships).
RENEWALS_PER_EXPIRY = 4

#: Sockets whose memberships are renewed at once, and the pause between two lots in seconds.
RENEWED_AT_ONCE = 500
RENEWAL_PAUSE = 0.05


class Renewal:
    """Keeps the memberships of live sockets from ending before the sockets do.

    Goes through all sockets four times per ``group_expiry``, in lots, so that ten
    thousand sockets are no burst.  Put it into the timer wheel after one ``interval``.
    """

    def __init__(self, state: BridgeState) -> None:
        self.interval = state.settings.group_expiry / RENEWALS_PER_EXPIRY
        self.wheel_slot = 0
        self._state = state
        self._left: list[str] = []

    def expired(self, now: float) -> float:
        recipients = self._state.recipients
        if not self._left:
            self._left = [
                local for local, one in recipients.items() if type(one) is BridgedWebSocket
            ]
        lot, self._left = self._left[:RENEWED_AT_ONCE], self._left[RENEWED_AT_ONCE:]
        live = [local for local in lot if local in recipients]
        if live:
            self._state.layer.keep(live)
        return RENEWAL_PAUSE if self._left else self.interval
