"""The import contracts hold, and each of them can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

BREACHES = {
    "Data goes one way": ("routing/matching.py", "import channels.message"),
    "The interface server and the layers know nothing of Django": (
        "interface_server/access.py",
        "import django",
    ),
    "Workers, routing and messages never import the reactor's world": (
        "worker/loop.py",
        "import twisted",
    ),
    "No circle, between files or rooms": (
        "src/channels/exceptions.py",
        "if TYPE_CHECKING:\n    from channels.message import Message",
    ),
    "Protocol machines do no I/O": ("interface_server/protocol/messages.py", "import socket"),
    "The interface server is built in one direction": (
        "interface_server/bridge/hub.py",
        "import channels.interface_server.net.http",
    ),
    "The Redis layer has four wings": (
        "src/channels/layers/redis/server/mailbox.py",
        "import channels.layers.redis.worker.client",
    ),
    "What is on the wire is pure": ("src/channels/layers/redis/wire/keys.py", "import redis"),
    "The worker is built in one direction": ("worker/outcome.py", "import channels.worker.loop"),
    "The handler is built in one direction": (
        "src/channels/handler/replies.py",
        "import channels.handler.handler",
    ),
}


def lint_imports(folder):
    """Run the linter on the tree in ``folder``, which is imported before the installed one."""
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def copy(tmp_path):
    for name in ("src", "routing", "worker", "interface_server", "pyproject.toml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, symlinks=True)
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_of_the_contract_is_reported(copy, contract):
    file, lines = BREACHES[contract]
    path = copy / file
    path.write_text(path.read_text() + f"\n{lines}\n")

    result = lint_imports(copy)

    assert result.returncode != 0
    assert f"{contract} BROKEN" in result.stdout


def test_the_tree_keeps_every_contract(copy):
    result = lint_imports(copy)

    assert result.returncode == 0, result.stdout
    assert f"{len(BREACHES)} kept, 0 broken" in result.stdout
