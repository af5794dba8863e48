"""How long consumers take, and from that how many frames of a channel a worker takes at once."""

from __future__ import annotations

from typing import Any

#: Most frames of one take.
MOST_FRAMES = 64

#: Consumers that are remembered: a router of an application's own may make one for each message.
MOST_CONSUMERS = 1000

#: What one run adds to what is known of a channel or a consumer.
_SHARE = 0.1


class Pace:
    """Averages of running times, each counted as the window at most.

    Of a channel whose frames run in 0.1 ms, 5 ms have room for 50.  One run in twenty that takes
    50 ms makes that 14: it counts as 5 ms, not as 50.

    Args:
        window: Seconds within which what is taken should have begun; 0 for one frame at a time.

    Attributes:
        counts: How many frames of each channel to take; one of those that are not there.
    """

    def __init__(self, window: float) -> None:
        self.counts: dict[str, int] = {}
        self._window = window
        self._channels: dict[str, float] = {}
        self._consumers: dict[object, float] = {}

    def ran(self, consumer: object, seconds: float) -> None:
        """Note how long a message took, with all that is done around its consumer."""
        if len(self._consumers) > MOST_CONSUMERS:
            self._consumers.clear()
        _average(self._consumers, _key_of(consumer), min(seconds, self._window))

    def ended(self, channel: str, seconds: float) -> None:
        """Note how long a frame of a channel took."""
        average = _average(self._channels, channel, min(seconds, self._window))
        if average:
            self.counts[channel] = _power_of_two(self._window / average)

    def be_careful(self, channel: str) -> None:
        """Take one frame of a channel, next time: it was much slower than was known of it."""
        self.counts[channel] = 1

    def is_slow(self, consumer: object) -> bool:
        """Whether a consumer, as far as is known, takes most of the window for itself."""
        return self._consumers.get(_key_of(consumer), 0.0) > self._window / 2


def _key_of(consumer: object) -> object:
    """Return what stands for a consumer; for one that can't be a key its class."""
    try:
        hash(consumer)
    except TypeError:
        return type(consumer)
    return consumer


def _average(known: dict[Any, float], key: object, seconds: float) -> float:
    before = known.get(key, seconds)
    known[key] = average = before + _SHARE * (seconds - before)
    return average


def _power_of_two(most: float) -> int:
    """Return the largest power of two up to a number: few of them make few commands."""
    return 1 << (max(1, min(int(most), MOST_FRAMES)).bit_length() - 1)
