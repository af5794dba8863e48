"""The demo project for tests: a database of its own, and a copy to deploy from."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.processes import BIN, ROOT, Process


def manage(env: dict[str, str], *arguments: str) -> None:
    """Run a management command of the demo project, and wait for its end."""
    process = Process([BIN / "python", "project/manage.py", *arguments], env=env)
    try:
        assert process.wait(60) == 0, process.output
    finally:
        process.end()


def prepared(folder: Path, **env: str) -> dict[str, str]:
    """Return the environment of a demo with a database of its own, filled."""
    env["DATABASE"] = str(folder / "demo.sqlite3")
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "seed")
    return env


def checkout(folder: Path) -> Path:
    """Return a folder to deploy from: supervisor keeps its socket there, one for each test."""
    (folder / "deploy").mkdir()
    for name in ("Procfile", "deploy/supervisord.conf"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "project").symlink_to(ROOT / "project")
    return folder
