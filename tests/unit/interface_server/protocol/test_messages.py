"""The first messages of a connection."""

from __future__ import annotations

import pytest

from channels.interface_server.protocol.headers import Origin
from channels.interface_server.protocol.messages import (
    http_request,
    split_target,
    websocket_connect,
)

ORIGIN = Origin(
    client=["127.0.0.1", 1],
    server=["127.0.0.1", 80],
    scheme="http",
    root_path="",
    headers=[(b"host", b"x")],
)


def request(method=b"GET", version=b"HTTP/1.1"):
    return http_request(method, b"/x?a=1", version, ORIGIN, b"")


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
    assert request(version=sent)["http_version"] == version


def test_the_method_keeps_its_spelling():
    assert request(method=b"get")["method"] == "get"


@pytest.mark.parametrize(("scheme", "expected"), [("http", "ws"), ("https", "wss")])
def test_a_connect_has_the_optional_keys_of_the_specification_and_no_others(scheme, expected):
    origin = Origin(None, None, scheme, "/root", [(b"a", b"1"), (b"a", b"2")])

    assert websocket_connect(b"/x?a=1", origin) == {
        "path": "/x",
        "query_string": b"a=1",
        "headers": [(b"a", b"1,2")],
        "client": None,
        "server": None,
        "scheme": expected,
        "root_path": "/root",
    }
