"""Bodies too large for one message: of a request to the layer, of a response to the client."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from typing import IO, Any

from channels.exceptions import ChannelFull, LayerError
from channels.interface_server.bridge.interfaces import HttpPort
from channels.interface_server.bridge.state import BridgeState
from channels.layers.clients import SendOptions

log = logging.getLogger(__name__)

#: Chunks that are taken from the body list of a response at once.
READ_AHEAD = 8

#: Bytes of a spool that stay in memory.
SPOOL_MEMORY = 64 * 1024


class RequestBody:
    """The rest of a large request body: from the server's spool to a ``?`` channel, in chunks.

    At most ``body_ahead`` chunks wait unread in the layer: each carries a receipt, and
    the next leaves when one comes back.  One chunk is on its way at a time, so a
    full channel never changes their order.  ``source`` is closed at the end, whatever the end is;
    ``broken`` is called with the reason if a chunk could not be carried.
    """

    def __init__(
        self,
        state: BridgeState,
        channel: str,
        source: IO[bytes],
        broken: Callable[[Exception], None],
    ) -> None:
        self.channel = channel
        self._state = state
        self._source: IO[bytes] | None = source
        self._broken = broken
        self._receipts: set[int] = set()
        self._chunk: dict[str, Any] | None = None
        self._receipt = 0

    def attempt(self) -> None:
        """Send the next chunk if one may leave; never before the request has left."""
        state = self._state
        if self._source is None or self._receipt:
            return
        if len(self._receipts) >= state.settings.body_ahead:
            return
        if self._chunk is None:
            size = state.settings.body_chunk
            content = self._source.read(size)
            self._chunk = {"content": content, "more_content": len(content) == size}
        self._receipt = state.new_receipt(self, state.chunks)
        state.layer.send(self.channel, [self._chunk], receipt=self._receipt, done=self._sent)

    def answered(self, receipt: int) -> None:
        self._receipts.discard(receipt)
        if receipt == self._receipt:
            self._receipt = -receipt  # read before we heard that it was stored
        if self.channel not in self._state.waitlists.by_channel:  # else it is tried for this
            self.attempt()

    def lost(self, receipt: int, cause: str) -> None:
        self._receipts.discard(receipt)
        if self._source is not None:  # nobody can have the body whole any more
            self._broken(LayerError(f"a part of it is {cause}"))

    def abandon(self) -> None:
        """Tell the reader that the client went away, and stop."""
        if self._source is not None:
            self._state.layer.send(
                self.channel, [{"closed": True}], options=SendOptions(past_capacity=True)
            )
            self.stop()

    def stop(self) -> None:
        """Send nothing more, and give up the spool."""
        state = self._state
        state.waitlists.leave(self.channel, self)
        for receipt in (*self._receipts, abs(self._receipt)):
            state.chunks.pop(receipt, None)
        self._receipts.clear()
        self._chunk = None
        if self._source is not None:
            self._source.close()
            self._source = None

    def _sent(self, error: Exception | None) -> None:
        receipt, self._receipt = self._receipt, 0
        if self._source is None:
            return
        state = self._state
        if isinstance(error, ChannelFull):
            state.chunks.pop(receipt, None)
            state.waitlists.wait(self.channel, self)
            return
        if error is not None:
            self.stop()
            self._broken(error)
            return
        chunk, self._chunk = self._chunk, None
        state.waitlists.stored(self.channel, self)
        if receipt > 0:
            self._receipts.add(receipt)
        if chunk is not None and not chunk["more_content"]:
            self.stop()
        else:
            self.attempt()


class ResponseBody:
    """The body of a response on its way to a client that may read slowly.

    What the client's transport cannot take is spooled, in order.  A large response
    continues on a list of its own in the layer, which is read on while the spool is
    below its limit: a worker does not wait for a slow client before that.

    Args:
        state: Whose layer to read from.
        port: Where to write.
        local: Local name of the request.
        reply: Gets each message of the body list, and calls :meth:`write` and :meth:`finish`.
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
        if self._spool is None:
            if self._port.unsent <= self._state.settings.write_ahead:
                self._port.write(data)
                return
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
        """The client took all there was: write on."""
        ahead = self._state.settings.write_ahead
        while self._spool is not None and self._port is not None and self._port.unsent <= ahead:
            data = self._spool.read(ahead)
            if not len(self._spool):
                self._close_spool()
            self._port.write(data)
        if self._complete:
            self.finish()
        else:
            self._read_on()

    def more(self) -> None:
        """There is something in the body list: read it when there is room."""
        self._more = True
        self._read_on()

    def stop(self) -> None:
        """Write nothing more, and give up the spool."""
        self._port = None
        self._close_spool()

    def _close_spool(self) -> None:
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


class Spool:
    """A queue of bytes: small amounts stay in memory, the rest goes to a temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=SPOOL_MEMORY)  # noqa: SIM115 - closed by close()
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._file.seek(self._end)
        self._file.write(data)
        self._end += len(data)

    def read(self, size: int) -> bytes:
        """Take up to ``size`` bytes from the front."""
        self._file.seek(self._start)
        data = self._file.read(min(size, len(self)))
        self._start += len(data)
        if self._start == self._end:
            self._start = self._end = 0  # write over what was read
        return data

    def close(self) -> None:
        """Delete what is left."""
        self._file.close()
        self._start = self._end = 0
