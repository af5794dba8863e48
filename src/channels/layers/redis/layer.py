"""The Redis channel layers: the synchronous interface that applications call.

By docs/channels1.md#channel-layer.  Every operation is one round trip to each
host it concerns, and safe in threads.  Nothing is repeated after an error: a
``LayerUnavailable`` means that what was asked for may or may not have happened.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from channels import names
from channels.exceptions import ChannelFull
from channels.layers import base
from channels.layers.base import BaseChannelLayer, ChannelCapacity, Presence
from channels.layers.clients import Message, Send, ServerClient, WorkerClient
from channels.layers.redis.extensions import Extensions
from channels.layers.redis.net import address
from channels.layers.redis.net.hosts import ClusterHost, Host, SentinelHost, Sentinels
from channels.layers.redis.receive import Receiver
from channels.layers.redis.store import Store
from channels.layers.redis.wire.codec import Codec
from channels.layers.redis.wire.keys import GLOBAL_STATISTICS, Keys
from channels.layers.redis.wire.processes import read_entry, read_index
from channels.layers.redis.wire.scripts import CHANNEL_STATISTICS_EXPIRY, GLOBAL_STATISTICS_EXPIRY
from channels.layers.values import check_message

if TYPE_CHECKING:
    from redis import Redis
from urllib.parse import unquote

from channels.layers.redis.net.address import split_url

_MakeHosts = Callable[[], list[Host]]

#: URL schemes that make a Cluster of their hosts.
_CLUSTER_SCHEMES = ("redis+cluster://", "rediss+cluster://")


class RedisChannelLayer(Extensions, BaseChannelLayer):
    """Channels in one or more Redis servers, or in a Redis Cluster.

    Args:
        expiry: Seconds that an unread message lives.
        hosts: URLs (``redis://``, ``rediss://`` for TLS, ``unix://``; with user,
            password, database and redis-py's connection options) or ``(host, port)``.
            With several, every process must have the same list in the same order.
        prefix: Separates layers that share a Redis.
        group_expiry: Seconds that a membership lives after its last ``group_add``.
        capacity: Messages that may wait on one channel.
        channel_capacity: Capacities by name; see
            :class:`~channels.layers.base.BaseChannelLayer`.
        symmetric_encryption_keys: Secrets (str or bytes) to encrypt messages
            with: the first encrypts, all decrypt, so a new one goes to the front.
        stats_prefix: Separates the statistics of layers that share a Redis.
        connection_kwargs: Options for redis-py's connections, such as
            ``socket_timeout`` (at least 5), ``socket_keepalive``, ``ssl_ca_certs``.
        max_message_size: Bytes that one packed message may have.
        cluster: Whether ``hosts`` are nodes of a Redis Cluster; so do the schemes
            ``redis+cluster://`` and ``rediss+cluster://``.
        timeout: Seconds that an answer may take before ``LayerUnavailable``; None for
            the ``socket_timeout`` of ``connection_kwargs`` or URL, else 5.

    Raises:
        ValueError: ``hosts``, the keys or an option cannot be used.
        AssertionError: A prefix is not a str.
    """

    #: Documented constants of the legacy layer.
    blpop_timeout = address.BLOCK_SECONDS
    global_statistics_expiry = GLOBAL_STATISTICS_EXPIRY
    channel_statistics_expiry = CHANNEL_STATISTICS_EXPIRY
    global_stats_key = GLOBAL_STATISTICS

    def __init__(
        self,
        expiry: float = base.DEFAULT_EXPIRY,
        hosts: Sequence[Any] | None = None,
        prefix: str = "asgi:",
        group_expiry: float = base.DEFAULT_GROUP_EXPIRY,
        capacity: int = base.DEFAULT_CAPACITY,
        channel_capacity: ChannelCapacity | None = None,
        symmetric_encryption_keys: Sequence[str | bytes] | None = None,
        stats_prefix: str = "asgi-meta:",
        connection_kwargs: Mapping[str, Any] | None = None,
        max_message_size: int = base.DEFAULT_MAX_MESSAGE_SIZE,
        *,
        cluster: bool = False,
        timeout: float | None = None,
    ) -> None:
        super().__init__(expiry, group_expiry, capacity, channel_capacity, max_message_size)
        for option in (prefix, stats_prefix):
            if not isinstance(option, str):
                raise AssertionError(f"a prefix must be a str, not {option!r}")
        if isinstance(symmetric_encryption_keys, str | bytes):
            raise ValueError("symmetric_encryption_keys must be a list of keys, not one key")
        self.prefix = prefix
        self.stats_prefix = stats_prefix
        self.timeout = timeout
        self.client_prefix = names.random_part(8)
        self.keys = Keys(prefix, stats_prefix)
        self.codec = Codec(max_message_size, symmetric_encryption_keys)
        make_hosts = self._plan_hosts(hosts, dict(connection_kwargs or {}), cluster)
        self.store = Store(self, self.keys, self.codec, make_hosts, timeout)
        self.commands = self.store.commands
        self._ring = self.store.ring
        self._receiver = Receiver(self.store)

    def __str__(self) -> str:
        return f"{type(self).__name__}(hosts={[str(host) for host in self._ring.hosts]})"

    # -- hosts -----------------------------------------------------------------------

    def _plan_hosts(self, hosts: Any, options: dict[str, Any], cluster: bool) -> _MakeHosts:
        """Check the options, and return what makes the hosts of one user of the layer."""
        entries = check_list("hosts", hosts, "URLs or (host, port)") or [("localhost", 6379)]
        targets = []
        for entry in entries:
            if isinstance(entry, str) and entry.startswith(_CLUSTER_SCHEMES):
                cluster = True
                targets += address.parse_nodes(entry, options)
            else:
                targets.append(address.parse_host(entry, options))
        if cluster:
            if any(target.kind == "unix" for target in targets):
                raise ValueError("the nodes of a cluster cannot be reached through a unix socket")
            if any(target.options.get("db") for target in targets):
                raise ValueError("a cluster has only database 0")
            return lambda: [ClusterHost(targets, self.timeout)]
        return lambda: [Host(target, self.timeout) for target in targets]

    @property
    def hosts(self) -> list[Host]:
        """The hosts that the channels are divided among."""
        return self._ring.hosts

    @property
    def ring_size(self) -> int:
        """Number of hosts that the channels are divided among."""
        return len(self._ring.hosts)

    def connection(self, index: int | None) -> Redis:
        """Return a redis-py client of a host, None for any, to look behind the layer's back.

        Raises:
            ValueError: There is no such host.
        """
        if index is None:
            index = random.randrange(self.ring_size)
        if not 0 <= index < self.ring_size:
            raise ValueError(f"there are {self.ring_size} hosts, so no host {index}")
        client: Redis = self.hosts[index].client()
        return client

    def close(self) -> None:
        """Disconnect; the next call connects anew."""
        self._ring.close()

    # -- messages --------------------------------------------------------------------

    def send(self, channel: str, message: Mapping[str, Any]) -> None:
        """Store a message; see :class:`~channels.layers.base.BaseChannelLayer`.

        A full mailbox whose interface server is dead takes the message and drops it, counted:
        a sender that tried again would wait in vain.
        """
        try:
            self._carry_out(Send(channel, message))
        except ChannelFull:
            raise ChannelFull(channel, self.get_capacity(channel)) from None

    def receive(
        self, channels: Iterable[str], block: bool = False
    ) -> tuple[str, Message] | tuple[None, None]:
        wanted = list(channels)
        for name in wanted:
            names.check_channel_name(name, receive=True)
        if not wanted:
            return None, None
        found = self._receiver.next(wanted)
        if found is None and block:
            found = self._receiver.wait(wanted, address.BLOCK_SECONDS)
        return found or (None, None)

    def new_channel(self, pattern: str) -> str:
        if not isinstance(pattern, str) or not pattern.endswith("?"):
            raise AssertionError(f"the pattern of a new channel must end in '?', not {pattern!r}")
        while True:
            name = names.check_channel_name(pattern + names.random_part(12))
            (used,) = self._ring.ask(name, ("EXISTS", self.keys.queue(name)))
            if not used:
                return name

    def send_body(self, channel: str, message: Mapping[str, Any]) -> None:
        names.check_channel_name(channel)
        check_message(message)
        if not names.is_process_local(channel):
            raise TypeError(f"only a process-local channel has a response body: {channel!r}")
        mailbox, _, local = channel.partition("!")
        mailbox += "!"
        payload = self.codec.payload(channel, message)
        command = self.commands.send_body(mailbox, local, payload, encrypted=bool(self.codec.flags))
        (stored,) = self._ring.ask(mailbox, command)
        if not stored:
            raise ChannelFull(channel)

    def presence(self, channel: str) -> Presence:
        names.check_channel_name(channel)
        if not names.is_process_local(channel):
            return Presence.HERE
        mailbox, _, local = channel.partition("!")
        mailbox += "!"
        keys = self.keys
        # Only our interface servers write a capacity; other readers have no heartbeat.
        gone, is_server, is_alive = self._ring.ask(
            mailbox,
            ("EXISTS", keys.gone(mailbox, local)),
            ("HEXISTS", keys.meta(mailbox), "cap"),
            ("EXISTS", keys.entry(mailbox)),
        )
        if gone:
            return Presence.GONE
        return Presence.SILENT if is_server and not is_alive else Presence.HERE

    def listened_on(self) -> frozenset[str]:
        ring, keys = self._ring, self.keys
        now = ring.now_ms(ring.index(keys.processes)) / 1000
        (listed,) = ring.ask(keys.processes, read_index(keys, now))
        channels: set[str] = set()
        for name in map(bytes.decode, listed):
            (fields,) = ring.ask(name, ("HGETALL", keys.entry(name)))
            entry = read_entry(name, fields)
            if entry is not None:
                channels |= entry.channels
        return frozenset(channels)

    # -- the clients that only our own processes use -------------------------------------------

    def open_worker(
        self, channels: Collection[str], *, held: Callable[[], Collection[bytes]] = tuple
    ) -> WorkerClient:
        from channels.layers.redis.worker.client import RedisWorkerClient

        return RedisWorkerClient(self.store, channels, held)

    def settle_for(
        self, worker: str, take: int, begun: int, receipt: bytes | None
    ) -> tuple[int, int]:
        """Give back what a worker that was killed had taken and not begun; report the rest lost.

        For its parent; see :func:`channels.layers.redis.worker.dead.settle_for`.
        """
        from channels.layers.redis.worker.dead import settle_for

        return settle_for(self.store, worker, take, begun, receipt)

    def open_server(self, mailbox: str) -> ServerClient:
        from channels.layers.redis.server.client import RedisServerClient

        return RedisServerClient(self.store, mailbox)


def _with_services(init: Callable[..., None]) -> Callable[..., None]:
    """Let a constructor be called as :class:`RedisChannelLayer` is, but with its own two options.

    They stand in front of ``max_message_size``, as in the legacy layer.
    """
    parameters = dict(inspect.signature(RedisChannelLayer.__init__).parameters)
    last = [parameters.pop(name) for name in ("max_message_size", "cluster", "timeout")]
    own = list(inspect.signature(init).parameters.values())[1:3]
    signature = inspect.Signature([*parameters.values(), *own, last[0], last[2]])

    @functools.wraps(init)
    def bound(*args: Any, **options: Any) -> None:
        try:
            given = signature.bind(*args, **options)
        except TypeError as error:
            raise TypeError(f"{init.__qualname__}() {error}") from None
        init(**given.arguments)

    bound.__signature__ = signature  # type: ignore[attr-defined]  # what inspect looks for
    return bound


class RedisSentinelChannelLayer(RedisChannelLayer):
    """Channels in the masters of one or more Sentinel services; follows failover.

    Takes what :class:`RedisChannelLayer` takes, but for ``cluster``, and:

    Args:
        hosts: The Sentinels, as ``(host, port)``.
        services: Names of the masters, one for each host of the ring; asked of the
            first Sentinel that answers if there are none.
        sentinel_refresh_interval: Seconds that a master's address is used before a
            Sentinel is asked again; 0 asks as often as is reasonable, and after every
            error.
        connection_kwargs: Options for the connections to the masters; ``ssl=True`` for
            TLS, and ``sentinel_kwargs``: a dict of those for the Sentinels.

    Raises:
        ValueError: A name or an address cannot be used.
        LayerUnavailable: ``services`` is empty and no Sentinel answered.
    """

    @_with_services
    def __init__(
        self,
        services: Sequence[str] | None = None,
        sentinel_refresh_interval: float = 0,
        **options: Any,
    ) -> None:
        self.services = check_list("services", services, "names of masters")
        if not all(isinstance(name, str) for name in self.services):
            raise ValueError(f"services must be a list of str, not {services!r}")
        self.sentinel_refresh_interval = sentinel_refresh_interval
        super().__init__(**options)

    def _plan_hosts(self, hosts: Any, options: dict[str, Any], cluster: bool) -> _MakeHosts:
        entries = check_list("hosts", hosts, "(host, port)") or [("localhost", 26379)]
        for entry in entries:
            if not isinstance(entry, tuple | list) or len(entry) != 2:
                raise ValueError(f"a Sentinel must be given as (host, port), not {entry!r}")
        own = dict(options.pop("sentinel_kwargs", None) or {})
        options.pop("min_other_sentinels", None)
        master = address.make_target("tls" if options.pop("ssl", False) else "tcp", options)
        # Passwords are not shared: those of a Sentinel are in sentinel_kwargs.
        shared = {name: value for name, value in options.items() if name.startswith("socket_")}
        plain = address.make_target("tls" if own.pop("ssl", False) else "tcp", {**shared, **own})
        addresses = [plain.at(address.bare_host(str(host)), int(port)) for host, port in entries]
        if not self.services:
            with contextlib.closing(Sentinels(addresses)) as sentinels:
                self.services = sentinels.services()
        masters = [replace(master, service=name) for name in self.services]

        def make_hosts() -> list[Host]:
            sentinels, refresh = Sentinels(addresses), self.sentinel_refresh_interval
            return [SentinelHost(sentinels, each, refresh, self.timeout) for each in masters]

        return make_hosts


def check_list(option: str, value: Any, what: str) -> list[Any]:
    """Return an option that must be a list as a list; ``ValueError`` if it is something else."""
    if value is None:
        return []
    if isinstance(value, str | bytes) or not isinstance(value, list | tuple):
        # Not quoted: a URL may hold a password.
        raise ValueError(f"{option} must be a list of {what}, not {type(value).__name__}")
    return list(value)


_SERVERS = ("redis://", "rediss://", "unix://", "redis+cluster://", "rediss+cluster://")
_SENTINELS = ("redis+sentinel://", "rediss+sentinel://")

#: Where a Sentinel listens if its URL does not say.
_SENTINEL_PORT = 26379


def layer_from_url(url: str, **options: Any) -> RedisChannelLayer:
    """Return a layer from one URL, for a command line that must not load Django's settings.

    ``redis://``, ``rediss://`` and ``unix://`` are one server, ``redis+cluster://`` and
    ``rediss+cluster://`` one or more nodes of a Cluster, and ``redis+sentinel://`` and
    ``rediss+sentinel://`` Sentinels, with the names of their masters as path::

        redis+sentinel://[user:password@]10.0.0.1:26379,[::1]:26379/mymaster[,other][?db=0]

    User, password and options there are those of the masters.  IPv6 addresses stand in
    brackets.  Each may have the layer's ``prefix`` among its options:
    ``redis://127.0.0.1/0?prefix=chat:``.

    Args:
        url: As above.
        options: For the layer's class; not ``hosts``.

    Raises:
        ValueError: The URL or an option cannot be used.
        LayerUnavailable: The URL names no masters, and no Sentinel answered.
    """
    head, mark, query = url.partition("#")[0].partition("?")
    if mark:
        kept = []
        for option in query.split("&"):
            name, _, value = option.partition("=")
            if name == "prefix":
                # The layer's; all others are redis-py's.
                options["prefix"] = unquote(value)
            else:
                kept.append(option)
        url = f"{head}?{'&'.join(kept)}"
    if url.startswith(_SENTINELS):
        return _sentinel_layer(url, options)
    if url.startswith(_SERVERS):
        return RedisChannelLayer(hosts=[url], **options)
    known, scheme = ", ".join(_SERVERS + _SENTINELS), url.partition("://")[0]
    raise ValueError(f"a layer's URL starts with one of {known}, not {scheme}://")


def _sentinel_layer(url: str, options: dict[str, Any]) -> RedisSentinelChannelLayer:
    parts = split_url(url)
    kwargs = {**options.pop("connection_kwargs", {}), **parts.options}
    if parts.scheme.startswith("rediss"):
        kwargs["ssl"] = True
    return RedisSentinelChannelLayer(
        hosts=[(host, port or _SENTINEL_PORT) for host, port in parts.addresses],
        services=[name for name in parts.path.strip("/").split(",") if name],
        connection_kwargs=kwargs,
        **options,
    )
