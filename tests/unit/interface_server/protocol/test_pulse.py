"""What is due on an open WebSocket: a pure function of times."""

from __future__ import annotations

import pytest

from channels.interface_server.protocol.pulse import Due, look
from channels.interface_server.settings import Settings

SETTINGS = Settings(websocket_timeout=1000, ping_interval=20, ping_timeout=30)


def at(now, settings=SETTINGS, **changes):
    state = {"born": 0, "heard_at": 100, "pinged_at": None, "paused": False, **changes}
    return look(settings, now, **state)


def test_a_socket_is_pinged_after_silence():
    assert at(119) == (Due.NOTHING, 1)
    assert at(120) == (Due.PING, None)


def test_a_ping_without_answer_ends_in_a_drop():
    assert at(149, pinged_at=120) == (Due.NOTHING, 1)
    assert at(150, pinged_at=120) == (Due.DROP, None)


def test_the_end_of_its_life_goes_before_a_ping():
    assert at(1000, heard_at=980) == (Due.END, None)
    assert at(990, heard_at=985) == (Due.NOTHING, 10)


@pytest.mark.parametrize("pinged_at", [None, 120])
def test_a_socket_that_is_not_read_is_neither_pinged_nor_dropped(pinged_at):
    assert at(500, paused=True, pinged_at=pinged_at) == (Due.NOTHING, 500)
    assert at(1000, paused=True, pinged_at=pinged_at) == (Due.END, None)


def test_limits_can_be_off():
    settings = Settings(websocket_timeout=-1, ping_interval=0)

    assert at(10**9, settings) == (Due.NOTHING, None)


def test_a_life_of_no_time_at_all_ends_at_once():
    assert at(0, Settings(websocket_timeout=0)) == (Due.END, None)
