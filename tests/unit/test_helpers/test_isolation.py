"""What a live test finds out about its own process, to tell its server and worker."""

import sys
import unittest

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings, runner

from channels import channel_layers
from channels.exceptions import InvalidChannelLayerError
from channels.test import ChannelLiveServerTestCase, isolation

REDIS = "channels.layers.redis.RedisChannelLayer"
MEMORY = "channels.layers.inmemory.InMemoryChannelLayer"
FILE = {"default": {"BACKEND": MEMORY, "ROUTING": [], "TEST_CONFIG": {}}}


class TestSettings:
    def test_what_is_overridden_at_any_level_is_changed(self):
        with override_settings(ONE=1, TWO=1), override_settings(TWO=2):
            changed, deleted = isolation.changed_settings()

        assert (changed["ONE"], changed["TWO"]) == (1, 2)
        assert not deleted
        assert "ROOT_URLCONF" not in changed

    def test_what_test_runners_assign_is_changed(self):
        # pytest-django has set up Django's test environment.
        changed, _ = isolation.changed_settings()

        assert changed["EMAIL_BACKEND"] == "django.core.mail.backends.locmem.EmailBackend"

    def test_what_is_deleted_is_deleted_unless_it_is_set_again(self):
        with override_settings(ONE=1):
            del settings.ONE
            del settings.STATIC_URL
            changed, deleted = isolation.changed_settings()
            with override_settings(STATIC_URL="/again/"):
                changed_again, deleted_again = isolation.changed_settings()

        assert not {"ONE", "STATIC_URL"} & changed.keys()
        assert deleted == {"ONE", "STATIC_URL"}
        assert changed_again["STATIC_URL"] == "/again/"
        assert deleted_again == {"ONE"}

    def test_the_settings_module_is_known(self):
        with override_settings(ONE=1):
            assert isolation.settings_module() == "tests.settings"

    def test_what_cannot_be_sent_is_named(self):
        with pytest.raises(ImproperlyConfigured, match="the setting ONE"):
            isolation.pickle_settings({"TWO": 2, "ONE": lambda: None})


class TestLayerOfItsOwn:
    def test_one_process_uses_the_layer_as_it_is_configured(self, monkeypatch):
        monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
        config = {"prefix": "live:"}

        assert isolation.own_config(REDIS, config, "setting") == config

    @pytest.mark.parametrize("config", [{}, {"prefix": "live:"}])
    def test_parallel_processes_of_django_have_their_own_prefixes(self, monkeypatch, config):
        monkeypatch.setattr(runner, "_worker_id", 3)

        own = isolation.own_config(REDIS, config, "setting")

        assert own["prefix"] == config.get("prefix", "asgi:") + "3:"
        assert own["stats_prefix"] == "asgi-meta:3:"
        assert "stats_prefix" not in config

    def test_so_do_those_of_xdist(self, monkeypatch):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")

        assert isolation.own_config(REDIS, {}, "setting")["prefix"] == "asgi:gw1:"

    def test_a_layer_without_prefixes_is_left_alone(self, monkeypatch):
        monkeypatch.setattr(runner, "_worker_id", 3)

        assert isolation.own_config(MEMORY, {"capacity": 1}, "setting") == {"capacity": 1}


class TestRefusals:
    """What is wrong with the settings is told, and leaves nothing behind."""

    def why(self):
        class Live(ChannelLiveServerTestCase):
            def test_it(self):
                raise AssertionError("not to be reached")

        result = unittest.TestResult()
        before = dict(channel_layers.backends), settings.ALLOWED_HOSTS
        Live("test_it").run(result)
        assert (dict(channel_layers.backends), settings.ALLOWED_HOSTS) == before
        assert result.testsRun == 1
        [(_, text)] = result.errors
        with pytest.raises((ImproperlyConfigured, InvalidChannelLayerError)) as caught:
            Live("test_it").debug()
        assert str(caught.value) in text
        return str(caught.value)

    @pytest.fixture
    def databases(self, monkeypatch):
        monkeypatch.setattr(isolation, "databases", dict)

    @pytest.mark.django_db
    def test_a_database_in_memory(self):
        assert "is in memory" in self.why()

    @pytest.mark.usefixtures("databases")
    def test_several_layers(self):
        with override_settings(CHANNEL_LAYERS={**FILE, "second": FILE["default"]}):
            assert "'default', 'second'" in self.why()

    @pytest.mark.usefixtures("databases")
    def test_no_layer(self):
        with override_settings(CHANNEL_LAYERS={}):
            assert "not none" in self.why()

    @pytest.mark.usefixtures("databases")
    def test_no_arguments_for_tests(self):
        with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": MEMORY, "ROUTING": []}}):
            assert "TEST_CONFIG" in self.why()

    @pytest.mark.usefixtures("databases")
    def test_a_layer_in_memory(self):
        with override_settings(CHANNEL_LAYERS=FILE):
            assert "in-memory layer" in self.why()


def test_importing_the_helpers_does_not_import_what_their_processes_run():
    assert "channels.test.child" not in sys.modules
