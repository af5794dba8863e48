"""Messages to groups with many members in one server: a real server, Redis and sockets."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from channels.layers.redis.layer import RedisChannelLayer
from tests.support.crowd import Crowd
from tests.support.echo_worker import EchoWorker
from tests.support.processes import free_port, running
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

#: The group that sockets on ``/group`` are in.
GROUP = "everyone"

#: Broadcasts after which an echo should once have come first.
TRIES = 50


class Site:
    """One server process, and what workers see of it."""

    def __init__(self, layer: RedisChannelLayer, worker: EchoWorker, port: int) -> None:
        self.layer = layer
        self.worker = worker
        self.port = port

    def crowd(self, count: int) -> Crowd:
        return Crowd(self.port, count, "/group")

    def channels(self, path: str, count: int) -> list[str]:
        """Return the reply channels of so many sockets, once consumers have joined the group."""

        def connected() -> list[str]:
            ran = list(self.worker.ran)
            found = [message["reply_channel"] for _, message in ran if message["path"] == path]
            return found if len(found) == count else []

        wait_until(connected, f"{count} sockets are connected")
        return connected()


@pytest.fixture
def site(redis_server: RedisServer) -> Iterator[Site]:
    port = free_port()
    with running(
        *(sys.executable, "-m", "channels.interface_server", "-p", str(port), redis_server.url)
    ) as process:
        process.wait_for_port(port)
        layer = RedisChannelLayer(hosts=[redis_server.url])
        worker = EchoWorker(RedisChannelLayer(hosts=[redis_server.url])).start()
        try:
            yield Site(layer, worker, port)
        finally:
            worker.stop()
            layer.close()


def test_others_are_answered_while_a_broadcast_goes_on(site: Site) -> None:
    """By the order in which things come: an answer before the last of the members' messages."""
    with (
        site.crowd(2000) as crowd,
        connect(f"ws://127.0.0.1:{site.port}/other", close_timeout=5) as other,
    ):
        site.channels("/group", 2000)
        (channel,) = site.channels("/other", 1)
        for n in range(TRIES):
            site.layer.send_group(GROUP, {"text": f"{n}"})
            site.layer.send(channel, {"text": "answer"})
            assert other.recv(20) == "answer"
            served = crowd.readable()
            for member in crowd.sockets:
                assert crowd.texts(member, 1) == [f"{n}"]
            if served < 2000:
                break
        else:
            pytest.fail(f"in {TRIES} broadcasts nothing was answered before the last member")


def test_on_one_socket_replies_and_messages_of_groups_keep_their_order(site: Site) -> None:
    with site.crowd(600) as crowd:
        channels = site.channels("/group", 600)
        for n in range(10):
            site.layer.send_group(GROUP, {"text": f"group {n}"})
            for channel in channels[::30]:
                site.layer.send(channel, {"text": f"reply {n}"})
        site.layer.send_group(GROUP, {"text": "end"})

        both = [f"{what} {n}" for n in range(10) for what in ("group", "reply")]
        answered = 0
        for member in crowd.sockets:
            texts = crowd.texts(member, 1)
            while texts[-1] != "end":
                texts += crowd.texts(member, 1)
            answered += len(texts) > 11
            assert texts[:-1] in (both, [f"group {n}" for n in range(10)])
        assert answered == 20


def test_members_that_leave_in_the_middle_take_nothing_from_the_others(site: Site) -> None:
    with site.crowd(600) as crowd:
        site.channels("/group", 600)
        for n in range(20):
            site.layer.send_group(GROUP, {"text": f"{n}"})
            for leaving in crowd.sockets[5 * n :: 100]:
                crowd.leave(leaving)

        for member in crowd.sockets:
            assert crowd.texts(member, 20) == [f"{n}" for n in range(20)]
        assert len(crowd.sockets) < 550
