"""HTTP over real sockets, against a bridge that answers by the path."""

from __future__ import annotations

import json
import socket
import time

import pytest

from tests.support.net import Peer, running


@pytest.fixture(scope="module")
def server():
    with running(access=True, max_body=200_000, http_timeout=0.6) as started:
        yield started


@pytest.fixture
def peer(server):
    server.forget()
    with Peer(server.port) as connected:
        yield connected


def test_a_request_reaches_the_bridge_with_exactly_the_keys_of_the_contract(server, peer):
    status, _, body = peer.ask("/caf%C3%A9/x%20y?a=%20b&c", headers="X-A: 1\r\nx-a:  2 \r\n")

    assert (status, body) == (200, "GET /café/x y".encode())
    request = server.next("request")
    del request["event"]
    host, port = request.pop("client")
    assert host == "127.0.0.1"
    assert isinstance(port, int)
    assert request == {
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/café/x y",
        "query_string": "a=%20b&c",
        "root_path": "",
        "headers": [["host", "x"], ["x-a", "1"], ["x-a", "2"]],
        "body": 0,
        "server": ["127.0.0.1", server.port],
    }


@pytest.mark.parametrize("target", ["/%ff%zz%", "*", "http://other/a?b", "//a//b", "/a;b"])
def test_odd_targets_are_passed_on_and_answered(peer, target):
    status, _, _ = peer.ask(target)

    assert status == 200


def test_header_names_with_underscores_are_left_out_and_a_root_path_is_not_believed(server, peer):
    peer.ask("/", headers="X_Evil: 1\r\nDaphne-Root-Path: /a%20b\r\n")

    request = server.next("request")
    assert request["headers"] == [["host", "x"]]
    assert request["root_path"] == ""


def test_a_body_is_passed_on_once_it_is_complete(server, peer):
    peer.ask("/", "POST", "Content-Length: 5\r\n", b"hello")
    assert server.next("request")["body"] == 5

    chunks = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"
    peer.ask("/", "POST", "Transfer-Encoding: chunked\r\n", chunks)
    assert server.next("request")["body"] == 7


def test_a_large_body_arrives_as_a_start_and_a_rest(server, peer):
    peer.ask("/", "POST", "Content-Length: 150000\r\n", b"z" * 150_000)

    request = server.next("request")
    assert (request["body"], request["rest"]) == (65536, 150_000 - 65536)


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(server, peer):
    status, headers, body = peer.ask(
        "/", "POST", "Content-Length: 200001\r\nExpect: 100-continue\r\n"
    )

    assert status == 413
    assert headers["connection"] == "close"
    assert b"413" in body
    port = peer.sock.getsockname()[1]
    peer.sock.close()  # as soon as the answer is there, like any client
    assert server.logged(f"127.0.0.1:{port} - - [")
    assert server.logged('"POST /" 413')


def test_a_client_that_sends_a_body_too_large_anyway_can_read_the_answer(peer):
    status, _, _ = peer.ask("/", "POST", "Content-Length: 400000\r\n", b"z" * 400_000)

    assert status == 413
    assert peer.rest() == b""


def test_a_chunked_body_is_refused_once_it_grew_too_large(server, peer):
    chunk = b"C350\r\n" + b"z" * 50_000 + b"\r\n"
    status, _, _ = peer.ask(
        "/large", "POST", "Transfer-Encoding: chunked\r\n", chunk * 5 + b"0\r\n\r\n"
    )

    assert status == 413
    assert peer.rest() == b""
    with Peer(server.port) as other:
        other.ask("/next")
    assert server.next("request")["path"] == "/next"  # the large one never was one


def test_expecting_clients_are_told_to_continue(peer):
    peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert peer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
    peer.send(b"ok")

    assert peer.response()[0] == 200


def test_pipelined_requests_are_answered_in_order(peer):
    one = b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
    two = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nB"
    peer.send(one + two + one)

    assert [peer.response()[2] for _ in range(3)] == [b"ok", b"POST /b", b"ok"]


