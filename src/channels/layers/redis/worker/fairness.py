"""In which order a take looks at its channels.  No I/O.

Redis serves the first key that holds something, so in a fixed order a quiet key behind
a busy one starves.  The order therefore rotates by one at each take, and a channel that
gave many frames in a row goes last until another gives one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from channels.layers.redis.net.protocol import Packable
from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.wire.scripts import Command

#: Frames in a row from one channel after which it goes last.
BURST = 50


class FairOrder:
    """The channels of one host, fairly.

    Args:
        keys: Names of keys.
        channels: At least one.
        pack: Turns a command to what costs least to send again and again.
    """

    def __init__(
        self, keys: Keys, channels: Sequence[str], pack: Callable[[Command], Packable]
    ) -> None:
        self._keys = keys
        self._channels = list(channels)
        self._pack = pack
        self._start = 0
        self._last: str | None = None
        self._streak = 0
        self._packed: dict[tuple[int, str | None, float | None], Packable] = {}

    def next_take(self, seconds: float | None = None) -> Packable:
        """Return the command that takes a frame; the order moves on.

        Args:
            seconds: How long it waits inside Redis; None not at all.
        """
        last = self._last if self._streak >= BURST else None
        packed = self._packed.get((self._start, last, seconds))
        if packed is None:
            order = self._channels[self._start :] + self._channels[: self._start]
            order.sort(key=lambda channel: channel == last)
            keys = [self._keys.queue(channel) for channel in order]
            wait: Command = ("LMPOP",) if seconds is None else ("BLMPOP", f"{seconds:g}")
            packed = self._pack((*wait, len(keys), *keys, "LEFT"))
            self._packed[self._start, last, seconds] = packed
        self._start = (self._start + 1) % len(self._channels)
        return packed

    def took(self, channel: str) -> None:
        """Note which channel gave a frame."""
        if channel == self._last:
            self._streak += 1
        else:
            self._last, self._streak = channel, 1
