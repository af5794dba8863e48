"""When a channel session is looked at in the database, and when it is not."""

from __future__ import annotations

import pytest

from channels.sessions import channel_and_http_session, channel_session
from tests.unit.sessions.messages import connect, receive, remember, stored

pytestmark = pytest.mark.django_db

# -- laziness --------------------------------------------------------------------------


@channel_session
def ignore(message):
    """Touch nothing."""


@pytest.mark.parametrize(
    "message",
    [
        receive(),
        receive(ordered=True, order=3),
        receive(ordered=True, order=9, channel="websocket.disconnect"),
        receive(ordered=True, order=0, channel="websocket.connect"),
    ],
    ids=["plain", "receive", "disconnect", "connect"],
)
@pytest.mark.parametrize("decorator", [channel_session, channel_and_http_session])
def test_a_message_that_does_not_touch_its_session_costs_no_query(
    decorator, message, django_assert_num_queries
):
    with django_assert_num_queries(0):
        decorator(lambda message: None)(message)


def test_reading_costs_one_query(django_assert_num_queries):
    remember(receive())

    @channel_session
    def read(message):
        assert message.channel_session["animal"] == "frog"
        assert "animal" in message.channel_session

    with django_assert_num_queries(1):
        read(receive(ordered=True, order=1))


def test_connecting_stores_without_looking(django_assert_num_queries):
    """The name of its reply channel was never used before."""
    with django_assert_num_queries(3):  # the savepoint, the row, its release
        remember(connect(ordered=True, order=0))

    assert stored() == {"animal": "frog"}


def test_a_connect_that_comes_again_finds_what_it_stored():
    remember(connect(ordered=True, order=0))
    seen = []

    @channel_session
    def again(message):
        seen.append(message.channel_session.get("animal"))

    again(connect(ordered=True, order=0, __retries__=1))

    assert seen == ["frog"]


def test_messages_that_may_be_out_of_order_are_compared_with_this_moment(
    django_assert_num_queries,
):
    with django_assert_num_queries(1):
        ignore(receive(order=1))