def test_a_path_with_bytes_that_are_not_ascii_gets_an_error_page(peer):
    peer.send(b"GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n")

    status, _, body = peer.response()
    assert status == 400
    assert b"Invalid characters in path" in body


def test_a_response_without_a_length_is_chunked_and_the_connection_stays(peer):
    status, headers, body = peer.ask("/chunks")

    assert (status, body) == (200, b"onetwo")
    assert headers["transfer-encoding"] == "chunked"
    assert peer.ask("/again")[0] == 200


def test_http_1_0_gets_the_body_until_the_end(peer):
    peer.send(b"GET /chunks HTTP/1.0\r\n\r\n")

    assert peer.rest().partition(b"\r\n\r\n")[2] == b"onetwo"


def test_head_and_204_have_no_body(peer):
    status, headers, _ = peer.ask("/x", "HEAD")
    assert (status, headers["content-length"]) == (200, "7")
    status, headers, _ = peer.ask("/empty")
    assert status == 204
    assert "content-length" not in headers  # RFC 9110 section 8.6
    assert peer.ask("/x")[2] == b"GET /x"


def test_response_headers_keep_their_order_and_can_inject_nothing(peer):
    peer.send(b"GET /headers HTTP/1.1\r\nHost: x\r\n\r\n")

    head = peer.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201 Created\r\nX-One:  a \r\n")
    assert b"\r\nInjected" not in head
    assert b"gzip" not in head
    assert head.index(b"Set-Cookie: a=1") < head.index(b"Set-Cookie: b=2")


def test_a_response_longer_than_its_length_is_cut(peer):
    assert peer.ask("/long")[2] == b"five."
    assert peer.ask("/x")[0] == 200


