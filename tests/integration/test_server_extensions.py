"""What is negotiated with the clients of WebSockets, over real sockets."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.support.net import TEXT, Peer, masked, running


@pytest.fixture(scope="module")
def server():
    with running(access=True) as started:
        yield started


@pytest.fixture(scope="module")
def compressing_server():
    with running(compression=True, max_message=200_000) as started:
        yield started


PLAIN = "permessage-deflate; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", PLAIN),
        ("permessage-deflate; client_max_window_bits=8", PLAIN),
        ("permessage-deflate; server_max_window_bits=10; client_max_window_bits", "…=10"),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        ("permessage-deflate; level=9, permessage-deflate", PLAIN),
        ("permessage-bzip2; level=9", None),
        ("permessage-bzip2; client_max_compress_level; permessage-bzip2", None),
        ('x-webkit-deflate-frame, foo; bar="baz"', None),
        ("foo\r\nSec-WebSocket-Extensions: permessage-deflate", PLAIN),
        ("permessage-bzip2; a\r\nSec-WebSocket-Extensions: permessage-bzip2; b=c", None),
    ],
)
def test_nobody_is_refused_for_what_he_offers(server, compressing_server, offer, answer):
    """What isn't understood is declined, with compression on and off."""
    for running_server, expected in ((server, None), (compressing_server, answer)):
        with Peer(running_server.port) as peer:
            headers = peer.open(headers=f"Sec-WebSocket-Extensions: {offer}\r\n")
            chosen = headers.get("sec-websocket-extensions")
            if expected == "…=10":
                assert chosen is not None
                assert "server_max_window_bits=10" in chosen
            else:
                assert chosen == expected
            peer.send(masked(TEXT, b"hello"))
            peer.take(3)


@pytest.mark.parametrize("header", ["foo; =", "a b", 'foo; bar="b c"', 'foo; bar="', "@"])
def test_a_header_that_is_no_list_of_offers_is_refused(server, header):
    """RFC 6455 section 9.1: what does not conform to the syntax fails the connection."""
    with Peer(server.port) as peer:
        peer.upgrade("/refused", f"Sec-WebSocket-Extensions: {header}\r\n")

        assert peer.response()[0] == 400
    assert server.logged('"GET /refused" 400 -')


def test_compression_is_not_negotiated_unless_it_is_on(server):
    with connect(f"ws://127.0.0.1:{server.port}/") as socket:
        assert socket.protocol.extensions == []


def test_compressed_messages_are_read_written_and_prepared(compressing_server):
    url = f"ws://127.0.0.1:{compressing_server.port}/"
    with (
        connect(url) as one,
        connect(url) as two,
        connect(url, compression=None) as plain,
    ):
        assert one.protocol.extensions
        one.send("x" * 100_000)
        assert one.recv(timeout=10) == "x" * 100_000
        one.send("all " + "y" * 1_000)
        for socket in (one, two, plain):
            assert socket.recv(timeout=10) == "all " + "y" * 1_000

        two.send("x" * 200_001)  # a bomb: a few hundred bytes on the wire
        with pytest.raises(ConnectionClosed) as caught:
            two.recv(timeout=10)
        assert caught.value.rcvd.code == 1009
