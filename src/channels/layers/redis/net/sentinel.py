"""The master of a Sentinel service, as one host of the layer that follows failover."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.blocking import (
    Connection,
    Doubt,
    Packable,
    Pool,
    RedisClock,
    Target,
    pack,
)
from channels.layers.redis.net.errors import RedisUnavailable
from channels.layers.redis.wire.scripts import Command

#: How long an answer of a Sentinel is used if ``sentinel_refresh_interval`` is 0, in
#: seconds: asking before each command would double what every command costs, and
#: a master that steps down closes its connections anyway.
SENTINEL_PATIENCE = 1.0

#: How long a Sentinel may take to answer before the next one is asked, in seconds.
SENTINEL_TIMEOUT = 1.0


class Sentinels:
    """The Sentinels of one installation; whoever answers first is asked first next time.

    Args:
        targets: Where they listen.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self._pool = [
            Connection(self._at(target), timeout=SENTINEL_TIMEOUT, plain=True) for target in targets
        ]
        self._lock = threading.Lock()

    @staticmethod
    def _at(target: Target) -> Callable[[], Target]:
        return lambda: target

    def ask(self, *command: str) -> Any:
        """Return the first answer that is not empty and no error.

        Raises:
            LayerUnavailable: No Sentinel gave one.
        """
        reasons = []
        with self._lock:
            for connection in list(self._pool):
                try:
                    (answer,) = self._ask(connection, command)
                except LayerUnavailable as error:
                    reasons.append(str(error))
                    continue
                if answer and not isinstance(answer, Exception):
                    self._pool.remove(connection)
                    self._pool.insert(0, connection)
                    return answer
                reasons.append(f"the Sentinel at {connection.target} said {answer!r}")
        raise RedisUnavailable(f"no Sentinel could tell: {'; '.join(reasons)}")

    @staticmethod
    def _ask(connection: Connection, command: Sequence[str]) -> list[Any]:
        """Ask one of them; once more if that was a connection from before, which may be dead."""
        known = connection.connected
        try:
            return connection.execute([("SENTINEL", *command)])
        except LayerUnavailable:
            if not known:
                raise
            return connection.execute([("SENTINEL", *command)])

    def services(self) -> list[str]:
        """Return the names of all masters that they watch, sorted.

        Raises:
            LayerUnavailable: No Sentinel gave one.
        """
        masters = self.ask("MASTERS")
        return sorted(
            dict(zip(master[::2], master[1::2], strict=False))[b"name"].decode()
            for master in masters
        )

    def close(self) -> None:
        """Disconnect."""
        with self._lock:
            for connection in self._pool:
                connection.close()


class SentinelHost:
    """The master of one service, wherever it is now.

    Args:
        sentinels: Whom to ask.
        service: Name of the master.
        target: How to connect to it; its address is replaced.
        refresh: Seconds that an answer of a Sentinel is used; 0 for
            :data:`SENTINEL_PATIENCE`.
        timeout: Seconds that an answer may take; None for what the target says.
    """

    clustered = False

    def __init__(
        self,
        sentinels: Sentinels,
        service: str,
        target: Target,
        refresh: float = 0,
        timeout: float | None = None,
    ) -> None:
        self.clock = RedisClock()
        self.service = service
        self._sentinels = sentinels
        self._how = target
        self._refresh = refresh or SENTINEL_PATIENCE
        self._timeout = timeout
        self._target: Target | None = None
        self._asked = 0.0
        self._doubt = Doubt()
        self._pool = Pool(lambda: self.connection(""))
        self._client: tuple[Target, redis.Redis] | None = None

    def __str__(self) -> str:
        return f"sentinel:{self.service}"

    def execute(self, commands: Sequence[Packable]) -> list[Any]:
        """See :class:`Host`."""
        connection = self._pool.borrow()
        try:
            if not self.is_current(connection):
                connection.close()
            answers = connection.execute(commands)
        except LayerUnavailable:
            self.suspect()
            raise
        finally:
            self._pool.give_back(connection)
        if not connection.connected:  # it was told to go elsewhere (READONLY ...)
            self.suspect()
        return answers

    def pack(self, command: Command) -> Packable:
        """See :class:`Host`."""
        return pack(command)

    def connection(self, key: str, timeout: float | None = None) -> Connection:
        """See :class:`Host`."""
        return Connection(
            self.target,
            self.clock,
            timeout=timeout or self._timeout,
            check=self._must_be_master,
            doubt=self._doubt,
        )

    def target(self, key: str | None = None) -> Target:
        """See :class:`Host`."""
        if self._target is None or time.monotonic() - self._asked > self._refresh:
            self._ask()
        assert self._target is not None
        return self._target

    def _ask(self) -> None:
        try:
            host, port = self._sentinels.ask("GET-MASTER-ADDR-BY-NAME", self.service)
        except LayerUnavailable:
            if self._target is None:
                raise
            # Without Sentinels there is no failover either: stay where we are.
        else:
            self._target = self._how.at(host.decode(), int(port))
        self._asked = time.monotonic()

    def is_current(self, connection: Connection) -> bool:
        """See :class:`Host`."""
        if not connection.connected:
            return True
        known, current = connection.target, self.target()
        return known is current or str(known) == str(current)

    def suspect(self) -> None:
        """See :class:`Host`."""
        self._asked = float("-inf")

    def masters(self) -> list[Target]:
        """See :class:`Host`."""
        return [self.target()]

    def client(self) -> redis.Redis:
        """See :class:`Host`."""
        target = self.target()
        if self._client is None or self._client[0] != target:
            if self._client is not None:
                self._client[1].close()
            self._client = (target, target.client())
        return self._client[1]

    def close(self) -> None:
        """See :class:`Host`."""
        self._pool.close()
        self._sentinels.close()
        if self._client is not None:
            self._client[1].close()
            self._client = None

    def _must_be_master(self, connection: Connection) -> None:
        (role,) = connection.execute([("ROLE",)])
        if not isinstance(role, Exception) and role[0] != b"master":
            self.suspect()
            raise RedisUnavailable(
                f"Redis at {connection.target} is not the master of {self.service!r}"
            )
