"""Which URL configurations of a project say what application they are of."""

from __future__ import annotations

import re
from pathlib import Path

from channels.porting.routes import module_parts, resolved

_URLS = re.compile(r"^urlpatterns\b", re.MULTILINE)
_NAMED = re.compile(r"^app_name\s*=", re.MULTILINE)


class UrlConfs:
    """Collects files with ``urlpatterns``, then answers for dotted names."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], bool] = {}

    def collect(self, text: str, path: Path) -> None:
        """Take a file."""
        if _URLS.search(text):
            self._found[module_parts(path)] = bool(_NAMED.search(text))

    def has_app_name(self, path: Path, name: str) -> bool | None:
        """Return whether what a file calls ``name`` sets ``app_name``; ``None`` if not known."""
        target = resolved(path, name)
        found = {named for parts, named in self._found.items() if parts[-len(target) :] == target}
        return found.pop() if len(found) == 1 else None
