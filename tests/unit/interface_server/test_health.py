"""The health page, as a pure function."""

from __future__ import annotations

import json

import pytest

from channels.interface_server.health import health_page


@pytest.mark.parametrize(
    ("layer_up", "draining", "attended", "status", "word"),
    [
        (True, False, True, 200, "ok"),
        (True, True, True, 503, "draining"),
        (False, True, False, 503, "draining"),
        (False, False, True, 503, "no layer"),
        (True, False, False, 503, "no workers"),
    ],
)
def test_new_work_is_welcome_only_with_layer_workers_and_time(
    layer_up, draining, attended, status, word
):
    found, body = health_page(
        layer_up=layer_up,
        draining=draining,
        attended=attended,
        sockets=3,
        requests=2,
        counters={"requests": 7},
    )

    assert found == status
    told = {"status": word, "sockets": 3, "requests": 2, "counters": {"requests": 7}}
    assert json.loads(body) == told
