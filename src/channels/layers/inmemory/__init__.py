"""The in-memory layer: ``channels.layers.inmemory.InMemoryChannelLayer``."""

from __future__ import annotations

from channels.layers.inmemory.layer import InMemoryChannelLayer

__all__ = ["InMemoryChannelLayer"]
