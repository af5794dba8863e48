"""What ``Server`` makes of its arguments; nothing is run."""

from __future__ import annotations

import dataclasses

import pytest

from channels.interface_server.server import Server
from channels.interface_server.settings import Settings

TCP = ["tcp:port=8000:interface=127.0.0.1"]


class Layer:
    group_expiry = 1234


def test_settings_can_not_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().drain = 5  # type: ignore[misc]  # on purpose


def test_defaults_are_those_of_the_contract():
    server = Server({}, endpoints=TCP)

    assert server.endpoints == TCP
    assert server.signal_handlers is True
    assert server.action_logger is None
    assert server.http_timeout == 120
    assert server.websocket_timeout == 86400
    assert server.websocket_connect_timeout == 20
    assert server.websocket_handshake_timeout == 5
    assert (server.ping_interval, server.ping_timeout) == (20, 30)
    assert server.ws_protocols is None
    assert server.root_path == ""
    assert server.proxy_forwarded_address_header is None
    assert server.force_sync is False
    assert server.verbosity == 1
    assert server.listeners == []


def test_without_an_endpoint_there_is_nothing_to_do():
    with pytest.raises(UserWarning, match="endpoints"):
        Server({})


def test_old_arguments_become_endpoints_with_a_warning():
    with pytest.warns(DeprecationWarning, match="endpoints"):
        server = Server(
            {}, host="127.0.0.1", port=8000, unix_socket="/a", file_descriptor=3, endpoints=["b:"]
        )

    assert server.endpoints == ["b:", "fd:fileno=3", *TCP, "unix:/a"]


@pytest.mark.parametrize("wrapper", [True, False])
def test_a_wrapper_is_unwrapped(wrapper):
    layer = Layer()
    given = type("Wrapper", (), {"channel_layer": layer})() if wrapper else layer

    assert Server(given, endpoints=TCP).channel_layer is layer


@pytest.mark.parametrize(("given", "expected"), [(None, 1234), (0, 1234), (-1, -1), (7, 7)])
def test_the_life_of_a_socket_is_the_layers_unless_it_is_given(given, expected):
    server = Server(Layer(), endpoints=TCP, websocket_timeout=given)

    assert server.settings.websocket_timeout == expected


def test_other_options_go_to_the_settings():
    server = Server({}, endpoints=TCP, max_body=5, compression=True, drain=3, ws_protocols=["a"])

    assert server.settings == Settings(max_body=5, compression=True, drain=3, ws_protocols=("a",))


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="colour"):
        Server({}, endpoints=TCP, colour="red")
