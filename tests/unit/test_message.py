"""Messages: a dict's content with channels to answer on."""

from __future__ import annotations

import copy

import pytest

import channels.outbox
from channels import channel_layers
from channels.message import Message, PendingMessageStore, pending_message_store


@pytest.fixture
def message():
    return Message({"path": "/x", "reply_channel": "web!a"}, "websocket.connect", "any layer")


def test_a_message_knows_its_channels(message):
    assert message.channel.name == "websocket.connect"
    assert message.channel_layer == "any layer"
    assert message.reply_channel.name == "web!a"
    assert message.channel.channel_layer == "any layer"
    assert message.reply_channel.channel_layer == "any layer"


@pytest.mark.parametrize("content", [{}, {"reply_channel": None}, {"reply_channel": ""}])
def test_a_message_may_have_nobody_to_answer(content):
    assert Message(content, "a.one", "any layer").reply_channel is None


def test_a_message_is_read_and_written_like_a_dict(message):
    message["n"] = 1

    assert message["path"] == "/x"
    assert message.get("missing") is None
    assert message.get("missing", 7) == 7
    assert "n" in message
    assert "missing" not in message
    assert list(message.keys()) == ["path", "reply_channel", "n"]
    assert list(message.values()) == ["/x", "web!a", 1]
    assert dict(message.items()) == message.content
    with pytest.raises(KeyError):
        message["missing"]


def test_the_content_is_not_copied():
    content = {"n": [1]}

    message = Message(content, "a.one", "any layer")

    assert message.content is content


def test_a_message_has_no_length_and_is_not_false_when_empty():
    empty = Message({}, "a.one", "any layer")

    assert empty
    with pytest.raises(TypeError):
        len(empty)


@pytest.mark.parametrize("method", ["__len__", "__iter__", "__delitem__", "__eq__"])
def test_a_message_is_no_mapping(method):
    assert method not in vars(Message)


def test_a_copy_is_deep_and_forgets_added_attributes(message):
    message["list"] = [1]
    message.user = "mia"

    copied = message.copy()
    copied["list"].append(2)

    assert type(copied) is Message
    assert message["list"] == [1]
    assert copied["list"] == [1, 2]
    assert copied.reply_channel.name == "web!a"
    assert copied.channel.name == "websocket.connect"
    assert copied.channel_layer == "any layer"
    assert not hasattr(copied, "user")


def test_a_message_can_be_built_from_nothing_but_content():
    previous = channel_layers.set("default", "the default layer")
    try:
        message = Message({}, None, None)
    finally:
        channel_layers.set("default", previous)

    assert message.channel.name is None
    assert message.channel_layer is None
    assert message.channel.channel_layer == "the default layer"


def test_a_worker_s_marks_are_off_by_default(message):
    assert message.ordered is False
    assert message.__doomed__ is False


def test_a_message_describes_itself_without_its_values(message):
    """Values may be secrets or megabytes."""
    assert repr(message) == "<Message on 'websocket.connect': keys ['path', 'reply_channel']>"


def test_the_store_is_reachable_here():
    assert PendingMessageStore is channels.outbox.PendingMessageStore
    assert pending_message_store is channels.outbox.pending_message_store


def test_a_deferred_attribute_is_made_once_and_when_it_is_read(message):
    made = []

    def make():
        made.append(1)
        return "ann"

    message.defer("user", make)
    assert message.provides("user")
    assert made == []

    assert (message.user, message.user) == ("ann", "ann")
    assert made == [1]
    assert message.provides("user")


def test_a_deferred_attribute_that_fails_is_tried_again(message):
    def make():
        raise OSError("no connection")

    message.defer("user", make)
    for _ in range(2):
        with pytest.raises(OSError, match="no connection"):
            _ = message.user


def test_setting_and_deferring_replace_each_other(message):
    message.defer("user", lambda: "ann")
    message.user = "bob"
    assert message.user == "bob"

    message.defer("user", lambda: "cleo")
    assert message.user == "cleo"


def test_what_was_only_set_is_provided(message):
    message.user = "bob"

    assert message.provides("user")


def test_what_nobody_added_is_not_there(message):
    assert not message.provides("user")
    with pytest.raises(AttributeError, match="has no attribute 'user'"):
        _ = message.user


def test_messages_can_be_copied_by_the_standard_library(message):
    message.defer("user", lambda: "ann")

    assert copy.copy(message).user == "ann"
    assert copy.deepcopy(Message({"n": 1}, "a.one", "any layer")).content == {"n": 1}
