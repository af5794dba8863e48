"""``enforce_ordering``: with our server for nothing, with others by number."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session

from channels.exceptions import ConsumeLater, DenyConnection
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
from channels.worker.dispatch import Dispatcher
from tests.unit.sessions.connection import REPLY, WAIT
from tests.unit.sessions.messages import receive, stored

pytestmark = pytest.mark.django_db

# -- the decorator -----------------------------------------------------------------------


def test_the_wait_channel_is_derived_from_the_reply_channel():
    assert wait_channel_name("test-reply!b") == WAIT
    assert wait_channel_name("plain") == "__wait__.plain"


def test_slight_ordering_is_what_everything_has_and_a_warning_says_so():
    """As the pages of 2016 write it; messages need no order for it."""
    seen = []

    def consumer(message):
        message.channel_session["n"] = 1
        seen.append(message)

    with pytest.warns(DeprecationWarning, match="slight=True. is no longer needed") as caught:
        decorated = enforce_ordering(slight=True)(consumer)
    with pytest.warns(DeprecationWarning, match="slight"):
        enforce_ordering(consumer, slight=True)

    assert [one.filename for one in caught] == [__file__]
    message = receive()
    assert "order" not in message
    decorated(message)
    assert seen == [message]
    assert stored() == {"n": 1}


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
