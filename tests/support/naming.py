"""Dotted paths, as documentation and settings have them."""

from __future__ import annotations

import importlib


def find(path):
    """Import the longest part of a dotted path that is a module; look up the rest."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for name in parts[length:]:
            found = getattr(found, name)
        return found
    raise ImportError(path)
