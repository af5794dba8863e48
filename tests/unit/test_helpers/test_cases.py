"""Test cases: which layer a test has, from when until when, however Django calls it."""

import unittest

import pytest
from django.test import TransactionTestCase, override_settings

from channels import Channel, Group, channel_layers, route
from channels.layers.inmemory import InMemoryChannelLayer
from channels.routing import Router
from channels.test import ChannelTestCase, ChannelTestCaseMixin, TransactionChannelTestCase

LAYER = "channels.layers.inmemory.InMemoryChannelLayer"
TWO_LAYERS = {
    "default": {"BACKEND": LAYER, "ROUTING": [route("first", print)], "CONFIG": {"capacity": 3}},
    "second": {"BACKEND": LAYER, "ROUTING": [route("second", print)]},
}


class ConfiguredLayer(InMemoryChannelLayer):
    """Stands for the layer of the settings, which no test may touch."""

    def send(self, channel, message):
        raise AssertionError("a test has sent to the real layer")


@pytest.fixture(autouse=True, scope="module")
def real_layer():
    """Replace the layer of the settings by one that minds being used."""
    wrapper = channel_layers.make_backend("default")
    wrapper.channel_layer = ConfiguredLayer()
    before = channel_layers.set("default", wrapper)
    yield wrapper
    assert channel_layers["default"] is wrapper
    channel_layers.set("default", before)


class CommonTests:
    """Run for each kind of case; the order of the two does not matter."""

    def setUp(self):  # without super(): users need not call it
        Channel("seen").send({"in": "setUp"})

    def test_a_message_is_there_once(self):
        Channel("test").send({"value": "a"})

        message = self.get_next_message("test", require=True)
        assert message["value"] == "a"
        assert self.get_next_message("test") is None
        assert self.get_next_message("seen", require=True).content == {"in": "setUp"}
        assert self.get_next_message("seen") is None

    def test_the_next_test_starts_empty(self):
        assert self.get_next_message("test") is None
        Channel("test").send({"value": "b"})

    def test_a_missing_message_fails_the_test_if_it_is_required(self):
        with pytest.raises(AssertionError, match="Expected a message on channel test, got none"):
            self.get_next_message("test", require=True)

    def test_there_is_room_for_ten_messages(self):
        for _ in range(10):
            Channel("test").send({})
        with pytest.raises(channel_layers["default"].ChannelFull):
            Channel("test").send({})

    def test_a_channel_object_will_do(self):
        Channel("test").send({})

        message = self.get_next_message(Channel("test"))
        assert message.channel.name == "test"

    def test_groups_work(self):
        Group("g").add("test")
        Group("g").send({"value": 1})

        assert self.get_next_message("test", require=True).content == {"value": 1}


class TestTransaction(CommonTests, ChannelTestCase):
    pass


class TestFlush(CommonTests, TransactionChannelTestCase):
    pass


class TestMixin(CommonTests, ChannelTestCaseMixin, TransactionTestCase):
    pass


@override_settings(CHANNEL_LAYERS=TWO_LAYERS)
class TestSeveralLayers(ChannelTestCase):
    test_channel_aliases = ["default", "second"]

    @classmethod
    def setUpTestData(cls):
        Channel("of-the-class").send({})  # would raise on the real layer

    def test_each_has_its_own_routing(self):
        for alias, channel in (("default", "first"), ("second", "second")):
            layer = channel_layers[alias]
            assert layer.alias == alias
            assert layer.router.channels == {channel}
            assert layer.routing == TWO_LAYERS[alias]["ROUTING"]
            assert layer.routing is not TWO_LAYERS[alias]["ROUTING"]

    def test_they_are_apart(self):
        Channel("test", alias="second").send({"n": 2})

        assert self.get_next_message("test") is None
        assert self.get_next_message("test", alias="second").content == {"n": 2}
        assert self.get_next_message("of-the-class") is None

    def test_the_room_is_not_that_of_the_settings(self):
        """Shown by no ChannelFull: the settings have room for 3."""
        for _ in range(10):
            Channel("test").send({})


@override_settings(CHANNEL_LAYERS={"default": {"BACKEND": LAYER, "ROUTING": {"plain": print}}})
class TestRoutingByDict(ChannelTestCase):
    def test_it_is_kept(self):
        assert channel_layers["default"].router.channels == {"plain"}


def run(case_class):
    """Run a test case as Django's runner would, and return the result."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case_class).run(result)
    return result


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("base", [ChannelTestCase, TransactionChannelTestCase])
class TestLife:
    """What holds whatever happens in the tests."""

    def test_the_layers_are_back_after_failures_and_skips(self, base, real_layer):
        class Case(base):
            def test_error(self):
                raise ValueError

            @unittest.skip("no reason")
            def test_skipped(self):
                pass

            def test_replaced(self):
                channel_layers.set("default", None)

        result = run(Case)

        assert (len(result.errors), len(result.skipped)) == (1, 1)
        assert channel_layers["default"] is real_layer

    def test_the_layers_are_back_if_the_class_cannot_be_set_up(self, base, real_layer):
        class Case(base):
            @classmethod
            def setUpClass(cls):
                super().setUpClass()
                # Django leaves the transaction of such a class open for all later tests.
                cls.addClassCleanup(super().tearDownClass)
                Channel("test").send({})
                raise ValueError

            def test_nothing(self):
                pass

        result = run(Case)

        assert len(result.errors) == 1
        assert channel_layers["default"] is real_layer

    def test_an_unknown_alias_is_an_error_of_the_class(self, base, real_layer):
        class Case(base):
            test_channel_aliases = ["default", "nobody"]

            def test_nothing(self):
                pass

        result = run(Case)

        assert "KeyError: 'nobody'" in result.errors[0][1]
        assert channel_layers["default"] is real_layer

    def test_debug_has_a_layer_too(self, base, real_layer):
        ran = []

        class Case(base):
            def test_it(self):
                Channel("test").send({})
                assert self.get_next_message("test") is not None
                ran.append(channel_layers["default"])

        Case("test_it").debug()

        assert len(ran) == 1
        assert channel_layers["default"] is real_layer

    def test_clean_ups_run_on_the_layer_of_the_test(self, base):
        class Case(base):
            def test_it(self):
                self.addCleanup(Channel("test").send, {})

        assert run(Case).wasSuccessful()

    def test_what_the_class_routes_reaches_its_tests(self, base):
        class Case(base):
            @classmethod
            def setUpClass(cls):
                super().setUpClass()
                layer = channel_layers["default"]
                layer.routing = [route("of-the-class", print)]
                layer.router = Router(layer.routing)

            def test_it(self):
                assert channel_layers["default"].router.channels == {"of-the-class"}

        assert run(Case).wasSuccessful()
