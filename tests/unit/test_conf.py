"""Settings with their defaults."""

from __future__ import annotations

import pytest

from channels import conf


def test_the_session_engine_of_channels_defaults_to_that_of_http(settings):
    settings.SESSION_ENGINE = "one"
    assert conf.channel_session_engine() == "one"

    settings.CHANNEL_SESSION_ENGINE = "two"
    assert conf.channel_session_engine() == "two"


def test_subprotocols_are_none_unless_given(settings):
    assert conf.ws_protocols() is None

    settings.CHANNELS_WS_PROTOCOLS = []
    assert conf.ws_protocols() is None

    settings.CHANNELS_WS_PROTOCOLS = ["graphql-ws"]
    assert conf.ws_protocols() == ["graphql-ws"]


def test_the_root_path_is_empty_unless_given(settings):
    assert conf.root_path() == ""

    settings.FORCE_SCRIPT_NAME = "/app"
    assert conf.root_path() == "/app"


def test_no_setting_and_an_empty_one_differ(settings):
    settings.CHANNEL_LAYERS = {}
    assert conf.channel_layers() == {}

    del settings.CHANNEL_LAYERS
    assert conf.channel_layers() is None


def test_sessions_users_and_origins_are_as_in_earlier_versions_unless_set(settings):
    assert conf.session_key_in_url() is True
    assert conf.delete_sessions() is False
    assert conf.origin_validator() is None

    settings.CHANNELS_SESSION_KEY_IN_URL = False
    settings.CHANNELS_DELETE_SESSIONS = True
    settings.CHANNELS_ORIGIN_VALIDATOR = "some.Validator"
    assert conf.session_key_in_url() is False
    assert conf.delete_sessions() is True
    assert conf.origin_validator() == "some.Validator"


OLD = {"BACKEND": "asgi_redis.RedisChannelLayer"}
NEW = {"BACKEND": "channels.layers.redis.RedisChannelLayer"}
OWN = {"BACKEND": "project.layers.Layer"}


@pytest.mark.parametrize(
    ("layers", "closes"),
    [
        ({"default": NEW}, True),
        ({"default": OWN}, True),
        ({}, True),
        ({"default": OLD}, False),
        ({"default": {"BACKEND": "asgiref.inmemory.ChannelLayer"}}, False),
        ({"default": {"BACKEND": "asgi_redis.local.RedisLocalChannelLayer"}}, False),
        ({"default": NEW, "other": OLD}, False),
        # Mistakes, which building the layer tells of.
        ({"default": {}}, True),
        ({"default": {"BACKEND": object}}, True),
    ],
)
def test_log_outs_close_sockets_unless_the_project_names_a_layer_of_old(settings, layers, closes):
    settings.CHANNEL_LAYERS = layers
    assert conf.close_on_logout() is closes

    settings.CHANNELS_CLOSE_ON_LOGOUT = not closes
    assert conf.close_on_logout() is not closes


def test_log_outs_close_sockets_of_a_project_without_layers_setting(settings):
    del settings.CHANNEL_LAYERS
    assert conf.close_on_logout() is True


def test_sockets_are_accepted_by_consumers_unless_set(settings):
    assert conf.implicit_accept() is False

    settings.CHANNELS_IMPLICIT_ACCEPT = True
    assert conf.implicit_accept() is True
