"""The exceptions: what they carry, how they read, and that they survive pickling."""

import copy
import pickle

import pytest

from channels import exceptions
from channels.exceptions import (
    ChannelFull,
    ChannelSocketException,
    LayerError,
    LayerUnavailable,
    MessageTooLarge,
    WebsocketCloseException,
)
from channels.message import Message
from tests.support.recording import RecordingLayer


def test_layer_errors_are_one_family():
    for error in (ChannelFull, MessageTooLarge, LayerUnavailable):
        assert issubclass(error, LayerError)


def test_a_bad_setting_is_a_value_error():
    assert issubclass(exceptions.InvalidChannelLayerError, ValueError)


def test_a_full_channel_is_named_with_its_capacity():
    error = ChannelFull("work", 3)

    assert (error.channel, error.capacity) == ("work", 3)
    assert str(error) == "channel 'work' already holds 3 messages; none was added"


def test_applications_may_raise_channel_full_with_their_own_text():
    assert str(ChannelFull("too busy")) == "too busy"
    assert str(ChannelFull()) == ""
    assert ChannelFull().capacity is None


def test_a_message_that_is_too_large_is_told_with_its_size():
    error = MessageTooLarge("work", 2000, 1000)

    assert (error.channel, error.size, error.limit) == ("work", 2000, 1000)
    for part in ("'work'", "2000", "1000", "not sent"):
        assert part in str(error)
    assert str(MessageTooLarge("my own text")) == "my own text"


@pytest.mark.parametrize(
    "error",
    [
        ChannelFull("work", 3),
        ChannelFull("text"),
        MessageTooLarge("work", 2, 1),
        LayerUnavailable("no answer"),
        WebsocketCloseException(4000),
        WebsocketCloseException(),
        exceptions.DenyConnection("no"),
    ],
)
@pytest.mark.parametrize("duplicate", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_duplicate_says_the_same(error, duplicate):
    again = duplicate(error)

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("code", [None, 1000, 1001, 1014, 3000, 4999])
def test_a_socket_can_be_closed_with_the_codes_of_the_rfc(code):
    assert WebsocketCloseException(code).code == code


@pytest.mark.parametrize("code", [0, 999, 1005, 1006, 1015, 2999, 5000, True, "1000", 1000.0])
def test_other_close_codes_are_refused(code):
    with pytest.raises(ValueError, match="close code"):
        WebsocketCloseException(code)


@pytest.mark.parametrize(
    "name",
    [
        "ConsumeLater",
        "ResponseLater",
        "RequestTimeout",
        "RequestAborted",
        "DenyConnection",
        "ChannelSocketException",
        "SendNotAvailableOnDemultiplexer",
    ],
)
def test_consumer_exceptions_are_plain_exceptions(name):
    assert getattr(exceptions, name).__bases__ == (Exception,)


@pytest.mark.parametrize(("code", "sent"), [(None, True), (1000, 1000), (4001, 4001)])
def test_running_it_closes_the_socket(code, sent):
    """On any reply channel, whatever its name."""
    layer = RecordingLayer()
    message = Message({"reply_channel": "web.Zk81!a"}, "websocket.receive", layer)

    WebsocketCloseException(code).run(message)

    assert layer.sent == [("web.Zk81!a", {"close": sent})]


def test_without_a_socket_there_is_nothing_to_close():
    message = Message({}, "a.one", RecordingLayer())

    with pytest.raises(ValueError, match="no reply_channel"):
        WebsocketCloseException().run(message)


def test_a_socket_exception_must_say_what_it_does():
    class Mine(ChannelSocketException):
        pass

    with pytest.raises(NotImplementedError, match="Mine does not define run"):
        Mine().run(Message({}, "a.one", RecordingLayer()))
