"""Headers of requests, as pure functions."""

from __future__ import annotations

import pytest
from twisted.web.http_headers import Headers

from channels.interface_server.protocol.headers import (
    joined,
    parse_x_forwarded_for,
    request_headers,
    take_root_path,
)

FORWARDED = {"X-Forwarded-For": b"10.1.2.3", "X-Forwarded-Port": b"1234"}


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


@pytest.mark.parametrize(
    "headers",
    [
        FORWARDED,
        {name.lower().encode(): value for name, value in FORWARDED.items()},
        {name.upper(): [value] for name, value in FORWARDED.items()},
        {name: value.decode() for name, value in FORWARDED.items()},
        Headers({name.encode(): [value] for name, value in FORWARDED.items()}),
        [(name.encode(), value) for name, value in FORWARDED.items()],
    ],
)
def test_an_address_is_found_whatever_holds_the_headers(headers):
    assert parse_x_forwarded_for(headers) == (["10.1.2.3", 1234], None)


def test_the_leftmost_address_is_taken_by_default():
    headers = {"X-Forwarded-For": "10.1.2.3 , 10.1.2.4"}

    assert parse_x_forwarded_for(headers) == (["10.1.2.3", 0], None)


@pytest.mark.parametrize(
    ("proxies", "expected"), [(1, "10.0.0.3"), (2, "10.0.0.2"), (3, "10.0.0.1"), (9, "10.0.0.1")]
)
def test_trusted_proxies_count_from_the_right(proxies, expected):
    headers = {"X-Forwarded-For": [b"10.0.0.1, 10.0.0.2", b"10.0.0.3"]}

    address, _ = parse_x_forwarded_for(headers, trusted_proxies=proxies)

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
    assert parse_x_forwarded_for({"X-Forwarded-For": item})[0] == [address, 0]


def test_ipv6_addresses_pass_through():
    assert parse_x_forwarded_for({"X-Forwarded-For": "1043::a321:0001"})[0] == [
        "1043::a321:0001",
        0,
    ]


@pytest.mark.parametrize("addresses", ["", " ", ",", " , 10.1.2.3", "[]:5", ":80"])
def test_a_header_without_an_address_is_no_header(addresses):
    headers = {"X-Forwarded-For": addresses, "X-Forwarded-Proto": "https"}

    assert parse_x_forwarded_for(headers, original_addr=["::1", 5]) == (["::1", 5], None)


@pytest.mark.parametrize("port", ["abc", "-5", "65536", "", "4_4", "\uff19", "9" * 5000])
def test_a_bad_port_is_0(port):
    headers = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Port": port}

    assert parse_x_forwarded_for(headers)[0] == ["10.1.2.3", 0]


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https,http", "https"),
        ("HTTPS", "https"),
        (" wss ,ws", "wss"),
        ("javascript", "http"),
        ("javascript, https", "http"),
        ("", "http"),
    ],
)
def test_the_first_scheme_counts_if_it_is_a_known_one(proto, scheme):
    headers = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": proto}

    assert parse_x_forwarded_for(headers, original_scheme="http")[1] == scheme


def test_the_first_port_counts():
    headers = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Port": " 443 ,80"}

    assert parse_x_forwarded_for(headers)[0] == ["10.1.2.3", 443]


def test_behind_proxies_that_append_all_three_headers_count_from_the_right():
    headers = {
        "X-Forwarded-For": "6.6.6.6, 10.1.2.3, 10.0.0.1",
        "X-Forwarded-Port": "666, 443, 80",
        "X-Forwarded-Proto": "http, https, http",
    }

    assert parse_x_forwarded_for(headers, trusted_proxies=2) == (["10.1.2.3", 443], "https")


def test_the_scheme_is_taken_if_there_is_one():
    headers = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": b"https"}

    assert parse_x_forwarded_for(headers, original_scheme="http")[1] == "https"
    assert parse_x_forwarded_for(FORWARDED, original_scheme="http")[1] == "http"


@pytest.mark.parametrize("name", [None, "", "X-Real-IP"])
def test_without_the_address_header_the_originals_stay(name):
    headers = {**FORWARDED, "X-Forwarded-Proto": b"https"}

    found = parse_x_forwarded_for(
        headers, name, original_addr=["127.0.0.1", 80], original_scheme="http"
    )

    assert found == (["127.0.0.1", 80], "http")


def test_port_and_proto_headers_can_be_left_out():
    headers = {**FORWARDED, "X-Forwarded-Proto": b"https"}

    found = parse_x_forwarded_for(headers, port_header_name=None, proto_header_name=None)

    assert found == (["10.1.2.3", 0], None)
