"""Settings that both tiers must share, compared on the sorted sets of made-up hosts."""

from __future__ import annotations

import itertools
import logging
import re

import msgpack
import pytest

from channels.layers.base import BaseChannelLayer
from channels.layers.redis.agreement import FRESH_MS, SETTLED_MS, Agreement
from channels.layers.redis.store import Store
from channels.layers.redis.wire.codec import Codec
from channels.layers.redis.wire.keys import Keys

#: What was logged is remembered by prefix, so each test has prefixes of its own.
numbers = itertools.count()


@pytest.fixture
def prefix():
    return f"site{next(numbers)}:"


class Shared:
    """Hosts on which processes meet, with a clock that a test moves."""

    def __init__(self, size=1):
        self.sets = [{} for _ in range(size)]
        self.now_ms = 1_000_000

    def run(self, host, commands):
        found = self.sets[host]
        answer = None
        for name, _, *arguments in commands:
            if name == "ZADD":
                found[arguments[1]] = arguments[0]
            elif name == "ZREMRANGEBYSCORE":
                for member in [m for m, score in found.items() if score <= arguments[1]]:
                    del found[member]
            elif name == "ZREM":
                found.pop(arguments[0], None)
            else:
                answer = list(found)
        return answer

    def beat(self, *agreements, ring=(0,)):
        """Let each write its line and read the others'."""
        for one in agreements:
            one.compare(
                [self.run(host, one.commands(n, self.now_ms)) for n, host in enumerate(ring)]
            )

    def settle(self):
        self.now_ms += SETTLED_MS


def make(kind, prefix, keys=None, size=1, name=None, **options):
    hosts = [object()] * size
    store = Store(BaseChannelLayer(**options), Keys(prefix), Codec(1000, keys), lambda: hosts, None)
    return Agreement(store, name or f"{kind}{next(numbers)}", kind)


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def test_two_lonely_tiers_with_different_prefixes_are_told_in_both_logs(prefix, caplog):
    shared = Shared()
    server, worker = make("server", "asgi" + prefix), make("worker", prefix)
    shared.beat(server, worker)
    assert not caplog.records  # the partner of either may be starting

    shared.settle()
    shared.beat(server, worker)
    shared.beat(server, worker)

    told = warnings(caplog)
    assert len(told) == 2  # once a minute each
    assert told[0].startswith(f"no worker shares prefix 'asgi{prefix}' with the interface server ")
    assert told[1].startswith(f"no interface server shares prefix {prefix!r} with the worker ")
    for line in told:
        assert "module.path:attribute" in line
        assert line.endswith(f"or add ?prefix={prefix} to its URL")


def test_sites_that_share_a_redis_on_purpose_are_left_alone(prefix, caplog):
    shared = Shared()
    processes = [make(kind, site + prefix) for site in "ab" for kind in ("server", "worker")]

    for _ in range(3):
        shared.beat(*processes)
        shared.settle()

    assert not caplog.records


def test_a_tier_that_is_alone_beside_a_whole_site_is_told_once_and_softly(prefix, caplog):
    """It may have no other tier on purpose, such as workers that only run jobs."""
    caplog.set_level(logging.INFO)
    shared = Shared()
    site = [make("server", prefix), make("worker", prefix)]
    alone = make("worker", "jobs" + prefix)

    for _ in range(5):
        shared.beat(*site, alone)
        shared.settle()

    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage().startswith(f"no interface server shares prefix 'jobs{prefix}'")


def test_what_died_is_no_company_and_no_reason(prefix, caplog):
    shared = Shared()
    server, worker = make("server", prefix), make("worker", "b" + prefix)
    dead = make("worker", prefix)
    shared.beat(server, dead, worker)
    shared.settle()
    shared.beat(server, worker)
    assert not caplog.records

    shared.now_ms += FRESH_MS
    shared.beat(server)

    assert not caplog.records  # the worker of the other prefix is gone too by now
    shared.run(0, [server.leave(0)])
    assert shared.sets == [{}]


@pytest.mark.parametrize(
    ("server_keys", "worker_keys", "agree"),
    [
        (["secret1"], ["secret1"], True),
        (["secret2", "secret1"], ["secret1", "secret2"], True),
        (["secret1"], ["secret2"], False),
        (None, ["secret1"], False),
        (["secret2", "secret1"], ["secret1"], False),
    ],
)
def test_encryption_keys_are_compared_without_being_shown(
    prefix, caplog, server_keys, worker_keys, agree
):
    shared = Shared()
    both = make("server", prefix, server_keys), make("worker", prefix, worker_keys)

    shared.beat(*both)
    shared.beat(*both)

    told = warnings(caplog)
    assert len(told) == (0 if agree else 2)
    for line in told:
        assert line.startswith("the symmetric_encryption_keys of the ")
        assert "secret" not in line
    assert not any(b"secret" in member for member in shared.sets[0])


@pytest.mark.parametrize(("ring", "size"), [((0,), 1), ((1, 0), 2)])
def test_the_number_and_the_order_of_hosts_are_compared(prefix, caplog, ring, size):
    shared = Shared(2)
    shared.beat(make("worker", prefix, size=2), ring=(0, 1))
    assert not caplog.records

    shared.beat(make("server", prefix, size=size), ring=ring)

    (line,) = warnings(caplog)
    assert "host 1 of 2" in line
    assert f"host {1 if size == 1 else 2} of {size}" in line


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"capacity": 7}, "capacity (7 there, 100 here)"),
        ({"expiry": 5, "group_expiry": 50}, "expiry (5 there, 60 here); group_expiry (50 there, "),
        ({"max_message_size": 10}, "max_message_size (10 there, "),
        (
            {"channel_capacity": {"http.*": 3}},
            "channel_capacity of http.request (3 there, the default here)",
        ),
        (
            {"channel_capacity": {"daphne.response.*": 3}},
            "channel_capacity of daphne.response.any! (3 there, ",
        ),
    ],
)
def test_limits_are_compared_between_the_tiers_and_told_once(prefix, caplog, options, named):
    """A server that was started from a URL has the defaults; so had the mailbox of it."""
    shared = Shared()
    server, worker = make("server", prefix), make("worker", prefix, **options)
    other_worker = make("worker", prefix)

    for _ in range(3):
        shared.beat(worker, server)
    shared.beat(other_worker)

    told = warnings(caplog)
    assert len(told) == 2
    assert named in told[0]
    assert "module.path:attribute" in told[0]


def test_patterns_are_compared_by_what_they_do(prefix, caplog):
    shared = Shared()
    server = make("server", prefix, channel_capacity={"http.request": 3})
    worker = make("worker", prefix, channel_capacity={re.compile("http.r"): 3})

    shared.beat(server, worker, server)

    assert not caplog.records


def test_a_line_of_a_version_without_limits_is_not_compared_by_them(prefix, caplog):
    server, worker = make("server", prefix, capacity=7), make("worker", prefix)
    line = worker.commands(0, 1_000_000)[0][3]

    server.commands(0, 1_000_000)
    server.compare([[msgpack.packb(msgpack.unpackb(line)[:-1])]])

    assert not caplog.records


@pytest.mark.parametrize(
    "answer", [ValueError("NOPERM no permissions to access a key"), [b"\xc1", b"\x01", b"\x93abc"]]
)
def test_what_cannot_be_read_is_not_compared(prefix, caplog, answer):
    one = make("server", prefix)
    one.commands(0, 1_000_000)

    one.compare([answer])

    assert not caplog.records
