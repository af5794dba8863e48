"""In which order a worker takes from its channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from channels.layers.clients import Counts
from channels.layers.redis.net.protocol import Packable
from channels.layers.redis.wire import scripts
from channels.layers.redis.wire.keys import Keys
from channels.layers.redis.wire.scripts import Command

#: Frames in a row from one channel after which it goes last.
BURST = 50

#: Bytes that one take brings at most, unless its first frame is larger.
TAKE_BYTES = 1024 * 1024

#: How long what is in hand stays listed, in milliseconds: longer than any worker needs to run it.
HAND_MS = 24 * 3600 * 1000

#: Commands that are remembered; past it, all are made anew.
_REMEMBERED = 256


class FairOrder:
    """The channels of one host, fairly.

    Redis serves the first key that holds something, so in a fixed order a quiet key behind
    a busy one starves.  The order therefore rotates by one at each take, and a channel that
    gave :data:`BURST` frames in a row goes last until another gives one.
    """

    def __init__(
        self, keys: Keys, channels: Sequence[str], pack: Callable[[Command], Packable]
    ) -> None:
        self._channels = list(channels)
        self._queues = [keys.queue(channel) for channel in channels]
        self._by_queue = {keys.queue(channel).encode(): channel for channel in channels}
        self._pack = pack
        self._start = 0
        self._last = b""
        self._streak = 0
        self._hand = ""
        self._waits: dict[tuple[int, bytes, float, int], Packable] = {}

    def list_hand(self, key: str) -> None:
        """From now on, have what is taken listed in Redis, under this key."""
        self._hand = key

    def next_take(self, counts: Counts, wait: float = 0.0, number: int = 0) -> Packable:
        """Return the command that takes frames; the order moves on.

        ``wait`` is how long it waits inside Redis, in seconds; 0 for not at all.  Then as many
        frames come as the channel with the lowest count may give, or one if the hand is listed:
        a wait can't list it.  ``number`` stands in the list.
        """
        start = self._start
        self._start = (start + 1) % len(self._queues)
        last = self._last if self._streak >= BURST else b""
        most = [counts.get(channel, 1) for channel in self._channels]
        if wait:
            return self._wait(start, last, wait, 1 if self._hand else min(most))
        queues = self._queues[start:] + self._queues[:start]
        most = most[start:] + most[:start]
        if last:
            at = next((at for at, one in enumerate(queues) if one.encode() == last), 0)
            queues.append(queues.pop(at))
            most.append(most.pop(at))
        if self._hand:
            queues.append(self._hand)
        return scripts.TAKE.call(queues, TAKE_BYTES, number, HAND_MS, *most)

    def _wait(self, start: int, last: bytes, seconds: float, most: int) -> Packable:
        """Return the command that waits, packed once for all of its kind."""
        key = (start, last, seconds, most)
        packed = self._waits.get(key)
        if packed is None:
            if len(self._waits) >= _REMEMBERED:
                self._waits.clear()
            queues = self._queues[start:] + self._queues[:start]
            queues.sort(key=lambda queue: queue.encode() == last)
            wait: Command = ("BLMPOP", f"{seconds:g}", len(queues), *queues, "LEFT", "COUNT", most)
            packed = self._waits[key] = self._pack(wait)
        return packed

    def took(self, queue: bytes, frames: int) -> str:
        """Note which queue gave so many frames; return its channel."""
        if queue == self._last:
            self._streak += frames
        else:
            self._last, self._streak = queue, frames
        return self._by_queue[queue]
