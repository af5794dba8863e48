"""What users write for hosts, which of them has what, and what goes wrong on the way."""

from __future__ import annotations

import binascii
import subprocess
import sys
import threading
import time

import pytest

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer, layer_from_url
from channels.layers.redis.net import blocking, hosts
from channels.layers.redis.net.address import parse_host
from channels.layers.redis.net.errors import UnsupportedRedis
from channels.layers.redis.net.protocol import CLOCK_SECONDS, RedisClock, check_version
from channels.layers.redis.net.ring import ring_index
from tests.support.redis_server import RedisServer, SentinelSet, free_port
from tests.support.waiting import wait_until


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


class TestTheRing:
    def test_a_name_always_has_the_same_host(self):
        for name in ("main?abc", "web.abc!", "room"):
            expected = int((binascii.crc32(name.encode()) & 0xFFF) / (4096 / 3))
            assert ring_index(name, 3) == expected

    def test_names_are_spread_over_all_hosts(self):
        counts = [0, 0, 0]
        for n in range(3000):
            counts[ring_index(f"name{n}?", 3)] += 1

        assert min(counts) > 800


@pytest.mark.redis
class TestConnections:
    def test_nobody_there_is_reported_as_unavailable(self):
        layer = RedisChannelLayer(hosts=[("127.0.0.1", free_port())])

        with pytest.raises(LayerUnavailable, match=r"127\.0\.0\.1") as caught:
            layer.send("work", {})

        assert caught.value.__cause__ is not None

    def test_a_wrong_password_is_reported_as_unavailable(self):
        server = RedisServer("requirepass right")
        try:
            good = RedisChannelLayer(hosts=[f"redis://:right@127.0.0.1:{server.port}/2"])
            good.send("work", {"n": 1})
            bad = RedisChannelLayer(hosts=[f"redis://:wrong@127.0.0.1:{server.port}/2"])
            with pytest.raises(LayerUnavailable):
                bad.send("work", {})
            assert good.receive(["work"]) == ("work", {"n": 1})
            good.close()
        finally:
            server.close()

    def test_databases_are_separate(self, redis_server):
        one = RedisChannelLayer(hosts=[f"redis://127.0.0.1:{redis_server.port}/1"])
        two = RedisChannelLayer(hosts=[f"redis://127.0.0.1:{redis_server.port}/2"])
        one.send("work", {})

        assert two.receive(["work"]) == (None, None)
        assert one.connection(0).dbsize() == 3  # the queue and its two counters
        one.close()
        two.close()

    def test_a_refusal_of_redis_is_unavailable_too(self, redis_server):
        layer = RedisChannelLayer(hosts=[redis_server.url])
        redis_server.client.set(layer.keys.queue("work"), "not a list")

        with pytest.raises(LayerUnavailable, match="WRONGTYPE"):
            layer.send("work", {})
        layer.close()

    def test_a_client_of_each_host_can_be_had(self, redis_server, second_redis_server):
        layer = RedisChannelLayer(hosts=[redis_server.url, second_redis_server.url])

        assert [layer.connection(index).dbsize() for index in (0, 1, None)] == [0, 0, 0]
        for index in (2, -1):
            with pytest.raises(ValueError):
                layer.connection(index)
        layer.close()

    def test_a_connection_that_ended_while_idle_costs_no_error(self, redis_server):
        layer = RedisChannelLayer(hosts=[redis_server.url])
        layer.send("work", {"n": 1})
        redis_server.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(blocking.IDLE_SECONDS * 1.5)

        layer.send("work", {"n": 2})

        assert layer.receive(["work"]) == ("work", {"n": 1})
        layer.close()

    def test_unknown_scripts_are_loaded_and_only_that_call_is_repeated(self, redis_server):
        layer = RedisChannelLayer(hosts=[redis_server.url])
        layer.send("work", {"n": 1})
        redis_server.client.script_flush()

        layer.send("work", {"n": 2})
        with_worker = layer.open_worker(["work"])
        with_worker.start()
        redis_server.client.script_flush()
        from channels.layers.clients import Send

        outcomes, frames = with_worker.exchange([Send("p!a", {"n": 3}), Send("other", {"n": 4})])

        assert outcomes == [None, None]
        assert frames[0].messages == [{"n": 1}]
        assert layer.receive(["work"]) == ("work", {"n": 2})
        assert layer.receive(["p!"]) == ("p!a", {"n": 3})
        assert layer.receive(["other"]) == ("other", {"n": 4})
        with_worker.close()
        layer.close()

    def test_threads_share_a_layer(self, redis_server):
        layer = RedisChannelLayer(hosts=[redis_server.url], capacity=1000)
        errors = []

        def work(number):
            try:
                for n in range(100):
                    layer.send(f"main?{number}", {"n": n})
                for n in range(100):
                    assert layer.receive([f"main?{number}"]) == (f"main?{number}", {"n": n})
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert errors == []
        layer.close()

    def test_a_layer_may_be_used_on_both_sides_of_a_fork(self, redis_server):
        """Shown by what the script asserts on both sides."""
        script = f"""
import os
from channels.layers.redis import RedisChannelLayer
layer = RedisChannelLayer(hosts=[{redis_server.url!r}])
layer.send("work", {{"n": 0}})
child = os.fork()
for n in range(50):
    layer.send("child?x" if not child else "parent?x", {{"n": n}})
    assert layer.receive(["child?x" if not child else "parent?x"])[1] == {{"n": n}}
if not child:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert layer.receive(["work"]) == ("work", {{"n": 0}})
"""
        subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=30)

    def test_redis_time_is_measured_again_after_a_while(self, redis_server):
        now = [100.0]
        clock = RedisClock(lambda: now[0])
        assert not clock.fresh
        clock.measure((b"1800000000", b"500000"), 98.0)

        assert clock.fresh
        assert clock.now_ms() == 1_800_000_001_500
        now[0] += CLOCK_SECONDS
        assert not clock.fresh

    def test_flush_leaves_other_layers_alone_whatever_the_prefix(self, redis_server):
        odd = RedisChannelLayer(hosts=[redis_server.url], prefix="a*[x]?\\:", stats_prefix="s*:")
        other = RedisChannelLayer(hosts=[redis_server.url], prefix="ab[x]?\\:", stats_prefix="sa:")
        odd.send("work", {})
        odd.group_add("room", "p!a")
        other.send("work", {"n": 1})

        odd.flush()

        assert odd.receive(["work"]) == (None, None)
        assert odd.group_channels("room") == []
        assert other.receive(["work"]) == ("work", {"n": 1})
        odd.close()
        other.close()

    def test_flush_spares_the_register_and_the_capacity_of_servers(self, redis_server):
        layer = RedisChannelLayer(hosts=[redis_server.url], capacity=2)
        client, keys = redis_server.client, layer.keys
        client.execute_command(*layer.commands.announce("web.a!"))
        client.hset(keys.entry("web.a!"), "kind", "server")
        client.hset(keys.sockets("web.a!"), "x", "y")
        client.set(keys.epoch, "e")
        client.zadd(keys.processes, {"web.a!": 1})
        for name in ("web.a!x", "web.b!x", "work"):
            layer.send(name, {})

        layer.flush()

        assert {key.decode() for key in client.scan_iter()} == {
            keys.meta("web.a!"),
            keys.entry("web.a!"),
            keys.sockets("web.a!"),
            keys.epoch,
            keys.processes,
        }
        client.hset(keys.meta("web.a!"), mapping={"tm": 5000, "tb": 1})  # reported late
        for _ in range(100):
            layer.send("web.a!x", {})
        assert layer.channel_statistics("web.a!")["messages_count"] == 100
        layer.close()

    def test_a_redis_that_is_too_old_is_told_apart(self):
        with pytest.raises(UnsupportedRedis, match=r"6\.2\.1"):
            check_version(b"# Server\r\nredis_version:6.2.1\r\n", "somewhere")
        check_version(b"# Server\r\nredis_version:7.0.0\r\nvalkey_version:8\r\n", "here")


