"""The limit of open files, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from channels.interface_server.net.endpoints import raise_limit
print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(64, 200), (200, 200)])
def test_the_soft_limit_is_raised_to_the_hard_one(soft, hard):
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(soft=soft, hard=hard)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert ran.stdout == f"{hard} ({hard}, {hard})\n"
