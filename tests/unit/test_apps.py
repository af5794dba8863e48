"""What happens when Django starts: our ``runserver`` wins, whatever the order of applications."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core import management
from django.test import override_settings

from channels import default_app_config, hacks
from channels.apps import ChannelsConfig
from channels.management.commands.runserver import Command


def serving_command():
    """Return the class that ``manage.py runserver`` would run."""
    management.get_commands.cache_clear()
    try:
        app = management.get_commands()["runserver"]
    finally:
        management.get_commands.cache_clear()
    return type(management.load_command_class(app, "runserver"))


@pytest.mark.parametrize(
    "order",
    [
        ["channels", "django.contrib.staticfiles"],
        ["django.contrib.staticfiles", "channels"],
        ["channels"],
    ],
    ids=["first", "last", "alone"],
)
def test_our_runserver_wins(order):
    with override_settings(INSTALLED_APPS=order):
        assert issubclass(serving_command(), Command)


def test_the_static_runserver_has_all_our_options():
    from django.contrib.staticfiles.management.commands.runserver import Command as Static

    options = vars(Static().create_parser("manage.py", "runserver").parse_args(["--noworker"]))

    assert options["run_worker"] is False
    assert options["use_asgi"] is True
    assert options["use_static_handler"] is True


def test_getting_ready_again_is_harmless():
    from django.contrib.staticfiles.management.commands.runserver import Command as Static

    config = apps.get_app_config("channels")
    for _ in range(2):
        config.ready()
        hacks.monkeypatch_django()

    assert Static.__bases__ == (Command,)
    assert isinstance(config, ChannelsConfig)
    assert config.verbose_name == "Channels"


def test_the_config_has_its_old_address():
    assert default_app_config == "channels.apps.ChannelsConfig"
