"""What users write for hosts, in settings and in URLs."""

from __future__ import annotations

import pytest

from channels.exceptions import ChannelFull
from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer, layer_from_url
from channels.layers.redis.net.address import parse_host


class TestWhatUsersWrite:
    @pytest.mark.parametrize(
        ("entry", "kind", "options"),
        [
            (("example.org", 6380), "tcp", {"host": "example.org", "port": 6380}),
            (["example.org", "6380"], "tcp", {"host": "example.org", "port": 6380}),
            ("redis://example.org", "tcp", {"host": "example.org"}),
            (
                "redis://me:p%40ss@example.org:7000/3",
                "tcp",
                {
                    "host": "example.org",
                    "port": 7000,
                    "db": 3,
                    "username": "me",
                    "password": "p@ss",
                },
            ),
            (
                "rediss://example.org:7000?ssl_cert_reqs=none",
                "tls",
                {"host": "example.org", "port": 7000, "ssl_cert_reqs": "none"},
            ),
            (
                "unix://:secret@/run/redis.sock?db=2",
                "unix",
                {"path": "/run/redis.sock", "db": 2, "password": "secret"},
            ),
        ],
    )
    def test_each_form_of_a_host_is_understood(self, entry, kind, options):
        target = parse_host(entry)

        assert target.kind == kind
        assert dict(target.options) == options

    def test_connection_kwargs_apply_to_all_and_a_url_wins(self):
        target = parse_host(
            "redis://example.org?socket_timeout=7",
            {"socket_timeout": 9, "socket_keepalive": True, "max_connections": 3},
        )

        assert target.options["socket_timeout"] == 7
        assert target.options["socket_keepalive"] is True
        assert "max_connections" not in target.options

    def test_retries_cannot_be_switched_on(self):
        target = parse_host(
            ("example.org", 1), {"retry_on_timeout": True, "decode_responses": True}
        )

        connection = target.open()

        assert connection.retry.get_retries() == 0
        assert not connection.retry_on_error
        assert not connection.encoder.decode_responses

    @pytest.mark.parametrize(
        "options",
        [
            {"hosts": "redis://localhost"},
            {"hosts": ["localhost:6379"]},
            {"hosts": [("localhost",)]},
            {"hosts": [("localhost", "port")]},
            {"hosts": [6379]},
            {"hosts": {"host": "localhost"}},
            {"connection_kwargs": {"socket_timeout": 4}},
            {"hosts": ["redis://localhost?socket_timeout=1"]},
            {"connection_kwargs": {"no_such_option": 1}},
            {"symmetric_encryption_keys": "secret"},
            {"symmetric_encryption_keys": b"secret"},
            {"hosts": ["unix:///run/redis.sock"], "cluster": True},
            {"hosts": ["redis+cluster://localhost/3"]},
        ],
    )
    def test_what_cannot_work_is_refused_at_once(self, options):
        with pytest.raises(ValueError):
            RedisChannelLayer(**options)

    @pytest.mark.parametrize("option", ["prefix", "stats_prefix"])
    def test_a_prefix_must_be_text(self, option):
        with pytest.raises(AssertionError):
            RedisChannelLayer(**{option: b"asgi:"})

    @pytest.mark.parametrize(
        "options",
        [
            {"hosts": "localhost"},
            {"hosts": ["redis://localhost"]},
            {"services": "mymaster"},
            {"services": [b"mymaster"]},
            {"services": [("mymaster",)]},
            {"services": ["mymaster"], "connection_kwargs": {"socket_timeout": 1}},
        ],
    )
    def test_what_cannot_work_with_sentinels_is_refused_at_once(self, options):
        with pytest.raises(ValueError):
            RedisSentinelChannelLayer(**options)

    @pytest.mark.parametrize(
        "hosts",
        [
            "redis://:sekret@example.org",
            ["redis://:sekret/x@example.org"],
            ["reds://:sekret@example.org"],
            ["redis://:x@example.org/sekret"],
            [{"address": "redis://:sekret@example.org"}],
            [("example.org", 6379, "sekret")],
        ],
    )
    def test_what_is_wrong_with_a_host_is_told_without_its_password(self, hosts):
        with pytest.raises(ValueError) as caught:
            RedisChannelLayer(hosts=hosts)

        assert "sek" not in str(caught.value)

    def test_the_layer_shows_its_hosts_but_no_password(self):
        layer = RedisChannelLayer(hosts=["redis://:secret@example.org:7000/3", ("other", 1)])

        assert str(layer) == (
            "RedisChannelLayer(hosts=['redis://example.org:7000/3', 'redis://other:1/0'])"
        )
        assert "secret" not in repr(layer)

    def test_the_documented_attributes_are_there(self):
        layer = RedisChannelLayer(expiry=30, group_expiry=300, capacity=7)

        assert (layer.expiry, layer.group_expiry, layer.capacity) == (30, 300, 7)
        assert layer.extensions == ["groups", "flush", "statistics"]
        assert (layer.blpop_timeout, layer.global_stats_key) == (5, "#global#")
        assert (layer.global_statistics_expiry, layer.channel_statistics_expiry) == (86400, 3600)
        assert len(layer.client_prefix) == 8
        assert RedisChannelLayer.ChannelFull is layer.ChannelFull is ChannelFull


