"""How often the same fact is logged: once a minute for each key, in bounded memory.

A misconfigured site repeats its fault at every message; the sentence that explains it is
worth reading once and is in the way a thousand times a second.  Ask a
:class:`Seldom` before logging such a fact.  Threads may share one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

#: Seconds between two log lines about the same key.
PAUSE = 60.0

#: Keys that are remembered.  Past it the one that was logged longest ago is forgotten: a
#: client that makes up a path for each request costs log lines, never memory.
MOST_KEYS = 1000


class Seldom:
    """Remembers what was logged when.

    Args:
        clock: Seconds that only grow.
        pause: Seconds for which a key stays silent once it was due.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, pause: float = PAUSE
    ) -> None:
        self._clock = clock
        self._pause = pause
        self._logged: dict[Hashable, float] = {}  # the oldest first
        self._lock = threading.Lock()

    def due(self, key: Hashable) -> bool:
        """Return whether to log about this key now; if so, not again for ``pause`` seconds."""
        now = self._clock()
        with self._lock:
            last = self._logged.get(key)
            if last is not None and now - last < self._pause:
                return False
            self._logged.pop(key, None)
            self._logged[key] = now
            if len(self._logged) > MOST_KEYS:
                del self._logged[next(iter(self._logged))]
            return True
