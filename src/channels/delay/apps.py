"""The Django application of delayed messages."""

from __future__ import annotations

from django.apps import AppConfig


class DelayConfig(AppConfig):
    """Provides the table of delayed messages and ``rundelay``.

    The legacy label, ``channels.delay``, is none that Django still takes.  Table and
    migration kept their names: ``migrate --fake-initial`` adopts a legacy database.
    """

    name = "channels.delay"
    label = "channels_delay"
    verbose_name = "Channels Delay"
    default_auto_field = "django.db.models.AutoField"
