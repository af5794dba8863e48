"""Errors of the Redis layers as applications catch them."""

from __future__ import annotations

import pickle
import unittest

import pytest
import redis

from channels import Channel, Group
from channels.exceptions import LayerUnavailable
from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer
from tests.support.processes import free_port


class TestAServerThatIsNotThere(unittest.TestCase):
    def setUp(self):
        self.layer = RedisChannelLayer(hosts=[("127.0.0.1", free_port())])

    def test_its_error_is_one_of_redis_as_it_always_was(self):
        channel = Channel("work", channel_layer=self.layer)
        group = Group("all", channel_layer=self.layer)
        for expected in (LayerUnavailable, redis.ConnectionError, redis.RedisError):
            for call in (
                lambda: channel.send({"n": 1}),
                lambda: group.send({"n": 1}),
                lambda: group.add("work"),
                lambda: group.discard("work"),
                lambda: self.layer.receive(["work"]),
                self.layer.flush,
            ):
                with self.subTest(expected=expected), pytest.raises(expected):
                    call()

    def test_it_says_what_happened_and_survives_pickling(self):
        try:
            self.layer.send("work", {"n": 1})
        except LayerUnavailable as error:
            caught = error

        again = pickle.loads(pickle.dumps(caught))

        assert "127.0.0.1" in str(again)
        assert str(again) == str(caught)
        assert str(caught) in repr(caught)

    def test_sentinels_that_are_not_there_are_a_connection_error_too(self):
        with pytest.raises(redis.ConnectionError):
            RedisSentinelChannelLayer(hosts=[("127.0.0.1", free_port())])


class TestTheRing(unittest.TestCase):
    def test_its_size_is_the_number_of_hosts(self):
        assert RedisChannelLayer().ring_size == 1
        assert RedisChannelLayer(hosts=[("one", 1), ("other", 2)]).ring_size == 2
