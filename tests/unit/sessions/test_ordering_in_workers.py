"""A worker looks after the messages that it has parked for ``enforce_ordering``."""

from __future__ import annotations

import contextlib

import pytest
from django.contrib.sessions.models import Session

from channels.asgi import ChannelLayerWrapper
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.inmemory import InMemoryChannelLayer
from channels.routing import route
from channels.sessions import enforce_ordering, parking
from channels.worker import dispatch
from channels.worker.dispatch import RETRY_PAUSE, ScheduledCalls
from tests.support.recording import RecordingLayer
from tests.support.scripted import CountedWorker
from tests.unit.sessions.connection import REPLY, WAIT, Connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def in_worker(connection, clock):
    """Run messages as a worker of another server's layer does."""

    class InWorker:
        timers = ScheduledCalls(clock.time)

        def run(self, *orders):
            for order in orders:
                connection.consumer(connection.message(order, worker_timers=self.timers))

        def wait(self, seconds):
            clock.seconds += seconds
            if self.timers.pending:
                self.timers.run()

    return InWorker()


LONG_ENOUGH = parking.DEFAULT_EXPIRY + parking.GRACE


def test_the_last_message_of_a_socket_runs_without_the_one_that_never_came(
    connection, in_worker, caplog
):
    """Behind a disconnect nothing comes that could take notice."""
    in_worker.run(0)
    last = connection.message(2, "websocket.disconnect", worker_timers=in_worker.timers)
    connection.consumer(last)

    in_worker.wait(LONG_ENOUGH)

    assert connection.run_waiting("websocket.disconnect") == 1
    assert connection.ran == [0, 2]
    assert "Messages 1 to 1 of test-reply!b did not come" in caplog.text
    assert connection.waiting(WAIT) == []
    assert Session.objects.count() == 1


def test_nothing_is_given_up_while_it_may_still_come(connection, in_worker, clock):
    """It is only taken out of its wait channel now and then, which renews its life."""
    in_worker.run(0, 2)
    end = clock.seconds + parking.DEFAULT_EXPIRY
    looks = 0

    while clock.seconds < end:
        in_worker.wait(1)
        for content in connection.waiting("websocket.receive"):
            looks += 1
            in_worker.run(content["order"])

    assert looks == 2
    assert connection.turn == 1
    in_worker.run(1)
    connection.run_waiting()
    assert connection.ran == [0, 1, 2]


def test_at_last_it_is(connection, in_worker, clock):
    in_worker.run(0, 2)
    end = clock.seconds + parking.DEFAULT_EXPIRY + parking.LOOKS * parking.GRACE

    while clock.seconds < end:
        in_worker.wait(1)
        for content in connection.waiting("websocket.receive"):
            in_worker.run(content["order"])

    assert connection.ran == [0, 2]


def test_what_waits_for_a_later_gap_is_put_back_and_parked_again(connection, in_worker, clock):
    in_worker.run(2)
    clock.seconds += 40
    in_worker.run(0, 1)
    connection.run_waiting()
    in_worker.run(5)

    in_worker.wait(LONG_ENOUGH - 40)
    assert connection.turn == 3
    assert connection.waiting(WAIT) == []
    for content in connection.waiting("websocket.receive"):
        in_worker.run(content["order"])
    in_worker.wait(LONG_ENOUGH)

    assert connection.run_waiting() == 1
    assert connection.ran == [0, 1, 2, 5]


def test_a_gap_that_was_filled_leaves_nothing_to_do(
    connection, in_worker, django_assert_max_num_queries
):
    in_worker.run(1, 0)
    connection.run_waiting()

    with django_assert_max_num_queries(2):
        in_worker.wait(LONG_ENOUGH)

    assert connection.ran == [0, 1]
    assert connection.turn == 2
    assert Session.objects.count() == 1


def test_messages_that_found_no_room_to_go_back_are_tried_again(clock, caplog):
    connection = Connection(channel_capacity={"websocket.receive": 1})
    timers = ScheduledCalls(clock.time)
    for order in (1, 2):
        connection.consumer(connection.message(order, worker_timers=timers))
    with pytest.raises(ChannelFull):
        connection.run(0)
    assert connection.turn == 1

    clock.seconds += LONG_ENOUGH
    timers.run()  # still no room
    assert "is full" in caplog.text
    assert connection.run_waiting() == 1
    clock.seconds += RETRY_PAUSE
    timers.run()

    assert connection.run_waiting() == 1
    assert connection.ran == [0, 1, 2]


def test_a_worker_that_stops_leaves_its_parked_messages_to_another(connection, in_worker, clock):
    in_worker.run(0, 2)
    in_worker.timers.close()

    assert connection.waiting(WAIT) == []
    other = ScheduledCalls(clock.time)
    for content in connection.waiting("websocket.receive"):
        message = connection.message(content["order"], worker_timers=other)
        connection.consumer(message)
    assert connection.ran == [0]
    clock.seconds += LONG_ENOUGH
    other.run()
    connection.run_waiting()

    assert connection.ran == [0, 2]


