"""Entries of ``CHANNEL_LAYERS`` that were written for Channels 4 make a layer of ours.

Tried: each of its three classes, each form of a host that its documentation shows, options that
ours do not have, and what has no counterpart.
"""

from __future__ import annotations

import pytest

from channels.asgi import ChannelLayerManager
from channels.backends import adapt, load_backend
from channels.exceptions import InvalidChannelLayerError
from channels.layers.inmemory import InMemoryChannelLayer
from channels.layers.redis import RedisChannelLayer, RedisSentinelChannelLayer

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
URL = "redis://127.0.0.1:1/2"


def build(settings, backend, **config):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config, "ROUTING": []}}
    with pytest.warns(DeprecationWarning, match=r'\["BACKEND"\]'):
        return ChannelLayerManager()["default"].channel_layer


@pytest.mark.parametrize("backend", [CORE, PUBSUB])
@pytest.mark.parametrize(
    ("hosts", "same"),
    [
        ([URL], {"hosts": [URL]}),
        ([("127.0.0.1", 1)], {"hosts": [("127.0.0.1", 1)]}),
        ([{"address": URL}], {"hosts": [URL]}),
        ([{"address": ("127.0.0.1", 1)}], {"hosts": [("127.0.0.1", 1)]}),
        (
            [{"address": "rediss://127.0.0.1:1", "ssl_cert_reqs": None}],
            {"hosts": ["rediss://127.0.0.1:1"], "connection_kwargs": {"ssl_cert_reqs": None}},
        ),
        (
            [{"host": "127.0.0.1", "port": 1, "db": 2, "password": "p"}],
            {"hosts": [("127.0.0.1", 1)], "connection_kwargs": {"db": 2, "password": "p"}},
        ),
        ([{"path": "/run/redis.sock"}], {"hosts": ["unix:///run/redis.sock"]}),
    ],
)
def test_each_form_of_a_host_leads_to_the_same_server(settings, backend, hosts, same):
    layer = build(settings, backend, hosts=hosts, expiry=7, capacity=3)

    assert type(layer) is RedisChannelLayer
    assert (layer.expiry, layer.capacity) == (7, 3)
    path, config = adapt(backend, {"hosts": hosts}, "CONFIG")
    assert path == backend
    assert {name: value for name, value in config.items() if value} == same


def test_options_without_a_counterpart_are_left_out(settings):
    layer = build(
        settings, CORE, hosts=[URL], serializer_format="json", random_prefix_length=4, prefix="mine"
    )

    assert layer.prefix == "mine"


def test_the_layer_in_memory_is_translated(settings):
    layer = build(settings, "channels.layers.InMemoryChannelLayer", capacity=20)

    assert type(layer) is InMemoryChannelLayer
    assert layer.capacity == 20
    assert build(settings, "channels.layers.InMemoryChannelLayer").capacity == 100


def test_sentinels_make_a_layer_that_asks_them():
    hosts = [{"sentinels": [("127.0.0.1", 1)], "master_name": "mymaster", "db": 3}]

    path, config = adapt(CORE, {"hosts": hosts}, "CONFIG")

    assert load_backend(path, "CONFIG") is RedisSentinelChannelLayer
    assert config == {
        "hosts": [("127.0.0.1", 1)],
        "services": ["mymaster"],
        "connection_kwargs": {"db": 3},
    }
    RedisSentinelChannelLayer(**config)


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ([{"url": URL}], 'dict without "address": write a URL'),
        ([{"address": URL, "db": 1}, {"address": URL, "db": 2}], "differ in more than the address"),
    ],
)
def test_what_cannot_be_translated_is_told_with_what_to_write(settings, hosts, said):
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": CORE, "CONFIG": {"hosts": hosts}, "ROUTING": []}
    }

    with pytest.raises(InvalidChannelLayerError, match=said) as caught:
        ChannelLayerManager()["default"]

    assert str(caught.value).startswith('CHANNEL_LAYERS["default"]["CONFIG"]["hosts"]')
