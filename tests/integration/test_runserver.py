"""The runserver command as a developer runs it: a real process, a small project, no Redis."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import textwrap
import urllib.error
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.support.processes import free_port, running
from tests.support.small_site import write_site
from tests.support.waiting import wait_until

FILES = {
    # No CHANNEL_LAYERS.
    "site_settings.py": """
        SECRET_KEY = "a secret of the test suite and of nothing else"
        DEBUG = True
        INSTALLED_APPS = ["django.contrib.staticfiles", "channels"]
        ROOT_URLCONF = "site_urls"
        STATIC_URL = "/static/"
        STATICFILES_DIRS = ["files"]
    """,
    "site_urls.py": """
        from django.urls import path
        import site_views
        urlpatterns = [
            path("", site_views.index),
            path("digest/", site_views.digest),
            path("long/", site_views.long),
            path("ticks/", site_views.ticks),
        ]
    """,
    "site_views.py": """
        import asyncio, hashlib
        from django.http import HttpResponse, StreamingHttpResponse

        def index(request):
            return HttpResponse("first answer")

        def digest(request):
            found = hashlib.sha256()
            while chunk := request.read(65536):
                found.update(chunk)
            answer = HttpResponse(found.hexdigest())
            answer["Told"] = request.META.get("CONTENT_LENGTH", "nothing")
            return answer

        def long(request):
            return StreamingHttpResponse(b"%07d\\n" % n * 8192 for n in range(160))

        async def ticks(request):
            async def parts():
                for n in range(3):
                    await asyncio.sleep(0.01)
                    yield f"tick {n}\\n"
            return StreamingHttpResponse(parts())
    """,
    "files/style.css": "body {}",
}

LAYERS = """
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.inmemory.InMemoryChannelLayer",
        "ROUTING": "site_consumers.routing",
    }
}
"""

CONSUMERS = """
    from channels import Group, route

    def connect(message):
        message.reply_channel.send({"accept": True})
        Group("all").add(message.reply_channel)

    def receive(message):
        message.reply_channel.send({"text": "echo " + message["text"]})
        Group("all").send({"text": "all " + message["text"]})

    routing = [
        route("websocket.connect", connect),
        route("websocket.receive", receive),
    ]
