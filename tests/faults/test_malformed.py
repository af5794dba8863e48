"""Replies that no socket can carry out, from a real worker: who is told, and who goes on."""

import contextlib

import pytest
from websockets.sync.client import connect

from tests.faults.site_stack import SiteStack
from tests.support.waiting import wait_until

BLAMED = "malformed reply to a socket on /room/ from consumer tests.faults.site.app.receive: "

#: What is sent, what still comes of it, and what the log says.
REPLIES = [
    ("{'txet': 'a'}", [], "unknown key 'txet'"),
    ("{'text': 'a', 'status': 200}", [], "unknown key 'status'"),
    ("{'text': 'a', 'bytes': b'b'}", [], "both text and bytes"),
    ("{'text': 'odd code', 'close': 99}", ["odd code"], "close code 99 cannot be sent"),
    ("{'close': 'yes'}", [], "close must be True or an int"),
    ("{'text': 5}", [], "text must be str, not int"),
    ("{'bytes': 'a'}", [], "bytes must be bytes, not str"),
]


@pytest.mark.redis
def test_they_are_logged_with_path_and_consumer_and_the_socket_stays_open(redis_server, tmp_path):
    url = redis_server.url
    with contextlib.closing(SiteStack(tmp_path, {"REDIS_URL": url}, [url])) as stack:
        stack.start_worker()
        stack.server.wait_for_port(stack.port)
        with connect(stack.url + "room/") as socket:
            for reply, left, problem in REPLIES:
                socket.send("reply " + reply)
                socket.send("alive")
                assert [socket.recv(10) for _ in left] == left
                assert socket.recv(10).startswith("alive ")
                wait_until(lambda said=BLAMED + problem: said in stack.server.output, problem)
        assert stack.server.output.count("ERROR") == len(REPLIES)
