"""The one place where this package changes Django."""

from __future__ import annotations


def monkeypatch_django() -> None:
    """Make the ``runserver`` of staticfiles inherit from ours.

    Django takes the ``runserver`` of the application that comes first, which may be staticfiles.
    """
    from django.contrib.staticfiles.management.commands.runserver import Command as StaticRunserver

    from channels.management.commands.runserver import Command as Runserver

    StaticRunserver.__bases__ = (Runserver,)
