"""The one place where this package changes Django."""

from __future__ import annotations


def monkeypatch_django() -> None:
    """Make the ``runserver`` of staticfiles inherit from ours.

    Django takes the ``runserver`` of whichever application comes first.  With
    this, ours serves also if ``django.contrib.staticfiles`` stands before ``channels``.
    It does not matter whether staticfiles is installed, or how often this is called.
    """
    from django.contrib.staticfiles.management.commands.runserver import Command as StaticRunserver

    from channels.management.commands.runserver import Command as Runserver

    StaticRunserver.__bases__ = (Runserver,)
