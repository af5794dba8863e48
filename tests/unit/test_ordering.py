"""``enforce_ordering``: with our server for nothing, with others by number."""

from __future__ import annotations

import contextlib

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session

from channels.asgi import ChannelLayerWrapper
from channels.exceptions import ChannelFull, ConsumeLater, DenyConnection, LayerUnavailable
from channels.layers.inmemory import InMemoryChannelLayer
from channels.message import Message
from channels.routing import route
from channels.sessions import (
    channel_session,
    enforce_ordering,
    parking,
    requeue_messages,
    session_for_reply_channel,
    wait_channel_name,
)
from channels.sessions.stores import channel_session_store
from channels.worker import dispatch
from channels.worker.dispatch import Dispatcher
from channels.worker.timers import RETRY_PAUSE, Timers
from tests.unit.recording import RecordingLayer
from tests.unit.worker.scripted import CountedWorker

pytestmark = pytest.mark.django_db

REPLY = "test-reply!b"
WAIT = "__wait__.test-reply?b"


class Connection:
    """One connection's messages on an in-memory layer, run by hand."""

    def __init__(self, **config):
        self.layer = ChannelLayerWrapper(InMemoryChannelLayer(**config), "default", [])
        self.ran = []
        self.consumer = enforce_ordering(self._consume)
        self.act = lambda message: None

    def _consume(self, message):
        self.ran.append(message["order"])
        self.act(message)
        return "a result"

    def message(self, order, channel="websocket.receive", **attributes):
        content = {"reply_channel": REPLY, "path": "/", "order": order}
        message = Message(content, channel, self.layer)
        vars(message).update(attributes)
        return message

    def run(self, *orders):
        for order in orders:
            self.consumer(self.message(order))

    def run_waiting(self, channel="websocket.receive"):
        """Run what is on the channel now, and return how many messages that were."""
        waiting = self.waiting(channel)
        for content in waiting:
            self.consumer(Message(content, channel, self.layer))
        return len(waiting)

    def waiting(self, channel):
        found = []
        while True:
            name, content = self.layer.receive([channel])
            if name is None:
                return found
            found.append(content)

    @property
    def turn(self):
        return session_for_reply_channel(REPLY).get("__channels_next_order", 0)


@pytest.fixture
def connection():
    return Connection()


@pytest.fixture
def clock(monkeypatch):
    """Wall-clock time that stands still unless a test moves it."""

    class Clock:
        seconds = 1_000_000.0

        def time(self):
            return self.seconds

    clock = Clock()
    monkeypatch.setattr(parking, "time", clock)
    return clock


# -- the decorator -----------------------------------------------------------------------


def test_the_wait_channel_is_derived_from_the_reply_channel():
    assert wait_channel_name("test-reply!b") == WAIT
    assert wait_channel_name("plain") == "__wait__.plain"


def test_slight_ordering_is_refused():
    with pytest.raises(ValueError, match="slight"):
        enforce_ordering(slight=True)
    with pytest.raises(ValueError, match="slight"):
        enforce_ordering(lambda message: None, slight=True)


@pytest.mark.parametrize("decorator", [enforce_ordering, enforce_ordering(slight=False)])
def test_it_is_used_with_and_without_parentheses(decorator, connection):
    seen = []

    @decorator
    def consumer(message, room):
        seen.append(room)
        return "a result"

    assert consumer(connection.message(0), "one") is None
    assert consumer(connection.message(1), room="two") is None
    assert seen == ["one", "two"]
    assert consumer.__name__ == "consumer"


def test_a_message_without_order_is_an_error(connection):
    message = Message({"reply_channel": REPLY}, "websocket.receive", connection.layer)

    with pytest.raises(ValueError, match="has no order"):
        connection.consumer(message)


def test_a_message_without_reply_channel_is_an_error(connection):
    with pytest.raises(ValueError, match="no reply_channel"):
        connection.consumer(Message({"order": 0}, "websocket.receive", connection.layer))


def test_no_message_is_an_error(connection):
    with pytest.raises(ValueError, match="enforce_ordering called without Message instance"):
        connection.consumer("no message")


def test_it_implies_a_channel_session(connection):
    connection.act = lambda message: message.channel_session.update({"n": message["order"]})

    connection.run(0, 1)

    assert session_for_reply_channel(REPLY)["n"] == 1


def test_the_number_may_be_a_text(connection):
    connection.run("0", "2", "1")

    assert connection.ran == ["0", "1"]
    assert connection.turn == 2


