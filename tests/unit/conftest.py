"""Fixtures of several unit tests."""

from __future__ import annotations

import importlib

import pytest
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.core.cache import cache


@pytest.fixture(params=["db", "cache", "cached_db", "file"])
def engine(request, settings, tmp_path, monkeypatch):
    """Each engine of Django that can hold channel sessions; the value is its class of sessions."""
    monkeypatch.setattr(FileStore, "_storage_path", str(tmp_path), raising=False)
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    cache.clear()
    return importlib.import_module(settings.SESSION_ENGINE).SessionStore
