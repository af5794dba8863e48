"""Where a Redis server listens and how to connect to it, without any retries of redis-py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

#: How long a command or a new connection may take, in seconds.
DEFAULT_TIMEOUT = 5.0

#: What the layer decides, whatever a URL or ``connection_kwargs`` say.
_FORCED: Mapping[str, Any] = {
    "decode_responses": False,
    "health_check_interval": 0,
    "protocol": 2,
    "retry_on_error": [],
    "retry_on_timeout": False,
}

_SYNC_CLASSES = {
    "tcp": redis.Connection,
    "tls": redis.SSLConnection,
    "unix": redis.UnixDomainSocketConnection,
}
_ASYNC_CLASSES = {
    "tcp": redis.asyncio.Connection,
    "tls": redis.asyncio.SSLConnection,
    "unix": redis.asyncio.UnixDomainSocketConnection,
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server listens, and how to connect to it.

    Attributes:
        kind: ``"tcp"``, ``"tls"`` or ``"unix"``.
        options: Arguments for redis-py's connection classes.
    """

    kind: str
    options: Mapping[str, Any] = field(hash=False)

    def __str__(self) -> str:
        options = self.options
        if self.kind == "unix":
            return f"unix:{options.get('path', '')}"
        host = options.get("host", "localhost")
        return f"{f'[{host}]' if ':' in host else host}:{options.get('port', 6379)}"

    def at(self, host: str, port: int) -> Target:
        """Return the same way to connect, to another address."""
        return Target(self.kind, {**self.options, "host": host, "port": port})

    def open(self, timeout: float | None = None) -> redis.Connection:
        """Return a connection of redis-py, not connected yet."""
        connection: redis.Connection = _SYNC_CLASSES[self.kind](
            **self._arguments(timeout, Retry(NoBackoff(), 0))
        )
        return connection

    def open_async(self, timeout: float | None = None) -> redis.asyncio.Connection:
        """Return a connection of redis-py for asyncio, not connected yet."""
        from redis.asyncio.retry import Retry as AsyncRetry

        connection: redis.asyncio.Connection = _ASYNC_CLASSES[self.kind](
            **self._arguments(timeout, AsyncRetry(NoBackoff(), 0))
        )
        return connection

    def client(self) -> redis.Redis:
        """Return an ordinary client, without retries, for looking behind the layer's back."""
        pool = redis.ConnectionPool(
            connection_class=_SYNC_CLASSES[self.kind],
            **self._arguments(None, Retry(NoBackoff(), 0)),
        )
        return redis.Redis.from_pool(pool)

    def _arguments(self, timeout: float | None, retry: Any) -> dict[str, Any]:
        arguments = {
            "socket_timeout": DEFAULT_TIMEOUT,
            "socket_connect_timeout": DEFAULT_TIMEOUT,
            **self.options,
            **_FORCED,
            "retry": retry,
        }
        if timeout is not None:
            arguments["socket_timeout"] = timeout
            arguments["socket_connect_timeout"] = min(
                timeout, arguments["socket_connect_timeout"] or timeout
            )
        return arguments
