"""Two distributions provide the package ``channels``: it is said, whichever came last.

The other one is imitated by files of the names that it is known to install.  Tried with the real
one as well, in both orders, in environments of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.tree import ROOT

#: What the other distribution puts over ours, as far as starting Django goes.
THEIRS = {
    "__init__.py": '__version__ = "4.2.0"\n',
    "exceptions.py": "class DenyConnection(Exception): ...\n",
    "apps.py": (
        "from django.apps import AppConfig\n"
        "class ChannelsConfig(AppConfig):\n    name = 'channels'\n"
    ),
}

SENTENCE = "The distribution 'channels' 4.2.0 is installed beside 'channels-classic'"


@pytest.fixture
def mixture(tmp_path):
    """A folder with our package and the other's metadata, and settings that install it."""
    shutil.copytree(ROOT / "src" / "channels", tmp_path / "channels")
    info = tmp_path / "channels-4.2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: channels\nVersion: 4.2.0\n")
    (tmp_path / "mixed_settings.py").write_text(
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['channels']\nCHANNEL_LAYERS = {}\n"
    )
    return tmp_path


def run(folder, *command):
    """Return what a command writes."""
    env = {**os.environ, "PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "mixed_settings"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("last", ["ours", "theirs"])
def test_check_names_the_other_distribution(mixture, last):
    if last == "theirs":
        for name, text in THEIRS.items():
            (mixture / "channels" / name).write_text(text)

    told = run(mixture, "-m", "django", "check")

    assert f"(channels.E001) {SENTENCE}" in told
    assert "pip uninstall channels channels-classic" in told
    assert ("RuntimeWarning" in told) is (last == "theirs")


def test_the_server_says_why_it_cannot_be_imported(mixture):
    (mixture / "channels" / "exceptions.py").write_text(THEIRS["exceptions.py"])

    told = run(mixture, "-m", "channels.interface_server", "redis://127.0.0.1:1/0")

    assert f"RuntimeWarning: {SENTENCE}" in told
    assert told.rindex("ImportError") > told.index(SENTENCE)
