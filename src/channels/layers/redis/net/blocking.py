"""Blocking connections to Redis on which nothing is ever repeated.

redis-py connects; its retries are off, because a pipeline that is repeated sends a reply
twice and loses the message that it took (at most once means: never again).  Whatever goes wrong
ends the connection and is reported as ``LayerUnavailable``: what was on its way may or may not
have happened.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from typing import Any, Protocol

import redis
from redis.exceptions import InvalidResponse, RedisError

from channels.layers.redis.net.address import Target
from channels.layers.redis.net.errors import RedisUnavailable, unavailable
from channels.layers.redis.net.protocol import Packable, RedisClock, RedisProtocol

#: A connection that was idle for longer is looked at before it is used again, in seconds:
#: a server that was restarted meanwhile must not cost an error.
IDLE_SECONDS = 0.02

#: A connection that was idle for longer is not used again, in seconds: firewalls and NATs forget
#: such connections without a word, and then the next command would wait in vain.
STALE_SECONDS = 60.0

#: Bytes that are received at once, at most.
_BUFFER_SIZE = 65536


class Destination(Protocol):
    """Where connections lead.

    When one of them fails, the server has moved, was demoted, or fell silent; each of the
    others would cost an error or a time-out of its own.

    Attributes:
        clock: Measured at each connect.
        suspected: Connections that were not heard of after this are not to be used again.
    """

    clock: RedisClock
    suspected: float

    def target(self, key: str) -> Target: ...

    def suspect(self) -> None: ...


class Connection:
    """One connection, of one thread at a time.

    Connects at the first command, and anew after an error, a move or a fork.  ``key`` decides
    which server of a Cluster it leads to.

    Attributes:
        target: Where it led when it last connected.
        client_id: What Redis calls it; 0 if it is not connected or that is not known.
    """

    def __init__(self, server: Destination, key: str = "", timeout: float | None = None) -> None:
        self.target: Target | None = None
        self.client_id = 0
        self._server = server
        self._key = key
        self._timeout = timeout
        self._connection: redis.Connection | None = None
        self._protocol: RedisProtocol
        self._socket: Any = None
        self._buffer = bytearray()
        self._pid = 0
        self._asked = 0.0
        self._used = 0.0

    def send(self, commands: Sequence[Packable]) -> None:
        """Connect if needed, and :meth:`write`."""
        self.connect()
        self.write(commands)

    def write(self, commands: Sequence[Packable]) -> None:
        """Send commands in one write; their answers must be fetched with :meth:`read`.

        For who has called :meth:`connect` just now.
        """
        self._asked = time.monotonic()
        packed = self._protocol.request(commands)
        try:
            self._socket.sendall(packed)
        except OSError as error:
            raise self._lost(error) from error
        except BaseException:
            self.close()
            raise

    def read(self) -> list[Any]:
        """Return the answers to what was sent first, errors in place."""
        if self._connection is None:
            raise RedisUnavailable("the connection to Redis was closed")
        protocol, sock, buffer = self._protocol, self._socket, self._buffer
        try:
            while (complete := protocol.next()) is None:
                if protocol.repairs:
                    sock.sendall(protocol.take_repairs())
                size = sock.recv_into(buffer)
                if not size:
                    raise ConnectionResetError("it closed the connection")
                protocol.feed(buffer, 0, size)
        except (InvalidResponse, OSError) as error:
            raise self._lost(error) from error
        except BaseException:
            # Interrupted between question and answer: the next answer would be
            # taken for another's.
            self.close()
            raise
        self._used = time.monotonic()
        if protocol.end is not None:
            self.give_up()
        return complete[1]

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
        """Disconnect because the server does not serve; those idle since then connect anew, too."""
        server = self._server
        if self._connection is not None:
            server.suspected = max(self._asked, server.suspected)
        server.suspect()
        self.close()

    def connect(self) -> None:
        """Connect now, unless there is a connection that can be used."""
        target = self._server.target(self._key)
        if self._connection is not None:
            if self._pid != os.getpid():
                # After a fork: the parent's socket, forgotten and not closed politely.
                self._connection = None
            elif self._used > self._server.suspected and (
                target is self.target or target == self.target
            ):
                idle = time.monotonic() - self._used
                # Nothing was asked, so nothing can be there to read but the end.
                if idle < IDLE_SECONDS or (idle < STALE_SECONDS and not self.readable()):
                    return
            self.close()
        self.target = target
        connection = target.open(self._timeout)
        try:
            connection.connect()  # type: ignore[no-untyped-call]  # redis-py
        except (RedisError, OSError) as error:
            raise self._lost(error) from error
        self._connection = connection
        try:
            self._set_up(connection._sock, target)
        except OSError as error:
            raise self._lost(error) from error
        except BaseException:
            self._server.suspect()
            self.close()
            raise

    def _set_up(self, sock: Any, target: Target) -> None:
        self._socket = sock
        self._buffer = bytearray(_BUFFER_SIZE)
        self._protocol = protocol = RedisProtocol(target)
        self._pid = os.getpid()
        clock = self._server.clock
        self._asked = time.monotonic()
        asked = clock.monotonic()
        # Apart, so that the clock is not measured by the loading of the scripts.
        sock.sendall(protocol.request([("TIME",)]) + protocol.request(protocol.set_up()))
        (now,) = self.read()
        if isinstance(now, Exception):
            raise RedisUnavailable(f"Redis at {target} is not ready: {now}") from now
        clock.measure(now, asked)
        self.client_id = protocol.check_set_up(self.read())

    def _lost(self, error: Exception) -> RedisUnavailable:
        self.give_up()
        assert self.target is not None
        return unavailable(error, self.target)
