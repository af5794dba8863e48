"""The Django settings that this package reads (docs/channels1.md#settings).

Each is read at each call, so that ``override_settings`` works.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from django.conf import settings

from channels.backends import is_old
from channels.exceptions import InvalidChannelLayerError

#: What ``CHANNEL_LAYERS`` has to be.
_SHAPE = (
    'must be a dict of dicts, {"default": {"BACKEND": "channels.layers.redis.RedisChannelLayer",'
    ' "ROUTING": "mysite.routing.channel_routing"}}'
)


def channel_layers() -> Mapping[str, dict[str, Any]] | None:
    """Return ``CHANNEL_LAYERS``, alias to entry; ``None`` if there is no such setting at all.

    Raises:
        InvalidChannelLayerError: It is something else than a dict of dicts.
    """
    configured = getattr(settings, "CHANNEL_LAYERS", None)
    if configured is None:
        return None
    if not isinstance(configured, Mapping):
        raise InvalidChannelLayerError(f"CHANNEL_LAYERS {_SHAPE}, not {configured!r:.200}")
    for alias, entry in configured.items():
        if not isinstance(entry, Mapping):
            raise InvalidChannelLayerError(
                f'CHANNEL_LAYERS["{alias}"] is {entry!r:.200}, but CHANNEL_LAYERS {_SHAPE}'
            )
    return cast("Mapping[str, dict[str, Any]]", configured)


def suggest_routing() -> str | None:
    """Return the dotted path of the list of routes that stands beside the URLconf, if one does.

    Where a project's ``routing.py`` is by custom; it is read and not imported.
    """
    package = str(getattr(settings, "ROOT_URLCONF", "")).rpartition(".")[0]
    module = f"{package}.routing" if package else "routing"
    try:
        found = importlib.util.find_spec(module)
        text = Path(found.origin).read_text("utf-8") if found and found.origin else ""
    except (ImportError, OSError, ValueError):
        return None
    if not re.search(r"^\s*(from|import) channels\b", text, re.MULTILINE):
        return None
    lists = re.findall(r"^(\w+)\b[^=\n]*=\s*[\[{]", text, re.MULTILINE)
    named = [name for name in lists if "rout" in name.lower()] or lists or ["channel_routing"]
    return f"{module}.{named[-1]}"


def unused_routing() -> str | None:
    """Return what to do about routes that nobody uses, as there is no layer at all; or ``None``."""
    routing = None if channel_layers() else suggest_routing()
    if routing is None:
        return None
    return (
        f"Nobody uses the routes of {routing}: name them in the settings,"
        ' CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.redis.RedisChannelLayer",'
        f' "CONFIG": {{"hosts": ["redis://127.0.0.1:6379/0"]}}, "ROUTING": "{routing}"}}}}'
    )


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
    (docs/channels1.md#channel-sessions-that-stay).
    """
    return bool(getattr(settings, "CHANNELS_SESSION_KEY_IN_URL", True))


def delete_sessions() -> bool:
    """Return ``CHANNELS_DELETE_SESSIONS``: whether a channel session ends with its socket.

    False unless set: then they stay until Django's ``clearsessions``.
    """
    return bool(getattr(settings, "CHANNELS_DELETE_SESSIONS", False))


def close_on_logout() -> bool:
    """Return ``CHANNELS_CLOSE_ON_LOGOUT``: whether logging out closes the session's sockets.

    Unless set, False while any entry of ``CHANNEL_LAYERS`` has a legacy ``BACKEND`` string: such
    a project was written when sockets stayed.
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
