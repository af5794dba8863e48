"""Where servers of Redis listen: what users write for that, and how to connect there.

The library's ``urlsplit`` knows of one host only, and how strict it is about brackets differs
between patch releases of Python; so the part between ``//`` and the path is taken apart here.
Errors never quote it: what looks like an address may be a part of the password.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

#: How long a command or a new connection may take, in seconds.
DEFAULT_TIMEOUT = 5.0

#: How long a blocking take waits inside Redis, and how long its socket then waits
#: for the answer, in seconds.
BLOCK_SECONDS = 5
BLOCK_TIMEOUT = 10.0

#: What the layer decides, whatever a URL or ``connection_kwargs`` say.
_FORCED: Mapping[str, Any] = {
    "decode_responses": False,
    "health_check_interval": 0,
    "protocol": 2,
    "retry_on_error": [],
    "retry_on_timeout": False,
}

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

#: The blocking class, and that for asyncio.
_CLASSES: Mapping[str, tuple[Any, Any]] = {
    "tcp": (redis.Connection, redis.asyncio.Connection),
    "tls": (redis.SSLConnection, redis.asyncio.SSLConnection),
    "unix": (redis.UnixDomainSocketConnection, redis.asyncio.UnixDomainSocketConnection),
}

#: What to do about an address that cannot be understood.
_ADVICE = (
    "an address in a Redis URL must be host, host:port or, for IPv6, [host]:port; if the password"
    " holds one of / ? # @, write it as %2F %3F %23 %40"
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server listens, and how to connect to it: never with retries.

    Attributes:
        kind: ``"tcp"``, ``"tls"`` or ``"unix"``.
        options: Arguments for redis-py's connection classes.
        service: Name of the Sentinel service whose master it must be, if any.
    """

    kind: str
    options: Mapping[str, Any] = field(hash=False)
    service: str = ""

    def __str__(self) -> str:
        options = self.options
        if self.kind == "unix":
            return f"unix:{options.get('path', '')}"
        host = options.get("host", "localhost")
        return f"{f'[{host}]' if ':' in host else host}:{options.get('port', 6379)}"

    @property
    def url(self) -> str:
        """The same as a URL, without password."""
        options = self.options
        if self.kind == "unix":
            return f"unix://{quote(options.get('path', ''))}?db={options.get('db', 0)}"
        scheme = "rediss" if self.kind == "tls" else "redis"
        return f"{scheme}://{self}/{options.get('db', 0)}"

    def at(self, host: str, port: int) -> Target:
        """Return the same way to connect, to another address."""
        return replace(self, options={**self.options, "host": host, "port": port})

    def open(self, timeout: float | None = None) -> redis.Connection:
        """Return a connection of redis-py, not connected yet."""
        connection: redis.Connection = _CLASSES[self.kind][0](**self._arguments(timeout))
        return connection

    def open_async(self, timeout: float | None = None) -> redis.asyncio.Connection:
        """Return a connection of redis-py for asyncio, not connected yet."""
        arguments = {**self._arguments(timeout), "retry": AsyncRetry(NoBackoff(), 0)}
        connection: redis.asyncio.Connection = _CLASSES[self.kind][1](**arguments)
        return connection

    def client(self, timeout: float | None = None) -> redis.Redis:
        """Return an ordinary client."""
        blocking = _CLASSES[self.kind][0]
        return redis.Redis.from_pool(
            redis.ConnectionPool(connection_class=blocking, **self._arguments(timeout))
        )

    def _arguments(self, timeout: float | None) -> dict[str, Any]:
        defaults = {"socket_timeout": DEFAULT_TIMEOUT, "socket_connect_timeout": DEFAULT_TIMEOUT}
        arguments = {**defaults, **self.options, **_FORCED, "retry": Retry(NoBackoff(), 0)}
        if timeout is not None:
            connecting = arguments["socket_connect_timeout"] or timeout
            arguments["socket_timeout"] = timeout
            arguments["socket_connect_timeout"] = min(timeout, connecting)
        return arguments


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


