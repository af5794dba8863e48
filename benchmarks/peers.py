"""The peers' own environment: Channels 4 claims our import name, so it cannot live in ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / "benchmarks" / ".env-channels4"
PYTHON = str(ENVIRONMENT / "bin" / "python")

#: channels_redis 4.3 reads wrongly on redis-py 8, hence the pin.
PACKAGES = [
    "channels>=4.3,<5",
    "channels_redis>=4.3,<4.4",
    "redis>=6.4,<6.5",
    "hiredis",
    "daphne>=4.2,<5",
    "uvicorn[standard]>=0.30",
]

#: Whose versions are printed.
NAMED = ["django", "channels", "channels_redis", "redis", "daphne", "uvicorn", "uvloop"]
NAMED_HERE = ["django", "channels-classic", "twisted", "autobahn", "redis", "uvloop", "gunicorn"]

_ASK = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class PeerMissing(Exception):
    """A peer cannot be measured here; the text says why and what is left out."""


def versions(python: str, names: list[str]) -> dict[str, str]:
    """Return the versions of those of the packages that an environment has."""
    found: dict[str, str] = json.loads(subprocess.check_output([python, "-c", _ASK, *names]))
    return found


def prepare_channels4() -> None:
    """Make the environment of Channels 4, once, with the Django that is installed here.

    Raises:
        PeerMissing: It cannot be made.
    """
    if Path(PYTHON).exists() and len(versions(PYTHON, NAMED)) == len(NAMED):
        return
    print("Installing Channels 4 in an environment of its own (once, about a minute)", flush=True)
    django = versions(sys.executable, ["django"])["django"]
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        for command in (
            [sys.executable, "-m", "venv", str(ENVIRONMENT)],
            [*pip, f"django=={django}", *PACKAGES],
        ):
            subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["nothing was said"]
        raise PeerMissing(
            f"Channels 4 could not be installed in {ENVIRONMENT} ({said[-1]}): it is left out"
        ) from error


def find_gunicorn() -> None:
    """Look for gunicorn, which is among the tools for development.

    Raises:
        PeerMissing: It is not installed.
    """
    if not versions(sys.executable, ["gunicorn"]):
        raise PeerMissing(
            "gunicorn is not installed here (make .venv/.dev installs it): it is left out"
        )
