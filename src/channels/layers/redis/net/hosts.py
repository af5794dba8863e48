"""Hosts of the layer: what users may write for one, what one can do, and a single server.

Beside :class:`DirectHost` there are the master of a Sentinel service
(:mod:`~channels.layers.redis.net.sentinel`) and a whole Cluster
(:mod:`~channels.layers.redis.net.cluster`).  They find their server by themselves, and
again after an error.  Which of several hosts has what is decided by the
:mod:`~channels.layers.redis.net.ring`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

import redis

from channels.layers.redis.net.blocking import (
    BLOCK_SECONDS,
    Connection,
    Doubt,
    Packable,
    Pool,
    RedisClock,
    Target,
    pack,
)
from channels.layers.redis.net.urlparts import UrlParts, bare_host, split_url
from channels.layers.redis.wire.scripts import Command

#: Options of redis-py's clients that its connections do not know; retries are ours.
_CLIENT_ONLY = (
    "connection_pool",
    "max_connections",
    "retry",
    "retry_on_error",
    "retry_on_timeout",
    "single_connection_client",
    "timeout",
)

#: Options that a connection through a unix socket does not know.
_NETWORK_ONLY = ("host", "port", "socket_keepalive", "socket_keepalive_options", "socket_type")

_KINDS = {"redis": "tcp", "rediss": "tls", "unix": "unix"}


# -- what users write ----------------------------------------------------------------


def parse_host(entry: object, connection_kwargs: Mapping[str, Any] | None = None) -> Target:
    """Return how to connect to one entry of ``hosts``.

    Args:
        entry: ``redis://[user:password@]host[:port][/db]``, ``rediss://`` (TLS),
            ``unix://[user:password@]/path?db=0``, each with further options behind a
            ``?``; or ``(host, port)``.
        connection_kwargs: Options for redis-py's connection; a URL's own win.

    Raises:
        ValueError: It is none of these, or an option is wrong.
    """
    options = dict(connection_kwargs or {})
    kind = "tls" if options.pop("ssl", False) else "tcp"
    if isinstance(entry, str):
        parts = split_url(entry)
        if parts.scheme not in _KINDS:
            raise ValueError(
                "a host's URL must start with redis://, rediss:// or unix://, for instance"
                " redis://127.0.0.1:6379/0"
            )
        if len(parts.addresses) > 1:
            raise ValueError(
                f"a {parts.scheme}:// URL names one server: give several as entries of hosts,"
                " nodes of a Cluster as redis+cluster://, Sentinels as redis+sentinel://"
            )
        kind = kind if parts.scheme == "redis" else _KINDS[parts.scheme]
        options.update(_socket_options(parts) if kind == "unix" else _server_options(parts))
    elif isinstance(entry, tuple | list) and len(entry) == 2:
        options.update(host=bare_host(str(entry[0])), port=_port(entry))
    elif isinstance(entry, Mapping) and isinstance(entry.get("address"), str):
        raise ValueError(
            'a host must be a URL or (host, port): write the URL alone, without {"address": …}'
            " round it; options of the connection go into connection_kwargs"
        )
    else:
        raise ValueError(
            f"a host must be a URL such as redis://127.0.0.1:6379/0, or (host, port), not"
            f" {type(entry).__name__}"
        )
    return make_target(kind, options)


def parse_nodes(url: str, connection_kwargs: Mapping[str, Any] | None = None) -> list[Target]:
    """Return how to connect to each node that a ``redis+cluster://`` URL names.

    Raises:
        ValueError: It cannot be understood, or an option is wrong.
    """
    parts = split_url(url)
    options = dict(connection_kwargs or {})
    tls = options.pop("ssl", False) or parts.scheme.startswith("rediss")
    options.update(_server_options(parts))
    first = make_target("tls" if tls else "tcp", options)
    others = [first.at(host, port or 6379) for host, port in parts.addresses[1:]]
    return [first, *others]


def _server_options(parts: UrlParts) -> dict[str, Any]:
    """Return what a URL says of its first server, in redis-py's words."""
    options = dict(parts.options)
    for host, port in parts.addresses[:1]:
        options["host"] = host
        if port is not None:
            options["port"] = port
    database = parts.path.replace("/", "")
    if database and not database.isdecimal():
        raise ValueError(
            "what follows the address in a Redis URL must be the number of a database, for"
            " instance redis://127.0.0.1:6379/0"
        )
    if database:
        options.setdefault("db", int(database))
    return options


