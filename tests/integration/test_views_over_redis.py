"""Django's views behind a real interface server, a real Redis and a real worker."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import sys

import pytest

from tests.support.processes import BIN, free_port, running
from tests.support.small_site import write_site
from tests.support.tls import Http2, make_certificate
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

FILES = {
    "site_settings.py": """
        SECRET_KEY = "a secret of the test suite and of nothing else"
        ALLOWED_HOSTS = ["127.0.0.1"]
        INSTALLED_APPS = ["channels"]
        ROOT_URLCONF = "site_views"
        CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "channels.layers.redis.RedisChannelLayer",
                "ROUTING": [],
                "CONFIG": {"hosts": ["%s"]},
            }
        }
    """,
    "site_views.py": """
        import hashlib, json
        from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
        from django.urls import path

        def hello(request):
            return HttpResponse("hello")

        def digest(request):
            found = hashlib.sha256()
            while chunk := request.read(65536):
                found.update(chunk)
            return HttpResponse(found.hexdigest())

        def upload(request):
            file = request.FILES["file"]
            kind = type(file).__name__
            return HttpResponse(f"{kind} {file.size} {hashlib.sha256(file.read()).hexdigest()}")

        def parse(request):
            # As parsers do that were written for WSGI.
            told = request.META.get("CONTENT_LENGTH")
            body = request.read(int(told or 0))
            return JsonResponse({"told": told, "items": len(json.loads(body or b"[]"))})

        def long(request):
            def parts():
                for n in range(int(request.GET["parts"])):
                    yield b"%07d\\n" % n * 8192
            return StreamingHttpResponse(parts())

        urlpatterns = [
            path("hello/", hello),
            path("digest/", digest),
            path("upload/", upload),
            path("parse/", parse),
            path("long/", long),
        ]
    """,
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_port():
    return free_port()


@pytest.fixture
def port(tmp_path, redis_server, tls_port, certificate):
    """The port of an interface server that one worker with one thread works for."""
    write_site(tmp_path, FILES, redis_server.url)
    port = free_port()
    plain = f"tcp:{port}:interface=127.0.0.1"
    keys = f"privateKey={certificate}/key.pem:certKey={certificate}/crt.pem"
    tls = f"ssl:{tls_port}:interface=127.0.0.1:{keys}"
    with (
        running(BIN / "interface-server", "-e", plain, "-e", tls, redis_server.url) as server,
        running(sys.executable, "manage.py", "runworker", cwd=tmp_path) as worker,
    ):
        server.wait_for_port(port)
        worker.wait_for_output("Listening on channels")
        yield port


def ask(port, path, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_view_answers(port):
    assert ask(port, "/hello/") == (200, b"hello")
    assert ask(port, "/none/")[0] == 404


def test_a_large_body_arrives_whole_whether_its_length_is_told_or_not(port):
    body = bytes(range(256)) * 40_000  # 10 MB
    expected = hashlib.sha256(body).hexdigest().encode()

    assert ask(port, "/digest/", "POST", body) == (200, expected)
    parts = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
    assert ask(port, "/digest/", "POST", parts) == (200, expected)


@pytest.mark.parametrize("count", [3, 40_000], ids=["inline", "on a channel of its own"])
def test_views_are_told_how_long_a_body_is_that_came_without_a_length(
    port, tls_port, certificate, count
):
    body = json.dumps([0] * count).encode()
    expected = {"told": str(len(body)), "items": count}

    with_a_length = ask(port, "/parse/", "POST", body)
    chunked = ask(port, "/parse/", "POST", iter([body[:5], body[5:]]))
    tls = ssl.create_default_context(cafile=certificate / "crt.pem")
    tls.set_alpn_protocols(["h2"])
    plain = socket.create_connection(("127.0.0.1", tls_port), 30)
    with tls.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
        by_http_2 = Http2(sock).ask("/parse/", "POST", body, authority="127.0.0.1")

    for status, answer in (with_a_length, chunked, by_http_2):
        assert (status, json.loads(answer)) == (200, expected)
    # Without a body nothing is claimed.
    assert json.loads(ask(port, "/parse/")[1]) == {"told": None, "items": 0}


def test_a_large_file_is_uploaded_to_a_file(port):
    content = bytes(range(256)) * 20_000
    body = (
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        + content
        + b"\r\n--XX--\r\n"
    )

    digest = hashlib.sha256(content).hexdigest()
    for told in (body, iter([body])):  # with a length, and chunked
        status, answer = ask(
            port, "/upload/", "POST", told, {"Content-Type": "multipart/form-data; boundary=XX"}
        )
        assert (status, answer.decode()) == (200, f"TemporaryUploadedFile {len(content)} {digest}")


def test_a_long_response_arrives_whole(port):
    status, body = ask(port, "/long/?parts=320")  # 20 MiB

    assert status == 200
    assert body == b"".join(b"%07d\n" % n * 8192 for n in range(320))


def test_a_client_that_does_not_read_keeps_no_worker(port):
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET /long/?parts=320 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert slow.recv(15) == b"HTTP/1.1 200 OK"

        # The only worker is free again while 20 MiB wait for the slow client.
        wait_until(lambda: ask(port, "/hello/") == (200, b"hello"), "another answer")

        slow.settimeout(30)
        received = 0
        while chunk := slow.recv(1_000_000):
            received += len(chunk)
            if chunk.endswith(b"0\r\n\r\n"):
                break
    assert received > 320 * 65536
