"""The Redis channel layer on masters that Sentinels watch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from channels.layers import base
from channels.layers.base import ChannelCapacity
from channels.layers.redis.layer import RedisChannelLayer, check_list
from channels.layers.redis.net.address import bare_host, make_target
from channels.layers.redis.net.hosts import Host, SentinelHost, Sentinels


class RedisSentinelChannelLayer(RedisChannelLayer):
    """Channels in the masters of one or more Sentinel services; follows failover.

    Takes what :class:`~channels.layers.redis.layer.RedisChannelLayer` takes, but:

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
        services: Sequence[str] | None = None,
        sentinel_refresh_interval: float = 0,
        max_message_size: int = base.DEFAULT_MAX_MESSAGE_SIZE,
        *,
        timeout: float | None = None,
    ) -> None:
        self.services = check_list("services", services, "names of masters")
        if not all(isinstance(name, str) for name in self.services):
            raise ValueError(f"services must be a list of str, not {services!r}")
        self.sentinel_refresh_interval = sentinel_refresh_interval
        super().__init__(
            expiry,
            hosts,
            prefix,
            group_expiry,
            capacity,
            channel_capacity,
            symmetric_encryption_keys,
            stats_prefix,
            connection_kwargs,
            max_message_size,
            timeout=timeout,
        )

    def _plan_hosts(
        self,
        hosts: Sequence[Any] | None,
        connection_kwargs: Mapping[str, Any] | None,
        cluster: bool,
    ) -> Callable[[], list[Host]]:
        entries = check_list("hosts", hosts, "(host, port)") or [("localhost", 26379)]
        for entry in entries:
            if not isinstance(entry, tuple | list) or len(entry) != 2:
                raise ValueError(f"a Sentinel must be given as (host, port), not {entry!r}")
        options = dict(connection_kwargs or {})
        own = dict(options.pop("sentinel_kwargs", None) or {})
        options.pop("min_other_sentinels", None)
        master = make_target("tls" if options.pop("ssl", False) else "tcp", options)
        # Passwords are not shared: those of a Sentinel are in sentinel_kwargs.
        shared = {name: value for name, value in options.items() if name.startswith("socket_")}
        plain = make_target("tls" if own.pop("ssl", False) else "tcp", {**shared, **own})
        addresses = [plain.at(bare_host(str(host)), int(port)) for host, port in entries]
        if not self.services:
            with contextlib.closing(Sentinels(addresses)) as sentinels:
                self.services = sentinels.services()
        masters = [replace(master, service=name) for name in self.services]

        def make_hosts() -> list[Host]:
            sentinels, refresh = Sentinels(addresses), self.sentinel_refresh_interval
            return [SentinelHost(sentinels, each, refresh, self.timeout) for each in masters]

        return make_hosts
