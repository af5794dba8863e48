"""Fixtures of the handler's tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _database(db):
    """Django looks at its database connections around each request."""