def test_a_response_shorter_than_its_length_ends_the_connection(peer):
    peer.send(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n")

    peer.rest()
    with pytest.raises((AssertionError, OSError)):
        peer.ask("/x")


def test_a_bridge_that_fails_is_a_500_without_a_secret(server, peer):
    status, _, body = peer.ask("/error")

    assert status == 500
    assert b"secret" not in body
    assert server.logged("a secret")
    assert peer.ask("/x")[0] == 200


def test_an_application_that_does_not_answer_is_a_503_with_retry_after(server, peer):
    started = time.monotonic()
    status, headers, body = peer.ask("/silent")

    assert 0.5 < time.monotonic() - started < 5
    assert (status, headers["retry-after"]) == (503, "5")
    assert b"too late" in body
    server.next("timed out")
    assert peer.ask("/x")[0] == 200


def test_the_time_out_starts_anew_at_each_piece(peer):
    status, _, body = peer.ask("/slow")  # 2.1 s in all, with a time-out of 0.6 s

    assert (status, body) == (200, b"tick" * 6)


def test_a_response_that_stops_in_the_middle_is_cut_and_later_ones_still_time_out(server, peer):
    peer.send(b"GET /begun HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not peer.rest().endswith(b"0\r\n\r\n")  # broken, so that nobody takes it for all
    server.next("timed out")

    with Peer(server.port) as other:
        assert other.ask("/silent")[0] == 503


def test_a_slow_client_holds_the_response_back(server, peer):
    peer.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
    server.next("drained")  # it was told to wait, and to go on

    assert len(peer.response()[2]) == 5_000_000


def test_a_client_that_reads_slowly_gets_all_of_it(server):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    sock.connect(("127.0.0.1", server.port))
    with Peer(0, sock) as peer:
        peer.send(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        # The kernel holds much of what the server wrote, and takes no more of it meanwhile.
        size = 0
        for _ in range(40):
            size += len(peer.sock.recv(8_192))
            time.sleep(0.05)  # the pace of the client; 2 s in all, with a time-out of 0.6 s

        assert size + len(peer.rest()) > 5_000_000


def test_a_client_that_reads_nothing_is_cut(server, peer):
    peer.send(b"GET /big?nothing HTTP/1.1\r\nHost: x\r\n\r\n")

    assert server.logged('"GET /big?nothing" 200 ')
    assert len(peer.rest()) < 5_000_000


def test_the_access_log_shows_sizes_and_quotes_what_clients_send(server, peer):
    peer.ask("/size?q=1")
    peer.ask('/a"b')

    assert server.logged('"GET /size?q=1" 200 9 0.0')
    assert server.logged('"GET /a\\"b" 200')
    assert server.logged(f"127.0.0.1:{peer.sock.getsockname()[1]} - - [")


def test_pipelined_requests_are_logged_in_their_order(server, peer):
    peer.send(b"GET /order HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.upgrade("/order")
    peer.until(b" 101 ")

    assert server.logged('"WSCONNECT /order"')
    lines = [line for line in server.log.splitlines() if "/order" in line and '"' in line]
    assert [line.split('"')[1] for line in lines] == [
        "GET /order",
        "WSCONNECTING /order",
        "WSCONNECT /order",
    ]


def test_a_response_that_the_client_does_not_wait_for_is_logged(server, peer):
    peer.send(b"GET /begun?left HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.until(b"begun")
    peer.sock.close()

    assert server.logged('"GET /begun?left" 200 5 ')


def test_forwarded_addresses_are_ignored_unless_trusted(server, peer):
    """Nor is the header that says what of the path belongs to the server."""
    forwarded = (
        "X-Forwarded-For: [::1]:99, 5.6.7.8\r\nX-Forwarded-Port: 443,80\r\n"
        "X-Forwarded-Proto: HTTPS,http\r\nDaphne-Root-Path: /a%20b\r\n"
    )
    peer.ask("/forwarded", headers=forwarded)
    assert server.next("request")["client"][0] == "127.0.0.1"
    assert server.logged('"GET /forwarded" 200 ')
    (line,) = [line for line in server.log.splitlines() if "GET /forwarded" in line]
    assert line.startswith(f"127.0.0.1:{peer.sock.getsockname()[1]} - - [")

    with (
        running(
            access=True,
            proxy_forwarded_address_header="X-Forwarded-For",
            proxy_forwarded_port_header="X-Forwarded-Port",
            proxy_forwarded_proto_header="X-Forwarded-Proto",
            trust_root_path_header=True,
        ) as trusting,
        Peer(trusting.port) as behind,
    ):
        behind.ask("/", headers=forwarded)
        request = trusting.next("request")
        assert (request["client"], request["scheme"]) == (["::1", 443], "https")
        assert request["root_path"] == "/a b"
        behind.ask("/wss", headers="X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: wss\r\n")
        assert trusting.next("request")["scheme"] == "https"
        # The port that a proxy tells is its own: it has no place beside the client's address.
        behind.ask("/port", headers=forwarded + "X-Forwarded-Port: 8443\r\n")
        behind.open("/socket", headers=forwarded + "X-Forwarded-Port: 8443\r\n")
        connect = trusting.next("connect")
        assert (connect["client"][0], connect["scheme"]) == ("::1", "wss")
        assert connect["root_path"] == "/a b"
        for shown in ("GET /", "GET /port", "WSCONNECTING /socket", "WSCONNECT /socket"):
            assert trusting.logged(f'"{shown}"')
            (line,) = [line for line in trusting.log.splitlines() if f'"{shown}"' in line]
            assert line.startswith("::1 - - [")


def test_the_server_answers_for_its_health_itself():
    with running(health_path="/-/health") as healthy, Peer(healthy.port) as peer:
        status, headers, body = peer.ask("/-/health?x")
        assert (status, headers["content-type"]) == (200, "application/json")
        told = json.loads(body)
        assert (told["status"], told["sockets"], told["requests"]) == ("ok", 0, 0)
        peer.ask("/x")
        again = json.loads(peer.ask("/-/health")[2])
        assert (again["requests"], again["counters"]["requests"]) == (0, 1)
        assert peer.ask("/-/health/other")[2] == b"GET /-/health/other"


def test_a_client_that_reads_nothing_of_its_last_response_is_no_burden(server, peer):
    """Shown by the server telling that the request is gone."""
    peer.send(b"GET /big HTTP/1.0\r\n\r\n")
    server.next("drained")
    peer.sock.close()

    server.next("request gone")
