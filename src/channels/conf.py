"""The Django settings that this package reads (contract api.md section 0.2).

Each is read at each call, so that ``override_settings`` works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from channels.backends import is_old


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


def session_key_in_url() -> bool:
    """Return ``CHANNELS_SESSION_KEY_IN_URL``: whether ``?session_key=`` names an http session.

    True unless set.  URLs end up in logs and histories, so new projects turn it off
    (known-flaws.md F-46).
    """
    return bool(getattr(settings, "CHANNELS_SESSION_KEY_IN_URL", True))


def delete_sessions() -> bool:
    """Return ``CHANNELS_DELETE_SESSIONS``: whether a channel session ends with its socket.

    False unless set: then they stay until Django's ``clearsessions``.
    """
    return bool(getattr(settings, "CHANNELS_DELETE_SESSIONS", False))


def close_on_logout() -> bool:
    """Return ``CHANNELS_CLOSE_ON_LOGOUT``: whether logging out closes the session's sockets.

    Unless set it depends on the project: False while any entry of ``CHANNEL_LAYERS`` has a
    ``BACKEND`` string of old, since such a project was written when sockets stayed; else
    True.
    """
    chosen = getattr(settings, "CHANNELS_CLOSE_ON_LOGOUT", None)
    if chosen is not None:
        return bool(chosen)
    entries = (channel_layers() or {}).values()
    return not any(is_old(entry.get("BACKEND")) for entry in entries)


def origin_validator() -> str | None:
    """Return ``CHANNELS_ORIGIN_VALIDATOR``: dotted path of a class that every socket must pass."""
    return getattr(settings, "CHANNELS_ORIGIN_VALIDATOR", None) or None


def implicit_accept() -> bool:
    """Return ``CHANNELS_IMPLICIT_ACCEPT``: whether connecting without a reply accepts the socket.

    False unless set: it is how Channels before 1.0 behaved.
    """
    return bool(getattr(settings, "CHANNELS_IMPLICIT_ACCEPT", False))


def bindings_on_commit() -> bool:
    """Return ``CHANNELS_BINDINGS_ON_COMMIT``: whether bindings tell of changes once committed."""
    return bool(getattr(settings, "CHANNELS_BINDINGS_ON_COMMIT", True))
