"""The Redis layer keeps every rule, on each kind of host."""

from __future__ import annotations

import time
import uuid

import pytest

from channels.layers.conformance import (
    LayerConformance,
    WaitingClock,
)
from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer
from channels.layers.redis.wire import items
from tests.conformance.suites.batches import BatchConformance
from tests.conformance.suites.server import ServerClientConformance, UndecodableConformance
from tests.conformance.suites.worker import WorkerClientConformance

pytestmark = pytest.mark.redis


class OnRedis:
    """Fixtures for one kind of host; subclasses say how such a layer is made."""

    @pytest.fixture
    def clock(self):
        return WaitingClock()

    @pytest.fixture
    def make_layer(self, construct):
        made = []

        def make(**options):
            name = uuid.uuid4().hex
            layer = construct(prefix=f"{name}:", stats_prefix=f"{name}-meta:", **options)
            made.append(layer)
            return layer

        yield make
        for layer in made:
            layer.close()

    @pytest.fixture
    def spoil(self):
        def spoil(layer, channel):
            mailbox = channel.endswith("!")
            key = layer.keys.mail(channel) if mailbox else layer.keys.queue(channel)
            for index in range(len(layer.hosts)):
                client = layer.connection(index)
                raw = client.lindex(key, 0)
                if raw is not None:
                    # The payload is the end of the item, and here it has one map.
                    if mailbox:
                        start = raw.index(items.read_item(raw).payload)
                    else:
                        length = raw[items.RECEIPT_OFFSET]
                        start = items.RECEIPT_OFFSET + 2 + (length + 8 if length else 0)
                    client.lset(key, 0, raw[:start] + b"\xc1" + raw[start + 1 :])
                    return
            raise AssertionError(f"nothing waits on {channel}")

        return spoil

    def open_sockets(self, layer, mailbox):
        client = layer.connection(layer.store.ring.index(mailbox))
        return {local.decode() for local in client.hkeys(layer.keys.sockets(mailbox))}


class Plain(OnRedis):
    @pytest.fixture
    def construct(self, redis_server):
        return lambda **options: RedisChannelLayer(hosts=[redis_server.url], **options)


class Encrypted(OnRedis):
    @pytest.fixture
    def construct(self, redis_server):
        """Every other layer still encrypts with the old key."""
        keys = [["new", "old"], ["old", "new"]]

        def construct(**options):
            keys.reverse()
            return RedisChannelLayer(
                hosts=[redis_server.url], symmetric_encryption_keys=keys[0], **options
            )

        return construct


class Unix(OnRedis):
    @pytest.fixture
    def construct(self, redis_server):
        return lambda **options: RedisChannelLayer(hosts=[redis_server.unix_url], **options)


class Sharded(OnRedis):
    receive_tries = 2

    @pytest.fixture
    def construct(self, redis_server, second_redis_server):
        hosts = [redis_server.url, ("127.0.0.1", second_redis_server.port)]
        return lambda **options: RedisChannelLayer(hosts=hosts, **options)


class Sentinel(OnRedis):
    @pytest.fixture
    def construct(self, redis_sentinel):
        return lambda **options: RedisSentinelChannelLayer(
            hosts=[redis_sentinel.address], services=[redis_sentinel.name], **options
        )


class Cluster(OnRedis):
    @pytest.fixture
    def construct(self, redis_cluster):
        return lambda **options: RedisChannelLayer(
            hosts=[redis_cluster.url], cluster=True, **options
        )


class TestPlainLayer(Plain, LayerConformance):
    pass


class TestPlainWorkerClient(Plain, WorkerClientConformance):
    pass


class TestPlainBatches(Plain, BatchConformance):
    pass


class TestPlainServerClient(Plain, ServerClientConformance):
    pass


class TestPlainDamage(Plain, UndecodableConformance):
    pass


class TestEncryptedLayer(Encrypted, LayerConformance):
    pass


class TestEncryptedWorkerClient(Encrypted, WorkerClientConformance):
    pass


class TestEncryptedBatches(Encrypted, BatchConformance):
    pass


class TestEncryptedServerClient(Encrypted, ServerClientConformance):
    pass


class TestEncryptedDamage(Encrypted, UndecodableConformance):
    pass


class TestUnixLayer(Unix, LayerConformance):
    pass


class TestUnixServerClient(Unix, ServerClientConformance):
    pass


class TestShardedLayer(Sharded, LayerConformance):
    pass


class TestShardedWorkerClient(Sharded, WorkerClientConformance):
    def test_exchange_takes_a_frame_without_waiting_for_one(self, layer):
        """Overridden: a normal channel has no order across hosts."""
        with self.working(layer, "work") as worker:
            started = time.monotonic()
            assert worker.exchange([]) == ([], [])
            assert time.monotonic() - started < 3

            layer.send("work", {"n": 1})
            layer.send("work", {"n": 2})
            frames = [self.take_now(worker), self.take_now(worker)]

        assert sorted(frame.messages[0]["n"] for frame in frames) == [1, 2]


class TestShardedBatches(Sharded, BatchConformance):
    pass


class TestShardedServerClient(Sharded, ServerClientConformance):
    pass


class TestSentinelLayer(Sentinel, LayerConformance):
    pass


class TestSentinelWorkerClient(Sentinel, WorkerClientConformance):
    pass


class TestSentinelBatches(Sentinel, BatchConformance):
    pass


class TestSentinelServerClient(Sentinel, ServerClientConformance):
    pass


class TestClusterLayer(Cluster, LayerConformance):
    pass


class TestClusterWorkerClient(Cluster, WorkerClientConformance):
    pass


class TestClusterBatches(Cluster, BatchConformance):
    pass


class TestClusterServerClient(Cluster, ServerClientConformance):
    pass