def test_two_workers_look_after_a_socket_without_disturbing_each_other(connection, clock):
    one, two = ScheduledCalls(clock.time), ScheduledCalls(clock.time)
    connection.consumer(connection.message(2, worker_timers=one))
    connection.consumer(connection.message(3, worker_timers=two))

    clock.seconds += LONG_ENOUGH
    one.run()
    connection.run_waiting()
    two.run()

    assert connection.run_waiting() == 0
    assert connection.ran == [2, 3]
    assert connection.turn == 4


def test_messages_that_live_shortly_are_given_less_time(clock):
    connection = Connection(expiry=20)
    timers = ScheduledCalls(clock.time)
    connection.consumer(connection.message(1, worker_timers=timers))

    clock.seconds += 20 / parking.LOOKS + parking.GRACE
    assert timers.pending
    clock.seconds += 20
    timers.run()

    assert connection.run_waiting() == 1
    assert connection.ran == [1]


def test_a_layer_that_does_not_tell_how_long_messages_live_is_taken_for_a_usual_one(clock):
    connection = Connection()

    class Untold(RecordingLayer):
        send = connection.layer.channel_layer.send
        receive = connection.layer.channel_layer.receive

    connection.layer = ChannelLayerWrapper(Untold(), "default", [])
    connection.run(0, 2)
    clock.seconds += 60
    connection.run(3)
    assert connection.turn == 1

    clock.seconds += 1
    connection.run(4)

    assert connection.turn == 2


def test_nothing_is_skipped_if_the_message_in_turn_is_parked_itself(connection, in_worker, caplog):
    """As when its turn came while it was parked, and the worker died before it had looked."""
    in_worker.run(0, 2)
    content = {**connection.message(1).content, "original_channel": "websocket.receive"}
    connection.layer.send(WAIT, content)

    in_worker.wait(LONG_ENOUGH)
    while connection.run_waiting():
        pass

    assert connection.ran == [0, 1, 2]
    assert "did not come" not in caplog.text


def test_giving_up_survives_a_database_that_is_down(connection, in_worker, monkeypatch, caplog):
    in_worker.run(0, 3, 2)

    def broken(parked, turn):
        raise OSError("the database is down")

    with monkeypatch.context() as patch:
        patch.setattr(parking.Parked, "set_turn", broken)
        in_worker.wait(LONG_ENOUGH)
    assert "the database is down" in caplog.text
    in_worker.wait(RETRY_PAUSE)
    while connection.run_waiting():
        pass

    assert connection.ran == [0, 2, 3]


def test_giving_up_with_little_room_loses_none(clock):
    connection = Connection(channel_capacity={"websocket.receive": 1})
    timers = ScheduledCalls(clock.time)
    for order in (5, 4, 3):
        connection.consumer(connection.message(order, worker_timers=timers))

    clock.seconds += LONG_ENOUGH
    for _ in range(3):
        timers.run()
        with contextlib.suppress(ChannelFull):
            connection.run_waiting()
        clock.seconds += RETRY_PAUSE

    assert connection.ran == [3, 4, 5]


def test_what_can_neither_go_back_nor_wait_is_said(clock, caplog):
    connection = Connection(channel_capacity={"websocket.receive": 1})
    connection.run(1, 2)
    send = connection.layer.channel_layer.send
    refused = []

    def full_everywhere(channel, content):
        if refused or (channel == "websocket.receive" and content["order"] == 2):
            refused.append(channel)
            raise ChannelFull(channel, 1)
        send(channel, content)

    connection.layer.send = full_everywhere
    with pytest.raises(ChannelFull):
        connection.run(0)

    assert "Lost message 2 of test-reply!b" in caplog.text


def test_a_layer_that_fails_meanwhile_costs_the_message_in_hand_only(clock, connection):
    connection.run(4, 3, 2)
    clock.seconds += parking.DEFAULT_EXPIRY + 1
    send = connection.layer.channel_layer.send
    failed = []

    def fail_once(channel, content):
        if channel == "websocket.receive" and not failed:
            failed.append(content["order"])
            raise LayerUnavailable("did it, then the answer was lost")
        send(channel, content)

    connection.layer.send = fail_once
    with pytest.raises(LayerUnavailable):
        connection.run(5)

    assert failed == [2]
    assert sorted(content["order"] for content in connection.waiting(WAIT)) == [3, 4, 5]


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_ends_a_gap_by_itself(clock, monkeypatch):
    monkeypatch.setattr(dispatch, "time", clock)

    class FromElsewhere(InMemoryChannelLayer):
        def receive(self, channels, block=False):
            received = super().receive(channels)
            if block and received[0] is None:
                clock.seconds += LONG_ENOUGH  # it waited
            return received

    ran = []
    consumer = enforce_ordering(lambda message: ran.append(message["order"]))
    layer = FromElsewhere()
    layer.send("websocket.disconnect", {"reply_channel": REPLY, "path": "/", "order": 1})
    routes = [route("websocket.disconnect", consumer)]
    worker = CountedWorker(ChannelLayerWrapper(layer, "default", routes), signal_handlers=False)
    worker.termed = 3  # it parks, waits and looks, runs

    worker.run()

    assert ran == [1]
