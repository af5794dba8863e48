"""WebSockets over real sockets: a library that behaves, and plain sockets that don't."""

from __future__ import annotations

import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support.net import BINARY, CLOSE, CONTINUED, PING, PONG, TEXT, Peer, masked, running


@pytest.fixture(scope="module")
def server():
    with running(
        access=True,
        ws_protocols=["chat", "news"],
        max_message=100_000,
        send_buffer=300_000,
        websocket_connect_timeout=0.5,
    ) as started:
        yield started


@pytest.fixture
def peer(server):
    server.forget()
    with Peer(server.port) as connected:
        yield connected


def close_code(payload):
    return int.from_bytes(payload[:2], "big")


# -- the handshake ---------------------------------------------------------------------


def test_a_handshake_is_announced_with_exactly_the_keys_of_the_contract(server, peer):
    peer.open("/ws%20x?a=1", headers="Cookie: a\r\nX-A: 1\r\nX-A: 2\r\nX_Bad: 3\r\n")

    announced = server.next("connect")
    del announced["event"]
    headers = dict(announced.pop("headers"))
    assert announced.pop("client") == ["127.0.0.1", peer.sock.getsockname()[1]]
    assert announced == {
        "path": "/ws x",
        "query_string": "a=1",
        "server": ["127.0.0.1", server.port],
        "scheme": "ws",
        "root_path": "",
    }
    assert (headers["x-a"], headers["cookie"]) == ("1,2", "a")
    assert "x_bad" not in headers
    assert "sec-websocket-key" in headers


def test_the_101_is_withheld_until_the_application_accepts(server, peer):
    peer.upgrade("/later")
    server.next("connect")
    started = time.monotonic()

    assert peer.response()[0] == 101
    assert time.monotonic() - started > 0.1


def test_the_first_subprotocol_of_the_client_that_is_known_is_chosen(peer):
    answer = peer.open(headers="Sec-WebSocket-Protocol: mail, news, chat\r\n")

    assert answer["sec-websocket-protocol"] == "news"


def test_without_a_common_subprotocol_there_is_no_header(peer):
    answer = peer.open(headers="Sec-WebSocket-Protocol: mail\r\n")

    assert "sec-websocket-protocol" not in answer


@pytest.mark.parametrize(
    "origin", ["null", "https://example.com:8443", "file://", "chrome-extension://abc", "???"]
)
def test_every_origin_is_admitted(peer, origin):
    """Shown by the handshake: `open` fails without a 101."""
    peer.open(headers=f"Origin: {origin}\r\n")


def test_version_8_is_spoken_too(peer):
    peer.upgrade(version="8")

    assert peer.response()[0] == 101


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", 400),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", 405),
    ],
)
def test_invalid_handshakes_are_answered_and_not_announced(server, peer, sent, status):
    peer.send(f"{sent}\r\n".encode())
    assert peer.rest().startswith(f"HTTP/1.1 {status} ".encode())
    assert server.logged(f'"{sent.split(" HTTP")[0]}" {status} -')

    with Peer(server.port) as other:
        other.open("/valid")
    assert server.next("connect")["path"] == "/valid"


def test_another_upgrade_is_a_plain_request(server, peer):
    assert peer.ask("/x", headers="Upgrade: h2c\r\nConnection: Upgrade\r\n")[0] == 200


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/deny", b"HTTP/1.1 403 Access denied\r\n"),
        ("/busy", b"HTTP/1.1 503 Connection queue at capacity\r\n"),
        ("/silent", b"HTTP/1.1 403 Access denied\r\n"),
    ],
)
def test_a_refused_handshake_gets_a_status_line_and_an_end(server, peer, path, line):
    peer.upgrade(path)

    answer = peer.rest()
    assert answer.startswith(line)
    assert (b"Retry-After: 5" in answer) == (path == "/busy")
    assert server.next("gone")["code"] == 1006
    assert server.logged(f'"WSREJECT {path}"')


