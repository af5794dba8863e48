"""The layer's clock: Redis time, told from the local monotonic clock and a measured offset."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


class LayerClock:
    """Tells Redis time.  Safe in any thread: an offset is one assignment.

    Until it is set, the local wall clock stands in.

    Args:
        monotonic: The local clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self._offset = time.time() - monotonic()

    def now(self) -> float:
        """Return Redis time in seconds."""
        return self.monotonic() + self._offset

    def now_ms(self) -> int:
        """Return Redis time in milliseconds."""
        return int((self.monotonic() + self._offset) * 1000)

    def set(self, answer: Sequence[int | bytes], sent: float, received: float) -> None:
        """Take an answer to ``TIME``, which was given between two readings of the local clock."""
        seconds, micros = answer
        self._offset = int(seconds) + int(micros) / 1e6 - (sent + received) / 2
