"""What happens when Django starts: our ``runserver`` wins, whatever the order of applications."""

from __future__ import annotations

import sys
import types

import pytest
from django.apps import apps
from django.core import management
from django.test import override_settings

from channels import default_app_config, hacks, package_checks
from channels.apps import ChannelsConfig
from channels.binding.base import BindingMetaclass
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


def test_getting_ready_checks_versions_then_patches_then_registers_bindings(monkeypatch):
    order = []
    for owner, name in [
        (package_checks, "check_all"),
        (hacks, "monkeypatch_django"),
        (BindingMetaclass, "register_all"),
    ]:
        monkeypatch.setattr(owner, name, lambda name=name: order.append(name))

    apps.get_app_config("channels").ready()

    assert order == ["check_all", "monkeypatch_django", "register_all"]


def test_a_layer_that_is_too_old_keeps_django_from_starting(monkeypatch):
    old = types.ModuleType("asgi_redis")
    old.__version__ = "1.1.9"
    monkeypatch.setitem(sys.modules, "asgi_redis", old)

    with pytest.raises(RuntimeError, match=r"asgi_redis 1\.1\.9"):
        apps.get_app_config("channels").ready()


def test_the_config_is_found_by_the_name_of_the_application():
    assert apps.get_app_config("channels").name == "channels"


def test_the_config_has_its_old_address():
    assert default_app_config == "channels.apps.ChannelsConfig"
