"""Bindings: what is saved in a model is sent to groups, and the other way round."""

from __future__ import annotations

from channels.binding.base import Binding

__all__ = ["Binding"]
