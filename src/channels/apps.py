"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    """Checks the environment, takes over ``runserver`` and starts bindings when Django is up."""

    name = "channels"
    verbose_name = "Channels"

    def ready(self) -> None:
        """Set things up; harmless when called again, as by tests that override settings.

        Raises:
            RuntimeError: A third-party channel layer is too old to work.
            ValueError: A binding is incomplete.
        """
        # Not at the top: this module is imported while INSTALLED_APPS is read.
        from channels import auth, checks, hacks, package_checks
        from channels.binding.base import BindingMetaclass

        package_checks.check_all()
        checks.register()
        hacks.monkeypatch_django()
        auth.connect_signals()
        BindingMetaclass.register_all()
