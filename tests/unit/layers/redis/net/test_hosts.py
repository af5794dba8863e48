"""Hosts of the layer, of each of the three kinds, and what goes wrong there."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer
from channels.layers.redis.net import blocking, hosts
from tests.support.redis_server import RedisServer, SentinelSet, free_port
from tests.support.waiting import wait_until


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
        assert with_worker.open(frames[0]).messages == [{"n": 1}]
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
        port = free_port()
        reported = rf"no Sentinel could tell: Redis at 127.0.0.1:{port} is not reachable"
        with pytest.raises(LayerUnavailable, match=reported):
            RedisSentinelChannelLayer(hosts=[("127.0.0.1", port)])

    def test_an_unknown_option_is_refused_in_the_words_of_python(self):
        refused = (
            r"^RedisSentinelChannelLayer.__init__\(\) got an unexpected keyword argument 'nope'"
        )
        with pytest.raises(TypeError, match=refused):
            RedisSentinelChannelLayer(hosts=[("127.0.0.1", 26379)], services=["one"], nope=1)

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
    assert layer.store.make_hosts()[0] is not layer.hosts[0]
