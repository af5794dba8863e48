"""A project of a few files, written by a test into a folder of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

MANAGE = """
    import os, sys
    os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""


def write_site(folder: Path, files: Mapping[str, str], layer: str = "") -> Path:
    """Write files, by name, and a ``manage.py`` that takes ``site_settings``; return the folder.

    ``%s`` in their text is replaced by ``layer``.
    """
    for name, text in {"manage.py": MANAGE, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = textwrap.dedent(text).lstrip("\n")
        path.write_text(text.replace("%s", layer) if layer else text)
    return folder
