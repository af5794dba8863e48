"""The legacy site as its users see it, in one process and in several."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support.processes import BIN, ROOT, Process, free_port, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis


class Site:
    def __init__(self, port, folder, kind):
        self.folder = folder
        self.kind = kind
        self.url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}"

    def open(self, path, data=None, headers=None, method=None):
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        return urllib.request.urlopen(request, timeout=20)

    def get(self, path, data=None, headers=None):
        with self.open(path, data, headers) as answer:
            return answer.read().decode()

    def socket(self, path, **options):
        return connect(self.ws_url + path, **options)

    def marks(self, name):
        path = self.folder / f"marks-{name}"
        return path.stat().st_size if path.exists() else 0


@pytest.fixture(scope="module", params=["one process", "several processes", "own layer"])
def site(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    port = free_port()
    env = {
        "SITE_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.legacy.site.settings",
    }
    django = (sys.executable, "-m", "django")
    with contextlib.ExitStack() as stack:
        if request.param != "one process":
            env["REDIS_URL"] = request.getfixturevalue("_redis_server").url
            request.getfixturevalue("_redis_server").flush()
        migration = Process([*django, "migrate", "--run-syncdb", "-v", "0"], env=env)
        stack.callback(migration.end)
        assert migration.wait() == 0, migration.output
        server = (BIN / "interface-server", "-p", str(port), "tests.legacy.site.asgi:channel_layer")
        worker = (*django, "runworker")
        if request.param == "one process":
            commands = [(*django, "runserver", "--noreload", str(port))]
        elif request.param == "several processes":
            commands = [server, worker, (*worker, "--threads", "2")]
        else:
            # One worker: nothing but their senders orders the messages of such a layer.
            env["LAYER"] = "tests.legacy.site.layers.CountingLayer"
            commands = [server, worker]
        processes = [stack.enter_context(running(*command, env=env)) for command in commands]
        processes[0].wait_for_port(port)
        for worker in processes[1:]:
            worker.wait_for_output("Listening on channels")
        yield Site(port, folder, request.param)
        for process in processes:
            assert process.running(), process.output


def read_json(socket):
    return json.loads(socket.recv(20))


class TestChat:
    def test_rooms_are_apart_and_members_are_told(self, site):
        with (
            site.socket("/chat/red/?username=ann") as ann,
            site.socket("/chat/blue/?username=bob") as bob,
        ):
            assert read_json(ann) == {"join": "ann"}
            assert read_json(bob) == {"join": "bob"}
            with site.socket("/chat/red/?username=Zo%C3%AB") as zoe:
                assert read_json(ann) == read_json(zoe) == {"join": "Zoë"}
                for n in range(20):
                    zoe.send(str(n))
                expected = [{"from": "Zoë", "text": str(n)} for n in range(20)]
                assert [read_json(ann) for _ in range(20)] == expected
                assert [read_json(zoe) for _ in range(20)] == expected
            assert read_json(ann) == {"leave": "Zoë"}
            bob.send("still here")
            assert read_json(bob) == {"from": "bob", "text": "still here"}

    def test_a_consumer_may_deny_the_connection(self, site):
        with pytest.raises(InvalidStatus) as caught, site.socket("/chat/red/"):
            pass
        assert caught.value.response.status_code == 403

    def test_a_path_without_a_route_is_accepted_and_ignored(self, site):
        with site.socket("/chat/not-a-room/") as socket:
            socket.send("hello")
            assert socket.ping().wait(20)


class TestHttpConsumers:
    def test_a_response_is_encoded_by_hand(self, site):
        assert site.get("/raw/hello/you") == "You asked for /raw/hello/you"

    def test_a_handler_of_ones_own_answers_in_chunks(self, site):
        body = "für alle " * 50
        with site.open("/raw/upper", body.encode()) as answer:
            assert answer.status == 201
            assert answer.read().decode() == body.upper()

    def test_a_method_without_a_route_goes_to_the_views(self, site):
        with pytest.raises(urllib.error.HTTPError) as caught:
            site.get("/raw/upper")
        with caught.value:
            assert caught.value.code == 404

    def test_a_stream_arrives_whole(self, site):
        expected = "".join(f"line {n}\n" for n in range(30))
        assert site.get("/raw/stream/30/?word=line") == expected

    def test_a_request_has_exactly_the_keys_of_the_contract(self, site):
        assert json.loads(site.get("/raw/keys/?a=1", headers={"X-Any": "1"})) == {
            "reply_channel": "str",
            "http_version": "str",
            "method": "str",
            "scheme": "str",
            "path": "str",
            "root_path": "str",
            "query_string": "bytes",
            "headers": "list",
            "headers[0]": "bytes",
            "body": "bytes",
            "client": "list",
            "server": "list",
        }

    def test_the_end_of_each_request_is_told(self, site):
        before = site.marks("gone-raw-hello-end")
        for _ in range(2):
            site.get("/raw/hello/end")
        wait_until(lambda: site.marks("gone-raw-hello-end") == before + 2, "both ends")

    def test_a_reply_is_a_dict_written_by_hand(self, site):
        with site.open("/raw/session/") as answer:
            assert answer.headers.get_all("X-Two") == ["1", "2"]
            assert answer.read() == b"hello nobody"


class TestViews:
    def test_sessions_are_shared_with_consumers(self, site):
        with site.open("/name/ann/") as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        headers = {"Cookie": cookie}

        assert site.get("/who/", headers=headers) == "ann True"
        assert site.get("/raw/session/", headers=headers) == "hello ann"

    def test_a_form_with_a_file_is_read_and_told(self, site):
        boundary = "xxx"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="text"\r\n\r\nnews\r\n',
            f'--{boundary}\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n',
            "y" * 100_000 + f"\r\n--{boundary}--\r\n",
        ]
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        with site.socket("/results/") as socket:
            socket.send("are you there")
            assert socket.recv(20) == "ready"
            said = site.get("/announce/", "".join(parts).encode(), headers)
            assert json.loads(said) == {"told": "news", "files": ["f"]}
            assert socket.recv(20) == "news"

    def test_a_view_may_leave_the_answer_to_a_consumer(self, site):
        assert site.get("/later/") == "answered later"

    def test_an_error_is_a_500(self, site):
        with pytest.raises(urllib.error.HTTPError) as caught:
            site.get("/broken/")
        with caught.value:
            assert caught.value.code == 500


class TestTasks:
    def test_a_task_runs_again_until_it_can_be_done(self, site):
        with site.socket("/results/") as socket:
            socket.send("are you there")
            assert socket.recv(20) == "ready"
            assert site.get("/start/7/") == "started 7"
            assert read_json(socket) == {"done": 7, "tries": 3}
        wait_until(lambda: site.marks("stored-7") == 1, "the follow-up ran")
        assert site.marks("work-7") == 3

    def test_a_hopeless_task_runs_eleven_times(self, site):
        site.get("/hopeless/")
        wait_until(lambda: site.marks("hopeless") >= 11, "all its tries")
        # Anything sent behind it has run once it could have run again.
        site.get("/start/8/")
        wait_until(lambda: site.marks("stored-8") == 1, "the other task")
        assert site.marks("hopeless") == 11


class TestClasses:
    def test_frames_of_a_socket_are_counted_in_order(self, site):
        with site.open("/name/carl/") as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        with site.socket("/counter/x/", additional_headers={"Cookie": cookie}) as socket:
            for _ in range(50):
                socket.send('{"add": 1}')
            answers = [read_json(socket) for _ in range(50)]
            assert [answer["count"] for answer in answers] == list(range(1, 51))
            assert answers[-1] == {
                "count": 50,
                "path": "/counter/x/",
                "anonymous": True,
                "name": "carl",
            }
            socket.send('{"add": 2, "everyone": true}')
            assert read_json(socket) == {"count": 52}
            socket.send('{"add": 0, "leave": true}')
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(20)
        assert caught.value.rcvd.code == 4001

    def test_an_echo_of_text_and_bytes(self, site):
        with site.socket("/echo/") as socket:
            socket.send("grüß")
            assert socket.recv(20) == "grüß"
            socket.send(b"\x00\xff")
            assert socket.recv(20) == b"\x00\xff"
            socket.send("close")
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(20)
        assert caught.value.rcvd.code == 3000

    def test_streams_and_a_bound_model(self, site):
        def frame(stream, **payload):
            return json.dumps({"stream": stream, "payload": payload})

        with site.socket("/streams/a/") as one, site.socket("/streams/b/") as other:
            for socket, which in ((one, "a"), (other, "b")):
                assert read_json(socket) == {
                    "stream": "talk",
                    "payload": {"status": "here", "kwargs": {"which": which}},
                }
            one.send(frame("talk", word="hi"))
            assert read_json(one) == {
                "stream": "talk",
                "payload": {"you said": {"word": "hi"}, "stream": "talk"},
            }
            one.send(frame("notes", action="create", data={"title": "first"}))
            told = [read_json(one), read_json(other)]
            assert told[0] == told[1]
            pk = told[0]["payload"].pop("pk")
            assert told[0] == {
                "stream": "notes",
                "payload": {"action": "create", "data": {"title": "first"}, "model": "site.note"},
            }
            other.send(frame("notes", action="delete", pk=pk))  # not permitted
            other.send(frame("notes", action="update", pk=pk, data={"title": "second"}))
            assert read_json(one)["payload"]["data"] == {"title": "second"}


class TestImmediateSends:
    def test_they_come_before_those_that_wait(self, site):
        with site.socket("/progress/") as socket:
            socket.send("go")
            assert [socket.recv(20) for _ in range(6)] == [
                "0 %",
                "50 %",
                "100 %",
                "told to all",
                "full: True",
                "last, because it waits",
            ]


class TestTheLayer:
    def test_a_layer_of_the_projects_own_carries_everything(self, site):
        def counts():
            return [site.marks(f"layer-{name}") for name in ("send", "receive", "send-group")]

        before = counts()
        with site.socket("/chat/green/?username=ann") as ann:
            assert read_json(ann) == {"join": "ann"}

        grown = {now > then for then, now in zip(before, counts(), strict=True)}
        assert grown == {site.kind == "own layer"}
