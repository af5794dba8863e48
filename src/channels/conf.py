"""The Django settings that this package reads (contract api.md section 0.2).

Each is read at each call, so that ``override_settings`` works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings


def channel_layers() -> Mapping[str, dict[str, Any]] | None:
    """Return ``CHANNEL_LAYERS``, alias to entry; ``None`` if there is no such setting at all."""
    configured: Mapping[str, dict[str, Any]] | None = getattr(settings, "CHANNEL_LAYERS", None)
    return configured


def channel_session_engine() -> str:
    """Return the module of channel sessions: ``CHANNEL_SESSION_ENGINE`` or ``SESSION_ENGINE``."""
    return getattr(settings, "CHANNEL_SESSION_ENGINE", None) or settings.SESSION_ENGINE


def ws_protocols() -> list[str] | None:
    """Return ``CHANNELS_WS_PROTOCOLS``: WebSocket subprotocols that ``runserver`` offers."""
    return getattr(settings, "CHANNELS_WS_PROTOCOLS", None) or None


def root_path() -> str:
    """Return ``FORCE_SCRIPT_NAME``: the path prefix that ``runserver`` serves under."""
    return settings.FORCE_SCRIPT_NAME or ""
