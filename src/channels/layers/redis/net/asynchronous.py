"""One asyncio connection to Redis that answers callbacks, and nothing else.

redis-py makes the connection (addresses, TLS, authentication, database); then this
protocol takes its socket over, because a command costs 60 µs through redis-py's client
and 25 µs through its connection, and about 5 µs here: bytes go out as they are
packed, answers go to a callback in the very turn of the loop in which they arrive.

Nothing is repeated and nothing is cancelled.  What was sent and not answered when
the connection ends is answered with ``LayerUnavailable``: it may or may not have
happened.  A connection that stays silent for ``timeout`` seconds with something to
answer is thrown away.  An answer may be an error; it is passed on as an exception
object, never raised, so one bad command does not cost the others of its pipeline.

Callbacks run in the event loop and must not raise.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.errors import cannot_serve, code_of
from channels.layers.redis.wire import scripts
from channels.layers.redis.wire.scripts import Command

#: Called with one answer for each command, in order, or with why there are none.
Answered = Callable[["list[Any] | None", "LayerUnavailable | None"], None]

#: Makes a connection that is not connected yet; may ask others for the address.
Connector = Callable[[], Awaitable[AbstractConnection]]

_WAITING: Any = object()

_pack: Callable[[Command], bytes] = cast(Any, hiredis).pack_command


def is_useless(answer: object) -> bool:
    """Whether an answer means that the command belongs on another connection.

    So does that of a Cluster's node about a slot that it lost: all nodes are looked up anew.
    """
    return cannot_serve(answer) or code_of(answer) == "MOVED"


def is_unknown_script(answer: object) -> bool:
    """Whether a script was not run because Redis does not know it (any more)."""
    return code_of(answer) == "NOSCRIPT"


class AsyncConnection(asyncio.Protocol):
    """A connection that is open until :attr:`error` is set.  Made by :func:`open_connection`.

    Args:
        connection: A connected connection of redis-py; it belongs to the link now.
        timeout: Seconds of silence, with something to answer, that end the link.
        on_lost: Called once when the link ends for another reason than :meth:`close`,
            before everything unanswered is answered.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        timeout: float,
        on_lost: Callable[[LayerUnavailable], None] | None = None,
    ) -> None:
        self.error: LayerUnavailable | None = None
        self.client_id = 0
        self._connection = connection
        self._timeout = timeout
        self._on_lost = on_lost
        self._name = f"{getattr(connection, 'host', getattr(connection, 'path', '?'))}"
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=ResponseError, notEnoughData=_WAITING)
        #: Per request: how many answers it wants, who gets them, when it was sent.
        self._unanswered: deque[tuple[int, Answered, float]] = deque()
        self._answers: list[Any] = []
        self._heard = self._loop.time()
        assert connection._writer is not None
        self._transport: asyncio.Transport = connection._writer.transport  # type: ignore[assignment]
        self._transport.set_protocol(self)
        self._watch: asyncio.TimerHandle | None = None

    # -- sending -------------------------------------------------------------------

    def submit(self, commands: Iterable[Command], answered: Answered) -> None:
        """Send commands in one write; ``answered`` gets all their answers at once.

        Args:
            commands: At least one.
            answered: Called exactly once; soon, not at once, if the link is lost already.
        """
        if self.error is not None:
            self._loop.call_soon(answered, None, self.error)
            return
        packed = [_pack(command) for command in commands]
        now = self._loop.time()
        self._unanswered.append((len(packed), answered, now))
        self._transport.write(b"".join(packed))
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._look)

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers to commands, errors among them as exceptions.

        Raises:
            LayerUnavailable: They may or may not have been carried out.
        """
        future: asyncio.Future[list[Any]] = self._loop.create_future()

        def answered(answers: list[Any] | None, error: LayerUnavailable | None) -> None:
            if future.done():  # whoever waited gave up
                return
            if answers is None:
                assert error is not None
                future.set_exception(error)
            else:
                future.set_result(answers)

        self.submit(commands, answered)
        return await future

    # -- the end ---------------------------------------------------------------------

    def close(self) -> None:
        """End the link; what is unanswered is answered with ``LayerUnavailable``."""
        self._on_lost = None
        self.lose(LayerUnavailable("the connection to Redis was closed on purpose"))

    def lose(self, error: LayerUnavailable) -> None:
        """Throw the connection away for this reason."""
        if self.error is not None:
            return
        self.error = error
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._transport.abort()
        # redis-py must not warn of a connection that it believes open.
        self._connection._writer = self._connection._reader = None
        if self._on_lost is not None:
            self._on_lost(error)
        unanswered, self._unanswered = self._unanswered, deque()
        for _, answered, _ in unanswered:
            answered(None, error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end of the connection (called by the transport)."""
        error = LayerUnavailable(
            f"the connection to Redis at {self._name} ended: {exc or 'closed'}"
        )
        error.__cause__ = exc
        self.lose(error)

    def _look(self) -> None:
        """Notice a silent server.  One timer a link, put off lazily, not one a request."""
        self._watch = None
        if not self._unanswered:
            return
        quiet_since = max(self._unanswered[0][2], self._heard)
        remaining = quiet_since + self._timeout - self._loop.time()
        if remaining <= 0:
            self.lose(
                LayerUnavailable(f"Redis at {self._name} did not answer for {self._timeout:g} s")
            )
        else:
            self._watch = self._loop.call_later(remaining, self._look)

    # -- receiving ---------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Pass on the answers that are complete (called by the transport)."""
        if self._transport.is_closing():
            return
        self._heard = self._loop.time()
        reader = self._reader
        unanswered = self._unanswered
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not _WAITING:
                if not unanswered:
                    raise hiredis.ProtocolError(f"an answer that nobody asked for: {answer!r}")
                self._answers.append(answer)
                if len(self._answers) == unanswered[0][0]:
                    answers, self._answers = self._answers, []
                    unanswered.popleft()[1](answers, None)
                    if self.error is not None:
                        return
        except hiredis.ProtocolError as error:
            broken = LayerUnavailable(f"Redis at {self._name} cannot be understood: {error}")
            broken.__cause__ = error
            self.lose(broken)


async def open_connection(
    connect: Connector,
    *,
    timeout: float,
    on_lost: Callable[[LayerUnavailable], None] | None = None,
) -> AsyncConnection:
    """Connect, and load the scripts first thing.

    Args:
        connect: Makes the connection.
        timeout: See :class:`AsyncConnection`; connecting may take as long.
        on_lost: See :class:`AsyncConnection`.

    Raises:
        LayerUnavailable: There is no connection, or the server is not ready.
    """
    connection: AbstractConnection | None = None
    try:
        connection = await asyncio.wait_for(connect(), timeout)
        await asyncio.wait_for(connection.connect(), timeout)  # type: ignore[no-untyped-call]
        link = AsyncConnection(connection, timeout)
    except BaseException as error:
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)
        if isinstance(error, RedisError | OSError | asyncio.TimeoutError):
            raise LayerUnavailable(f"cannot connect to Redis: {error!r}") from error
        raise
    try:
        client_id, *loaded = await link.execute(
            [("CLIENT", "ID"), *(script.load() for script in scripts.ALL)]
        )
        for answer in loaded:
            if isinstance(answer, Exception):
                raise LayerUnavailable(f"Redis is not ready: {answer}") from answer
    except BaseException:
        link.close()
        raise
    # An ACL may forbid it; then takes end by themselves.
    link.client_id = client_id if isinstance(client_id, int) else 0
    link._on_lost = on_lost
    if link.error is not None:
        raise link.error
    return link
