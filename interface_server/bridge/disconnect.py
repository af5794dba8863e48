"""The last message of a WebSocket, from when it may leave until it is settled."""

from __future__ import annotations

import logging
from typing import Any

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.interface_server.bridge.state import WHY, BridgeState
from channels.layers.clients import SendOptions

log = logging.getLogger(__name__)

DISCONNECT = "websocket.disconnect"

#: Disconnects whose receipt is awaited, at most.  Without a worker that listens they stay
#: unanswered for as long as the server runs; they are in the layer in any case.
MOST_DISCONNECTS = 10_000


class Disconnect:
    """What is left of a socket until its ``websocket.disconnect`` has left.

    That goes past the capacity of its channel and lives for ``group_expiry``.  When the layer went
    away as it was sent, it is sent again only once it is certain that nobody has it.
    """

    __slots__ = ("_local", "_message", "_receipt", "_state", "_unsure")

    channel = DISCONNECT

    def __init__(self, state: BridgeState, local: str, message: dict[str, Any]) -> None:
        self._state = state
        self._local = local
        self._message = message
        self._receipt = 0
        self._unsure = False

    def attempt(self) -> None:
        state = self._state
        self._receipt = state.new_receipt(self, state.disconnects)
        if len(state.disconnects) > MOST_DISCONNECTS:
            del state.disconnects[next(iter(state.disconnects))]
        options = SendOptions(state.settings.group_expiry, past_capacity=True, closes=self._local)
        state.layer.send(DISCONNECT, [self._message], self._receipt, self._sent, options)

    def answered(self, receipt: int) -> None:
        if self._unsure:
            self._unsure = False
            self._state.finished()

    def lost(self, receipt: int, cause: str) -> None:
        if self._unsure:
            self._unsure = False
            self._state.counters.disconnects_repeated += 1
            self._state.waitlists.enter(DISCONNECT, self)
            return
        path = self._message["path"]
        if self._state.seldom.due((DISCONNECT, cause, path)):
            log.warning("%s of a socket on %s given up: %s", DISCONNECT, path, WHY[cause])

    def _sent(self, error: Exception | None) -> None:
        state = self._state
        if isinstance(error, ChannelFull):  # a layer that knows no way past the capacity
            state.disconnects.pop(self._receipt, None)
            state.waitlists.wait(DISCONNECT, self)
            return
        if error is None:
            state.waitlists.stored(DISCONNECT, self)
        else:
            state.waitlists.leave(DISCONNECT, self)
        if isinstance(error, LayerUnavailable):
            # Answered already, or too old to be remembered: then it is settled.
            self._unsure = self._receipt in state.disconnects
            if self._unsure:
                return
        elif error is not None:
            state.disconnects.pop(self._receipt, None)
            path = self._message["path"]
            log.error("the end of a socket on %s cannot be carried: %s", path, error)
        state.finished()
