"""Which pages may open a socket."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import iscoroutinefunction

from channels.asgi import ChannelLayerWrapper
from channels.exceptions import DenyConnection
from channels.layers.clients import Send
from channels.layers.inmemory import InMemoryChannelLayer
from channels.message import Message
from channels.routing import route
from channels.security.websockets import (
    AllowedHostsOnlyOriginValidator,
    BaseOriginValidator,
    allowed_hosts_only,
    check_origin,
)
from channels.worker.dispatch import Dispatcher


def connect(*headers):
    return Message(
        {"reply_channel": "web!a", "path": "/", "headers": list(headers)},
        "websocket.connect",
        None,
    )


def origin(value):
    return connect((b"origin", value))


@allowed_hosts_only
def consumer(message, room="none"):
    """Accept."""
    return f"accepted to {room}"


class Everyone(BaseOriginValidator):
    """Remembers what it is asked."""

    asked = None

    def validate_origin(self, message, origin):
        type(self).asked = origin
        return True


@pytest.mark.parametrize(
    "value",
    [
        b"http://testserver",
        b"https://testserver:8443",
        b"http://TESTSERVER",
        b"http://testserver.",
        b"http://127.0.0.1:8000",
    ],
)
def test_pages_of_allowed_hosts_may_connect(value):
    assert consumer(origin(value), "one") == "accepted to one"
    assert consumer(origin(value), room="two") == "accepted to two"


@pytest.mark.parametrize(
    "value",
    [
        b"http://elsewhere.example",
        b"http://testserver.elsewhere.example",
        b"https://elsewhere.example/testserver",
        b"http://testserver@elsewhere.example",
        b"null",
        b"file://",
        b"",
        b"testserver",
        b"http://[::1",
        "http://testserver\u00e9".encode(),
        "http://tést.example",
    ],
)
def test_other_pages_may_not(value):
    with pytest.raises(DenyConnection):
        consumer(origin(value))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [[], [b"origin"]],
        [(b"Origin", b"http://testserver")],  # names are lowercase
        [(b"host", b"testserver"), (b"x-origin", b"http://testserver")],
    ],
)
def test_no_origin_may_not(headers):
    with pytest.raises(DenyConnection):
        consumer(connect(*headers))


def test_no_headers_at_all_may_not():
    with pytest.raises(DenyConnection):
        consumer(Message({"reply_channel": "web!a"}, "websocket.connect", None))


def test_malformed_headers_are_passed_over():
    headers = [[b"valid", b"1"], [], (), [b"lonely"], None, 7, [b"origin", b"http://testserver"]]

    assert consumer(connect(*headers)) == "accepted to none"


@pytest.mark.parametrize("value", [b"http://testserver", "http://testserver"])
def test_old_dicts_of_headers_are_read(value):
    message = connect()
    message["headers"] = {"host": b"x", "origin": value}

    assert consumer(message) == "accepted to none"


def test_the_first_header_counts_and_its_rest_is_returned():
    validator = Everyone(None.__init__)
    message = connect((b"a", b"1"), [b"b", b"2", b"3"], (b"b", b"4"))

    assert list(validator.get_header(message, b"b")) == [b"2", b"3"]
    with pytest.raises(KeyError):
        validator.get_header(message, b"c")


@pytest.mark.parametrize(
    "value",
    [b"http://localhost", b"http://app.localhost", b"http://127.0.0.1:8000", b"http://[::1]:8000"],
)
def test_this_machine_may_connect_in_development(value, settings):
    settings.ALLOWED_HOSTS = []
    with pytest.raises(DenyConnection):
        consumer(origin(value))

    settings.DEBUG = True
    assert consumer(origin(value)) == "accepted to none"


def test_in_development_too_the_setting_decides_if_there_is_one(settings):
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["testserver"]

    assert consumer(origin(b"http://testserver")) == "accepted to none"
    with pytest.raises(DenyConnection):
        consumer(origin(b"http://localhost"))


@pytest.mark.parametrize(
    ("allowed", "value"),
    [(["*"], b"https://any.example"), ([".example.org"], b"https://a.b.example.org")],
)
def test_hosts_match_as_in_django(allowed, value, settings):
    settings.ALLOWED_HOSTS = allowed

    assert consumer(origin(value)) == "accepted to none"


def test_the_consumer_can_be_told():
    assert consumer.__name__ == "consumer"
    assert consumer.__doc__ == "Accept."
    assert consumer.func(connect()) == "accepted to none"
    assert allowed_hosts_only is AllowedHostsOnlyOriginValidator


def test_validators_of_ones_own_see_every_origin_that_is_there():
    everyone = Everyone(lambda message: "accepted")

    assert everyone(origin(b"")) == "accepted"
    assert Everyone.asked == ""
    with pytest.raises(DenyConnection):
        everyone(connect())


def test_validators_must_say_what_is_valid():
    with pytest.raises(NotImplementedError, match="validate_origin"):
        BaseOriginValidator(pytest.fail)(origin(b"http://testserver"))


def test_coroutine_consumers_are_checked_before_they_start():
    @allowed_hosts_only
    async def consumer(message):
        return "accepted"

    assert iscoroutinefunction(consumer)
    assert asyncio.run(consumer(origin(b"http://testserver"))) == "accepted"
    with pytest.raises(DenyConnection):
        consumer(connect())


# -- for the whole project ---------------------------------------------------------------


def test_without_a_setting_everyone_passes():
    check_origin(connect())


def test_the_settings_validator_checks_every_connection(settings):
    settings.CHANNELS_ORIGIN_VALIDATOR = (
        "channels.security.websockets.AllowedHostsOnlyOriginValidator"
    )

    check_origin(origin(b"http://testserver"))
    with pytest.raises(DenyConnection):
        check_origin(connect())


def test_a_validator_that_does_not_exist_admits_nobody(settings):
    settings.CHANNELS_ORIGIN_VALIDATOR = "channels.security.websockets.Nothing"

    with pytest.raises(ImportError):
        check_origin(origin(b"http://testserver"))


def run_in_worker(channel, **content):
    """Return whether a worker runs the consumer, and what it sends."""
    ran = []
    layer = ChannelLayerWrapper(InMemoryChannelLayer(), "default", [route(channel, ran.append)])
    dispatcher = Dispatcher(layer, object, None, 10)
    from channels.outbox import pending_message_store

    with pending_message_store.collecting(dispatcher.sent.extend):
        outcome = dispatcher.run(channel, {"reply_channel": "web!a", "path": "/", **content})
    return bool(ran), outcome.sends


def test_a_worker_refuses_what_the_setting_refuses(settings):
    headers = [[b"origin", b"https://elsewhere.example"]]
    assert run_in_worker("websocket.connect", headers=headers) == (True, [])

    settings.CHANNELS_ORIGIN_VALIDATOR = (
        "channels.security.websockets.AllowedHostsOnlyOriginValidator"
    )
    assert run_in_worker("websocket.connect", headers=headers) == (
        False,
        [Send("web!a", {"close": True})],
    )
    headers = [[b"origin", b"https://testserver"]]
    assert run_in_worker("websocket.connect", headers=headers) == (True, [])
    assert run_in_worker("websocket.receive") == (True, [])


class Nobody(BaseOriginValidator):
    """Admits nobody, from a module of the project."""

    def validate_origin(self, message, origin):
        return False


@pytest.mark.parametrize(
    ("validator", "message", "said"),
    [
        (
            AllowedHostsOnlyOriginValidator,
            origin(b"https://evil.example"),
            "its page has Origin 'https://evil.example', and"
            " channels.security.websockets.AllowedHostsOnlyOriginValidator does not let it in."
            " If it is yours, add its host to ALLOWED_HOSTS.",
        ),
        (
            AllowedHostsOnlyOriginValidator,
            connect(),
            "its client sent no Origin that could be read, and",
        ),
        (
            Nobody,
            origin(b"http://testserver"),
            "tests.unit.test_security.Nobody does not let it in. Its validate_origin() decides",
        ),
    ],
)
def test_a_refusal_is_logged_once_with_what_to_change(caplog, validator, message, said):
    for _ in range(3):
        with pytest.raises(DenyConnection):
            validator(lambda message: None)(message)

    (record,) = caplog.records
    assert record.name == "django.channels"
    assert record.getMessage().startswith("Refused a WebSocket at '/': ")
    assert said in record.getMessage()
