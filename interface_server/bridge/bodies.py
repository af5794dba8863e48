"""Bodies too large for one message: of a request on its way to the layer; a spool."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from typing import IO, Any

from channels.exceptions import ChannelFull, LayerError
from channels.interface_server.bridge.state import BridgeState
from channels.layers.clients import SendOptions

log = logging.getLogger(__name__)

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
        self._sending = 0

    def attempt(self) -> None:
        """Send the next chunk if one may leave; never before the request has left."""
        state = self._state
        if self._source is None or self._sending:
            return
        if len(self._receipts) >= state.settings.body_ahead:
            return
        if self._chunk is None:
            size = state.settings.body_chunk
            content = self._source.read(size)
            self._chunk = {"content": content, "more_content": len(content) == size}
        self._sending = receipt = state.new_receipt(self, state.chunks)
        self._receipts.add(receipt)
        state.layer.send(self.channel, [self._chunk], receipt, self._sent)

    def answered(self, receipt: int) -> None:
        self._receipts.discard(receipt)
        if self.channel not in self._state.waitlists.by_channel:  # else it is tried for this
            self.attempt()

    def lost(self, receipt: int, cause: str) -> None:
        self._receipts.discard(receipt)
        if self._source is not None:  # nobody can have the body whole any more
            self._broken(LayerError(f"a part of it is {cause}"))

    def abandon(self) -> None:
        """Tell the reader that the client went away, and stop."""
        if self._source is not None:
            options = SendOptions(past_capacity=True)
            self._state.layer.send(self.channel, [{"closed": True}], options=options)
            self.stop()

    def stop(self) -> None:
        """Send nothing more, and give up the spool."""
        state = self._state
        state.waitlists.leave(self.channel, self)
        for receipt in self._receipts:
            state.chunks.pop(receipt, None)
        self._receipts.clear()
        self._chunk = None
        if self._source is not None:
            self._source.close()
            self._source = None

    def _sent(self, error: Exception | None) -> None:
        receipt, self._sending = self._sending, 0
        state, chunk = self._state, self._chunk
        if self._source is None or chunk is None:
            return
        if isinstance(error, ChannelFull):
            state.chunks.pop(receipt, None)
            self._receipts.discard(receipt)
            state.waitlists.wait(self.channel, self)
        elif error is not None:
            self.stop()
            self._broken(error)
        else:
            self._chunk = None
            state.waitlists.stored(self.channel, self)
            if chunk["more_content"]:
                self.attempt()
            else:
                self.stop()


class Spool:
    """A queue of bytes: small amounts stay in memory, the rest goes to a temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=SPOOL_MEMORY)  # noqa: SIM115 - closed by close()
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    def write(self, data: bytes) -> None:
        self._file.seek(self._end)
        self._file.write(data)
        self._end += len(data)

    def read(self, size: int) -> bytes:
        self._file.seek(self._start)
        data = self._file.read(min(size, len(self)))
        self._start += len(data)
        if self._start == self._end:
            self._start = self._end = 0  # write over what was read
        return data

    def close(self) -> None:
        self._file.close()
        self._start = self._end = 0
