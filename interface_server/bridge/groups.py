"""Group messages to the members in this process, and the life of their memberships."""

from __future__ import annotations

import logging
from collections.abc import Hashable

from channels.interface_server.bridge.state import BridgeState
from channels.interface_server.bridge.websocket import BridgedWebSocket
from channels.interface_server.protocol.websocket import OPEN
from channels.layers.clients import GroupMessage
from channels.replies import payload_of, problem_when_open

log = logging.getLogger(__name__)

#: A membership is renewed so many times before it would end (docs/channels1.md#memberships).
RENEWALS_PER_EXPIRY = 4

#: Sockets whose memberships are renewed at once, and the pause between two lots in seconds.
RENEWED_AT_ONCE = 500
RENEWAL_PAUSE = 0.05


def fan_out(state: BridgeState, item: GroupMessage) -> None:
    """Give a group message to each member, checked once and framed once for each ``framing``.

    What is no single frame, and every member that is no open socket, takes the ordinary path of a
    reply.  What no socket can carry out is logged once, not once for each member.
    """
    message, recipients = item.message, state.recipients
    payload = payload_of(message)
    problem = problem_when_open(message) if payload is None else None
    malformed = False
    frames: dict[Hashable, bytes] = {}
    for local in tuple(item.members):
        recipient = recipients.get(local)
        if recipient is None:
            continue
        try:
            if type(recipient) is not BridgedWebSocket:
                recipient.reply(message)
            elif problem is not None:
                malformed = True
                recipient.reply_of_group(message)
            elif payload is None or recipient.machine.state is not OPEN:
                recipient.reply(message)
            else:
                port = recipient.port
                frame = frames.get(port.framing)
                if frame is None:
                    frame = frames[port.framing] = port.frame(payload)
                port.send(frame)
        except Exception:
            state.broken(recipient, item.group)
    if malformed:
        state.counters.group_malformed += 1
        if state.seldom.due((item.group, problem)):
            log.error("malformed message to group %s: %s", item.group, problem)


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
