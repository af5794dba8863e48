"""The JavaScript client, tested by Node's own test runner (tests/js)."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import channels

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = sorted(str(path) for path in (ROOT / "tests/js").glob("*.test.mjs"))

#: The first version with everything that the tests use.
OLDEST = 18


@pytest.fixture(scope="module")
def node():
    """Node, which only these tests need: contributors may do without, CI may not."""
    executable = shutil.which("node")
    if executable is None:
        problem = "node is not installed"
    else:
        version = subprocess.run([executable, "--version"], capture_output=True, text=True).stdout
        problem = "" if major(version) >= OLDEST else f"node is {version.strip()}"
    if problem:
        message = f"{problem}: the JavaScript client is tested with node {OLDEST} or newer"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return executable


def major(version):
    return int(version.lstrip("v").split(".")[0])


def test_the_package_of_the_javascript_client_has_our_version():
    folder = Path(channels.__file__).parent / "static/channels/js"
    package = json.loads((folder / "package.json").read_text())

    assert (package["name"], package["version"]) == ("django-channels", channels.__version__)
    assert all((folder / package[kind]).is_file() for kind in ("main", "module"))


def test_the_javascript_client_passes_its_own_tests(node):
    result = subprocess.run(
        [node, "--test", "--test-reporter=tap", *TESTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    # A runner that finds no test is content as well.
    (passed,) = re.findall(r"^# pass (\d+)$", result.stdout, re.MULTILINE)
    assert int(passed) > 50