def test_a_bridge_that_fails_is_a_500_without_a_secret(server, peer):
    peer.upgrade("/error")

    answer = peer.rest()
    assert answer.startswith(b"HTTP/1.1 500 Internal server error\r\n")
    assert b"secret" not in answer


def test_a_client_that_leaves_during_the_handshake_is_gone(server, peer):
    peer.upgrade("/silent")
    server.next("connect")
    peer.sock.close()

    assert server.next("gone")["code"] == 1006


def test_what_is_sent_before_the_answer_does_no_harm(server, peer):
    peer.upgrade("/later")
    server.next("connect")
    peer.upgrade("/evil")  # would be a second announcement

    assert peer.response()[0] == 101
    first, payload = peer.frame()  # read as a frame, in which RSV bits are set
    assert (first, close_code(payload)) == (CLOSE, 1002)
    assert server.next("gone")["code"] == 1006


@pytest.mark.parametrize("path", ["/", "/later"])
def test_what_comes_in_one_segment_with_the_handshake_is_kept(server, peer, path):
    """Behind the handshake itself, and behind a body that it should not have; also a lot of it."""
    server.forget()
    frames = masked(TEXT, b"one") + masked(TEXT, b"two") + masked(BINARY, b"x" * 90_000)
    peer.upgrade(path, "Content-Length: 2\r\n", rest=b"ab" + frames)

    assert peer.response()[0] == 101
    assert [peer.frame()[1] for _ in range(3)] == [b"one", b"two", b"x" * 90_000]
    peer.send(masked(TEXT, b"three"))
    assert peer.frame()[1] == b"three"


# -- frames ----------------------------------------------------------------------------


def test_text_and_bytes_of_all_sizes_come_back(server):
    with connect(f"ws://127.0.0.1:{server.port}/", compression=None) as socket:
        for message in ("", b"", "héllo", b"\0\xff", "x" * 125, b"y" * 126, "z" * 65536):
            socket.send(message)
            assert socket.recv(timeout=10) == message


def test_frames_are_byte_for_byte_what_they_were(peer):
    peer.open()
    peer.send(masked(TEXT, b"Hello World!"))
    assert peer.take(14) == b"\x81\x0cHello World!"
    peer.send(masked(BINARY, b"\x01\x02\x03\x04"))
    assert peer.take(6) == b"\x82\x04\x01\x02\x03\x04"
    peer.send(masked(TEXT, b"close 1000"))
    assert peer.take(4)[2:] == b"\x03\xe8"


def test_fragments_are_put_together_also_with_a_ping_between(server, peer):
    peer.open()
    whole = "fragménts".encode()
    peer.send(masked(0x01, whole[:6]) + masked(PING, b"p") + masked(0x00, b""))
    peer.send(masked(CONTINUED, whole[6:]))

    assert peer.frame() == (PONG, b"p")
    assert peer.frame() == (TEXT, whole)
    assert server.next("received")["payload"].encode("latin-1").decode("latin-1")


def test_frames_that_come_in_one_byte_at_a_time_are_read(peer):
    peer.open()
    for byte in masked(TEXT, b"slow"):
        peer.send(bytes([byte]))

    assert peer.frame() == (TEXT, b"slow")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(TEXT, b"\xff\xfe"), 1007),
        (masked(TEXT, b"\xed\xa0\x80"), 1007),
        (b"\x81\x02hi", 1002),
        (masked(0xF1, b"x"), 1002),
        (masked(0x83, b"x"), 1002),
        (masked(CONTINUED, b"x"), 1002),
        (masked(0x09, b"x"), 1002),
        (masked(PING, b"x" * 126), 1002),
        (masked(CLOSE, b"x"), 1002),
        (masked(CLOSE, b"\x03\xee"), 1002),
        (masked(BINARY, b"x" * 100_001), 1009),
        (masked(0x02, b"x" * 60_000) + masked(CONTINUED, b"x" * 60_000), 1009),
        (b"\x82\xff" + (2**40).to_bytes(8, "big") + b"mask", 1009),
    ],
)
def test_broken_frames_get_the_close_code_of_the_rfc(server, peer, sent, code):
    peer.open("/broken")
    peer.send(sent + masked(TEXT, b"never seen"))

    first, payload = peer.frame()
    assert (first, close_code(payload)) == (CLOSE, code)
    assert peer.rest() == b""
    peer.sock.close()
    assert server.next("gone")["code"] == 1006


