"""A Redis Cluster as a host of the layer."""

from __future__ import annotations

import threading

import pytest

from channels.exceptions import LayerUnavailable
from channels.layers.redis import RedisChannelLayer
from tests.support.waiting import wait_until


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
