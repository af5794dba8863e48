"""What the settings of a project call its apps."""

from __future__ import annotations

import re
from pathlib import Path

_INSTALLED = re.compile(r"\bINSTALLED_APPS\b[^\n\[(]*[\[(]([^\])]*)")
_STRING = re.compile(r"""["']([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)["']""")


class Apps:
    """Collects files with ``INSTALLED_APPS``, then answers for files with configurations."""

    def __init__(self) -> None:
        self._installed: set[tuple[str, ...]] = set()

    def collect(self, text: str) -> None:
        """Take a file."""
        for apps in _INSTALLED.findall(text):
            self._installed |= {tuple(name.split(".")) for name in _STRING.findall(apps)}

    def other_name(self, path: Path, name: str) -> str | None:
        """Return what the app that an ``apps.py`` is in is called, if that is not ``name``.

        ``None`` also if the settings do not say.
        """
        here = path.parent.parts
        ends = {here[-length:] for length in range(1, len(here) + 1)}
        found = {".".join(one) for one in self._installed if one in ends}
        return None if not found or name in found else max(found, key=len)