def _socket_options(parts: UrlParts) -> dict[str, Any]:
    if parts.addresses or not parts.path:
        raise ValueError(
            "the URL of a unix socket has three slashes and its path, for instance"
            " unix:///run/redis.sock?db=0"
        )
    return {**parts.options, "path": parts.path}


def make_target(kind: str, options: Mapping[str, Any]) -> Target:
    """Return a target from redis-py's options, refusing what cannot work.

    Raises:
        ValueError: An option is unknown, or the time-out is too short.
    """
    unwanted = _CLIENT_ONLY + (_NETWORK_ONLY if kind == "unix" else ())
    kept = {name: value for name, value in options.items() if name not in unwanted}
    timeout = kept.get("socket_timeout")
    if timeout is not None and timeout < BLOCK_SECONDS:
        raise ValueError(
            f"socket_timeout must be at least {BLOCK_SECONDS} s, the time that a blocking"
            f" receive waits inside Redis, not {timeout!r}; option timeout bounds all other calls"
        )
    target = Target(kind, kept)
    try:
        target.open()
    except TypeError as error:
        raise ValueError(f"an option for the connection is wrong: {error}") from error
    return target


def describe(target: Target) -> str:
    """Return a target as a URL, without password."""
    options = target.options
    if target.kind == "unix":
        return f"unix://{quote(options.get('path', ''))}?db={options.get('db', 0)}"
    scheme = "rediss" if target.kind == "tls" else "redis"
    return f"{scheme}://{target}/{options.get('db', 0)}"


def _port(entry: Sequence[Any]) -> int:
    try:
        return int(entry[1])
    except (TypeError, ValueError) as error:
        raise ValueError(f"a host must be a URL or (host, port), not {entry!r}") from error


# -- what a host can do ------------------------------------------------------------------


class Host(Protocol):
    """What the layer needs of one of its hosts.  Safe in threads.

    Attributes:
        clock: Redis time of this host.
        clustered: Whether keys of different tags must not be in one command.
    """

    clock: RedisClock
    clustered: bool

    def execute(self, commands: Sequence[Packable]) -> list[Any]:
        """Run commands in order and return their answers, errors in place.

        Raises:
            LayerUnavailable: They may or may not have been carried out.
        """
        ...

    def pack(self, command: Command) -> Packable:
        """Return a command in the form that costs least to run again and again."""
        ...

    def connection(self, key: str, timeout: float | None = None) -> Connection:
        """Return a new connection of the caller's own to where ``key`` lives."""
        ...

    def target(self, key: str | None = None) -> Target:
        """Return where ``key`` lives; may ask others.

        Raises:
            LayerUnavailable: Nobody could tell.
        """
        ...

    def is_current(self, connection: Connection) -> bool:
        """Whether a connected connection still leads to the right server; may ask others."""
        ...

    def suspect(self) -> None:
        """Forget where things are: a connection failed."""
        ...

    def masters(self) -> list[Target]:
        """Return every server that holds keys.

        Raises:
            LayerUnavailable: Nobody could tell.
        """
        ...

    def client(self) -> Any:
        """Return an ordinary redis-py client of this host."""
        ...

    def close(self) -> None:
        """Disconnect what is idle."""
        ...


class DirectHost:
    """One server.

    Args:
        target: Where it listens.
        timeout: Seconds that an answer may take; None for what the target says.
    """

    clustered = False

    def __init__(self, target: Target, timeout: float | None = None) -> None:
        self.clock = RedisClock()
        self._target = target
        self._timeout = timeout
        self._client: redis.Redis | None = None
        self._doubt = Doubt()
        self._pool = Pool(lambda: self.connection(""))
        self.execute = self._pool.execute

    def __str__(self) -> str:
        return describe(self._target)

    def pack(self, command: Command) -> Packable:
        """See :class:`Host`."""
        return pack(command)

    def connection(self, key: str, timeout: float | None = None) -> Connection:
        """See :class:`Host`."""
        timeout = timeout or self._timeout
        return Connection(self.target, self.clock, timeout=timeout, doubt=self._doubt)

    def target(self, key: str | None = None) -> Target:
        """See :class:`Host`."""
        return self._target

    def is_current(self, connection: Connection) -> bool:
        """See :class:`Host`."""
        return True

    def suspect(self) -> None:
        """See :class:`Host`; a server stays where it is."""

    def masters(self) -> list[Target]:
        """See :class:`Host`."""
        return [self._target]

    def client(self) -> redis.Redis:
        """See :class:`Host`."""
        if self._client is None:
            self._client = self._target.client()
        return self._client

    def close(self) -> None:
        """See :class:`Host`."""
        self._pool.close()
        if self._client is not None:
            self._client.close()
            self._client = None
