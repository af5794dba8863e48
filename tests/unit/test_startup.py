"""What each command says of a layer that it cannot use, before it starts anything."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from channels import channel_layers
from channels.asgi import ChannelLayerWrapper
from channels.exceptions import LayerUnavailable
from channels.layers.inmemory import InMemoryChannelLayer
from channels.startup import check_reachable

pytestmark = pytest.mark.django_db

COMMANDS = [["runserver", "--noreload", "--skip-checks"], ["runworker"], ["rundelay"]]

#: Nobody listens on port 1.
REDIS = {
    "BACKEND": "channels.layers.redis.RedisChannelLayer",
    "CONFIG": {"hosts": ["redis://:secret@127.0.0.1:1/0"]},
    "ROUTING": [],
}


@pytest.fixture
def configure(settings):
    """Call it with the entry of the default layer."""
    before = channel_layers.set("default", None)

    def change(**entry):
        settings.CHANNEL_LAYERS = {"default": {**REDIS, **entry}}

    yield change
    channel_layers.set("default", before)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_layer_that_does_not_answer_is_named_without_its_password(configure, command):
    configure()

    with pytest.raises(CommandError) as caught:
        call_command(*command)

    text = str(caught.value)
    assert 'CHANNEL_LAYERS["default"]' in text
    assert "127.0.0.1:1" in text
    assert "secret" not in text
    assert "apt install redis-server" in text
    assert "-p 127.0.0.1:6379" in text  # and not for the whole network
    assert "correct the port" in text
    assert "InMemoryChannelLayer" in text


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("entry", "setting"),
    [
        ({"BACKEND": "nowhere.Layer"}, "BACKEND"),
        ({"ROUTING": "nowhere.routing"}, "ROUTING"),
        ({"CONFIG": {"hostz": []}}, "CONFIG"),
    ],
)
def test_a_wrong_setting_is_named(configure, command, entry, setting):
    configure(**entry)

    with pytest.raises(CommandError) as caught:
        call_command(*command)

    assert str(caught.value).startswith(f'CHANNEL_LAYERS["default"]["{setting}"]')


@pytest.mark.parametrize("command", ["runworker", "rundelay"])
def test_an_in_memory_layer_is_no_meeting_place_for_processes(configure, command):
    configure(BACKEND="channels.layers.inmemory.InMemoryChannelLayer", CONFIG={})

    with pytest.raises(CommandError, match="in-memory"):
        call_command(command)


class TestAsking:
    """One look at a layer before the start, which must neither wait nor take anything."""

    def test_nobody_is_kept_waiting(self):
        asked = []

        class Noting(InMemoryChannelLayer):
            def receive(self, channels, block=False):
                asked.append((len(channels), block))
                return None, None

        check_reachable(ChannelLayerWrapper(Noting(), "default", []))

        assert asked == [(1, False)]

    def test_a_layer_from_elsewhere_is_not_asked(self):
        class Foreign:
            def receive(self, channels, block=False):
                raise LayerUnavailable("and who knows what it would do")

        check_reachable(ChannelLayerWrapper(Foreign(), "default", []))