@pytest.mark.redis
class TestSentinel:
    def test_services_are_discovered(self, redis_sentinel):
        layer = RedisSentinelChannelLayer(
            hosts=[("127.0.0.1", free_port()), redis_sentinel.address]
        )

        assert layer.services == [redis_sentinel.name]
        assert str(layer) == "RedisSentinelChannelLayer(hosts=['sentinel:mymaster'])"
        layer.send("work", {"n": 1})
        assert redis_sentinel.master.client.exists(layer.keys.queue("work"))
        assert layer.connection(0).dbsize() == 3
        layer.close()

    def test_no_sentinel_at_all_is_reported(self):
        with pytest.raises(LayerUnavailable, match="Sentinel"):
            RedisSentinelChannelLayer(hosts=[("127.0.0.1", free_port())])

    def test_an_address_is_used_for_as_long_as_it_was_asked_for(self, redis_sentinel):
        layer = RedisSentinelChannelLayer(
            hosts=[redis_sentinel.address],
            services=[redis_sentinel.name],
            sentinel_refresh_interval=60,
        )
        layer.send("work", {"n": 1})

        with redis_sentinel.sentinel.frozen():
            assert layer.receive(["work"]) == ("work", {"n": 1})
        layer.close()

    def test_a_sentinel_that_went_away_does_not_stop_the_layer(self, redis_sentinel, monkeypatch):
        monkeypatch.setattr("channels.layers.redis.net.hosts.SENTINEL_PATIENCE", 0.01)
        monkeypatch.setattr("channels.layers.redis.net.hosts.SENTINEL_TIMEOUT", 0.1)
        layer = RedisSentinelChannelLayer(
            hosts=[redis_sentinel.address], services=[redis_sentinel.name]
        )
        layer.send("work", {"n": 1})

        with redis_sentinel.sentinel.frozen():
            assert layer.receive(["work"]) == ("work", {"n": 1})
        layer.close()

    def test_a_failover_is_followed(self):
        sentinel = SentinelSet()
        try:
            layer = RedisSentinelChannelLayer(
                hosts=[sentinel.address], sentinel_refresh_interval=3600
            )
            layer.send("work", {"n": 1})
            worker = layer.open_worker(["work"])
            worker.start()
            everything = sentinel.master.client.dbsize()
            wait_until(
                lambda: sentinel.replica.client.dbsize() >= everything, "the replica has it all"
            )
            sentinel.fail_over()

            with pytest.raises(LayerUnavailable):
                layer.send("work", {"n": 2})

            wait_until(lambda: self.sends(layer), "the layer found the new master")
            wait_until(lambda: self.takes(worker), "the worker found it too")
            worker.close()
            layer.close()
        finally:
            sentinel.close()

    def sends(self, layer):
        try:
            layer.send("work", {"n": 3})
        except LayerUnavailable:
            return False
        return True

    def takes(self, worker):
        try:
            return worker.take()
        except LayerUnavailable:
            return False