@pytest.mark.parametrize(
    "sent",
    [
        masked(0x01, b"\xce\xba\xff"),
        masked(0x01, b"\xce") + masked(0x00, b"\x41"),
        masked(TEXT, b"fine \xf4\x90" + b"x" * 100)[:20],
        masked(0x01, b"x" * 70_000 + b"\xed\xa0\x80"),
    ],
)
def test_text_that_is_not_utf_8_is_not_read_to_its_end(server, peer, sent):
    """In fragments, over their border, and in a frame of which only a part has come."""
    peer.open("/broken")
    peer.send(sent)

    first, payload = peer.frame()
    assert (first, close_code(payload)) == (CLOSE, 1007)


def test_text_in_pieces_that_part_a_character_is_text(server, peer):
    server.forget()
    peer.open()
    text = "\u20ac" * 3000
    raw = text.encode()
    sent = masked(0x01, raw[:1000]) + masked(0x00, raw[1000:7001]) + masked(0x80, raw[7001:])
    peer.send(sent[:500])
    peer.send(sent[500:] + masked(TEXT, b"and \xe2\x82\xac"))

    assert peer.frame()[1] == raw
    assert peer.frame()[1] == b"and \xe2\x82\xac"


def test_a_client_that_broke_the_protocol_and_stays_is_cut_off(server, peer):
    peer.open()
    peer.send(b"\x81\x02hi")

    assert server.next("gone")["code"] == 1006  # though its half is still open


def test_what_is_sent_in_one_turn_of_the_loop_goes_out_in_one_piece(peer):
    peer.upgrade("/greet")
    peer.more()
    assert peer.response()[0] == 101
    assert peer.buffer == b"\x81\x05hello"
    peer.frame()

    peer.send(b"".join(masked(TEXT, b"%d" % n) for n in range(10)))
    peer.more()
    assert peer.buffer == b"".join(b"\x81\x01%d" % n for n in range(10))


def test_what_is_sent_at_once_overtakes_nothing(peer):
    peer.open()
    peer.send(masked(TEXT, b"mix 400"))

    assert [peer.frame()[1] for _ in range(400)] == [b"%d" % n for n in range(400)]


def test_a_prepared_message_is_the_same_for_all(server):
    with Peer(server.port) as one, Peer(server.port) as two:
        one.open()
        two.open()
        one.send(masked(TEXT, "all grüße".encode()))

        assert one.frame() == two.frame() == (TEXT, "all grüße".encode())


def test_a_paused_socket_is_not_read_until_it_is_resumed(server, peer):
    peer.open()
    peer.send(masked(TEXT, b"pause 0.4") + masked(TEXT, b"one") + masked(TEXT, b""))
    started = time.monotonic()

    assert peer.frame() == (TEXT, b"one")
    assert time.monotonic() - started > 0.3
    assert peer.frame() == (TEXT, b"")


@pytest.mark.parametrize("flood", [b"flood 400", b"flood at once 400"])
def test_a_client_that_does_not_read_is_closed_and_others_do_not_notice(server, peer, flood):
    peer.open("/flooded")
    for _ in range(4):
        peer.send(masked(TEXT, flood))  # 4 MB each, of which it reads nothing

    with Peer(server.port) as other:
        other.open()
        other.send(masked(TEXT, b"hi"))
        assert other.frame() == (TEXT, b"hi")
    gone = server.next("gone")
    while gone["path"] != "/flooded":
        gone = server.next("gone")
    assert gone["code"] == 1006


