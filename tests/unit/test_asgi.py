"""The layers of ``CHANNEL_LAYERS``: how they are built, kept and wrapped."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_script_prefix, set_script_prefix

import channels.asgi
import channels.exceptions
from channels.asgi import (
    ChannelLayerManager,
    ChannelLayerWrapper,
    InvalidChannelLayerError,
    channel_layers,
    get_channel_layer,
)
from channels.backends import load_backend, translate
from channels.routing import route
from tests.support.recording import RECORDING, RecordingLayer, entry
from tests.unit.routing.handlers import consumer

BASE = "channels.layers.base.BaseChannelLayer"


class Refusing(RecordingLayer):
    """A layer that says no to what it is built with."""

    def __init__(self, hosts=()):
        raise ValueError("hosts must be a list, not a str")


@pytest.fixture
def layers(settings):
    """Set ``CHANNEL_LAYERS`` and get a manager of its own."""

    def configure(**entries):
        settings.CHANNEL_LAYERS = entries
        return ChannelLayerManager()

    return configure


# -- the manager -------------------------------------------------------------------------


def test_a_layer_is_built_on_first_use_and_kept(layers):
    manager = layers(default=entry(CONFIG={"a": 1}, ROUTING=[route("a.one", consumer)]))
    assert manager.backends == {}

    wrapper = manager["default"]

    assert manager["default"] is wrapper
    assert manager.backends == {"default": wrapper}
    assert isinstance(wrapper.channel_layer, RecordingLayer)
    assert wrapper.channel_layer.config == {"a": 1}
    assert wrapper.alias == "default"
    assert wrapper.router.channels == {"a.one"}


def test_a_layer_made_is_not_kept(layers):
    manager = layers(default=entry(CONFIG={"a": 1}, TEST_CONFIG={"a": 2}))

    assert manager.make_backend("default").channel_layer.config == {"a": 1}
    assert manager.make_test_backend("default").channel_layer.config == {"a": 2}
    assert manager.backends == {}


def test_an_alias_is_known_by_the_settings_not_by_what_was_built(layers, settings):
    manager = layers(default=entry())
    assert "default" in manager
    assert "other" not in manager

    manager.set("other", ChannelLayerWrapper(RecordingLayer(), "other", []))
    assert "other" not in manager

    settings.CHANNEL_LAYERS = {"other": entry()}
    assert "default" not in manager
    assert "other" in manager


@pytest.mark.parametrize("configured", [{}, None])
def test_an_unknown_alias_is_a_plain_key_error(layers, settings, configured):
    manager = layers()
    settings.CHANNEL_LAYERS = configured

    assert manager.configs == {}
    for ask in (manager.__getitem__, manager.make_backend):
        with pytest.raises(KeyError) as caught:
            ask("default")
        assert not isinstance(caught.value, InvalidChannelLayerError)


def test_without_the_setting_there_is_no_layer_but_in_runserver(layers, settings):
    manager = layers()
    del settings.CHANNEL_LAYERS
    assert "default" not in manager
    with pytest.raises(KeyError):
        manager["default"]

    manager.use_in_memory_default()

    assert "default" in manager
    assert manager["default"].local_only()
    assert manager["default"].router.channels == set()

    settings.CHANNEL_LAYERS = {}
    assert "default" not in manager


def test_a_layer_can_be_replaced_and_put_back(layers):
    manager = layers(default=entry())
    mine = ChannelLayerWrapper(RecordingLayer(), "default", [])

    previous = manager.set("default", mine)
    assert previous is None
    assert manager["default"] is mine

    assert manager.set("default", previous) is mine
    built = manager["default"]
    assert built is not mine
    assert manager.set("default", mine) is built


def test_threads_that_ask_at_once_get_one_layer(layers):
    manager = layers(default=entry())
    together = threading.Barrier(8, timeout=10)
    got = []

    def ask():
        together.wait()
        got.append(manager["default"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)

    assert len(got) == 8
    assert len(set(map(id, got))) == 1


def test_a_thread_that_waited_takes_what_another_built_meanwhile(layers):
    manager = layers(default=entry())
    mine = ChannelLayerWrapper(RecordingLayer(), "default", [])
    missed, got = threading.Event(), []

    class Backends(dict):
        def __missing__(self, alias):
            missed.set()
            raise KeyError(alias)

    manager.backends = Backends()
    thread = threading.Thread(target=lambda: got.append(manager["default"]))
    with manager._building:
        thread.start()
        assert missed.wait(timeout=10)
        manager.backends["default"] = mine
    thread.join(timeout=10)

    assert got == [mine]


def test_the_error_class_is_reachable_in_both_places():
    assert channels.asgi.InvalidChannelLayerError is channels.exceptions.InvalidChannelLayerError
    assert issubclass(InvalidChannelLayerError, ValueError)


# -- wrong settings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({}, InvalidChannelLayerError, '["BACKEND"] is missing'),
        ({"BACKEND": 7}, InvalidChannelLayerError, '["BACKEND"] must be the dotted path'),
        (
            {"BACKEND": "no.such.Layer"},
            InvalidChannelLayerError,
            "[\"BACKEND\"]: 'no.such.Layer' cannot be imported",
        ),
        (
            {"BACKEND": "tests.support.recording.Missing"},
            InvalidChannelLayerError,
            "'tests.support.recording.Missing' cannot be imported",
        ),
        ({"BACKEND": RECORDING}, InvalidChannelLayerError, '["ROUTING"] is missing'),
        (
            {"BACKEND": BASE, "ROUTING": [], "CONFIG": {"colour": 1}},
            InvalidChannelLayerError,
            '["CONFIG"] does not fit channels.layers.base.BaseChannelLayer:'
            " got an unexpected keyword argument 'colour'",
        ),
        (
            {"BACKEND": BASE, "ROUTING": [], "CONFIG": 7},
            InvalidChannelLayerError,
            '["CONFIG"] must be a dict of arguments, not 7',
        ),
        (
            {"BACKEND": "tests.unit.test_asgi.Refusing", "ROUTING": []},
            InvalidChannelLayerError,
            '["CONFIG"]: hosts must be a list',
        ),
        (
            {"BACKEND": RECORDING, "ROUTING": "no.such.routing"},
            ImproperlyConfigured,
            "[\"ROUTING\"]: routing 'no.such.routing' cannot be imported",
        ),
        (
            {"BACKEND": RECORDING, "ROUTING": {"a.one": "no.such.consumer"}},
            ImproperlyConfigured,
            "[\"ROUTING\"]: route 'a.one': consumer 'no.such.consumer' cannot be imported",
        ),
        (
            {"BACKEND": RECORDING, "ROUTING": "tests.unit.bad_routing.routing"},
            InvalidChannelLayerError,
            "[\"ROUTING\"]: route 'a.one' to tests.unit.routing.handlers.consumer in "
            f"{Path(__file__).with_name('bad_routing.py')}:8: path='(' is not a valid regular",
        ),
        (
            {"BACKEND": RECORDING, "ROUTING": [7]},
            ImproperlyConfigured,
            '["ROUTING"]: entry 0 of the routing is 7',
        ),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(layers, wrong, error, said):
    manager = layers(chat=wrong)

    with pytest.raises(error) as caught:
        manager["chat"]

    text = str(caught.value)
    assert text.startswith('CHANNEL_LAYERS["chat"]')
    assert said in text
    assert len(text.splitlines()) == 1


def test_errors_come_in_the_order_of_the_contract(layers):
    """The routing is missed before the layer is built, but after it is imported."""
    manager = layers(
        a={"ROUTING": "no.such"},
        b={"BACKEND": "no.such.Layer"},
        c={"BACKEND": "tests.unit.test_asgi.Refusing"},
        d={"BACKEND": "tests.unit.test_asgi.Refusing", "ROUTING": "no.such"},
    )
    said = {}
    for alias in "abcd":
        with pytest.raises(InvalidChannelLayerError) as caught:
            manager[alias]
        said[alias] = str(caught.value)

    assert '"BACKEND"' in said["a"]
    assert '"BACKEND"' in said["b"]
    assert '"ROUTING"' in said["c"]
    assert '"CONFIG"' in said["d"]


def test_a_test_layer_needs_its_own_arguments(layers):
    manager = layers(default=entry())

    for alias in ("default", "missing"):
        with pytest.raises(InvalidChannelLayerError, match=rf'\["{alias}"\]\["TEST_CONFIG"\]'):
            manager.make_test_backend(alias)

    manager = layers(default=entry(BACKEND=BASE, TEST_CONFIG={"colour": 1}))
    with pytest.raises(InvalidChannelLayerError, match=r'\["TEST_CONFIG"\] does not fit'):
        manager.make_test_backend("default")


def test_a_class_without_a_signature_is_built_all_the_same(layers):
    manager = layers(default=entry(BACKEND="collections.OrderedDict", CONFIG={"a": 1}))

    assert manager["default"].channel_layer == {"a": 1}


# -- old names of layers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("asgi_redis.RedisChannelLayer", "channels.layers.redis.RedisChannelLayer"),
        ("asgi_redis.core.RedisChannelLayer", "channels.layers.redis.RedisChannelLayer"),
        ("asgi_redis.RedisLocalChannelLayer", "channels.layers.redis.RedisChannelLayer"),
        ("asgi_redis.local.RedisLocalChannelLayer", "channels.layers.redis.RedisChannelLayer"),
        ("asgi_redis.RedisSentinelChannelLayer", "channels.layers.redis.RedisSentinelChannelLayer"),
        (
            "asgi_redis.sentinel.RedisSentinelChannelLayer",
            "channels.layers.redis.RedisSentinelChannelLayer",
        ),
        ("asgiref.inmemory.ChannelLayer", "channels.layers.inmemory.InMemoryChannelLayer"),
    ],
)
def test_an_old_name_is_translated_with_a_warning(old, new):
    assert translate(old)[0] == new
    with pytest.warns(DeprecationWarning, match=new) as caught:
        loaded = load_backend(old, 'CHANNEL_LAYERS["x"]')

    assert f"{loaded.__module__}.{loaded.__name__}".startswith("channels.layers.")
    assert loaded.__name__ == new.rpartition(".")[2]
    assert 'CHANNEL_LAYERS["x"]["BACKEND"]' in str(caught[0].message)
    assert "unless CHANNELS_CLOSE_ON_LOGOUT = False" in str(caught[0].message)


def test_the_end_of_machine_local_channels_is_announced():
    with pytest.warns(DeprecationWarning, match="now go through Redis too"):
        load_backend("asgi_redis.RedisLocalChannelLayer", "here")


@pytest.mark.parametrize("name", [RECORDING, "asgi_redis.Unknown", "asgi_ipc.IPCChannelLayer"])
def test_other_names_are_left_alone(name):
    assert translate(name) == (name, "")


# -- the project's asgi.py ---------------------------------------------------------------


def test_the_entry_point_gives_the_layer_itself_and_keeps_the_script_prefix(settings):
    settings.CHANNEL_LAYERS = {"entry_point": entry()}
    set_script_prefix("/prefix/")
    try:
        layer = get_channel_layer("entry_point")
        assert get_script_prefix() == "/prefix/"
    finally:
        set_script_prefix("/")
        channel_layers.set("entry_point", None)

    assert isinstance(layer, RecordingLayer)


def test_asking_for_a_layer_while_a_worker_runs_leaves_its_log_alone(settings):
    """Setting Django up again takes the handlers off everything below its own logger."""
    settings.CHANNEL_LAYERS = {"entry_point": entry()}
    logger = logging.getLogger("django.channels")
    own = logging.NullHandler()
    logger.addHandler(own)
    try:
        get_channel_layer("entry_point")
        assert own in logger.handlers
    finally:
        logger.removeHandler(own)
        channel_layers.set("entry_point", None)
