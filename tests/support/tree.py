"""Where the repository is, and its folders that are linked into the package."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LINKED = ("routing", "worker", "interface_server")