def addresses(host):
    """Where the Sentinels of a host listen."""
    clients = host._sentinels._sentinel.sentinels
    found = [client.connection_pool.connection_kwargs for client in clients]
    return [(options["host"], options["port"]) for options in found]


class TestUrls:
    def test_a_server_or_a_cluster_is_one_url(self):
        assert str(layer_from_url("rediss://example.org:1/2", capacity=7)) == (
            "RedisChannelLayer(hosts=['rediss://example.org:1/2'])"
        )
        assert str(layer_from_url("redis+cluster://example.org:1")) == (
            "RedisChannelLayer(hosts=['cluster:example.org:1'])"
        )

    @pytest.mark.parametrize(
        ("query", "prefix", "db"),
        [
            ("?prefix=chat:", "chat:", 0),
            ("?db=3&prefix=a%26b%23+c", "a&b#+c", 3),
            ("?prefix=", "", 0),
            ("?db=3#x", "asgi:", 3),
        ],
    )
    def test_a_url_may_hold_the_prefix_of_the_layer(self, query, prefix, db):
        layer = layer_from_url("redis://example.org:1" + query)

        assert (layer.prefix, str(layer.hosts[0])) == (prefix, f"redis://example.org:1/{db}")

    def test_a_url_of_sentinels_may_hold_the_prefix_too(self):
        layer = layer_from_url("redis+sentinel://one:1/mymaster?prefix=chat:&db=4")

        assert (layer.prefix, layer.hosts[0]._target.options) == ("chat:", {"db": 4})

    def test_sentinels_and_their_masters_are_one_url(self):
        layer = layer_from_url(
            "rediss+sentinel://me:p%40ss@one:1,two,[::1]:3/first,second?db=4&socket_timeout=9",
            prefix="x:",
        )

        assert isinstance(layer, RedisSentinelChannelLayer)
        assert layer.services == ["first", "second"]
        assert layer.prefix == "x:"
        how = layer.hosts[0]._target
        assert (how.kind, dict(how.options)) == (
            "tls",
            {"db": 4, "socket_timeout": 9, "username": "me", "password": "p@ss"},
        )
        sentinels = addresses(layer.hosts[0])
        assert sentinels == [("one", 1), ("two", 26379), ("::1", 3)]

    @pytest.mark.parametrize(
        ("url", "hosts"),
        [
            ("redis://[::1]:7000/3", ["redis://[::1]:7000/3"]),
            ("redis://[::1]", ["redis://[::1]:6379/0"]),
            ("redis://[fe80::1%25eth0]:1", ["redis://[fe80::1%eth0]:1/0"]),
            ("redis://me:p[a]ss%3A%40@[::1]:1", ["redis://[::1]:1/0"]),
            ("redis://", ["redis://localhost:6379/0"]),
            ("redis://:7000", ["redis://localhost:7000/0"]),
            ("redis://under_score:1", ["redis://under_score:1/0"]),
            ("unix:///run/my%20redis.sock?db=2", ["unix:///run/my%20redis.sock?db=2"]),
            ("redis+cluster://:x@one:1,[::1]:2,three", ["cluster:one:1,[::1]:2,three:6379"]),
        ],
    )
    def test_every_form_of_an_address_is_understood(self, url, hosts):
        """In ways that do not depend on how strict ``urlsplit`` is in this patch release."""
        assert [str(host) for host in layer_from_url(url).hosts] == hosts

    def test_a_password_may_hold_what_looks_like_an_address(self):
        target = parse_host("redis://me:p[a]s:s%3A%40%2F@[::1]:1?db=5")

        assert target.options["password"] == "p[a]s:s:@/"
        assert (target.options["username"], target.options["db"]) == ("me", 5)

    def test_sentinels_may_be_ipv6_only(self):
        url = "redis+sentinel://:p[a]ss@[::1]:1,[2001:db8::2],[::3]:3/mymaster"

        host = layer_from_url(url).hosts[0]

        sentinels = addresses(host)
        assert sentinels == [("::1", 1), ("2001:db8::2", 26379), ("::3", 3)]
        assert host._target.options["password"] == "p[a]ss"

    @pytest.mark.parametrize(
        "url",
        [
            "http://x",
            "localhost:6379",
            "redis+sentinel://one:x/a",
            "redis+sentinel://one:1,::1:3/a",
            "redis+sentinel://one:1,[::1:3/a",
            "redis+cluster://one:1,two:x",
            "redis://one:1,two:2/0",
            "redis://::1:6379",
            "redis://fe80::1",
            "redis://[::1]6379",
            "redis://[one]:1",
            "redis://one:70000",
            "unix://run/redis.sock",
        ],
    )
    def test_any_other_url_is_refused(self, url):
        with pytest.raises(ValueError):
            layer_from_url(url)
