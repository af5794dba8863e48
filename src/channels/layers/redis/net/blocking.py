"""Blocking connections to Redis on which nothing is ever repeated.

redis-py makes the connection (addresses, TLS, authentication, database) and frames the
answers; its retries are off, because a pipeline that is repeated sends a reply
twice and loses the message that it took (at most once means: never again).  Commands go
out in one write and their answers come back in one list, errors among them in
place.  Whatever else goes wrong ends the connection and is reported as
``LayerUnavailable``: what was on its way may or may not have happened.

A link belongs to one thread at a time; :class:`Pool` lends them out.  After a fork
the child connects anew.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from channels.exceptions import LayerError, LayerUnavailable
from channels.layers.redis.net.address import DEFAULT_TIMEOUT, Target
from channels.layers.redis.net.clock import RedisClock
from channels.layers.redis.net.errors import RedisUnavailable, cannot_serve, remedy_for
from channels.layers.redis.wire import scripts
from channels.layers.redis.wire.scripts import Command

__all__ = [
    "BLOCK_SECONDS",
    "BLOCK_TIMEOUT",
    "DEFAULT_TIMEOUT",
    "Connection",
    "Doubt",
    "Packable",
    "Pool",
    "RedisClock",
    "Target",
    "UnsupportedRedis",
    "check_version",
    "pack",
]

#: How long a blocking take waits inside Redis, and how long its socket then waits
#: for the answer, in seconds.
BLOCK_SECONDS = 5
BLOCK_TIMEOUT = 10.0

#: A link that was idle for longer is looked at before it is used again, in seconds:
#: a server that was restarted meanwhile must not cost an error.
IDLE_SECONDS = 0.02

#: A link that was idle for longer is not used again, in seconds: firewalls and NATs forget
#: such connections without telling anybody, and then the next command would wait in vain.
STALE_SECONDS = 60.0

#: A command, or the bytes of one that was packed before.
Packable = Command | bytes

#: Turns a command to the bytes that Redis reads.
pack: Callable[[Any], bytes] = hiredis.pack_command


class UnsupportedRedis(LayerError):
    """The server is older than Redis 7 (or Valkey's like): it lacks commands of the layer."""


class Doubt:
    """What all connections of one host learn from the first of them that failed.

    They lead to the same server, which has moved, was demoted, or fell silent: each would
    cost an error or a time-out of its own.

    Attributes:
        since: Connections that were not heard of after this are not to be used again.
    """

    def __init__(self) -> None:
        self.since = float("-inf")


class Connection:
    """One connection; connects at the first command, and anew after an error.

    Args:
        locate: Says where to connect; asked each time (failover).  May raise
            ``LayerUnavailable``.
        clock: Measured at each connect.
        timeout: Seconds that an answer may take; None for what the target says.
        check: Called with this link once it is connected and set up.
        plain: Whether to leave out the set-up (scripts, version): a Sentinel has none.
        doubt: Shared by the links of one host.
    """

    def __init__(
        self,
        locate: Callable[[], Target],
        clock: RedisClock | None = None,
        *,
        timeout: float | None = None,
        check: Callable[[Connection], None] | None = None,
        plain: bool = False,
        doubt: Doubt | None = None,
    ) -> None:
        self._locate = locate
        self._clock = clock or RedisClock()
        self._timeout = timeout
        self._check = check
        self._plain = plain
        self._connection: redis.Connection | None = None
        self._doubt = doubt or Doubt()
        self._asked = 0.0
        self._used = 0.0
        self.client_id = 0
        self.target: Target | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as we know."""
        return self._connection is not None

    def execute(self, commands: Sequence[Packable]) -> list[Any]:
        """Send commands in one write and return their answers, errors in place.

        A script that Redis does not know is loaded and called again, alone.

        Raises:
            LayerUnavailable: There was no (complete) answer; the connection is gone.
        """
        self.send(commands)
        answers = self.read(len(commands))
        for index, answer in enumerate(answers):
            if isinstance(answer, ResponseError):
                if isinstance(answer, NoScriptError):
                    answers[index] = self._load_and_repeat(commands[index])
                elif cannot_serve(answer):
                    self.give_up()
        return answers

    def send(self, commands: Sequence[Packable]) -> None:
        """Send commands whose answers :meth:`read` must fetch.

        Raises:
            LayerUnavailable: They may or may not have been sent.
        """
        connection = self._ready()
        self._asked = time.monotonic()
        packed = b"".join(
            [command if isinstance(command, bytes) else pack(command) for command in commands]
        )
        try:
            connection.send_packed_command(  # type: ignore[no-untyped-call]  # redis-py
                [packed], check_health=False
            )
        except (RedisError, OSError) as error:
            raise self._lost(error) from error
        except BaseException:
            self.close()
            raise

    def read(self, count: int) -> list[Any]:
        """Return the next answers, errors in place.

        Raises:
            LayerUnavailable: What was asked for may or may not have happened.
        """
        connection = self._connection
        if connection is None:
            raise RedisUnavailable("the connection to Redis was closed")
        answers: list[Any] = []
        read = connection.read_response
        try:
            for _ in range(count):
                try:
                    answers.append(read())
                except ResponseError as error:
                    answers.append(error)
        except (RedisError, OSError) as error:
            raise self._lost(error) from error
        except BaseException:
            # Interrupted between question and answer: the next answer would be
            # taken for another's.
            self.close()
            raise
        self._used = time.monotonic()
        return answers

    def readable(self) -> bool:
        """Whether there is something to read, or the connection has ended.

        For the thread that reads only: another might be kept waiting by it.
        """
        if self._connection is None:
            return True
        try:
            return bool(self._connection.can_read(0))
        except (RedisError, OSError):
            return True

    def close(self) -> None:
        """Disconnect; the next command connects anew."""
        connection, self._connection = self._connection, None
        self.client_id = 0
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py

    def give_up(self) -> None:
        """Disconnect because the server does not serve; links idle since then connect anew, too."""
        if self._connection is not None:
            self._doubt.since = max(self._asked, self._doubt.since)
        self.close()

    # -- connecting ------------------------------------------------------------------

    def connect(self) -> None:
        """Connect now if there is no connection.

        Raises:
            LayerUnavailable: There is no answer.
            UnsupportedRedis: The server is too old.
        """
        self._ready()

    def _ready(self) -> redis.Connection:
        connection = self._connection
        if connection is not None:
            if connection.pid != os.getpid():
                # After a fork: the parent's socket, forgotten and not closed politely.
                self._connection = None
                return self._connect()
            idle = time.monotonic() - self._used
            if self._used > self._doubt.since and (
                idle < IDLE_SECONDS or (idle < STALE_SECONDS and not self.readable())
            ):
                return connection
            # Nothing was asked, so nothing can be there to read but the end.
            self.close()
        return self._connect()

    def _connect(self) -> redis.Connection:
        self.target = self._locate()
        connection = self.target.open(self._timeout)
        try:
            connection.connect()  # type: ignore[no-untyped-call]  # redis-py
        except (RedisError, OSError) as error:
            raise self._lost(error) from error
        self._connection = connection
        self._used = time.monotonic()
        if not self._plain:
            try:
                self._set_up()
                if self._check is not None:
                    self._check(self)
            except BaseException:
                self.close()
                raise
        return connection

    def _set_up(self) -> None:
        asked = self._clock.monotonic()
        head: list[Packable] = [("TIME",), ("CLIENT", "ID"), ("INFO", "server")]
        self.send([*head, *(script.load() for script in scripts.ALL)])
        (now,) = self.read(1)
        if isinstance(now, Exception):
            raise RedisUnavailable(f"Redis at {self.target} is not ready: {now}") from now
        self._clock.measure(now, asked)
        client_id, info, *loaded = self.read(2 + len(scripts.ALL))
        # Both may be forbidden by an ACL; then takes end by themselves, and the
        # version shows at the first LMPOP.
        self.client_id = client_id if isinstance(client_id, int) else 0
        if isinstance(info, bytes):
            check_version(info, str(self.target))
        for answer in loaded:
            if isinstance(answer, Exception):
                raise RedisUnavailable(
                    f"Redis at {self.target} does not load scripts: {answer}"
                ) from answer

    def _load_and_repeat(self, command: Packable) -> Any:
        script = scripts.BY_SHA[str(command[1])]
        self.send([script.load(), command])
        return self.read(2)[1]

    def _lost(self, error: Exception) -> LayerUnavailable:
        self.give_up()
        if isinstance(error, RedisTimeoutError):
            return RedisUnavailable(f"Redis at {self.target} did not answer in time: {error}")
        if isinstance(error, RedisConnectionError | InvalidResponse | OSError):
            lost = RedisUnavailable(f"Redis at {self.target} is not reachable: {error}")
            port = self.target.options.get("port", 6379) if self.target else 6379
            lost.remedy = remedy_for(error, port)
            return lost
        return RedisUnavailable(f"Redis at {self.target} refused the connection: {error}")


def check_version(info: bytes, where: str) -> None:
    """Raise :class:`UnsupportedRedis` if ``INFO server`` tells of one before version 7."""
    for line in info.splitlines():
        name, _, value = line.partition(b":")
        if name == b"redis_version" and int(value.split(b".")[0]) < 7:
            raise UnsupportedRedis(
                f"the server at {where} is Redis {value.decode()}: the layer needs Redis 7"
                " or later, or Valkey"
            )


class Pool:
    """Connections of one kind, lent to one thread at a time; safe in threads.

    Args:
        make: Makes a link.
    """

    def __init__(self, make: Callable[[], Connection]) -> None:
        self._make = make
        self._idle: list[Connection] = []

    def borrow(self) -> Connection:
        """Return a link, to be given back with :meth:`give_back`."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give_back(self, link: Connection) -> None:
        """Take a link back, whatever state it is in."""
        self._idle.append(link)

    def execute(self, commands: Sequence[Packable]) -> list[Any]:
        """Run commands on one of the links; see :meth:`Connection.execute`."""
        link = self.borrow()
        try:
            return link.execute(commands)
        finally:
            self._idle.append(link)

    def close(self) -> None:
        """Disconnect all that are not lent out."""
        while self._idle:
            self._idle.pop().close()
