"""Hosts of the layer: one server, or the master of a Sentinel service wherever it is now.

A third kind is a whole Cluster (:mod:`~channels.layers.redis.net.cluster`).  Which of
several hosts has what is decided by the :mod:`~channels.layers.redis.net.ring`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from channels.layers.redis.net.address import BLOCK_TIMEOUT, Target
from channels.layers.redis.net.blocking import Connection
from channels.layers.redis.net.errors import RedisUnavailable
from channels.layers.redis.net.protocol import Packable, RedisClock, pack
from channels.layers.redis.wire.scripts import Command

#: How long an answer of a Sentinel is used if ``sentinel_refresh_interval`` is 0, in
#: seconds: asking before each command would double what every command costs, and
#: a master that steps down closes its connections anyway.
SENTINEL_PATIENCE = 1.0

#: How long a Sentinel may take to answer before the next one is asked, in seconds.
SENTINEL_TIMEOUT = 1.0


class Host:
    """One server, which stays where it is.  Safe in threads, each of which is lent a connection.

    Args:
        target: Where it listens.
        timeout: Seconds that an answer may take; None for what the target says.

    Attributes:
        clock: Redis time of this host.
        clustered: Whether keys of different tags must not be in one command.
        suspected: See :class:`~channels.layers.redis.net.blocking.Server`.
    """

    clustered = False

    def __init__(self, target: Target, timeout: float | None = None) -> None:
        self.clock = RedisClock()
        self.suspected = float("-inf")
        self._target = target
        self._timeout = timeout
        self._idle: list[Connection] = []
        #: Those that may wait inside Redis, by where they lead.
        self._waiting: dict[str, list[Connection]] = {}
        self._client: tuple[Target, Any] | None = None

    def __str__(self) -> str:
        return self._target.url

    def execute(self, commands: Sequence[Packable]) -> list[Any]:
        """Run commands in order and return their answers, errors in place.

        Raises:
            LayerUnavailable: They may or may not have been carried out.
        """
        if not commands:
            return []
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.connection("")
        try:
            connection.send(commands)
            return connection.read()
        finally:
            self._idle.append(connection)

    @contextmanager
    def waiting(self, key: str) -> Iterator[Connection]:
        """Lend a connection that may wait inside Redis for ``key`` to hold something."""
        idle = self._waiting.setdefault(str(self.target(key)), [])
        try:
            connection = idle.pop()
        except IndexError:
            connection = self.connection(key, BLOCK_TIMEOUT)
        try:
            yield connection
        finally:
            idle.append(connection)

    def pack(self, command: Command) -> Packable:
        """Return a command in the form that costs least to run again and again."""
        return pack(command)

    def connection(self, key: str, timeout: float | None = None) -> Connection:
        """Return a new connection of the caller's own to where ``key`` lives."""
        return Connection(self, key, timeout or self._timeout)

    def target(self, key: str = "") -> Target:
        """Return where ``key`` lives; may ask others.

        Raises:
            LayerUnavailable: There was no answer that tells.
        """
        return self._target

    def suspect(self) -> None:
        """Forget where things are: a connection failed."""

    def masters(self) -> list[Target]:
        """Return every server that holds keys.

        Raises:
            LayerUnavailable: There was no answer that tells.
        """
        return [self.target()]

    def client(self) -> Any:
        """Return an ordinary redis-py client of this host, to look behind the layer's back."""
        target = self.target()
        if self._client is None or self._client[0] != target:
            if self._client is not None:
                self._client[1].close()
            self._client = (target, self._make_client(target))
        return self._client[1]

    def _make_client(self, target: Target) -> Any:
        return target.client()

    def close(self) -> None:
        """Disconnect what is idle."""
        for idle in (self._idle, *self._waiting.values()):
            while idle:
                idle.pop().close()
        if self._client is not None:
            self._client[1].close()
            self._client = None


class Sentinels:
    """The Sentinels of one installation, asked through redis-py.  Safe in threads.

    Args:
        targets: Where they listen.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        # It knows neither our time-outs nor that nothing is tried again.
        self._sentinel = Sentinel([])  # type: ignore[no-untyped-call]  # redis-py
        self._sentinel.sentinels = [target.client(SENTINEL_TIMEOUT) for target in targets]
        self._lock = threading.Lock()
        self._answered = False

    def master(self, service: str) -> tuple[str, int]:
        """Return the address of a master: what the first Sentinel says that knows it.

        Raises:
            LayerUnavailable: No Sentinel could tell.
        """
        with self._lock:
            while True:
                try:
                    host, port = self._sentinel.discover_master(service)  # type: ignore[no-untyped-call]
                except RedisError as error:
                    # A connection from before may be dead: once more, through new ones.
                    again, self._answered = self._answered, False
                    if not again:
                        raise RedisUnavailable(f"no Sentinel could tell: {error}") from error
                else:
                    self._answered = True
                    return str(host), int(port)

    def services(self) -> list[str]:
        """Return the names of all masters that the first Sentinel which answers knows, sorted.

        Raises:
            LayerUnavailable: No Sentinel could tell.
        """
        reasons = []
        for client in self._sentinel.sentinels:
            try:
                names = sorted(map(str, client.sentinel_masters()))
            except RedisError as error:
                reasons.append(str(error))
                continue
            if names:
                return names
            reasons.append(f"{client} watches no master")
        raise RedisUnavailable(f"no Sentinel could tell: {'; '.join(reasons)}")

    def close(self) -> None:
        """Disconnect."""
        with self._lock:
            self._sentinel.close()


class SentinelHost(Host):
    """The master of one service, wherever it is now.

    Args:
        sentinels: Whom to ask.
        target: How to connect to it, and the name of its service; its address is replaced.
        refresh: Seconds that an answer of a Sentinel is used; 0 for
            :data:`SENTINEL_PATIENCE`.
        timeout: Seconds that an answer may take; None for what the target says.
    """

    def __init__(
        self, sentinels: Sentinels, target: Target, refresh: float, timeout: float | None
    ) -> None:
        super().__init__(target, timeout)
        self._sentinels = sentinels
        self._refresh = refresh or SENTINEL_PATIENCE
        self._found = False
        self._asked = float("-inf")

    def __str__(self) -> str:
        return f"sentinel:{self._target.service}"

    def target(self, key: str = "") -> Target:
        """Return where the master is; asks the Sentinels now and then, and after an error."""
        if time.monotonic() - self._asked > self._refresh:
            try:
                target = self._target.at(*self._sentinels.master(self._target.service))
            except RedisUnavailable:
                if not self._found:
                    raise
                # Without Sentinels there is no failover either: stay where we are.
            else:
                self._found = True
                if target != self._target:
                    self._target = target
            self._asked = time.monotonic()
        return self._target

    def suspect(self) -> None:
        """Ask the Sentinels at the next command."""
        self._asked = float("-inf")

    def close(self) -> None:
        """Disconnect what is idle, from the Sentinels too."""
        super().close()
        self._sentinels.close()
