"""Routing of the test suite's default layer: nothing, so that each test routes for itself."""

from __future__ import annotations

from channels.routing import Route

routing: list[Route] = []
