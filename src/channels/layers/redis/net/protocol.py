"""What is said on one connection to Redis, without I/O: commands to bytes, bytes to answers.

Answers go to the commands of their request, errors among them in place, never raised: one bad
command does not cost the others of its pipeline.  A script that Redis does not know was not run,
so it is loaded and that one call is repeated; nothing else is ever repeated.  An answer after
which the server cannot serve this connection (it was demoted, say) ends it.

A shell, blocking or asyncio, lets redis-py connect and moves the bytes.  It sends what
:meth:`RedisProtocol.request` returns, feeds what it receives, asks for what is complete with
:meth:`RedisProtocol.next` until that is None, then sends what is in ``repairs``.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

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

#: How long a measurement of Redis time is good for, in seconds, where no heartbeat repeats it.
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


class _Repair(NamedTuple):
    """What waits for its unknown scripts to be loaded and called again."""

    context: Any
    answers: list[Any]
    indexes: list[int]


class RedisProtocol:
    """One connection.

    Attributes:
        feed: Takes bytes that were received; see :meth:`hiredis.Reader.feed`.
        unanswered: Requests whose answers are not complete, the oldest first.
        repairs: Bytes to be sent as soon as possible.
        end: The answer, if there was one, after which the connection must not be used.
    """

    __slots__ = ("_answers", "_errors", "_gets", "_target", "end", "feed", "repairs", "unanswered")

    def __init__(self, target: Target) -> None:
        reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=ResponseError, notEnoughData=_INCOMPLETE
        )
        self.feed: Callable[..., None] = reader.feed
        self.unanswered: deque[tuple[Sequence[Packable], Any]] = deque()
        self.repairs = b""
        self.end: ResponseError | None = None
        self._answers: list[Any] = []
        self._errors = False
        self._gets = reader.gets
        self._target = target

    def request(self, commands: Sequence[Packable], context: Any = None) -> bytes:
        """Return the bytes that send commands; ``context`` comes back with their answers."""
        packed = []
        for command in commands:
            packed.append(command if isinstance(command, bytes) else pack(command))
        self.unanswered.append((commands, context))
        return b"".join(packed)

    def next(self) -> tuple[Any, list[Any]] | None:
        """Return the context and answers of the next complete request; None if there is none.

        Raises:
            InvalidResponse: What was fed is not what Redis says.
        """
        gets, unanswered, answers = self._gets, self.unanswered, self._answers
        while (answer := gets()) is not _INCOMPLETE:
            if not unanswered:
                raise InvalidResponse(f"an answer to no question: {answer!r}")
            answers.append(answer)
            if type(answer) is ResponseError:
                self._errors = True
            commands, context = unanswered[0]
            if len(answers) == len(commands):
                unanswered.popleft()
                self._answers = []
                if not self._errors and type(context) is not _Repair:
                    return context, answers
                complete = self._settle(commands, context, answers)
                if complete is not None:
                    return complete
                answers = self._answers
        return None

    def _settle(
        self, commands: Sequence[Packable], context: Any, answers: list[Any]
    ) -> tuple[Any, list[Any]] | None:
        """Look after errors, or after what was repaired; None if a repair is on its way."""
        self._errors = False
        unknown: list[int] = []
        if type(context) is _Repair:
            for index, answer in zip(context.indexes, answers[1::2], strict=True):
                context.answers[index] = answer
            context, answers = context.context, context.answers
        else:
            unknown = [at for at, answer in enumerate(answers) if code_of(answer) == "NOSCRIPT"]
        if self.end is None:
            self.end = next(filter(cannot_serve, answers), None)
        if not unknown:
            return context, answers
        calls: list[Command] = []
        for at in unknown:
            call = cast(Command, commands[at])
            calls += [scripts.BY_SHA[str(call[1])].load(), call]
        self.repairs += self.request(calls, _Repair(context, answers, unknown))
        return None

    def take_repairs(self) -> bytes:
        """Return :attr:`repairs`, once."""
        repairs, self.repairs = self.repairs, b""
        return repairs

    def abandon(self) -> list[Any]:
        """Return the contexts of the requests that are not complete, and forget them."""
        contexts = [context for _, context in self.unanswered]
        self.unanswered.clear()
        return [each.context if type(each) is _Repair else each for each in contexts]

    def set_up(self) -> list[Command]:
        """Return the commands to send first; their answers are for :meth:`check_set_up`."""
        role: list[Command] = [("ROLE",)] if self._target.service else []
        loads = [script.load() for script in scripts.ALL]
        return [("CLIENT", "ID"), ("INFO", "server"), *role, *loads]

    def check_set_up(self, answers: Sequence[Any]) -> int:
        """Return what Redis calls this connection; 0 if it doesn't tell.

        A server that is not ready, is not the master that it must be, or is too old is an error.
        """
        client_id, info, *loaded = answers
        # An ACL may forbid each of these.  Then takes end by themselves, the version shows at
        # the first LMPOP, and a replica at the first write.
        told = info if isinstance(info, bytes) else b""
        version = re.search(rb"^redis_version:((\d+)\S*)", told, re.MULTILINE)
        if version and int(version[2]) < 7:
            raise UnsupportedRedis(
                f"the server at {self._target} is Redis {version[1].decode()}: the layer needs"
                " Redis 7 or later, or Valkey"
            )
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
