"""URLs of the test suite's Django project; tests override them as they need."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
