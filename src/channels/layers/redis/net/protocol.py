"""What is said on one connection to Redis, without I/O: commands to bytes, bytes to answers.

hiredis frames both ways; this says what a connection of the layer makes of it.  Answers go to
the commands of their request, errors among them in place, never raised: one bad command
does not cost the others of its pipeline.  A script that Redis does not know was not run, so
it is loaded and that one call is repeated; nothing else is ever repeated.  An answer after
which the server cannot serve this connection (it was demoted, say) ends it.

A shell, blocking or asyncio, lets redis-py connect (addresses, TLS, authentication, database)
and moves the bytes; it ends with :meth:`RedisProtocol.abandon`::

    request() -> bytes to send        feed(bytes received), then next() until it is None,
    set_up(), check_set_up()          then send what is in ``repairs``
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.exceptions import InvalidResponse, ResponseError

from channels.layers.redis.net.address import Target
from channels.layers.redis.net.errors import (
    RedisUnavailable,
    UnsupportedRedis,
    cannot_serve,
    code_of,
)
from channels.layers.redis.wire import scripts
from channels.layers.redis.wire.scripts import Command

#: A command, or the bytes of one that was packed before.
Packable = Command | bytes

#: Turns a command to the bytes that Redis reads.
pack: Callable[[Command], bytes] = cast(Any, hiredis).pack_command

#: How long a measurement of Redis time is good for, in seconds, where no heartbeat repeats
#: it.
CLOCK_SECONDS = 60.0

_INCOMPLETE: Any = object()


class RedisClock:
    """Redis time, measured now and then, kept by our monotonic clock meanwhile."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self._offset: float | None = None
        self._measured = 0.0

    @property
    def fresh(self) -> bool:
        """Whether Redis was asked within :data:`CLOCK_SECONDS`: clocks are set and drift."""
        return self._offset is not None and self.monotonic() - self._measured < CLOCK_SECONDS

    def measure(self, answer: Sequence[Any], asked: float) -> None:
        """Take the answer to ``TIME`` that was asked for at ``asked`` of :attr:`monotonic`."""
        self._measured = self.monotonic()
        middle = (asked + self._measured) / 2
        self._offset = int(answer[0]) * 1000 + int(answer[1]) / 1000 - middle * 1000

    def now_ms(self) -> int:
        """Return Redis time in milliseconds; before the first measurement our own."""
        if self._offset is None:
            return int(time.time() * 1000)
        return int(self.monotonic() * 1000 + self._offset)


class Request:
    """Commands that were sent together, and their answers.

    Attributes:
        commands: What was asked.
        answers: So far, in order; errors as :class:`~redis.exceptions.ResponseError`.
        context: The shell's own.
    """

    __slots__ = ("answers", "commands", "context", "repaired", "unrepaired")

    def __init__(
        self,
        commands: Sequence[Packable],
        context: Any = None,
        repaired: tuple[Request, int] | None = None,
    ) -> None:
        self.commands = commands
        self.context = context
        self.answers: list[Any] = []
        #: Which call of which request this one loads a script for.
        self.repaired = repaired
        #: Calls that such requests are on their way for.
        self.unrepaired = 0


