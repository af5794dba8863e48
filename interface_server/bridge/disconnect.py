"""The last message of a socket: ``websocket.disconnect``, told once.

It goes past the capacity of its channel and lives for ``group_expiry``.  Only a worker that is
killed while it holds it can lose it, which is logged and counted.  When the layer
went away as it was sent, nobody knows whether it was stored: it is sent again only
when it is certain that nobody has it.
"""

from __future__ import annotations

import logging
from typing import Any

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.interface_server.bridge.state import WHY, Core

log = logging.getLogger(__name__)

DISCONNECT = "websocket.disconnect"


class Farewell:
    """What is left of a socket until its end was told.

    Args:
        core: Where to.
        local: Local part of the reply channel.
        message: What to send.
    """

    __slots__ = ("_core", "_local", "_message", "_receipt", "_unsure", "channel", "reply_channel")

    def __init__(self, core: Core, local: str, message: dict[str, Any]) -> None:
        self.channel = DISCONNECT
        self.reply_channel: str = message["reply_channel"]
        self._core = core
        self._local = local
        self._message = message
        self._receipt = 0
        self._unsure = False

    def advance(self) -> None:
        """Send it as soon as it can be sent."""
        core = self._core
        if not core.up:
            core.held[self] = None
        elif DISCONNECT in core.lines.by_channel:
            core.lines.join(DISCONNECT, self)
        else:
            self.attempt()

    def attempt(self) -> None:
        """Send it."""
        core = self._core
        self._receipt = core.new_farewell(self)
        core.layer.send(
            DISCONNECT,
            [self._message],
            receipt=self._receipt,
            done=self._sent,
            expiry=core.settings.group_expiry,
            past_capacity=True,
            closes=self._local,
        )

    def answered(self, receipt: int) -> None:
        """Take note that a worker has run it."""
        if self._unsure:
            self._unsure = False
            self._core.finished()

    def lost(self, receipt: int, cause: str) -> None:
        """Take note that nobody will ever run it."""
        if self._unsure:
            self._unsure = False
            self._core.counters.disconnects_repeated += 1
            self.advance()
        else:
            path = self._message["path"]
            if self._core.seldom.due((DISCONNECT, cause, path)):
                log.warning("%s of a socket on %s given up: %s", DISCONNECT, path, WHY[cause])

    def _sent(self, error: Exception | None) -> None:
        core = self._core
        if isinstance(error, ChannelFull):  # a layer that knows no way past the capacity
            core.farewells.pop(self._receipt, None)
            core.lines.wait(DISCONNECT, self)
            return
        if error is None:
            core.lines.stored(DISCONNECT, self)
        else:
            core.lines.leave(DISCONNECT, self)
        if isinstance(error, LayerUnavailable):
            # Answered already, or too old to be remembered: then it is settled.
            self._unsure = self._receipt in core.farewells
            if self._unsure:
                return
        elif error is not None:
            core.farewells.pop(self._receipt, None)
            path = self._message["path"]
            log.error("the end of a socket on %s cannot be carried: %s", path, error)
        core.finished()
