"""What an interface server sends to one Redis server, in pipelines that leave once a turn.

A :class:`Pipeline` collects what was asked for in one turn of the event loop: frames (those
for one queue in one call of the push script, so nothing overtakes a frame that found
the queue full) and single commands.  A few pipelines may be on their way; past that, what
is asked for waits for an answer and leaves in one bigger pipeline, so a slow Redis
meets fewer and larger ones.

When the connection ends, everything unanswered and everything that waits is answered
with ``LayerUnavailable``; nothing is repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.clients import Done
from channels.layers.redis.net.asynchronous import AsyncConnection
from channels.layers.redis.net.errors import cannot_serve, code_of, refusal
from channels.layers.redis.wire.commands import Commands
from channels.layers.redis.wire.scripts import Command
from channels.seldom import Seldom

logger = logging.getLogger("channels.layers.redis")

_SELDOM = Seldom()

#: Pipelines on their way before what follows waits: one being answered, one in Redis
#: and one behind it keep both sides busy.
MAX_PIPELINES = 3

#: Frames in one call of the push script.  Redis serves nobody else meanwhile (1 ms).
MAX_FRAMES = 500

#: Gets the answer to one command (an exception if Redis refused it), or why there is none.
Handler = Callable[[Any, "LayerUnavailable | None"], None]


def call_done(done: Done, outcome: Exception | None) -> None:
    """Call back, and let nothing that is wrong there disturb the others of the pipeline."""
    try:
        done(outcome)
    except Exception:
        logger.exception("a callback for the outcome of a send failed")


class Pipeline:
    """The commands to one Redis server.

    Args:
        commands: Builds the layer's commands.
        capacity_of: Returns the capacity of a channel.
        expired: Called with the receipts of expired frames that a push trimmed.

    Attributes:
        connection: Where to; without one everything is answered with ``LayerUnavailable``.
    """

    def __init__(
        self,
        commands: Commands,
        capacity_of: Callable[[str], int],
        expired: Callable[[list[bytes]], None],
    ) -> None:
        self.connection: AsyncConnection | None = None
        self._commands = commands
        self._capacity_of = capacity_of
        self._expired = expired
        self._frames: dict[tuple[str, bool, int], list[tuple[bytes, Done | None]]] = {}
        self._calls: list[tuple[Command, Handler]] = []
        self._on_their_way = 0

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is unanswered."""
        return not (self._on_their_way or self._frames or self._calls)

    def push(
        self, channel: str, past_capacity: bool, ttl_ms: int, frame: bytes, done: Done | None
    ) -> None:
        """Queue a frame for the next pipeline."""
        self._frames.setdefault((channel, past_capacity, ttl_ms), []).append((frame, done))

    def call(self, command: Command, handler: Handler | None = None) -> None:
        """Queue a command for the next pipeline, behind its frames.

        Without a handler, a refusal is logged.
        """
        self._calls.append((command, handler or partial(_log_refusal, command[0])))

    def flush(self) -> None:
        """Send what waits, unless enough is on its way."""
        if self._on_their_way >= MAX_PIPELINES or not (self._frames or self._calls):
            return
        frames, self._frames = self._frames, {}
        calls, self._calls = self._calls, []
        commands: list[Command] = []
        handlers: list[Handler] = []
        for (channel, past_capacity, ttl_ms), queued in frames.items():
            push = self._commands.push(channel, past_capacity, ttl_ms)
            for first in range(0, len(queued), MAX_FRAMES):
                part, done = zip(*queued[first : first + MAX_FRAMES], strict=True)
                commands.append((*push, *part))
                handlers.append(partial(self._pushed, channel, done))
        for command, handler in calls:
            commands.append(command)
            handlers.append(handler)
        if self.connection is None:
            _answer(handlers, None, LayerUnavailable("there is no connection to Redis"))
            return
        self._on_their_way += 1
        self.connection.submit(commands, partial(self._arrived, handlers))

    def _arrived(
        self, handlers: list[Handler], answers: list[Any] | None, error: LayerUnavailable | None
    ) -> None:
        self._on_their_way -= 1
        _answer(handlers, answers, error)
        self.flush()

    def _pushed(
        self,
        channel: str,
        waiting: Sequence[Done | None],
        answer: Any,
        error: LayerUnavailable | None,
    ) -> None:
        """Tell of each frame of a push whether it was stored."""
        stored = 0
        outcome: Exception | None = error
        if isinstance(answer, Exception):
            outcome = refusal(answer)
        elif error is None:
            stored, *expired = answer
            if stored < len(waiting):
                outcome = ChannelFull(channel, self._capacity_of(channel))
            if expired:
                self._expired(expired)
        for number, done in enumerate(waiting):
            if done is not None:
                call_done(done, None if number < stored else outcome)


def _answer(
    handlers: list[Handler], answers: list[Any] | None, error: LayerUnavailable | None
) -> None:
    for handler, answer in zip(handlers, answers or [None] * len(handlers), strict=True):
        if isinstance(answer, Exception) and cannot_serve(answer):  # it ended the connection
            handler(None, refusal(answer))
        else:
            handler(answer, error)


def _log_refusal(name: object, answer: Any, error: LayerUnavailable | None) -> None:
    if isinstance(answer, Exception) and _SELDOM.due((name, code_of(answer))):
        logger.error("%s of this process was not carried out: %s", name, refusal(answer))
