"""The in-memory layer's processes: servers, workers, sockets, and channels that lead nowhere."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

from channels.layers.clients import GONE_EXPIRY, HEARTBEAT_INTERVAL, ProcessEntry, SocketEntry


class Processes:
    """Who takes part in one layer.  Thread-safe.

    In one process nobody dies unseen, so heartbeats are counted, not written.

    Args:
        clock: Returns the time on the layer's clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._now = clock
        self._lock = threading.RLock()
        self._processes: dict[str, Callable[[], ProcessEntry]] = {}
        self._sockets: dict[str, dict[str, SocketEntry]] = {}
        self._gone: dict[str, float] = {}

    def add(
        self,
        name: str,
        kind: str,
        *,
        channels: Collection[str] = (),
        held: Callable[[], Collection[bytes]] = tuple,
        info: Mapping[str, Any],
    ) -> None:
        """Put a server or a worker among the processes."""
        started = self._now()
        channels = frozenset(channels)
        common = {"host": socket.gethostname(), "pid": os.getpid()}

        def describe() -> ProcessEntry:
            now = self._now()
            beat = 1 + int((now - started) / HEARTBEAT_INTERVAL)
            shown = {**common, **info}  # counters among them, as they are now
            return ProcessEntry(name, kind, channels, frozenset(held()), beat, now, shown)

        with self._lock:
            self._processes[name] = describe

    def remove(self, name: str) -> None:
        """Take a server, with its sockets, or a worker out of the processes."""
        with self._lock:
            self._processes.pop(name, None)
            self._sockets.pop(name, None)

    def entries(self) -> list[ProcessEntry]:
        """Return everybody as they are now."""
        with self._lock:
            describe = list(self._processes.values())
        return [each() for each in describe]  # asks their owners: not under our lock

    def socket_opened(self, mailbox: str, entry: SocketEntry) -> None:
        """Write down a socket."""
        with self._lock:
            self._sockets.setdefault(mailbox, {})[entry.local] = entry

    def socket_closed(self, mailbox: str, local: str) -> None:
        """Remove a socket, if it is there."""
        with self._lock:
            self._sockets.get(mailbox, {}).pop(local, None)

    def sockets(self, mailbox: str) -> list[SocketEntry]:
        """Return the sockets of a server."""
        with self._lock:
            return list(self._sockets.get(mailbox, {}).values())

    def mark_gone(self, channel: str) -> None:
        """Note, for some time, that a channel leads to nobody any more."""
        with self._lock:
            now = self._now()
            self._gone = {name: until for name, until in self._gone.items() if until > now}
            self._gone[channel] = now + GONE_EXPIRY

    def is_gone(self, channel: str) -> bool:
        """Whether that was noted, and not too long ago."""
        with self._lock:
            return self._gone.get(channel, float("-inf")) > self._now()