@pytest.mark.redis
class TestCluster:
    @pytest.fixture
    def layer(self, redis_cluster):
        layer = RedisChannelLayer(hosts=[redis_cluster.url.replace("redis:", "redis+cluster:")])
        yield layer
        layer.close()

    def test_keys_are_spread_over_the_nodes(self, redis_cluster, layer):
        for n in range(30):
            layer.send(f"p{n}!a", {"n": n})
            layer.group_add("room", f"p{n}!a")

        assert all(node.client.dbsize() > 10 for node in redis_cluster.nodes)
        total = sum(node.client.dbsize() for node in redis_cluster.nodes)
        assert layer.connection(0).dbsize(target_nodes="primaries") == total
        assert len(layer.group_channels("room")) == 30
        layer.flush()
        assert all(node.client.dbsize() == 0 for node in redis_cluster.nodes)

    def test_a_slot_that_moved_is_followed(self, redis_cluster, layer):
        key = layer.keys.queue("work")
        layer.send("work", {"n": 1})
        layer.flush()  # an empty slot moves without its keys
        host = layer.hosts[0]
        old = host.target(key)
        slot = redis_cluster.nodes[0].client.execute_command("CLUSTER", "KEYSLOT", key)
        owner = next(n for n in redis_cluster.nodes if str(n.port) in str(old))
        new = next(n for n in redis_cluster.nodes if n is not owner)
        try:
            self.move(redis_cluster, slot, new)
            layer.send("work", {"n": 2})
            assert str(host.target(key)) == f"127.0.0.1:{new.port}"
            assert layer.receive(["work"], block=True) == ("work", {"n": 2})
        finally:
            layer.flush()
            self.move(redis_cluster, slot, owner)

    def test_a_cluster_that_is_incomplete_is_an_outage_until_it_is_whole(
        self, redis_cluster, layer
    ):
        key = layer.keys.queue("work")
        slot = redis_cluster.nodes[0].client.execute_command("CLUSTER", "KEYSLOT", key)
        layer.send("work", {"n": 1})
        owner = self.owner(redis_cluster, layer, key)
        owner.client.execute_command("CLUSTER", "DELSLOTS", slot)
        try:
            with pytest.raises(LayerUnavailable, match=r"CLUSTERDOWN|no node of the cluster"):
                layer.send("work", {"n": 2})
        finally:
            owner.client.execute_command("CLUSTER", "ADDSLOTS", slot)
        wait_until(lambda: not layer.send("work", {"n": 3}), "it is whole again")
        layer.flush()

    def test_a_slot_that_is_on_its_way_is_tried_again(self, redis_cluster, layer):
        """TRYAGAIN says that nothing was done: some of its keys are here, some are there."""
        key = layer.keys.queue("work")
        slot = redis_cluster.nodes[0].client.execute_command("CLUSTER", "KEYSLOT", key)
        layer.send("work", {"n": 1})
        owner = self.owner(redis_cluster, layer, key)
        owner.client.delete(layer.keys.statistics("work"))
        other = next(node for node in redis_cluster.nodes if node is not owner)
        target = other.client.execute_command("CLUSTER", "MYID")
        owner.client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target)
        stopped = threading.Timer(
            0.1, owner.client.execute_command, ("CLUSTER", "SETSLOT", slot, "STABLE")
        )
        stopped.start()
        try:
            layer.send("work", {"n": 2})
        finally:
            stopped.join()

        assert layer.receive(["work"]) == ("work", {"n": 1})
        assert layer.receive(["work"]) == ("work", {"n": 2})

    def owner(self, cluster, layer, key):
        return next(n for n in cluster.nodes if str(n.port) in str(layer.hosts[0].target(key)))

    def move(self, cluster, slot, owner):
        name = owner.client.execute_command("CLUSTER", "MYID")
        for node in [owner, *cluster.nodes]:
            node.client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", name)


def test_hosts_are_made_anew_for_each_user():
    layer = RedisChannelLayer(hosts=[("localhost", 1)])

    assert isinstance(layer.hosts[0], hosts.Host)
    assert layer.make_hosts()[0] is not layer.hosts[0]


@pytest.mark.redis
def test_mailboxes_that_are_gone_for_good_leave_the_statistics(redis_server):
    layer = RedisChannelLayer(hosts=[redis_server.url])
    layer.send("old.server!a", {})
    layer.send("new.server!a", {})
    assert layer.global_statistics()["messages_count"] == 2

    redis_server.client.delete(layer.keys.meta("old.server!"))  # it expires after a day

    assert layer.global_statistics()["messages_count"] == 1
    assert redis_server.client.smembers(layer.keys.mailboxes) == {b"new.server!"}
    layer.close()
