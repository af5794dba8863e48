"""What the server itself answers with, as pure functions."""

from __future__ import annotations

import json

import pytest

from channels.interface_server.protocol.pages import error_page, health_page


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
    found, body, headers = health_page(
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
    assert headers[:2] == [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"%d" % len(body)),
    ]


def test_an_error_page_says_status_phrase_and_paragraph_escaped():
    page = error_page(503, "Request queue <full>.", 7)[0].decode()

    assert "<title>503 Service Unavailable</title>" in page
    assert "<h1>503 Service Unavailable</h1>" in page
    assert "<p>Request queue &lt;full&gt;.</p>" in page


def test_the_headers_of_a_page_tell_its_length_and_when_to_come_back():
    page, headers = error_page(503, "Later.", 7)
    assert headers == [
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"Content-Length", b"%d" % len(page)),
        (b"Retry-After", b"7"),
    ]
    assert len(error_page(500, "Never.", 7)[1]) == 2


def test_a_status_without_a_phrase_has_one_anyway():
    assert b"<title>299 Unknown Status</title>" in error_page(299, "What?", 7)[0]
