"""HTTP connections over real sockets: who is refused, who is waited for, who has left."""

from __future__ import annotations

import socket
import time

import pytest

from tests.support.net import Peer, running


@pytest.fixture(scope="module")
def server():
    with running(access=True, http_timeout=30) as started:
        yield started


@pytest.fixture
def peer(server):
    server.forget()
    with Peer(server.port) as connected:
        yield connected


# -- malformed requests ----------------------------------------------------------------

HOST = b"GET /h HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        (b"nonsense\r\n\r\n", "nonsense "),
        (b"GET /v HTTP/9.9\r\n\r\n", "GET /v"),
        ("GET /caf\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n".encode(), "GET /caf\\xc3\\xa9"),
        (HOST + b"no colon\r\n\r\n", "GET /h"),
        (HOST + b"Bad Name: x\r\n\r\n", "GET /h"),
        (HOST + b"A: b\r\n" * 5_000 + b"\r\n", "GET /h"),
        (HOST + b"A: " + b"b" * 20_000 + b"\r\n\r\n", "GET /h"),
        (b"GET /" + b"a" * 20_000, "GET /" + "a" * 495),  # and no end in sight
        (HOST + b"A: b\r\n c\r\n\r\n", "GET /h"),
        (HOST + b"A: b\r\n\tc\r\n\r\n", "GET /h"),
        (b"GET /h HTTP/1.1\r\n Host: x\r\n\r\n", "GET /h"),
        (b"GET /h HTTP/1.1\r\n\r\n", "GET /h"),
        (HOST + b"Host: y\r\n\r\n", "GET /h"),
        (b"GET /h HTTP/1.1\r\nHost: a b\r\n\r\n", "GET /h"),
        (b"GET /h HTTP/1.0\r\nHost: x/y\r\n\r\n", "GET /h"),
        (b"GET /h HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", "GET /h"),
        (b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", "POST /c"),
        (CHUNKED + b"\r\nxyz\r\n", "POST /c"),
        (CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n", "POST /c"),
        (CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", "POST /c"),
        (CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST /c"),
        (CHUNKED.replace(b"ked", b"ked, identity") + b"\r\n0\r\n\r\n", "POST /c"),
        (CHUNKED.replace(b"ked", b"ked;q=1") + b"\r\n0\r\n\r\n", "POST /c"),
        (CHUNKED + b" identity\r\n\r\n0\r\n\r\n", "POST /c"),
    ],
)
def test_malformed_requests_get_400_an_end_and_a_line_in_the_access_log(server, peer, sent, logged):
    seen = len(server.log)
    peer.send(sent)

    assert peer.rest().startswith(b"HTTP/1.1 400 " if b"HTTP/1.0" not in sent else b"HTTP/1.0 400 ")
    client = f"127.0.0.1:{peer.sock.getsockname()[1]} - - ["
    assert server.logged(client)
    (line,) = [line for line in server.log[seen:].splitlines() if client in line]
    assert f'"{logged}" 400 ' in line


def test_clients_of_old_need_no_host(peer):
    peer.send(b"GET /old HTTP/1.0\r\n\r\n")
    assert peer.response()[0] == 200

    with running(require_host=False) as lenient, Peer(lenient.port) as other:
        other.send(b"GET /old HTTP/1.1\r\n\r\n" + HOST + b"\r\n")
        assert [other.response()[0] for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("host", ["", "x_y.example:8000", "[::1]:80", "xn--caf-dma.example"])
def test_hosts_of_all_legal_forms_are_served(peer, host):
    peer.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert peer.response()[0] == 200


# -- silence and half a connection -----------------------------------------------------


def test_a_connection_is_kept_open_for_as_long_as_it_is_said():
    with running(keep_alive_timeout=0.5) as server, Peer(server.port) as peer:
        assert peer.ask("/one")[0] == 200
        assert peer.ask("/two")[0] == 200
        asked = time.monotonic()
        assert peer.rest() == b""
        assert 0.3 < time.monotonic() - asked < 10


def test_a_client_that_closes_its_half_gets_all_of_its_answers(server, peer):
    """Also those of a pipeline, of a large body, and one that comes after a while."""
    peer.send(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % p for p in (b"/later", b"/big")))
    peer.sock.shutdown(socket.SHUT_WR)

    assert peer.response()[2] == b"ok"
    assert peer.response()[2] == b"y" * 5_000_000
    assert peer.rest() == b""


def test_a_client_that_closes_its_half_and_waits_for_long_is_told_to_go_on(server, peer):
    peer.send(b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.sock.shutdown(socket.SHUT_WR)

    assert peer.response()[0] == 100
    assert peer.response()[0] == 100  # it was found to be there after the first


@pytest.mark.parametrize("path", ["/silent", "/begun"])
def test_the_bridge_learns_that_a_client_left(server, peer, path):
    """Before it got anything, and in the middle of its answer."""
    peer.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    server.next("request")
    if path == "/begun":
        peer.until(b"begun\r\n")
    peer.sock.close()

    server.next("request gone")