"""


@pytest.fixture
def site(tmp_path):
    return write_site(tmp_path, FILES)


class Running:
    """A runserver that has printed that it listens."""

    def __init__(self, process, port):
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}"

    def get(self, path, data=None):
        with urllib.request.urlopen(self.url + path, data, timeout=30) as answer:
            return answer.read()


@pytest.fixture
def serve(site):
    """Return what starts the command and waits until it serves."""
    started = []

    def start(*options):
        port = free_port()
        context = running(sys.executable, "manage.py", "runserver", str(port), *options, cwd=site)
        process = context.__enter__()
        started.append(context)
        process.wait_for_port(port)
        return Running(process, port)

    yield start
    for context in started:
        context.__exit__(None, None, None)


def test_pages_static_files_and_sockets_without_any_setting(serve):
    server = serve("--noreload")

    assert server.get("/") == b"first answer"
    assert server.get("/static/style.css") == b"body {}"
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.get("/none/")
    with caught.value:
        assert caught.value.code == 404
    with connect(server.ws_url + "/any/") as socket:
        socket.send("nobody listens, and that is fine")
        assert socket.ping().wait(10)
    wait_until(lambda: "WebSocket DISCONNECT /any/" in server.process.output, "the log's last line")
    assert "HTTP GET / 200" in server.process.output
    assert "HTTP GET /none/ 404" in server.process.output
    assert "WebSocket HANDSHAKING /any/" in server.process.output
    assert "WebSocket CONNECT /any/" in server.process.output


def test_consumers_answer_sockets(serve, site):
    write_site(site, {"site_consumers.py": CONSUMERS})
    with (site / "site_settings.py").open("a") as settings:
        settings.write(LAYERS)
    server = serve("--noreload")

    with connect(server.ws_url) as first, connect(server.ws_url) as second:
        # Its answer shows that its connect consumer has run too.
        second.send("hello")
        assert [second.recv(10), second.recv(10)] == ["echo hello", "all hello"]
        assert first.recv(10) == "all hello"
        for n in range(100):
            first.send(str(n))
        answers = [first.recv(10) for _ in range(200)]
        # A client that leaves much unread waits 10 s for the end of its connection.
        assert [second.recv(10) for _ in range(100)] == [f"all {n}" for n in range(100)]

    assert [answer for answer in answers if answer.startswith("echo")] == [
        f"echo {n}" for n in range(100)
    ]


def test_large_uploads_and_long_responses_arrive_whole(serve):
    server = serve("--noreload")
    upload = bytes(range(256)) * 20_000  # 5 MB: past what Django keeps in memory

    chunked = urllib.request.Request(
        server.url + "/digest/", iter([upload]), {"Transfer-Encoding": "chunked"}
    )
    for request in (server.url + "/digest/", chunked):
        data = None if request is chunked else upload
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            assert answer.read() == hashlib.sha256(upload).hexdigest().encode()
            assert answer.headers["Told"] == str(len(upload))
    expected = b"".join(b"%07d\n" % n * 8192 for n in range(160))  # 10 MiB
    assert server.get("/long/") == expected
    assert server.get("/ticks/") == b"tick 0\ntick 1\ntick 2\n"


def test_code_that_changes_is_served_and_sockets_come_back(serve, site):
    server = serve()
    assert server.get("/") == b"first answer"

    with connect(server.ws_url) as socket:
        views = site / "site_views.py"
        views.write_text(views.read_text().replace("first answer", "second answer"))
        with pytest.raises(ConnectionClosed):
            socket.recv(30)

    def answers_anew():
        try:
            return server.get("/") == b"second answer"
        except OSError:
            return False

    server.process.wait_until(answers_anew, "the new code")
    with connect(server.ws_url) as socket:
        assert socket.ping().wait(10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(serve, number):
    server = serve("--noreload")

    with connect(server.ws_url) as socket:
        server.process.signal(number)
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(30)
        assert caught.value.rcvd.code == 1012

    assert server.process.wait() == 0
    assert "Traceback" not in server.process.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_reloader_too(serve, number):
    server = serve()

    server.process.signal(number)

    assert server.process.wait() == 0
    assert "Traceback" not in server.process.output


@pytest.mark.parametrize("options", [["--noreload"], []])
def test_a_port_in_use_is_told_and_ends_it(serve, site, options):
    server = serve("--noreload")

    with running(
        sys.executable, "manage.py", "runserver", str(server.port), *options, cwd=site
    ) as second:
        assert second.wait() == 1
        assert "could not listen on" in second.output
        assert "Address already in use: another process listens there" in second.output
        assert "Traceback" not in second.output


def test_djangos_own_server_can_be_had(serve):
    server = serve("--noasgi", "--noreload")

    assert server.get("/") == b"first answer"
    with urllib.request.urlopen(server.url, timeout=30) as answer:
        assert answer.headers["Server"].startswith("WSGIServer")


def test_without_workers_a_request_times_out(serve):
    server = serve("--noworker", "--noreload", "--http_timeout=1")

    with pytest.raises(urllib.error.HTTPError) as caught:
        server.get("/")
    with caught.value:
        assert caught.value.code == 503


def test_importing_the_command_imports_no_server():
    code = """
        import json, sys, django
        from django.conf import settings
        settings.configure(INSTALLED_APPS=["channels"])
        django.setup()
        import channels.management.commands.runserver
        roots = ("twisted", "autobahn", "channels.interface_server")
        print(json.dumps([name for name in sys.modules if name.startswith(roots)]))
    """
    with running(sys.executable, "-c", textwrap.dedent(code)) as process:
        assert process.wait() == 0
        assert json.loads(process.output) == []
