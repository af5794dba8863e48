"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    """Checks the environment and takes over ``runserver`` when Django starts."""

    name = "channels"
    verbose_name = "Channels"

    def ready(self) -> None:
        """Set things up; harmless when called again, as by tests that override settings."""
