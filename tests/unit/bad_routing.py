"""A routing with a mistake, found when it is imported."""

from __future__ import annotations

from channels.routing import route
from tests.unit.routing.handlers import consumer

routing = [route("a.one", consumer, path="(")]
