"""Consumer classes for any channel: mapping, routes, sessions, users, coroutines."""

from __future__ import annotations

import asyncio

import pytest

from channels.generic import BaseConsumer
from channels.message import Message
from channels.routing import RouteClass, Router


class Work(BaseConsumer):
    method_mapping = {"work.start": "start", "work.stop": "stop"}

    def start(self, message, **kwargs):
        self.called = ("start", message["n"], kwargs)

    def stop(self, message, **kwargs):
        self.called = ("stop", message["n"], kwargs)


def test_calling_the_class_consumes_and_returns_the_instance(message):
    one = message("work.start", n=1)

    consumer = Work(one, room="a")

    assert isinstance(consumer, Work)
    assert consumer.called == ("start", 1, {"room": "a"})
    assert consumer.message is one
    assert consumer.kwargs == {"room": "a"}


def test_the_channel_decides_on_the_method(message):
    assert Work(message("work.stop", n=2)).called == ("stop", 2, {})


def test_a_channel_without_a_method_is_a_key_error(message):
    with pytest.raises(KeyError):
        Work(message("work.other", n=1))


def test_a_class_listens_on_the_channels_of_its_mapping():
    assert Work.channel_names() == {"work.start", "work.stop"}
    assert BaseConsumer.channel_names() == set()


def test_a_route_without_attributes_leads_to_the_class_itself(message):
    route = Work.as_route(n="^1$")

    assert isinstance(route, RouteClass)
    assert route.consumer is Work
    assert route.channel_names() == {"work.start", "work.stop"}
    assert Work.as_route(attrs={}).consumer is Work
    assert route.match(message("work.start", n="1")) == (Work, {})
    assert route.match(message("work.start", n="2")) is None


def test_a_route_with_attributes_leads_to_a_subclass_of_the_same_name(message):
    route = Work.as_route({"method_mapping": {"other": "start"}, "color": "red"})

    assert issubclass(route.consumer, Work)
    assert route.consumer is not Work
    assert route.consumer.__name__ == "Work"
    assert route.consumer.__module__ == Work.__module__
    assert route.channel_names() == {"other"}
    assert route.consumer(message("other", n=1)).color == "red"
    assert not hasattr(Work, "color")


@pytest.mark.parametrize("attrs", [["color"], "color", 7])
def test_attributes_of_a_route_must_be_a_dict(attrs):
    with pytest.raises(AssertionError, match="dict"):
        Work.as_route(attrs)


def test_the_router_takes_consumer_classes(message):
    router = Router([Work.as_route(n=r"^(?P<n>\d)$")])

    consumer, kwargs = router.match(message("work.stop", n="7"))

    assert consumer(message("work.stop", n="7"), **kwargs).called == ("stop", "7", {"n": "7"})


def test_dispatching_returns_what_the_method_does(message):
    class Adding(BaseConsumer):
        method_mapping = {"work": "add"}

        def add(self, message, by):
            return message["n"] + by

    assert Adding(message("work", n=1), by=1).dispatch(message("work", n=2), by=3) == 5


def test_the_handler_can_be_decorated_in_one_place(message):
    class Loud(Work):
        def get_handler(self, message, **kwargs):
            handler = super().get_handler(message, **kwargs)

            def loud(message, **kwargs):
                message["n"] *= 10
                handler(message, **kwargs)

            return loud

    assert Loud(message("work.start", n=1)).called == ("start", 10, {})


def test_no_flag_means_no_session_and_no_query(message, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        consumer = Work(message("work.start", n=1))

    assert not consumer.message.provides("channel_session")
    assert not consumer.message.provides("user")


class Counting(BaseConsumer):
    method_mapping = {"work": "count", "look": "look"}
    channel_session = True

    def count(self, message, **kwargs):
        message.channel_session["n"] = message.channel_session.get("n", 0) + 1
        self.n = message.channel_session["n"]

    def look(self, message, **kwargs):
        self.looked = True


@pytest.mark.django_db
def test_the_session_flag_keeps_a_session_for_the_connection(message):
    assert Counting(message("work")).n == 1
    assert Counting(message("work")).n == 2


@pytest.mark.django_db
def test_a_session_that_is_not_touched_costs_no_query(message, django_assert_num_queries):
    class WithUser(Counting):
        channel_session_user = True

    for consumer in (Counting, WithUser):
        with django_assert_num_queries(0):
            assert consumer(message("look")).looked


@pytest.mark.django_db
def test_the_user_flag_gives_session_and_user(message):
    class WithUser(Counting):
        channel_session_user = True

        def count(self, message, **kwargs):
            super().count(message, **kwargs)
            self.anonymous = message.user.is_anonymous

    consumer = WithUser(message("work"))

    assert consumer.n == 1
    assert consumer.anonymous


def test_a_coroutine_method_has_run_when_the_class_returns(message, layer):
    class Slow(BaseConsumer):
        method_mapping = {"work": "run"}

        async def run(self, message, **kwargs):
            await asyncio.sleep(0)
            message.reply_channel.send({"done": kwargs})
            self.done = True

    assert Slow(message("work"), room="a").done
    assert layer.sent == [("server!socket", {"done": {"room": "a"}})]


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_method_finds_its_session_loaded_and_it_is_saved(message):
    class Slow(BaseConsumer):
        method_mapping = {"work": "run"}
        channel_session_user = True

        async def run(self, message, **kwargs):
            self.anonymous = message.user.is_anonymous
            self.n = message.channel_session["n"] = message.channel_session.get("n", 0) + 1

    assert Slow(message("work")).anonymous
    assert Slow(message("work")).n == 2


def test_what_a_coroutine_method_raises_is_raised(message):
    class Broken(BaseConsumer):
        method_mapping = {"work": "run"}

        async def run(self, message, **kwargs):
            raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        Broken(message("work"))


def test_instances_share_nothing(message):
    first, second = Work(message("work.start", n=1)), Work(message("work.start", n=2))

    assert (first.called[1], second.called[1]) == (1, 2)
    assert isinstance(first.message, Message)