# -- the end ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "answer", "code"),
    [
        (b"", b"", 1005),
        (b"\x03\xe8", b"\x03\xe8", 1000),
        (b"\x0f\xa1bye", b"\x0f\xa1bye", 4001),
        (b"\x03\xe9", b"\x03\xe9", 1001),
        (b"\x03\xf6", b"\x03\xf6", 1014),
    ],
)
def test_a_client_that_closes_is_answered_and_its_code_reported(server, peer, sent, answer, code):
    peer.open()
    peer.send(masked(CLOSE, sent))

    assert peer.frame() == (CLOSE, answer)
    assert peer.rest() == b""
    assert server.next("gone")["code"] == code


@pytest.mark.parametrize("code", [1000, 1001, 1010, 1014, 3000, 4999])
def test_a_server_that_closes_reports_its_own_code(server, code):
    server.forget()
    with connect(f"ws://127.0.0.1:{server.port}/") as socket:
        socket.send(f"close {code}")
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=10)

    assert caught.value.rcvd.code == code
    assert server.next("gone")["code"] == code


def test_what_the_client_sends_after_our_close_is_discarded(server, peer):
    peer.open()
    peer.send(masked(TEXT, b"close 4000") + masked(TEXT, b"late") + masked(CLOSE, b"\x0f\xa0"))

    assert peer.frame()[0] == CLOSE
    assert peer.rest() == b""
    assert server.next("received")["payload"] == "close 4000"
    assert server.next("gone")["code"] == 4000


def test_a_connection_that_just_ends_is_gone_with_1006(server, peer):
    peer.open()
    peer.sock.close()

    assert server.next("gone")["code"] == 1006


def test_the_access_log_shows_each_step(server, peer):
    peer.open("/logged?no=query")
    peer.send(masked(CLOSE, b""))
    peer.rest()

    for verb in ("WSCONNECTING", "WSCONNECT", "WSDISCONNECT"):
        assert server.logged(f'"{verb} /logged" - - 0.')


# -- deadlines -------------------------------------------------------------------------


def test_silent_sockets_are_pinged_and_dropped_unless_they_answer():
    with (
        running(ping_interval=0.3, ping_timeout=0.4) as server,
        connect(f"ws://127.0.0.1:{server.port}/alive") as alive,
        Peer(server.port) as dead,
    ):
        dead.open("/dead")
        assert dead.frame() == (PING, b"")
        assert dead.rest() == b""
        assert server.next("gone") == {"event": "gone", "code": 1006, "path": "/dead"}

        time.sleep(1.0)  # several pings, which the library answers
        alive.send("still here")
        assert alive.recv(timeout=10) == "still here"


def test_the_ping_deadline_stands_still_while_reading_is_paused():
    with running(ping_interval=0.3, ping_timeout=0.3) as server, Peer(server.port) as peer:
        peer.open()
        peer.send(masked(TEXT, b"pause 1.5") + masked(TEXT, b"after"))

        assert peer.frame() == (TEXT, b"after")


def test_a_socket_ends_with_1000_when_its_time_is_over():
    with running(websocket_timeout=0.4) as server, Peer(server.port) as peer:
        peer.open()

        first, payload = peer.frame()
        assert (first, close_code(payload)) == (CLOSE, 1000)
        peer.send(masked(CLOSE, payload))
        assert server.next("gone")["code"] == 1000


def test_a_negative_time_out_of_the_handshake_is_none_at_all():
    with running(websocket_connect_timeout=-1) as server, Peer(server.port) as peer:
        peer.upgrade("/silent")
        server.next("connect")

        peer.sock.settimeout(0.6)
        with pytest.raises(TimeoutError):
            peer.take(1)


def test_a_refusal_is_understood_by_a_library(server):
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(f"ws://127.0.0.1:{server.port}/deny"),
    ):
        pass

    assert caught.value.response.status_code == 403
