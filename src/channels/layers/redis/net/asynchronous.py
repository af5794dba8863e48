"""One asyncio connection to Redis that answers callbacks, and nothing else.

A shell round :class:`~channels.layers.redis.net.protocol.RedisProtocol`.  redis-py makes the
connection; then this takes its socket over, because a command costs 60 µs through redis-py's
client and 25 µs through its connection, and about 5 µs here.

Nothing is cancelled.  What was sent and not answered when the connection ends is answered
with ``LayerUnavailable``: it may or may not have happened.  Callbacks must not raise.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import InvalidResponse, RedisError

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.address import Target
from channels.layers.redis.net.errors import RedisUnavailable, refusal, unavailable
from channels.layers.redis.net.protocol import Packable, RedisProtocol

#: Called with one answer for each command, in order, or with why there are none.
Answered = Callable[["list[Any] | None", "LayerUnavailable | None"], None]


class AsyncConnection(asyncio.Protocol):
    """A connection that is open until :attr:`error` is set.  Made by :func:`open_connection`.

    ``timeout`` is the silence, with something to answer, that ends it.

    Attributes:
        client_id: What Redis calls it; 0 if that is not known.
        on_lost: Called once when it ends for another reason than :meth:`close`,
            before everything unanswered is answered.
    """

    def __init__(self, connection: AbstractConnection, target: Target, timeout: float) -> None:
        self.error: LayerUnavailable | None = None
        self.client_id = 0
        self.on_lost: Callable[[LayerUnavailable], None] | None = None
        self._connection = connection
        self._target = target
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._protocol = RedisProtocol(target)
        self._heard = self._loop.time()
        assert connection._writer is not None
        self._transport: asyncio.Transport = connection._writer.transport  # type: ignore[assignment]
        self._transport.set_protocol(self)
        self._silence: asyncio.TimerHandle | None = None

    def submit(self, commands: Sequence[Packable], answered: Answered) -> None:
        """Send commands, at least one, in one write; ``answered`` gets all their answers at once.

        It is called exactly once; soon, not at once, if the connection is lost already.
        """
        if self.error is not None:
            self._loop.call_soon(answered, None, self.error)
            return
        if not self._protocol.unanswered:
            self._heard = self._loop.time()  # the silence begins now
        self._transport.write(self._protocol.request(commands, answered))
        if self._silence is None:
            self._silence = self._loop.call_later(self._timeout, self._end_silence)

    async def execute(self, commands: Sequence[Packable]) -> list[Any]:
        """Return the answers to commands, errors among them as exceptions."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()

        def answered(answers: list[Any] | None, error: LayerUnavailable | None) -> None:
            if error is not None and not future.done():
                future.set_exception(error)
            elif not future.done():  # else the caller gave up
                future.set_result(answers or [])

        self.submit(commands, answered)
        return await future

    def close(self) -> None:
        """End the connection; what is unanswered is answered with ``LayerUnavailable``."""
        self.on_lost = None
        self.lose(LayerUnavailable("the connection to Redis was closed on purpose"))

    def lose(self, error: LayerUnavailable) -> None:
        """Throw the connection away for this reason."""
        if self.error is None:
            self._stop(error)
            self._report(error)

    def _stop(self, error: LayerUnavailable) -> None:
        self.error = error
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        self._transport.abort()
        # redis-py must not warn of a connection that it believes open.
        self._connection._writer = self._connection._reader = None

    def _report(self, error: LayerUnavailable) -> None:
        if self.on_lost is not None:
            self.on_lost(error)
        for answered in self._protocol.abandon():
            answered(None, error)

    def connection_lost(self, exc: Exception | None) -> None:
        why = exc or ConnectionResetError("it closed the connection")
        self.lose(unavailable(why, self._target))

    def _end_silence(self) -> None:
        """Notice a silent server.  One timer a connection, put off when due, not one a request."""
        self._silence = None
        if not self._protocol.unanswered:
            return
        remaining = self._heard + self._timeout - self._loop.time()
        if remaining > 0:
            self._silence = self._loop.call_later(remaining, self._end_silence)
        else:
            self.lose(
                RedisUnavailable(f"Redis at {self._target} did not answer for {self._timeout:g} s")
            )

    def data_received(self, data: bytes) -> None:
        if self.error:
            return
        self._heard = self._loop.time()
        protocol = self._protocol
        protocol.feed(data)
        try:
            while (complete := protocol.next()) is not None:
                answered, answers = complete
                if protocol.end is not None:
                    # Nothing more goes there, not even what its answer leads to.
                    error = refusal(protocol.end)
                    self._stop(error)
                    answered(answers, None)
                    self._report(error)
                    return
                answered(answers, None)
                if self.error is not None:
                    return
        except InvalidResponse as error:
            self.lose(unavailable(error, self._target))
            return
        if protocol.repairs:
            self._transport.write(protocol.take_repairs())


async def open_connection(
    target: Target,
    *,
    timeout: float,
    on_lost: Callable[[LayerUnavailable], None] | None = None,
) -> AsyncConnection:
    """Connect and set up; connecting may take as long as an answer.

    Raises ``LayerUnavailable`` or ``UnsupportedRedis``.
    """
    made = target.open_async(timeout)
    try:
        await asyncio.wait_for(made.connect(), timeout)  # type: ignore[no-untyped-call]
        connection = AsyncConnection(made, target, timeout)
    except BaseException as error:
        with contextlib.suppress(RedisError, OSError):
            await made.disconnect(nowait=True)
        if isinstance(error, asyncio.TimeoutError):  # not the built-in one before Python 3.11
            raise unavailable(TimeoutError(f"{timeout:g} s"), target) from error
        if isinstance(error, RedisError | OSError):
            raise unavailable(error, target) from error
        raise
    try:
        protocol = connection._protocol
        answers = await connection.execute(protocol.set_up())
        connection.client_id = protocol.check_set_up(answers)
    except BaseException:
        connection.close()
        raise
    connection.on_lost = on_lost
    if connection.error is not None:
        raise connection.error
    return connection