def test_the_turn_is_saved_with_the_session_and_once(connection):
    saves = []

    def act(message):
        message.channel_session["n"] = 1
        save = message.channel_session.save
        message.channel_session.save = lambda: (saves.append(1), save())

    connection.act = act
    message = connection.message(0)
    connection.consumer(message)

    assert saves == [1]
    assert not message.channel_session.modified
    assert dict(session_for_reply_channel(REPLY).items()) == {"n": 1, "__channels_next_order": 1}


def test_the_layer_may_be_the_default_one():
    seen = []
    consumer = enforce_ordering(lambda message: seen.append(message["order"]))

    consumer(Message({"reply_channel": REPLY, "order": 0}, "websocket.connect", None))

    assert seen == [0]


# -- with our server ---------------------------------------------------------------------


def test_ordered_messages_just_run(connection, django_assert_num_queries):
    with django_assert_num_queries(0):
        for order in (0, 5, 3):
            connection.consumer(connection.message(order, ordered=True))

    assert connection.ran == [0, 5, 3]
    assert connection.waiting(WAIT) == []
    assert Session.objects.count() == 0


def test_ordered_messages_need_no_number(connection):
    message = Message({"reply_channel": REPLY}, "websocket.receive", connection.layer)
    message.ordered = True
    seen = []

    enforce_ordering(seen.append)(message)

    assert seen == [message]


def test_ordered_messages_have_their_session(connection):
    connection.act = lambda message: message.channel_session.update({"n": 1})

    connection.consumer(connection.message(4, ordered=True))

    assert session_for_reply_channel(REPLY)["n"] == 1


def test_a_worker_says_which_messages_are_ordered(connection):
    connection.layer.router.add_route(route("websocket.receive", connection.consumer))
    dispatcher = Dispatcher(connection.layer, object, None, 10)

    for order, ordered in [(7, True), (9, False)]:
        content = connection.message(order).content
        dispatcher.run("websocket.receive", content, ordered=ordered)

    assert connection.ran == [7]
    assert [c["order"] for c in connection.waiting(WAIT)] == [9]


# -- with others ---------------------------------------------------------------------------


def test_messages_in_order_run_at_once(connection):
    connection.run(0, 1, 2)

    assert connection.ran == [0, 1, 2]
    assert connection.waiting(WAIT) == []
    assert connection.turn == 3


def test_an_early_message_waits(connection):
    connection.run(0, 2)

    assert connection.ran == [0]
    assert connection.waiting(WAIT) == [
        {
            "reply_channel": REPLY,
            "path": "/",
            "order": 2,
            "original_channel": "websocket.receive",
        }
    ]


def test_an_early_message_runs_when_its_turn_has_come(connection):
    connection.run(1)
    connection.run(0)

    assert connection.ran == [0]
    assert connection.run_waiting() == 1
    assert connection.ran == [0, 1]
    assert connection.turn == 2


def test_a_message_that_ends_a_gap_forgets_it(connection):
    connection.run(1)
    assert Session.objects.count() == 1  # since when it was missing

    connection.run(0)

    assert [session.session_key for session in Session.objects.all()] == [
        channel_session_store(REPLY).session_key
    ]


def test_a_message_in_order_costs_its_session_only(connection, django_assert_num_queries):
    connection.run(0)

    with django_assert_num_queries(4):  # it is loaded, and stored within a savepoint
        connection.run(1)


def test_any_disorder_ends_in_order(connection):
    connection.run(3, 1, 4, 2, 0)

    for _ in range(5):
        connection.run_waiting()

    assert connection.ran == [0, 1, 2, 3, 4]
    assert Session.objects.count() == 1  # the note of what was missing is gone


def test_parked_messages_go_back_to_their_own_channels(connection):
    connection.consumer(connection.message(1, "websocket.receive"))
    connection.consumer(connection.message(2, "websocket.disconnect"))

    requeue_messages(connection.message(0))

    assert [c["order"] for c in connection.waiting("websocket.receive")] == [1]
    assert connection.waiting("websocket.disconnect") == [
        {"reply_channel": REPLY, "path": "/", "order": 2}
    ]


