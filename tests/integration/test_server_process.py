"""The server as a process: where it listens, how it stops, TLS, and the command line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.support.net import CLOSE, PATIENCE, ROOT, TEXT, Peer, masked, running
from tests.support.tls import Http2, make_certificate
from tests.support.waiting import wait_until


def close_code(payload):
    return int.from_bytes(payload[:2], "big")


# -- where it listens ------------------------------------------------------------------


def test_a_unix_socket_has_no_addresses(tmp_path):
    path = tmp_path / "web.sock"
    with running([f"unix:{path}:mode=600"]) as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        with Peer(0, sock) as peer:
            assert peer.ask("/x")[0] == 200
            request = server.next("request")
            assert (request["client"], request["server"]) == (None, None)
            peer.open("/ws")
            peer.send(masked(TEXT, b"hi"))
            assert peer.frame() == (TEXT, b"hi")


def test_an_inherited_socket_is_adopted(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        fd = listening.fileno()
        with running([f"fd:fileno={fd}"], pass_fds=[fd]) as server, Peer(port) as peer:
            assert server.port == port
            assert peer.ask("/x")[0] == 200


def test_several_endpoints_are_served_at_once(tmp_path):
    path = tmp_path / "web.sock"
    endpoints = ["tcp:0:interface=127.0.0.1", f"unix:{path}"]
    with running(endpoints) as server, Peer(server.port) as peer:
        assert peer.ask("/x")[0] == 200
        assert path.is_socket()


def test_ipv6_addresses_are_passed_on():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this host has no IPv6")
    with running([r"tcp:port=0:interface=\:\:1"]) as server:
        with Peer(0, socket.create_connection(("::1", server.port), PATIENCE)) as peer:
            assert peer.ask("/x")[0] == 200
        assert server.next("request")["client"][0] == "::1"


# -- TLS -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls_server(certificate):
    endpoint = (
        f"ssl:0:interface=127.0.0.1:privateKey={certificate}/key.pem:certKey={certificate}/crt.pem"
    )
    with running([endpoint], max_body=100_000) as server:
        yield server


@pytest.fixture
def tls(certificate):
    return ssl.create_default_context(cafile=certificate / "crt.pem")


def wrapped(server, tls, *protocols):
    if protocols:
        tls.set_alpn_protocols(list(protocols))
    plain = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    return tls.wrap_socket(plain, server_hostname="127.0.0.1")


def test_https_requests_say_so(tls_server, tls):
    tls_server.forget()
    with Peer(0, wrapped(tls_server, tls)) as peer:
        assert peer.ask("/x")[2] == b"GET /x"
    assert tls_server.next("request")["scheme"] == "https"


def test_websockets_work_over_tls(tls_server, tls):
    tls_server.forget()

    # Not the client with threads: it reads and writes one TLS connection from two of
    # them, and about one handshake in 500 never ends, with any server.
    async def converse():
        url = f"wss://127.0.0.1:{tls_server.port}/"
        async with connect_async(url, ssl=tls, compression=None) as secure:
            for message in ("hi", b"x" * 200_000):
                await secure.send(message)
                assert await asyncio.wait_for(secure.recv(), PATIENCE) == message
            await secure.send("mix 8")
            mixed = [await asyncio.wait_for(secure.recv(), PATIENCE) for _ in range(8)]
            assert mixed == [str(n) for n in range(8)]
        secure.transport.close()  # Python 3.10 warns of one that the server alone has closed

    asyncio.run(converse())
    assert tls_server.next("connect")["scheme"] == "wss"
    assert tls_server.next("gone")["code"] == 1000


def test_broken_frames_over_tls_get_their_close_code(tls_server, tls):
    with Peer(0, wrapped(tls_server, tls)) as peer:
        peer.open()
        peer.send(b"\x81\x02hi")

        first, payload = peer.frame()
        assert (first, close_code(payload)) == (CLOSE, 1002)


def test_http_2_is_negotiated_and_served(tls_server, tls):
    tls_server.forget()
    with wrapped(tls_server, tls, "h2", "http/1.1") as sock:
        assert sock.selected_alpn_protocol() == "h2"
        client = Http2(sock)

        assert client.ask("/x?a=1") == (200, b"GET /x")
        request = tls_server.next("request")
        assert (request["http_version"], request["scheme"]) == ("2", "https")
        assert ["host", "x"] in request["headers"]
        assert client.ask("/chunks") == (200, b"onetwo")
        assert client.ask("/p", "POST", b"b" * 90_000) == (200, b"POST /p")
        request = tls_server.next("request")
        while request["path"] != "/p":
            request = tls_server.next("request")
        assert (request["body"], request["rest"]) == (65536, 90_000 - 65536)
        assert client.ask("/big") == (200, b"y" * 5_000_000)
        assert client.ask("/error")[0] == 500


def test_http_2_bodies_have_the_same_limit(tls_server, tls):
    with wrapped(tls_server, tls, "h2") as sock:
        client = Http2(sock)

        assert client.ask("/p", "POST", b"b" * 150_000)[0] == 413
        announced = [("content-length", "150000")]
        assert client.ask("/p", "POST", b"b" * 150_000, announced)[0] == 413
        # More than is thrown away: the whole page comes before the stream is reset.
        status, page = client.ask("/p", "POST", b"b" * 2_000_000)
        assert (status, page[-8:]) == (413, b"</html>\n")
        assert client.ask("/x")[0] == 200


# -- stopping --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sockets_are_closed_with_1012_and_the_process_ends_with_0(number):
    with running() as server, connect(f"ws://127.0.0.1:{server.port}/") as open_socket:
        server.signal(number)
        with pytest.raises(ConnectionClosed) as caught:
            open_socket.recv(timeout=10)

        assert caught.value.rcvd.code == 1012
        assert server.next("gone")["code"] == 1012
        assert server.next("stopped")["sockets"] == 0
        assert server.wait() == 0


def test_open_requests_are_finished_and_new_ones_find_nobody():
    with running(drain=10, http_timeout=20) as server, Peer(server.port) as peer:
        peer.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        server.next("request")
        server.signal()
        assert server.logged("Stopping")
        wait_until(lambda: not listens(server.port), "it stops listening")

        assert peer.response()[2] == b"tick" * 6
        assert server.wait() == 0


def test_requests_that_outlast_the_drain_are_answered_503():
    with running(drain=0.3) as server, Peer(server.port) as peer:
        peer.send(b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n")
        server.next("request")
        server.signal()

        status, headers, _ = peer.response()
        assert (status, headers["connection"]) == (503, "close")
        assert server.wait() == 0


def test_closing_is_spread_over_the_drain():
    with running(drain=1.0) as server:
        peers = [Peer(server.port) for _ in range(5)]
        try:
            for peer in peers:
                peer.open()
            server.signal()
            times = []
            for peer in peers:
                assert peer.frame()[0] == CLOSE
                times.append(time.monotonic())
                peer.send(masked(CLOSE, b"\x03\xf4"))
            assert times[-1] - times[0] > 0.5
            assert server.wait() == 0
        finally:
            for peer in peers:
                peer.sock.close()


def test_a_client_that_never_answers_does_not_hold_the_stop():
    with running() as server, Peer(server.port) as peer:
        peer.open()
        server.signal()

        assert peer.frame()[0] == CLOSE
        assert server.next("gone")["code"] == 1006
        assert server.wait() == 0


def test_a_second_signal_stops_at_once():
    with running(drain=60) as server, Peer(server.port) as peer:
        peer.send(b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n")
        server.next("request")
        server.signal()
        assert server.logged("Stopping")
        started = time.monotonic()
        server.signal()

        assert server.wait() == 0
        assert time.monotonic() - started < 5


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


IN_A_THREAD = """
import threading, urllib.request
from tests.support.fake_bridge_server import FakeServer

