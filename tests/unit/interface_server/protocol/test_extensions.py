"""Offers of extensions, and which of them is accepted."""

from __future__ import annotations

import pytest

from channels.interface_server.protocol.extensions import choose_deflate, parse_offers


def test_offers_of_all_lines_are_read_in_order():
    offers = parse_offers([b"Foo; a=1 ;B, ,", b' bar ; c = "x\\y"'])

    assert offers == [("foo", [("a", "1"), ("b", None)]), ("bar", [("c", "xy")])]


@pytest.mark.parametrize("values", [[], [b""], [b" , ,"]])
def test_no_offer_is_none(values):
    assert parse_offers(values) == []
    assert choose_deflate([]) is None


@pytest.mark.parametrize(
    "value",
    [
        *(b";", b"a;", b"a;;b", b"a b", b"a=b", b"a;b=", b"a;=b", b"a;b=c=d", b"a;b=="),
        *(b'"a"', b'a;"b"', b'a;b="c d"', b'a;b=""', b'a;b="c', b"\xe4"),
        b"a;" + b" " * 16_000 + b"{",
    ],
)
def test_what_is_no_list_of_offers_is_an_error(value):
    with pytest.raises(ValueError, match="extension"):
        parse_offers([value])


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("Permessage-Deflate; CLIENT_max_window_bits", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits=8", "permessage-deflate"),
        ("permessage-deflate; client_no_context_takeover", "permessage-deflate"),
        (
            'permessage-deflate; server_no_context_takeover; server_max_window_bits="9"',
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
        ),
        ("x, permessage-deflate; level=9, permessage-deflate", "permessage-deflate"),
        ("permessage-bzip2; level=9", None),
        ("permessage-deflate; level=9", None),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits=9", None),
        ("permessage-deflate; client_max_window_bits=7", None),
        ("permessage-deflate; client_max_window_bits=09", None),
        ("permessage-deflate; client_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
    ],
)
def test_the_first_offer_that_is_understood_and_feasible_is_chosen(offered, chosen):
    assert choose_deflate(parse_offers([offered.encode()])) == chosen