def test_a_turn_that_comes_while_parking_is_not_missed(connection):
    connection.consumer(connection.message(0))
    connection.consumer(connection.message(3))
    early = connection.message(2)
    channel_session(lambda message: None)(early)
    early.channel_session.load = lambda: {"__channels_next_order": 2}

    connection.consumer(early)

    assert connection.waiting(WAIT) == []
    assert sorted(c["order"] for c in connection.waiting("websocket.receive")) == [2, 3]


def test_the_engines_load_can_be_replaced(connection, monkeypatch):
    connection.consumer(connection.message(0))
    early = connection.message(2)
    channel_session(lambda message: None)(early)
    monkeypatch.setattr(
        "django.contrib.sessions.backends.db.SessionStore.load",
        lambda self: {"__channels_next_order": 2},
    )

    connection.consumer(early)

    assert [c["order"] for c in connection.waiting("websocket.receive")] == [2]


@pytest.mark.parametrize("error", [RuntimeError("oops"), DenyConnection()])
def test_a_consumer_that_fails_passes_the_turn_on(connection, error):
    def fail(message):
        raise error

    connection.run(1)
    connection.act = fail
    with pytest.raises(type(error)):
        connection.run(0)
    connection.act = lambda message: None

    connection.run_waiting()

    assert connection.ran == [0, 1]
    assert connection.turn == 2


def test_a_message_that_comes_again_keeps_its_turn(connection):
    def later(message):
        raise ConsumeLater

    connection.act = later
    with pytest.raises(ConsumeLater):
        connection.run(0)
    assert connection.turn == 0
    connection.run(1)

    connection.act = lambda message: None
    connection.run(0)
    connection.run_waiting()

    assert connection.ran == [0, 0, 1]


def test_a_message_that_will_not_come_again_passes_the_turn_on(connection):
    def later(message):
        raise ConsumeLater

    connection.act = later
    with pytest.raises(ConsumeLater):
        connection.consumer(connection.message(0, __doomed__=True))

    assert connection.turn == 1


def test_an_error_while_passing_on_does_not_hide_the_consumers(connection, monkeypatch, caplog):
    def fail(message):
        raise DenyConnection

    def broken(parked):
        raise OSError("the layer is down")

    connection.act = fail
    monkeypatch.setattr(parking.Parked, "put_back", broken)
    with pytest.raises(DenyConnection):
        connection.run(0)

    assert "the layer is down" in caplog.text


def test_a_consumer_that_ends_the_session_does_not_lose_the_turn(connection):
    connection.act = lambda message: message.channel_session.flush()

    connection.run(0, 1)

    assert connection.ran == [0, 1]
    assert connection.turn == 2


def test_a_session_ended_by_someone_else_does_not_lose_the_turn(connection):
    connection.run(0)

    def end_elsewhere(message):
        message.channel_session["secret"] = 1
        channel_session_store(REPLY).delete()

    connection.act = end_elsewhere
    connection.run(1)

    assert connection.turn == 2
    assert "secret" not in session_for_reply_channel(REPLY)


def test_late_messages_run(connection, caplog):
    connection.run(0, 1, 0)

    assert connection.ran == [0, 1, 0]
    assert connection.turn == 2
    assert "comes late" in caplog.text


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


# -- in a worker, which looks after what it has parked ---------------------------------------


@pytest.fixture
def in_worker(connection, clock):
    """Run messages as a worker of another server's layer does."""

    class InWorker:
        timers = Timers(clock.time)

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
    timers = Timers(clock.time)
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
    other = Timers(clock.time)
    for content in connection.waiting("websocket.receive"):
        message = connection.message(content["order"], worker_timers=other)
        connection.consumer(message)
    assert connection.ran == [0]
    clock.seconds += LONG_ENOUGH
    other.run()
    connection.run_waiting()

    assert connection.ran == [0, 2]


def test_two_workers_look_after_a_socket_without_disturbing_each_other(connection, clock):
    one, two = Timers(clock.time), Timers(clock.time)
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
    timers = Timers(clock.time)
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
    timers = Timers(clock.time)
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


# -- async def ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_coroutine_consumers_are_ordered_too(connection):
    ran = []

    @enforce_ordering
    async def consumer(message):
        ran.append((message["order"], message.channel_session.get("n")))
        message.channel_session["n"] = message["order"]
        return "a result"

    run = async_to_sync(consumer)
    assert run(connection.message(1)) is None
    assert run(connection.message(0)) is None
    for content in connection.waiting("websocket.receive"):
        run(Message(content, "websocket.receive", connection.layer))

    assert ran == [(0, None), (1, 0)]
