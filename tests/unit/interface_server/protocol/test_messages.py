"""The first messages of a connection, and error pages."""

from __future__ import annotations

import pytest

from channels.interface_server.protocol.messages import (
    http_request,
    split_target,
    websocket_connect,
)
from channels.interface_server.protocol.pages import error_headers, error_page, phrase


def request(**changes):
    given = {
        "method": b"GET",
        "target": b"/x?a=1",
        "http_version": b"HTTP/1.1",
        "scheme": "http",
        "root_path": "",
        "headers": [(b"host", b"x")],
        "body": b"",
        "client": ["127.0.0.1", 1],
        "server": ["127.0.0.1", 80],
        **changes,
    }
    return http_request(**given)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", b""),
        (b"/a%20b?c=%20d", "/a b", b"c=%20d"),
        (b"/caf%C3%A9", "/café", b""),
        (b"/%ff", "/�", b""),
        (b"/%zz%", "/%zz%", b""),
        (b"/a?b?c", "/a", b"b?c"),
        (b"*", "*", b""),
        (b"http://other/a", "http://other/a", b""),
        (b"", "", b""),
    ],
)
def test_targets_are_split_whatever_they_hold(target, path, query):
    assert split_target(target) == (path, query)


def test_a_request_has_exactly_the_keys_of_the_contract():
    assert request() == {
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/x",
        "query_string": b"a=1",
        "root_path": "",
        "headers": [(b"host", b"x")],
        "body": b"",
        "client": ["127.0.0.1", 1],
        "server": ["127.0.0.1", 80],
    }


@pytest.mark.parametrize(
    ("sent", "version"), [(b"HTTP/1.0", "1.0"), (b"HTTP/1.1", "1.1"), (b"HTTP/2", "2")]
)
def test_the_version_is_what_is_behind_the_slash(sent, version):
    assert request(http_version=sent)["http_version"] == version


def test_the_method_keeps_its_spelling_and_the_scheme_is_never_empty():
    message = request(method=b"get", scheme="")

    assert (message["method"], message["scheme"]) == ("get", "http")


@pytest.mark.parametrize(
    ("scheme", "expected"), [("http", "ws"), ("https", "wss"), ("wss", "wss"), ("odd", "ws")]
)
def test_a_connect_has_the_optional_keys_of_the_specification_and_no_others(scheme, expected):
    message = websocket_connect(
        target=b"/x?a=1",
        scheme=scheme,
        root_path="/root",
        headers=[(b"a", b"1"), (b"a", b"2")],
        client=None,
        server=None,
    )

    assert message == {
        "path": "/x",
        "query_string": b"a=1",
        "headers": [(b"a", b"1,2")],
        "client": None,
        "server": None,
        "scheme": expected,
        "root_path": "/root",
    }


def test_an_error_page_says_status_phrase_and_paragraph_escaped():
    page = error_page(503, "Request queue <full>.").decode()

    assert "<title>503 Service Unavailable</title>" in page
    assert "<h1>503 Service Unavailable</h1>" in page
    assert "<p>Request queue &lt;full&gt;.</p>" in page


def test_the_headers_of_a_page_tell_its_length_and_when_to_come_back():
    assert error_headers(b"12345", 7) == [
        (b"Content-Type", b"text/html; charset=utf-8"),
        (b"Content-Length", b"5"),
        (b"Retry-After", b"7"),
    ]
    assert len(error_headers(b"")) == 2


def test_a_status_without_a_phrase_has_one_anyway():
    assert phrase(299) == "Unknown Status"
