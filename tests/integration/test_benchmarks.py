"""``python -m benchmarks`` runs from end to end: our stacks, a short echo."""

import json
import sys

import pytest

from tests.support.processes import running
from tests.support.tree import ROOT

pytestmark = pytest.mark.redis


def test_a_short_echo_is_measured_and_every_message_was_right():
    options = ["--ours", "--only", "echo", "--seconds", "0.3", "--rounds", "1"]

    with running(sys.executable, "-m", "benchmarks", *options) as process:
        assert process.wait(60) == 0, process.output

    found = json.loads((ROOT / "benchmarks/results/last.json").read_text("utf-8"))
    assert found["failures"] == []
    assert found["wakeup_us"] > 0
    for rounds in found["rounds"].values():
        for connections in (1, 10, 100):
            assert rounds[0][f"echo{connections}.per_second"] > 0