ready = threading.Event()
server = FakeServer({}, endpoints=["tcp:0:interface=127.0.0.1"], on_ready=ready.set)
thread = threading.Thread(target=server.run)
thread.start()
assert ready.wait(10)
port = server.listeners[0].result.getHost().port
assert urllib.request.urlopen(f"http://127.0.0.1:{port}/x").read() == b"GET /x"
server.stop()
thread.join(10)
assert not thread.is_alive()
print("ended")
"""


def test_it_runs_in_a_thread_and_is_stopped_from_another():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_A_THREAD],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
    )

    assert done.stdout.endswith("ended\n"), done.stderr


# -- the command -----------------------------------------------------------------------


def command(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "channels.interface_server", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        **options,
    )


def test_a_port_that_is_taken_is_exit_status_1():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("-p", str(port), "tests.support.plain_layer:layer")

    assert done.returncode == 1
    assert f"could not listen on tcp:port={port}" in done.stderr
    assert "another process listens there; stop it, or try another port" in done.stderr
    assert "Listening" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("endpoint", "remedy"),
    [
        ("unix:/proc/nothing.sock", None),
        ("tcp:port=8000:interface=192.0.2.1", "this machine has no such address; try --bind"),
    ],
)
def test_other_places_to_listen_that_cannot_be_had_are_told_in_a_line(endpoint, remedy):
    done = command("-e", endpoint, "tests.support.plain_layer:layer")

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "could not listen on" in line]
    assert remedy is None or remedy in line
    assert "Listening" not in done.stderr


def test_a_layer_that_does_not_answer_is_exit_status_1():
    done = command("redis://127.0.0.1:1/0")

    assert done.returncode == 1
    assert "layer" in done.stderr
    assert "Traceback" not in done.stderr


@contextlib.contextmanager
def serving(*args, **options):
    """Run the command on a socket of its own, its output buffered as usual."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "channels.interface_server", "--fd", str(fd), *args),
                "tests.support.plain_layer:layer",
            ],
            cwd=ROOT,
            text=True,
            pass_fds=[fd],
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            **options,
        )
        try:
            with Peer(listening.getsockname()[1]) as peer:
                yield process, peer
        finally:
            process.kill()
            process.wait(PATIENCE)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def test_the_access_log_on_stdout_is_there_at_once():
    with serving("-t", "0.1", stdout=subprocess.PIPE) as (process, peer):
        peer.ask("/now")

        assert '"GET /now" 503' in process.stdout.readline()


