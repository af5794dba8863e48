"""Responses that outlive their clients: real servers and workers, clients that really leave.

Tried: generators and iterators with a ``close``, asynchronous generators (one of them waits for
ever), a file that is aborted, a client that is slow and stays, the time-out of the server,
through Redis with one worker and in the memory of ``runserver`` with its four.
"""

import json
import signal
import socket
import sys
from contextlib import ExitStack, closing, suppress

import pytest
from websockets.sync.client import connect

from tests.faults.site.streams import SIZE
from tests.faults.site_stack import SiteStack
from tests.support.processes import BIN, ROOT, Process, fetch, free_port
from tests.support.waiting import wait_until

KINDS = ["generator", "async", "silent", "stubborn", "iterator", "file"]

#: Of the server.
OPTIONS = ["-t", "4", "--health-path", "/up"]

#: Seconds until a worker is free again: the next part, and how often it asks, and some.
FREE = 3


class Site:
    """Where it is, and what its views wrote down."""

    def __init__(self, port, notes_file):
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self._notes_file = notes_file

    def closed(self):
        return sorted(line.split()[1] for line in self._notes_file.read_text().splitlines())

    def request(self, path, method="GET"):
        """Return a socket that has asked for a path and got the start of the answer."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.sendall(f"{method} /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        return client


def read_all(client):
    while client.recv(1024):
        pass


@pytest.fixture(scope="module")
def stack(_redis_server, tmp_path_factory):
    """One worker with one thread, and a server that waits 4 s for a response to go on."""
    url = _redis_server.url
    stack = SiteStack(tmp_path_factory.mktemp("site"), {"REDIS_URL": url}, [*OPTIONS, url])
    with closing(stack):
        stack.start_worker()
        stack.server.wait_for_port(stack.port)
        fetch(f"http://127.0.0.1:{stack.port}/hello/")
        yield stack


@pytest.fixture
def over_redis(stack):
    stack.notes_file.write_text("")
    return Site(stack.port, stack.notes_file)


@pytest.fixture
def in_memory(tmp_path):
    notes_file, port = tmp_path / "notes", free_port()
    notes_file.touch()
    layer = {"BACKEND": "channels.layers.inmemory.InMemoryChannelLayer"}
    env = {
        "LAYER": json.dumps(layer),
        "NOTES": str(notes_file),
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.faults.site.settings",
    }
    command = [sys.executable, "-m", "django", "runserver", str(port), "--noreload"]
    process = Process(command, env=env)
    try:
        process.wait_for_port(port)
        yield Site(port, notes_file)
    finally:
        process.end()


def closed_in_time(site, kinds):
    wait_until(lambda: site.closed() == sorted(kinds), f"{kinds} were closed", FREE)


@pytest.mark.redis
def test_a_stream_ends_with_its_client_and_the_worker_serves_the_next(over_redis):
    """Shown by the generators being closed in time and the only worker answering."""
    for done, kind in enumerate(KINDS, 1):
        over_redis.request(f"stream/{kind}/").close()
        closed_in_time(over_redis, KINDS[:done])
        fetch(over_redis.url + "hello/")


@pytest.mark.redis
def test_streams_whose_clients_left_while_they_waited_for_the_worker_cost_it_next_to_nothing(
    over_redis,
):
    """Shown by all of them being closed within the patience for one."""
    tabs = [over_redis.request("stream/generator/")]
    for _ in range(20):
        tabs.append(socket.create_connection(("127.0.0.1", over_redis.port), timeout=20))
        tabs[-1].sendall(b"GET /stream/generator/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    fetch(over_redis.url + "up")  # the server has read what was sent before
    for tab in tabs:
        tab.close()

    # 10 s if each were looked after half a second later.
    closed_in_time(over_redis, ["generator"] * 21)


@pytest.mark.redis
def test_a_client_that_is_slow_gets_all_and_one_that_waits_too_long_frees_the_worker(over_redis):
    with over_redis.request("stream/file/") as slow:
        wait_until(lambda: over_redis.closed() == ["file"], "the file was read")
        received = 100
        while data := slow.recv(1024 * 1024):
            received += len(data)
            if received > SIZE:
                break
        assert received > SIZE
    with over_redis.request("stream/silent/") as waiting, suppress(ConnectionResetError):
        read_all(waiting)  # until the server gives up
    closed_in_time(over_redis, ["file", "silent"])
    fetch(over_redis.url + "hello/")


@pytest.mark.redis
def test_a_worker_that_is_told_to_stop_cuts_off_what_has_no_end(stack, over_redis):
    stack.processes[1].signal(signal.SIGTERM)
    stack.processes[1].wait()
    # A pool of two, whose parent is what a deploy waits for.
    pool = stack.start(BIN / "python", "-m", "django", "runworker", "--processes=2", "--drain=1")
    pool.wait_until(lambda: pool.output.count("Listening on channels") == 2, "both listen")
    clients = [over_redis.request(f"stream/{kind}/") for kind in ("generator", "silent")]

    pool.signal(signal.SIGTERM)

    assert pool.wait(10) == 0
    assert over_redis.closed() == ["generator", "silent"]
    assert pool.output.count("was cut off, as its worker was told to stop") == 2
    for client in clients:
        with client, pytest.raises(ConnectionResetError):  # it must not look whole
            read_all(client)
    stack.start_worker()
    fetch(over_redis.url + "hello/")


@pytest.mark.redis
def test_the_headers_of_a_stream_alone_cost_no_stream(over_redis):
    with over_redis.request("stream/generator/", "HEAD") as client:
        client.sendall(b"GET /hello/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    fetch(over_redis.url + "hello/")


def test_closed_tabs_do_not_end_a_site_in_the_memory_of_runserver(in_memory):
    kinds = ["generator", "async", "stubborn", "iterator"]
    with ExitStack() as tabs:
        for kind in kinds:
            tabs.enter_context(in_memory.request(f"stream/{kind}/"))

    closed_in_time(in_memory, kinds)
    for _ in range(4):
        in_memory.request("stream/file/").close()
    closed_in_time(in_memory, [*kinds, *["file"] * 4])
    fetch(in_memory.url + "hello/")
    with connect(in_memory.url.replace("http", "ws")) as client:
        client.send("again")
        assert client.recv(10).startswith("again ")
