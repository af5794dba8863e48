"""Consumers as classes: one instance for each message."""

from __future__ import annotations

from channels.generic.base import BaseConsumer

__all__ = ["BaseConsumer"]
