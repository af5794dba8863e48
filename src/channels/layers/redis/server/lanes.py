"""What an interface server sends to one place, in pipelines that leave once a turn.

A lane collects what was asked for in one turn of the event loop: frames (those for one
queue in one call of the push script, so nothing overtakes a frame that found the
queue full) and single commands.  :meth:`Lane.flush` writes all of it at once.  A
few pipelines may be on their way; past that, what is asked for waits for an answer and
leaves in one bigger pipeline, so a slow Redis meets fewer and larger ones.

When the connection ends, everything unanswered and everything that waits is answered
with ``LayerUnavailable``; nothing is repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
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


class Batch:
    """Frames for one queue, in order, and who wants to know what became of each."""

    __slots__ = ("channel", "done", "frames")

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.frames: list[bytes] = []
        self.done: list[Done | None] = []

    def finish(self, stored: int, error: Exception | None) -> None:
        """Tell of the first ``stored`` frames that they were stored, of the rest ``error``."""
        for place, done in enumerate(self.done):
            if done is not None:
                call_done(done, None if place < stored else error)


def call_done(done: Done, outcome: Exception | None) -> None:
    """Call back, and let nothing that is wrong there disturb the others of the pipeline."""
    try:
        done(outcome)
    except Exception:
        logger.exception("a callback for the outcome of a send failed")


class Lane:
    """The pipelines to one place.

    Args:
        commands: Builds the layer's commands.
        capacity_of: Returns the capacity of a channel.
        expired: Called with the receipts of expired frames that a push trimmed.
    """

    def __init__(
        self,
        commands: Commands,
        capacity_of: Callable[[str], int],
        expired: Callable[[list[bytes]], None],
    ) -> None:
        self.link: AsyncConnection | None = None
        self._make = commands
        self._capacity_of = capacity_of
        self._expired = expired
        self._batches: dict[tuple[str, bool, int], Batch] = {}
        self._commands: list[tuple[Command, Handler | None]] = []
        self._on_their_way = 0

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is unanswered."""
        return not (self._on_their_way or self._batches or self._commands)

    def push(
        self, channel: str, past_capacity: bool, ttl_ms: int, frame: bytes, done: Done | None
    ) -> None:
        """Queue a frame for the next pipeline."""
        key = (channel, past_capacity, ttl_ms)
        batch = self._batches.get(key)
        if batch is None:
            batch = self._batches[key] = Batch(channel)
        batch.frames.append(frame)
        batch.done.append(done)

    def call(self, command: Command, handler: Handler | None = None) -> None:
        """Queue a command for the next pipeline, behind its frames."""
        self._commands.append((command, handler))

    def flush(self) -> None:
        """Send what waits, unless enough is on its way."""
        if self._on_their_way >= MAX_PIPELINES:
            return
        batches, self._batches = self._batches, {}
        calls, self._commands = self._commands, []
        pipeline: list[tuple[Command, Handler | None]] = []
        for (_, past_capacity, ttl_ms), batch in batches.items():
            pipeline += self._push_calls(batch, past_capacity, ttl_ms)
        pipeline += calls
        if not pipeline:
            return
        if self.link is None:
            self._answered(pipeline, None, LayerUnavailable("there is no connection to Redis"))
            return
        self._on_their_way += 1
        self.link.submit([command for command, _ in pipeline], partial(self._arrived, pipeline))

    def _push_calls(
        self, batch: Batch, past_capacity: bool, ttl_ms: int
    ) -> list[tuple[Command, Handler | None]]:
        if len(batch.frames) <= MAX_FRAMES:
            command = self._make.push(
                batch.channel, batch.frames, past_capacity=past_capacity, ttl_ms=ttl_ms
            )
            return [(command, partial(self._pushed, batch))]
        calls: list[tuple[Command, Handler | None]] = []
        for first in range(0, len(batch.frames), MAX_FRAMES):
            part = Batch(batch.channel)
            part.frames = batch.frames[first : first + MAX_FRAMES]
            part.done = batch.done[first : first + MAX_FRAMES]
            calls += self._push_calls(part, past_capacity, ttl_ms)
        return calls

    # -- answers -----------------------------------------------------------------------

    def _pushed(self, batch: Batch, answer: Any, error: LayerUnavailable | None) -> None:
        if error is not None:
            batch.finish(0, error)
        elif isinstance(answer, Exception):
            refused = refusal(answer)
            refused.__cause__ = answer
            batch.finish(0, refused)
        else:
            stored = answer[0]
            full = None
            if stored < len(batch.frames):
                full = ChannelFull(batch.channel, self._capacity_of(batch.channel))
            batch.finish(stored, full)
            if len(answer) > 1:
                self._expired(answer[1:])

    def _arrived(
        self,
        pipeline: list[tuple[Command, Handler | None]],
        answers: list[Any] | None,
        error: LayerUnavailable | None,
    ) -> None:
        self._on_their_way -= 1
        self._answered(pipeline, answers, error)
        if self._batches or self._commands:
            self.flush()

    def _answered(
        self,
        pipeline: list[tuple[Command, Handler | None]],
        answers: list[Any] | None,
        error: LayerUnavailable | None,
    ) -> None:
        if answers is None:
            for _, handler in pipeline:
                if handler is not None:
                    handler(None, error)
            return
        for (command, handler), answer in zip(pipeline, answers, strict=True):
            if isinstance(answer, Exception) and self._ended(command, handler, answer):
                continue
            if handler is not None:
                handler(answer, None)

    def _ended(self, command: Command, handler: Handler | None, answer: Exception) -> bool:
        """Deal with errors that ended the connection; False for those of the command."""
        if cannot_serve(answer):
            error = refusal(answer)
            error.__cause__ = answer
            if handler is not None:
                handler(None, error)
            return True
        if handler is None and _SELDOM.due((command[0], code_of(answer))):
            logger.error("%s of this process was not carried out: %s", command[0], refusal(answer))
        return False
