"""The body of a response on its way to a client that may read slowly.

What the client's transport cannot take is spooled, in order.  A large response
continues on a list of its own in the layer, which is read on while the spool is
below its limit: a worker does not wait for a slow client before that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from channels.interface_server.bridge.interfaces import HttpPort
from channels.interface_server.bridge.spool import Spool
from channels.interface_server.bridge.state import BridgeState

log = logging.getLogger(__name__)

#: Chunks that are taken from the body list at once.
READ_AHEAD = 8


class ResponseBody:
    """Writes one body.

    Args:
        state: Whose layer to read from.
        port: Where to write.
        local: Local name of the request.
        reply: Called with each message of the body list; leads back to :meth:`write` and
            :meth:`finish`.
        finished: Called when the last byte was handed to the port.
        broken: Called with the reason if the body cannot be completed.
    """

    def __init__(
        self,
        state: BridgeState,
        port: HttpPort,
        local: str,
        *,
        reply: Callable[[Mapping[str, Any]], None],
        finished: Callable[[], None],
        broken: Callable[[str], None],
    ) -> None:
        self._state = state
        self._port: HttpPort | None = port
        self._local = local
        self._reply = reply
        self._finished = finished
        self._broken = broken
        self._spool: Spool | None = None
        self._complete = False
        self._more = False
        self._reading = False

    def write(self, data: bytes) -> None:
        """Write, or spool what the client cannot take yet."""
        if self._port is None:
            return
        if self._spool is None and self._port.unsent <= self._state.settings.write_ahead:
            self._port.write(data)
            return
        if self._spool is None:
            self._spool = Spool()
        # The body list is not read past the limit, but a sender that does not use it cannot
        # be held back.
        limit = 2 * self._state.settings.spool_limit
        if not self._reading and len(self._spool) + len(data) > limit:
            self._broken("the client reads too slowly, and the spool is full")
            return
        self._spool.write(data)

    def finish(self) -> None:
        """Complete the response as soon as everything is written."""
        self._complete = True
        if self._spool is None and self._port is not None:
            port, self._port = self._port, None
            port.finish()
            self._finished()

    def drained(self) -> None:
        """Take note that the client took all there was: write on."""
        while (
            self._spool is not None
            and self._port is not None
            and self._port.unsent <= self._state.settings.write_ahead
        ):
            data = self._spool.read(self._state.settings.write_ahead)
            if not len(self._spool):
                self._spool.close()
                self._spool = None
            self._port.write(data)
        if self._complete:
            self.finish()
        else:
            self._read_on()

    def more(self) -> None:
        """Take note that there is something in the body list."""
        self._more = True
        self._read_on()

    def stop(self) -> None:
        """Write nothing more, and give up the spool."""
        self._port = None
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _read_on(self) -> None:
        if self._more and not self._reading and self._has_room():
            self._reading = True
            self._state.spawn(self._read())

    def _has_room(self) -> bool:
        if self._port is None:
            return False
        return self._spool is None or len(self._spool) < self._state.settings.spool_limit

    async def _read(self) -> None:
        try:
            while self._more and self._has_room():
                self._more = False
                for message in await self._state.layer.read_body(self._local, READ_AHEAD):
                    self._more = True  # until it was found empty
                    self._reply(message)
        except Exception as error:  # whatever the layer raises, the response cannot go on
            log.exception("%s: the response body cannot be read", self._local)
            self._broken(str(error))
        finally:
            self._reading = False
