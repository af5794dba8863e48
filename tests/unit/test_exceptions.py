"""Exceptions: what they say, what they carry, and what a consumer's exception does."""

from __future__ import annotations

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
from tests.unit.recording import RecordingLayer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ChannelFull("a.one", 3), "channel 'a.one' already holds 3 messages; none was added"),
        (ChannelFull("in my own words"), "in my own words"),
        (ChannelFull(), ""),
        (
            MessageTooLarge("a.one", 20, 10),
            "a message for 'a.one' packs to 20 bytes, more than the 10 that the layer carries;"
            " it was not sent",
        ),
        (MessageTooLarge("in my own words"), "in my own words"),
        (LayerUnavailable("nobody is there"), "nobody is there"),
        (WebsocketCloseException(4001), "4001"),
    ],
)
def test_an_error_says_what_happened_also_in_another_process(error, said):
    """Errors of worker processes are pickled on their way to the parent."""
    travelled = pickle.loads(pickle.dumps(error))

    assert str(error) == said
    assert str(travelled) == said
    assert vars(travelled) == vars(error)


def test_errors_of_layers_have_one_root():
    for kind in (ChannelFull, MessageTooLarge, LayerUnavailable):
        assert issubclass(kind, LayerError)


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


@pytest.mark.parametrize(
    ("code", "sent"), [(None, True), (1000, 1000), (3000, 3000), (4001, 4001), (4999, 4999)]
)
def test_a_socket_is_closed_with_a_code_that_may_be_sent(code, sent):
    """On any reply channel, whatever its name."""
    layer = RecordingLayer()
    message = Message({"reply_channel": "web.Zk81!a"}, "websocket.receive", layer)

    WebsocketCloseException(code).run(message)

    assert layer.sent == [("web.Zk81!a", {"close": sent})]


@pytest.mark.parametrize("code", [0, 999, 1001, 1006, 2999, 5000, -1, "1000", 1000.0, True, b"x"])
def test_any_other_code_is_refused_at_once(code):
    with pytest.raises(ValueError, match="cannot be sent"):
        WebsocketCloseException(code)


def test_closing_needs_a_socket():
    with pytest.raises(ValueError, match="no reply_channel"):
        WebsocketCloseException().run(Message({}, "a.one", RecordingLayer()))


def test_a_socket_exception_must_say_what_it_does():
    class Mine(ChannelSocketException):
        pass

    with pytest.raises(NotImplementedError, match="Mine does not define run"):
        Mine().run(Message({}, "a.one", RecordingLayer()))
