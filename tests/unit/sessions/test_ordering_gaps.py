"""``enforce_ordering`` where messages find no room, or never come."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session

from channels.exceptions import ChannelFull
from channels.sessions import parking
from channels.sessions.stores import channel_session_store
from tests.unit.sessions.connection import REPLY, WAIT, Connection

pytestmark = pytest.mark.django_db

# -- no room -------------------------------------------------------------------------------


def test_no_room_to_wait_is_said():
    connection = Connection(channel_capacity={"__wait__.*": 1})
    connection.run(1)

    with pytest.raises(connection.layer.ChannelFull, match=r"wait channel .* is full") as caught:
        connection.run(2)

    assert isinstance(caught.value, ChannelFull)


def test_no_room_to_go_back_leaves_them_waiting():
    connection = Connection(channel_capacity={"websocket.receive": 1})
    connection.run(1, 2)

    with pytest.raises(ChannelFull, match="wait on"):
        connection.run(0)

    assert connection.turn == 1
    assert len(connection.waiting("websocket.receive")) == 1
    assert [c["order"] for c in connection.waiting(WAIT)] == [2]


# -- what never comes ------------------------------------------------------------------------


def test_a_message_that_never_comes_is_given_up(connection, clock, caplog):
    connection.run(0, 2)
    clock.seconds += parking.DEFAULT_EXPIRY + 1
    connection.run(4, 3)

    while connection.run_waiting():
        pass

    assert connection.ran == [0, 2, 3, 4]
    assert "Messages 1 to 1 of test-reply!b did not come" in caplog.text
    assert Session.objects.count() == 1


def test_it_is_waited_for_long_enough(connection, clock):
    connection.run(0, 2)
    clock.seconds += parking.DEFAULT_EXPIRY - 1
    connection.run(3)
    assert connection.run_waiting() == 0

    connection.run(1)
    while connection.run_waiting():
        pass

    assert connection.ran == [0, 1, 2, 3]


def test_each_missing_message_has_its_own_time(connection, clock):
    connection.run(0, 2)
    clock.seconds += parking.DEFAULT_EXPIRY - 1
    connection.run(1)
    connection.run_waiting()
    connection.run(5)
    clock.seconds += 2

    connection.run(4)

    assert connection.ran == [0, 1, 2]
    assert connection.turn == 3


def test_giving_up_finds_nothing_parked_when_someone_else_was_faster(connection, clock):
    connection.run(0, 2)
    clock.seconds += parking.DEFAULT_EXPIRY + 1
    connection.layer.receive = lambda channels, block=False: (None, None)

    connection.run(3)

    assert connection.ran == [0]
    assert connection.turn == 1


def test_a_session_that_expired_while_connected_is_survived(connection, clock):
    connection.run(0, 1, 2)
    channel_session_store(REPLY).delete()

    connection.run(3)
    clock.seconds += parking.DEFAULT_EXPIRY + 1
    connection.run(4)
    while connection.run_waiting():
        pass

    assert connection.ran == [0, 1, 2, 3, 4]