class RedisProtocol:
    """One connection.

    Args:
        target: Where it leads, and what must be there.

    Attributes:
        feed: Takes bytes that were received; see :meth:`hiredis.Reader.feed`.
        unanswered: Requests whose answers are not complete, the oldest first.
        repairs: Bytes to be sent as soon as possible.
        end: The answer, if there was one, after which the connection must not be used.
    """

    __slots__ = ("_errors", "_gets", "_target", "end", "feed", "repairs", "unanswered")

    def __init__(self, target: Target) -> None:
        reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=ResponseError, notEnoughData=_INCOMPLETE
        )
        self.feed: Callable[..., None] = reader.feed
        self.unanswered: deque[Request] = deque()
        self.repairs = b""
        self.end: ResponseError | None = None
        self._gets = reader.gets
        self._target = target
        self._errors = False

    def request(self, commands: Sequence[Packable], context: Any = None) -> bytes:
        """Return the bytes that send commands, at least one; their answers are expected now."""
        packed = b"".join(
            [command if isinstance(command, bytes) else pack(command) for command in commands]
        )
        self.unanswered.append(Request(commands, context))
        return packed

    def next(self) -> Request | None:
        """Return the next request whose answers are complete; None if more bytes are needed.

        Raises:
            InvalidResponse: What was fed is not what Redis says.
        """
        gets, unanswered = self._gets, self.unanswered
        while (answer := gets()) is not _INCOMPLETE:
            if not unanswered:
                raise InvalidResponse(f"an answer that nobody asked for: {answer!r}")
            request = unanswered[0]
            request.answers.append(answer)
            if type(answer) is ResponseError:
                self._errors = True
            if len(request.answers) == len(request.commands):
                unanswered.popleft()
                if not self._errors and request.repaired is None:
                    return request
                complete = self._settle(request)
                if complete is not None:
                    return complete
        return None

    def _settle(self, request: Request) -> Request | None:
        """Look after the errors among answers; return the request that is complete with them."""
        self._errors = False
        answers = request.answers
        if request.repaired is not None:
            request, index = request.repaired
            request.answers[index] = answers[1]
            request.unrepaired -= 1
            answers = answers[1:]
        else:
            for index, answer in enumerate(answers):
                if code_of(answer) == "NOSCRIPT":
                    self._repair(request, index)
        if self.end is None:
            self.end = next(filter(cannot_serve, answers), None)
        return None if request.unrepaired else request

    def _repair(self, request: Request, index: int) -> None:
        call = request.commands[index]
        load = scripts.BY_SHA[str(call[1])].load()
        self.unanswered.append(Request((load, call), request.context, (request, index)))
        request.unrepaired += 1
        self.repairs += pack(load) + (call if isinstance(call, bytes) else pack(call))

    def take_repairs(self) -> bytes:
        """Return :attr:`repairs`, once."""
        repairs, self.repairs = self.repairs, b""
        return repairs

    def abandon(self) -> list[Request]:
        """Return the requests that are not complete, the oldest first, and forget them."""
        found: dict[Request, None] = {}
        for request in self.unanswered:
            found[request.repaired[0] if request.repaired else request] = None
        self.unanswered.clear()
        return list(found)

    # -- the first request --------------------------------------------------------------

    def set_up(self) -> list[Command]:
        """Return the commands to send first; their answers are for :meth:`check_set_up`."""
        role: list[Command] = [("ROLE",)] if self._target.service else []
        loads = [script.load() for script in scripts.ALL]
        return [("CLIENT", "ID"), ("INFO", "server"), *role, *loads]

    def check_set_up(self, answers: Sequence[Any]) -> int:
        """Return what Redis calls this connection; 0 if it doesn't tell.

        Raises:
            RedisUnavailable: The server is not ready, or not the master that it must be.
            UnsupportedRedis: It is too old.
        """
        client_id, info, *loaded = answers
        # An ACL may forbid each of these.  Then takes end by themselves, the version shows at
        # the first LMPOP, and a replica at the first write.
        if isinstance(info, bytes):
            check_version(info, str(self._target))
        if self._target.service:
            role = loaded.pop(0)
            if not isinstance(role, Exception) and role[0] != b"master":
                raise RedisUnavailable(
                    f"Redis at {self._target} is not the master of {self._target.service!r}"
                )
        for answer in loaded:
            if isinstance(answer, Exception):
                raise RedisUnavailable(
                    f"Redis at {self._target} does not load scripts: {answer}"
                ) from answer
        return client_id if isinstance(client_id, int) else 0


def check_version(info: bytes, where: str) -> None:
    """Raise :class:`UnsupportedRedis` if ``INFO server`` tells of one before version 7."""
    for line in info.splitlines():
        name, _, value = line.partition(b":")
        if name == b"redis_version" and int(value.split(b".")[0]) < 7:
            raise UnsupportedRedis(
                f"the server at {where} is Redis {value.decode()}: the layer needs Redis 7"
                " or later, or Valkey"
            )