def parse_host(entry: object, connection_kwargs: Mapping[str, Any] | None = None) -> Target:
    """Return how to connect to one entry of ``hosts``.

    That is ``redis://[user:password@]host[:port][/db]``, ``rediss://`` (TLS), or
    ``unix://[user:password@]/path?db=0``, each with further options behind a ``?``, which win over
    ``connection_kwargs``; or ``(host, port)``.

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
        options.update(parts.socket_options() if kind == "unix" else parts.server_options())
    elif isinstance(entry, tuple | list) and len(entry) == 2:
        try:
            port = int(entry[1])
        except (TypeError, ValueError) as error:
            raise ValueError(f"a host must be a URL or (host, port), not {entry!r}") from error
        options.update(host=bare_host(str(entry[0])), port=port)
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
    """Return how to connect to each node that a ``redis+cluster://`` URL names."""
    parts = split_url(url)
    options = dict(connection_kwargs or {})
    tls = options.pop("ssl", False) or parts.scheme.startswith("rediss")
    first = make_target("tls" if tls else "tcp", {**options, **parts.server_options()})
    return [first, *(first.at(host, port or 6379) for host, port in parts.addresses[1:])]


@dataclass(frozen=True, slots=True)
class UrlParts:
    """What :func:`split_url` found.

    Attributes:
        scheme: What stands in front of ``://``, in lower case.
        addresses: Hosts, without brackets, and their ports (None where none is given).
        path: What follows, without percent signs, from its slash on.
        options: User, password and what stands behind the ``?``, as arguments for
            redis-py's connections.
    """

    scheme: str
    addresses: Sequence[tuple[str, int | None]]
    path: str
    options: dict[str, Any]

    def server_options(self) -> dict[str, Any]:
        """Return what is said of the first server, in redis-py's words."""
        options = dict(self.options)
        for host, port in self.addresses[:1]:
            options["host"] = host
            if port is not None:
                options["port"] = port
        database = self.path.replace("/", "")
        if database and not database.isdecimal():
            raise ValueError(
                "what follows the address in a Redis URL must be the number of a database, for"
                " instance redis://127.0.0.1:6379/0"
            )
        if database:
            options.setdefault("db", int(database))
        return options

    def socket_options(self) -> dict[str, Any]:
        """Return what is said of a unix socket, in redis-py's words."""
        if self.addresses or not self.path:
            raise ValueError(
                "the URL of a unix socket has three slashes and its path, for instance"
                " unix:///run/redis.sock?db=0"
            )
        return {**self.options, "path": self.path}


def split_url(url: str) -> UrlParts:
    """Return the parts of ``scheme://[[user]:password@]host[:port][,...][/path][?options]``.

    Raises:
        ValueError: It has no scheme, or an address or option cannot be understood.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        raise ValueError("a host's URL must start with its scheme, for instance redis://")
    rest, _, query = rest.partition("#")[0].partition("?")
    netloc, slash, path = rest.partition("/")
    credentials, _, addresses = netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    # Only the options are left to redis-py, which knows their types.
    options: dict[str, Any] = parse_url(f"redis://?{query}")  # type: ignore[no-untyped-call]  # redis-py has no types here
    if user:
        options["username"] = unquote(user)
    if password:
        options["password"] = unquote(password)
    found = [_address(text) for text in addresses.split(",") if text]
    return UrlParts(scheme.lower(), found, unquote(slash + path), options)


def bare_host(host: str) -> str:
    """Return a host without the brackets that an IPv6 address may have."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _address(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, after = text[1:].partition("]")
        known = bool(bracket) and ":" in host
        mark, port = after[:1], after[1:]
    else:
        host, mark, port = text.partition(":")
        known = bool(host or port) and not set(host) & set("[]")
    is_port = not port or (port.isascii() and port.isdecimal() and int(port) <= 65535)
    if not known or mark not in ("", ":") or not is_port:
        raise ValueError(_ADVICE)
    return unquote(host) or "localhost", int(port) if port else None
