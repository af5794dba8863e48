"""Legacy apps' own tests, run as their authors run them."""

import os
import subprocess
import sys

import pytest

from tests.legacy.stack import HERE


def run_tests(project, *options):
    environment = dict(os.environ)
    environment.pop("DJANGO_SETTINGS_MODULE", None)  # that of these tests
    done = subprocess.run(
        [
            sys.executable,
            *("-W", "error"),
            # What they have to be told: an old BACKEND string, an old name of the client.
            *("-W", 'ignore:CHANNEL_LAYERS["default"]["BACKEND"]:DeprecationWarning'),
            *("-W", "ignore:channels.test.HttpClient:DeprecationWarning"),
            *("manage.py", "test", "--verbosity", "2", *options),
        ],
        cwd=HERE / project,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("options", [(), ("--parallel", "2"), ("--shuffle", "--reverse")])
def test_the_tests_of_the_portals_apps_pass(options):
    output = run_tests("project", *options)

    assert "Ran 51 tests" in output
    for app in ("board", "chat", "liveblog", "presence", "reminders", "rpc", "tokens", "uploads"):
        assert f"({app}.tests." in output


def test_the_tests_of_the_app_from_before_1_0_pass():
    assert "Ran 3 tests" in run_tests("old")
