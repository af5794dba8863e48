"""Fixtures that several areas share."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Iterator

import pytest
from django.db import connections
from django.test import SimpleTestCase

from channels.seldom import Seldom
from tests.support.redis_server import Cluster, RedisServer, SentinelSet


def pytest_configure() -> None:
    """Let processes of tests heed SIGINT also if the run itself was started to ignore it.

    They keep ignoring what they inherit as ignored, as a script's background job does.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_connection_left_by_other_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where a test has no database, earlier ones' connection is out of sight.

    Workers look after open connections around each consumer, which pytest-django
    takes for access to the database.  The one to a database in memory never closes.
    """
    wants_database = (
        request.node.get_closest_marker("django_db") is not None
        or not {"db", "transactional_db", "live_server"}.isdisjoint(request.fixturenames)
        or (isinstance(request.cls, type) and issubclass(request.cls, SimpleTestCase))
    )
    if wants_database:
        yield
        return
    left = [one.alias for one in connections.all(initialized_only=True) if one.in_atomic_block]
    assert not left, f"an earlier test left a transaction open on {left}"
    hidden = [(one, one.connection) for one in connections.all(initialized_only=True)]
    for one, _ in hidden:
        one.connection = None
    yield
    for one, connection in hidden:
        one.connection = connection


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each test hear what a process says once a minute."""
    for name in (
        "layers.redis.agreement._SELDOM",
        "layers.redis.server.pipeline._SELDOM",
        "layers.redis.wire.items._SELDOM",
        "security.websockets._refused",
        "unrouted._seldom",
    ):
        monkeypatch.setattr(f"channels.{name}", Seldom())


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    """Commands set loggers up, which must not decide what later tests see."""
    loggers = [logging.getLogger(name) for name in ("channels", "django.channels")]
    before = [(one, one.level, one.propagate, one.handlers[:]) for one in loggers]
    yield
    for one, level, propagate, handlers in before:
        one.setLevel(level)
        one.propagate, one.handlers = propagate, handlers


def _need_redis() -> None:
    if shutil.which("redis-server") is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")


@pytest.fixture(scope="session")
def _redis_server() -> Iterator[RedisServer]:
    _need_redis()
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def redis_server(_redis_server: RedisServer) -> RedisServer:
    """A real, empty Redis; the process is shared by all tests of the run."""
    _redis_server.flush()
    return _redis_server


@pytest.fixture(scope="session")
def _second_redis_server() -> Iterator[RedisServer]:
    _need_redis()
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def second_redis_server(_second_redis_server: RedisServer) -> RedisServer:
    """Another real, empty Redis, for several hosts."""
    _second_redis_server.flush()
    return _second_redis_server


@pytest.fixture(scope="session")
def _redis_cluster() -> Iterator[Cluster]:
    _need_redis()
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def redis_cluster(_redis_cluster: Cluster) -> Cluster:
    """A real, empty Redis Cluster of three masters."""
    _redis_cluster.flush()
    return _redis_cluster


@pytest.fixture(scope="session")
def _redis_sentinel() -> Iterator[SentinelSet]:
    _need_redis()
    sentinel = SentinelSet()
    yield sentinel
    sentinel.close()


@pytest.fixture
def redis_sentinel(_redis_sentinel: SentinelSet) -> SentinelSet:
    """A real, empty master with replica and Sentinel.  Never fail this one over."""
    _redis_sentinel.flush()
    return _redis_sentinel
