"""What all layers inherit: settings, capacities, checks, and the abstract interface."""

import re

import pytest

from channels import exceptions
from channels.layers.base import BaseChannelLayer, compile_capacities
from channels.layers.inmemory import InMemoryChannelLayer
from channels.layers.redis import RedisChannelLayer
from channels.layers.values import check_message


class Recording(BaseChannelLayer):
    """Keeps what it is asked to send, and has one message to receive."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, channel, message):
        self.sent.append((channel, message))

    def receive(self, channels, block=False):
        return next(iter(channels)), {"block": block}


# -- settings ----------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_contract():
    layer = BaseChannelLayer()

    assert (layer.expiry, layer.group_expiry, layer.capacity) == (60, 86400, 100)
    assert layer.channel_capacity == []
    assert layer.max_message_size >= 1_000_000
    assert layer.extensions == []


def test_the_settings_can_be_given_by_position():
    layer = BaseChannelLayer(1, 2, 3, {"a": 4}, 5)

    assert (layer.expiry, layer.group_expiry, layer.capacity) == (1, 2, 3)
    assert layer.get_capacity("a") == 4
    assert layer.max_message_size == 5


def test_all_layers_share_the_two_exceptions():
    assert BaseChannelLayer.ChannelFull is Recording.ChannelFull is exceptions.ChannelFull
    assert Recording().MessageTooLarge is exceptions.MessageTooLarge


# -- the abstract interface ----------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda layer: layer.send("work", {}),
        lambda layer: layer.receive(["work"]),
        lambda layer: layer.new_channel("main?"),
        lambda layer: layer.open_worker(["work"], held=tuple),
        lambda layer: layer.open_server("web.test!"),
    ],
)
def test_a_layer_must_define_the_interface(call):
    with pytest.raises(NotImplementedError):
        call(BaseChannelLayer())


def test_receive_many_warns_where_it_is_called_and_receives():
    with pytest.warns(DeprecationWarning, match="receive") as warnings:
        assert Recording().receive_many(["work"], True) == ("work", {"block": True})

    assert warnings[0].filename == __file__


def test_a_body_is_sent_as_a_message_where_there_are_no_lists_for_it():
    layer = Recording()

    layer.send_body("web.test!a", {"content": b"x"})

    assert layer.sent == [("web.test!a", {"content": b"x"})]


# -- capacities ----------------------------------------------------------------------------


def test_capacities_of_the_contracts_example():
    layer = BaseChannelLayer(
        capacity=42, channel_capacity={"http.response!*": 10, "http.request": 100}
    )

    assert layer.get_capacity("http.disconnect") == 42
    assert layer.get_capacity("http.request") == 100
    assert layer.get_capacity("http.response!abcdefgh") == 10


def test_a_glob_must_fit_the_whole_name_and_a_regular_expression_its_start():
    layer = BaseChannelLayer(capacity=1, channel_capacity={"http": 2, re.compile("web"): 3})

    assert layer.get_capacity("http") == 2
    assert layer.get_capacity("http.request") == 1
    assert layer.get_capacity("websocket.receive") == 3
    assert layer.get_capacity("my.web") == 1


def test_the_first_pattern_that_fits_wins():
    layer = BaseChannelLayer(channel_capacity={"a*": 1, "ab": 2})

    assert layer.get_capacity("ab") == 1


def test_a_pattern_for_the_whole_name_wins_over_one_for_the_mailbox():
    layer = BaseChannelLayer(channel_capacity={"web.x!": 1, re.compile(r"web\.x!a"): 2})

    assert layer.get_capacity("web.x!") == 1
    assert layer.get_capacity("web.x!b") == 1
    assert layer.get_capacity("web.x!a") == 2


def test_only_what_was_configured_is_told_as_configured():
    layer = BaseChannelLayer(channel_capacity={"web.*!": 7})

    assert layer.configured_capacity("web.x!a") == 7
    assert layer.configured_capacity("web.x!") == 7
    assert layer.configured_capacity("work") is None
    assert BaseChannelLayer().configured_capacity("web.x!a") is None


def test_many_names_do_not_fill_the_memory():
    layer = BaseChannelLayer(channel_capacity={"main?*": 7})

    assert {layer.get_capacity(f"main?{n}") for n in range(5000)} == {7}
    assert len(layer._capacities) <= 1001


def test_capacities_are_compiled_in_order():
    pattern = re.compile("b")

    compiled = compile_capacities({"a": 1, pattern: 2})

    assert [capacity for _, capacity in compiled] == [1, 2]
    assert compiled[1][0] is pattern
    assert compile_capacities(None) == []


@pytest.mark.parametrize("layer", [BaseChannelLayer, InMemoryChannelLayer, RedisChannelLayer])
def test_numbers_may_be_text_as_environment_variables_have_them(layer):
    made = layer(expiry="60", group_expiry="86400.5", capacity="7", channel_capacity={"a": "3"})

    assert (made.expiry, made.group_expiry, made.capacity) == (60, 86400.5, 7)
    assert (made.get_capacity("a"), made.get_capacity("b")) == (3, 7)


@pytest.mark.parametrize("value", ["many", "", None, -1, "-1", "inf", float("nan"), [1]])
@pytest.mark.parametrize("name", ["expiry", "group_expiry", "capacity", "max_message_size"])
def test_what_is_no_number_is_refused_by_name_and_not_at_the_first_send(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a number"):
        BaseChannelLayer(**{name: value})


@pytest.mark.parametrize(
    ("capacities", "text"),
    [({"http.*": "x"}, r"channel_capacity\['http\.\*'\] must be a number"), ([("a", 1)], "a dict")],
)
def test_capacities_that_are_none_are_refused(capacities, text):
    with pytest.raises(ValueError, match=text):
        BaseChannelLayer(channel_capacity=capacities)


# -- checks ----------------------------------------------------------------------------------


def test_a_list_of_names_must_be_a_list_that_is_not_empty():
    layer = BaseChannelLayer()

    assert layer.valid_channel_names(["work", "web.test!"], receive=True) is True
    for wrong in ([], ("work",), {"work"}, "work", None):
        with pytest.raises(AssertionError):
            layer.valid_channel_names(wrong)


def test_every_name_of_a_list_is_checked():
    layer = BaseChannelLayer()

    with pytest.raises(TypeError):
        layer.valid_channel_names(["work", "not a name"])
    with pytest.raises(TypeError):
        layer.valid_channel_names(["web.test!local"], receive=True)
    assert layer.valid_channel_names(["web.test!local"]) is True


def test_the_validators_return_true_or_raise():
    layer = BaseChannelLayer()

    assert layer.valid_channel_name("http.request") is True
    assert layer.valid_group_name("foo.bar") is True
    with pytest.raises(TypeError):
        layer.valid_channel_name("http.request?")
    with pytest.raises(TypeError):
        layer.valid_group_name("foo?bar")


def test_the_non_local_name_ends_at_the_mark():
    layer = BaseChannelLayer()

    assert layer.non_local_name("web.test!local") == "web.test!"
    assert layer.non_local_name("main?abc") == "main?abc"


@pytest.mark.parametrize("message", [None, [], "text", 1, [("a", 1)]])
def test_a_message_is_a_dict(message):
    with pytest.raises(AssertionError, match=type(message).__name__):
        check_message(message)


def test_a_message_must_not_use_the_reserved_key():
    check_message({"key": "value"})
    with pytest.raises(AssertionError, match="__asgi_channel__"):
        check_message({"__asgi_channel__": "work"})
