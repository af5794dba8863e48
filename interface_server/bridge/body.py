"""The rest of a large request body: from the server's spool to a ``?`` channel, in chunks.

At most ``body_ahead`` chunks wait unread in the layer: each carries a receipt, and
the next leaves when one comes back.  One chunk is on its way at a time, so a
full channel never changes their order; it is tried again on a receipt, else
after 50 ms doubling to 1 s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from channels.exceptions import ChannelFull, LayerError
from channels.interface_server.bridge.clock import Timer
from channels.interface_server.bridge.interfaces import BodySource
from channels.interface_server.bridge.state import BridgeState
from channels.interface_server.bridge.waitlist import FIRST_DELAY, LONGEST_DELAY


class RequestBody:
    """Sends one request body.

    Args:
        state: Where to.
        channel: The ``?`` channel of this body.
        source: Where from; closed at the end, whatever the end is.
        broken: Called with the reason if a chunk could not be carried.
    """

    def __init__(
        self,
        state: BridgeState,
        channel: str,
        source: BodySource,
        broken: Callable[[Exception], None],
    ) -> None:
        self.channel = channel
        self.reply_channel = channel
        self._state = state
        self._source: BodySource | None = source
        self._broken = broken
        self._receipts: set[int] = set()
        self._chunk: dict[str, Any] | None = None
        self._receipt = 0
        self._timer: Timer | None = None
        self._delay = FIRST_DELAY

    def pump(self) -> None:
        """Send the next chunk if one may leave; must not be called before the request has left."""
        state = self._state
        if (
            self._source is None
            or self._receipt
            or len(self._receipts) >= state.settings.body_ahead
        ):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._chunk is None:
            size = state.settings.body_chunk
            content = self._source.read(size)
            self._chunk = {"content": content, "more_content": len(content) == size}
        self._receipt = state.new_chunk(self)
        state.layer.send(self.channel, [self._chunk], receipt=self._receipt, done=self._sent)

    def answered(self, receipt: int) -> None:
        """Take note that a chunk was read."""
        self._receipts.discard(receipt)
        if receipt == self._receipt:
            self._receipt = -receipt  # read before we heard that it was stored
        self.pump()

    def lost(self, receipt: int, cause: str) -> None:
        """End it: a chunk was dropped, so nobody can have it whole."""
        self._receipts.discard(receipt)
        if self._source is not None:
            self._broken(LayerError(f"a part of it is {cause}"))

    def abandon(self) -> None:
        """Tell the reader that the client went away, and stop."""
        if self._source is not None:
            self._state.layer.send(self.channel, [{"closed": True}], past_capacity=True)
            self.stop()

    def stop(self) -> None:
        """Send nothing more, and give up the spool."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for receipt in (*self._receipts, abs(self._receipt)):
            self._state.chunks.pop(receipt, None)
        self._receipts.clear()
        self._chunk = None
        if self._source is not None:
            self._source.close()
            self._source = None

    def _sent(self, error: Exception | None) -> None:
        receipt, self._receipt = self._receipt, 0
        if self._source is None:
            return
        if error is None:
            self._stored(receipt)
        elif isinstance(error, ChannelFull):
            self._state.chunks.pop(receipt, None)
            self._timer = self._state.clock.call_later(self._delay, self._again)
            self._delay = min(self._delay * 2, LONGEST_DELAY)
        else:
            self.stop()
            self._broken(error)

    def _stored(self, receipt: int) -> None:
        chunk, self._chunk = self._chunk, None
        self._delay = FIRST_DELAY
        if receipt > 0:
            self._receipts.add(receipt)
        if chunk is not None and not chunk["more_content"]:
            self.stop()
        else:
            self.pump()

    def _again(self) -> None:
        self._timer = None
        self.pump()
