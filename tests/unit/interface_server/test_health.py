"""The health page, as a pure function."""

from __future__ import annotations

import json

import pytest

from channels.interface_server.health import health_page


@pytest.mark.parametrize(
    ("layer_up", "draining", "status", "word"),
    [
        (True, False, 200, "ok"),
        (True, True, 503, "draining"),
        (False, True, 503, "draining"),
        (False, False, 503, "no layer"),
    ],
)
def test_new_work_is_welcome_only_with_a_layer_and_time(layer_up, draining, status, word):
    found, body = health_page(
        layer_up=layer_up, draining=draining, sockets=3, requests=2, counters={"requests": 7}
    )

    assert found == status
    told = {"status": word, "sockets": 3, "requests": 2, "counters": {"requests": 7}}
    assert json.loads(body) == told
