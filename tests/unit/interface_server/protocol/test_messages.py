"""Where requests come from, and the first messages of a connection."""

from __future__ import annotations

from dataclasses import replace

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress

from channels.interface_server.protocol.messages import (
    Origin,
    find_origin,
    http_request,
    joined,
    parse_forwarded,
    request_headers,
    split_target,
    take_root_path,
    websocket_connect,
)
from channels.interface_server.settings import Settings

FORWARDED = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Port": "1234"}


def forwarded(headers, address="X-Forwarded-For", **settings):
    """Return what is told by these headers, each a value or several."""
    pairs = [
        (name.lower().encode(), value.encode())
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    given = {
        "proxy_forwarded_address_header": address,
        "proxy_forwarded_port_header": "X-Forwarded-Port",
        "proxy_forwarded_proto_header": "X-Forwarded-Proto",
        **settings,
    }
    return parse_forwarded(pairs, Settings(**given))


def test_names_are_lowercased_and_repeats_stay_apart():
    raw = [(b"X-One", [b"1", b"2"]), (b"Host", [b"x"])]

    assert request_headers(raw) == [(b"x-one", b"1"), (b"x-one", b"2"), (b"host", b"x")]


def test_names_with_underscores_are_left_out():
    assert request_headers([(b"X_Forwarded_For", [b"1"]), (b"A", [b"b"])]) == [(b"a", b"b")]


def test_repeats_are_joined_for_websockets():
    assert joined([(b"a", b"1"), (b"b", b"x"), (b"a", b"2")]) == [(b"a", b"1,2"), (b"b", b"x")]


def test_the_root_path_is_decoded_and_taken_out():
    pairs = [(b"host", b"x"), (b"daphne-root-path", b"/caf%C3%A9%20")]

    assert take_root_path(pairs) == ("/café ", [(b"host", b"x")])


def test_without_the_header_there_is_no_root_path():
    pairs = [(b"host", b"x")]

    assert take_root_path(pairs) == (None, pairs)


def test_an_address_and_a_port_are_found():
    assert forwarded(FORWARDED) == (["10.1.2.3", 1234], None)


def test_the_leftmost_address_is_taken_by_default():
    headers = {"X-Forwarded-For": "10.1.2.3 , 10.1.2.4"}

    assert forwarded(headers) == (["10.1.2.3", 0], None)


@pytest.mark.parametrize(
    ("proxies", "expected"), [(1, "10.0.0.3"), (2, "10.0.0.2"), (3, "10.0.0.1"), (9, "10.0.0.1")]
)
def test_trusted_proxies_count_from_the_right(proxies, expected):
    headers = {"X-Forwarded-For": ["10.0.0.1, 10.0.0.2", "10.0.0.3"]}

    address, _ = forwarded(headers, trusted_proxies=proxies)

    assert address == [expected, 0]


@pytest.mark.parametrize(
    ("item", "address"),
    [
        ("1.2.3.4:5678", "1.2.3.4"),
        ("[::1]:5", "::1"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("fe80::1%eth0, 10.0.0.1:80", "fe80::1%eth0"),
    ],
)
def test_an_address_is_taken_without_its_port(item, address):
    assert forwarded({"X-Forwarded-For": item})[0] == [address, 0]


def test_ipv6_addresses_pass_through():
    assert forwarded({"X-Forwarded-For": "1043::a321:0001"})[0] == [
        "1043::a321:0001",
        0,
    ]


@pytest.mark.parametrize("addresses", ["", " ", ",", " , 10.1.2.3", "[]:5", ":80"])
def test_a_header_without_an_address_is_no_header(addresses):
    headers = {"X-Forwarded-For": addresses, "X-Forwarded-Proto": "https"}

    assert forwarded(headers) == (None, None)


@pytest.mark.parametrize("port", ["abc", "-5", "65536", "", "4_4", "\uff19", "9" * 5000])
def test_a_bad_port_is_0(port):
    headers = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Port": port}

    assert forwarded(headers)[0] == ["10.1.2.3", 0]


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https,http", "https"),
        ("HTTPS", "https"),
        (" wss ,ws", "https"),
        ("ws", "http"),
        ("javascript", None),
        ("javascript, https", None),
        ("", None),
    ],
)
def test_the_first_scheme_counts_if_it_is_a_known_one(proto, scheme):
    headers = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": proto}

    assert forwarded(headers)[1] == scheme


def test_the_first_port_counts():
    headers = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Port": " 443 ,80"}

    assert forwarded(headers)[0] == ["10.1.2.3", 443]


def test_behind_proxies_that_append_all_three_headers_count_from_the_right():
    headers = {
        "X-Forwarded-For": "6.6.6.6, 10.1.2.3, 10.0.0.1",
        "X-Forwarded-Port": "666, 443, 80",
        "X-Forwarded-Proto": "http, https, http",
    }

    assert forwarded(headers, trusted_proxies=2) == (["10.1.2.3", 443], "https")


def test_the_scheme_is_taken_if_there_is_one():
    headers = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https"}

    assert forwarded(headers)[1] == "https"
    assert forwarded(FORWARDED)[1] is None


@pytest.mark.parametrize("name", [None, "", "X-Real-IP"])
def test_without_the_address_header_nothing_is_reported(name):
    assert forwarded({**FORWARDED, "X-Forwarded-Proto": "https"}, name) == (None, None)


def test_port_and_proto_headers_can_be_left_out():
    headers = {**FORWARDED, "X-Forwarded-Proto": "https"}

    found = forwarded(headers, proxy_forwarded_port_header=None, proxy_forwarded_proto_header=None)

    assert found == (["10.1.2.3", 0], None)


PROXIED = Settings(proxy_forwarded_address_header="X-Forwarded-For", root_path="/root")


class Channel:
    """A connection, of TCP or a UNIX socket."""

    def __init__(self, secure=False, unix=False):
        self.secure, self.unix = secure, unix

    def getPeer(self):
        return UNIXAddress("/a") if self.unix else IPv4Address("TCP", "10.0.0.9", 5)

    def getHost(self):
        return UNIXAddress("/b") if self.unix else IPv4Address("TCP", "10.0.0.1", 80)

    def isSecure(self):
        return self.secure


def test_the_socket_tells_where_a_request_comes_from_if_no_proxy_does():
    origin = find_origin(PROXIED, [(b"Host", [b"x"])], Channel(secure=True))

    assert origin == Origin(["10.0.0.9", 5], ["10.0.0.1", 80], "https", "/root", [(b"host", b"x")])
    assert origin.describe() == "10.0.0.9:5"


def test_a_proxy_names_the_client_whose_port_is_not_known():
    raw = [(b"X-Forwarded-For", [b"1.2.3.4"])]

    origin = find_origin(PROXIED, raw, Channel())

    assert (origin.client, origin.scheme, origin.forwarded) == (["1.2.3.4", 0], "http", True)
    assert origin.describe() == "1.2.3.4"


@pytest.mark.parametrize(("trusted", "root_path"), [(False, "/root"), (True, "/other")])
@pytest.mark.parametrize("websocket", [False, True])
def test_the_root_path_of_a_request_is_believed_only_if_that_was_said(
    trusted, root_path, websocket
):
    settings = replace(PROXIED, trust_root_path_header=trusted)
    raw = [(b"Daphne-Root-Path", [b"/other"])]

    origin = find_origin(settings, raw, Channel(unix=True), websocket)

    assert (origin.client, origin.root_path) == (None, root_path)
    assert origin.describe() is None
    assert origin.headers == ([(b"daphne-root-path", b"/other")] if websocket else [])


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