def test_an_access_log_that_nobody_reads_is_no_trouble():
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with serving("-t", "0.1", **pipes) as (process, peer):
        process.stdout.close()
        for _ in range(3):
            assert peer.ask("/now")[0] == 503
        process.terminate()

        assert process.wait(PATIENCE) == 0
        log = process.stderr.read()
        assert log.count("access log cannot be written") == 1
        assert "Traceback" not in log
        assert "Exception" not in log


def test_it_serves_a_socket_that_is_its_standard_input():
    # As supervisors do it; and with nothing at all as standard output and error.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [
                *("sh", "-c", 'exec "$0" "$@" >&- 2>&-', sys.executable),
                *("-m", "channels.interface_server", "--fd", "0", "-t", "0.1"),
                "tests.support.plain_layer:layer",
            ],
            cwd=ROOT,
            stdin=listening.fileno(),
        )
        try:
            for _ in range(2):
                with Peer(listening.getsockname()[1]) as peer:
                    assert peer.ask("/x")[0] == 503
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait(PATIENCE)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_descriptor_that_does_not_listen_is_exit_status_1(kind):
    with socket.socket(socket.AF_INET, kind) as deaf:
        deaf.bind(("127.0.0.1", 0))
        fd = deaf.fileno()
        done = command("--fd", str(fd), "tests.support.plain_layer:layer", pass_fds=[fd])

    assert done.returncode == 1
    assert "not a socket that listens" in done.stderr


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("json:dumps", "is none, but a function without send and receive"),
        ("channels.layers.inmemory:InMemoryChannelLayer", "the class InMemoryChannelLayer is not"),
    ],
)
def test_what_is_no_layer_is_exit_status_1(named, said):
    done = command("-p", "0", named)

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_serves_until_it_is_stopped(tmp_path):
    log = tmp_path / "access.log"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "channels.interface_server"),
                *("--fd", str(fd), "-t", "0.3", "--access-log", str(log), "-v", "3"),
                "tests.support.plain_layer:layer",
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[fd],
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
        try:
            with Peer(listening.getsockname()[1]) as peer:
                assert peer.ask("/nobody")[0] == 503
            assert '"GET /nobody" 503' in log.read_text()
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait(PATIENCE)
