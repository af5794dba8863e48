"""The heartbeat against a host that does as it is told; no thread sleeps, no Redis runs."""

from __future__ import annotations

import logging
import threading

import pytest
from redis.exceptions import NoPermissionError

from channels.exceptions import LayerUnavailable
from channels.layers.base import BaseChannelLayer
from channels.layers.clients import HEARTBEAT_TTL
from channels.layers.redis import heartbeat
from channels.layers.redis.heartbeat import Heartbeat
from channels.layers.redis.net.protocol import RedisClock
from channels.layers.redis.store import Store
from channels.layers.redis.wire.codec import Codec
from channels.layers.redis.wire.keys import TIERS, Keys
from channels.layers.redis.wire.processes import read_entry
from tests.support.clock import Clock

KEYS = Keys()


class Host:
    """Answers as Redis would, as far as a heartbeat asks."""

    def __init__(self, monotonic=lambda: 100.0):
        self.clock = RedisClock(monotonic)
        self.fails = False
        self.guards_tiers = False
        self.epoch = b"first"
        self.run_id = "aaa"
        self.hashes = {}
        self.index = {}

    def execute(self, commands):
        if self.fails:
            raise LayerUnavailable("connection refused")
        return [getattr(self, f"on_{command[0].lower()}")(*command[1:]) for command in commands]

    def on_time(self):
        return (5000, 0)

    def on_set(self, key, value, nx):
        return None

    def on_get(self, key):
        return self.epoch

    def on_info(self, section):
        return f"# Server\r\nrun_id:{self.run_id}\r\n".encode()

    def on_hset(self, key, *fields):
        self.hashes[key] = [f if isinstance(f, bytes) else str(f).encode() for f in fields]

    def on_pexpire(self, key, milliseconds):
        assert milliseconds == 10_000

    def on_zadd(self, key, score, name):
        if key != TIERS:
            self.index[name] = score
        elif self.guards_tiers:
            return NoPermissionError("NOPERM no permissions to access a key")
        return 1

    def on_zrange(self, key, first, last):
        return NoPermissionError("NOPERM") if self.guards_tiers else []

    def on_zremrangebyscore(self, key, low, high):
        return 0

    def on_zrem(self, key, name):
        self.index.pop(name, None)

    def on_del(self, key):
        self.hashes.pop(key, None)


@pytest.fixture
def host():
    return Host()


def heart(*hosts, **options):
    store = Store(BaseChannelLayer(), KEYS, Codec(1000), lambda: hosts, None)
    return Heartbeat(store, "web.abc!", "server", **options)


def turns(number):
    """A wait that asks to stop at its ``number``-th call, and never waits."""
    left = iter([False] * (number - 1) + [True])
    return lambda seconds: next(left)


def test_a_beat_writes_the_entry_and_the_index(host):
    beat = heart(host, channels=["a", "b"], unanswered=lambda: [b"r1"], info=lambda: {"pid": 7})

    beat.beat()
    beat.beat()

    entry = read_entry("web.abc!", host.hashes[KEYS.entry("web.abc!")])
    assert (entry.kind, entry.channels, entry.unanswered) == ("server", {"a", "b"}, {b"r1"})
    assert (entry.beat, entry.info) == (2, {"pid": 7})
    assert entry.seen == pytest.approx(5000)
    assert host.index["web.abc!"] == pytest.approx(5_000_000)


def test_the_clock_of_every_host_is_set_to_redis_time(host):
    hosts = [host, Host(lambda: 200.0)]

    heart(*hosts).beat()

    for each in hosts:
        assert each.clock.now_ms() == pytest.approx(5_000_000, abs=1)


def test_the_memory_is_told_with_each_beat(host):
    told = []
    beat = heart(host, beaten=told.append, wait=turns(3))
    original = host.execute

    def execute(commands):
        if beat.beat_number == 2:
            host.epoch, host.run_id = b"second", "bbb"
        return original(commands)

    host.execute = execute
    beat.run()

    assert [memory[0].epoch for memory in told] == [b"first", b"second", b"second"]
    assert [memory[0].run_ids for memory in told] == [{"aaa"}, {"bbb"}, {"bbb"}]


def test_an_outage_is_told_once_and_beating_goes_on(host, caplog):
    caplog.set_level(logging.DEBUG)
    beaten = []
    beat = heart(host, beaten=beaten.append, wait=turns(8))
    original = host.execute

    def execute(commands):
        host.fails = beat.beat_number in (2, 3, 6)
        return original(commands)

    host.execute = execute
    beat.run()

    assert caplog.text.count("no heartbeat of web.abc! can be written: connection refused") == 2
    assert caplog.text.count("heartbeats of web.abc! are written again") == 2
    assert len(beaten) == 5
    # Whoever reads from that Redis logs it.
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


def test_an_error_in_what_is_asked_for_does_not_end_it(host, caplog):
    calls = []

    def unanswered():
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a bug elsewhere")
        return []

    beaten = []
    heart(host, unanswered=unanswered, beaten=beaten.append, wait=turns(2)).run()

    assert len(beaten) == 1
    assert "a bug elsewhere" in caplog.text


def test_an_error_in_a_callback_does_not_end_it(host, caplog):
    def beaten(memories):
        raise RuntimeError("a bug elsewhere")

    heart(host, beaten=beaten, wait=turns(3)).run()

    assert caplog.text.count("RuntimeError: a bug elsewhere") == 3


def test_a_user_who_may_touch_keys_of_the_prefix_only_can_beat_all_the_same(host):
    host.guards_tiers = True
    beaten = []

    heart(host, beaten=beaten.append, wait=turns(6)).run()

    assert len(beaten) == 6


def test_a_refused_write_counts_as_an_outage_and_is_logged_as_nobody_else_sees_it(host, caplog):
    host.on_hset = lambda *arguments: ValueError("OOM command not allowed")

    heart(host, wait=turns(1)).run()

    assert "no heartbeat of web.abc! can be written: Redis refused" in caplog.text
    assert "OOM" in caplog.text


def test_a_process_that_did_nothing_for_a_ttl_is_told_so_once(host):
    clock = Clock()
    heartbeat = heart(host, clock=clock)
    assert not heartbeat.stood_still()

    clock.advance(HEARTBEAT_TTL + 1)
    assert heartbeat.stood_still()
    assert not heartbeat.stood_still()


@pytest.mark.parametrize(("pause", "told"), [(2.0, False), (HEARTBEAT_TTL + 1, True)])
def test_so_it_is_if_the_heartbeat_was_the_first_to_go_on(host, pause, told):
    clock = Clock()
    stops = iter([False, False, False, True])
    pauses = iter([2.0, pause, 2.0, 2.0])
    heartbeat = heart(host, clock=clock, wait=lambda _: clock.advance(next(pauses)) or next(stops))

    heartbeat.run()

    assert heartbeat.stood_still() == told


def test_stopping_is_prompt_takes_it_off_the_register(host, monkeypatch):
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL", 3600)
    written = threading.Event()
    beat = heart(host, beaten=lambda memories: written.set())
    beat.start()
    assert written.wait(10)
    assert host.index

    beat.stop(timeout=10)

    assert not host.index
    assert not host.hashes


def test_stopping_while_redis_is_gone_raises_nothing(host, caplog):
    host.fails = True

    heart(host, wait=turns(1)).run()

    assert "could not leave the register" in caplog.text


def test_an_entry_that_is_not_ours_is_none():
    assert read_entry("x", []) is None
    assert read_entry("x", [b"kind", b"server"]) is None
    assert read_entry("x", {b"kind": b"server", b"beat": b"what"}) is None
