"""A layer, a client and a clock that do what a test wrote down for them."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

from channels.asgi import ChannelLayerWrapper
from channels.exceptions import ChannelFull, LayerUnavailable, MessageTooLarge
from channels.layers.clients import Answer, Frame, GiveBack, GroupSend, Send
from channels.routing import route
from channels.worker import Worker
from tests.support.clock import Clock


class ScriptedClient:
    """Gives out frames, records what it is asked to do, and fails when told to.

    ``outcome`` decides on one operation: None or the exception to report.  The
    exceptions in ``outages`` are raised by the next calls, one each.
    """

    def __init__(self, *frames: Frame) -> None:
        self.frames = deque(frames)
        self.exchanges: list[list[object]] = []
        self.takes = 0
        self.started = 0
        self.closed = 0
        self.unblocked = 0
        self.outcome: Callable[[object], Exception | None] = lambda operation: None
        self.outages: deque[Exception | None] = deque()
        self.when_idle: Callable[[], object] = lambda: None
        self.held: Callable[[], object] = tuple
        self.channels: object = None

    def _fail(self) -> None:
        error = self.outages.popleft() if self.outages else None
        if error is not None:
            raise error

    def start(self) -> None:
        self.started += 1
        self._fail()

    def take(self, longest: float | None = None, counts: Any = None) -> list[Frame]:
        self.takes += 1
        self._fail()
        if not self.frames:
            self.when_idle()
            return []
        return [self.frames.popleft()]

    def exchange(self, operations: Any, *, take: bool = True, counts: Any = None) -> Any:
        operations = list(operations)
        self.exchanges.append(operations)
        self._fail()
        taken = [self.frames.popleft()] if take and self.frames else []
        return [self.outcome(operation) for operation in operations], taken

    def open(self, frame: Frame) -> Frame:
        return frame

    def unblock(self) -> None:
        self.unblocked += 1

    def close(self) -> None:
        self.closed += 1

    @property
    def done(self) -> list[object]:
        """All operations of all exchanges."""
        return list(itertools.chain.from_iterable(self.exchanges))


class ScriptedLayer:
    """A raw layer whose worker's client is scripted; sends made at once are recorded."""

    ChannelFull = ChannelFull
    MessageTooLarge = MessageTooLarge

    def __init__(self, *frames: Frame) -> None:
        self.client = ScriptedClient(*frames)
        self.sent: list[tuple[str, Any]] = []

    def open_worker(self, channels: Any, *, held: Any) -> ScriptedClient:
        self.client.held = held
        self.client.channels = channels
        return self.client

    def send(self, channel: str, message: Any) -> None:
        self.sent.append((channel, message))


class PlainLayer:
    """A layer from elsewhere: no client, errors of its own, a script of what is received."""

    class ChannelFull(Exception):
        pass

    class MessageTooLarge(Exception):
        pass

    def __init__(self, *received: Any) -> None:
        self.received = deque(received)
        self.sent: list[tuple[str, Any]] = []
        self.groups: list[tuple[str, Any]] = []
        self.full: set[str] = set()
        self.attempts = 0

    def receive(self, channels: Any, block: bool = False) -> Any:
        assert block
        item = self.received.popleft() if self.received else (None, None)
        if isinstance(item, BaseException):
            raise item
        return item

    def send(self, channel: str, message: Any) -> None:
        self.attempts += 1
        if channel in self.full:
            raise self.ChannelFull
        self.sent.append((channel, message))

    def send_group(self, group: str, message: Any) -> None:
        self.groups.append((group, message))


class CountedWorker(Worker):
    """Runs as many turns of its loop as it is given, as tests of old do."""

    _turns: int = 0

    @property
    def termed(self) -> bool:  # type: ignore[override]
        if not self._turns:
            return True
        self._turns -= 1
        return False

    @termed.setter
    def termed(self, turns: int) -> None:
        self._turns = int(turns)


def wrap(layer: Any, *routes: Any) -> ChannelLayerWrapper:
    """Return a wrapper of the layer that routes each ``(channel, consumer)``."""
    return ChannelLayerWrapper(layer, "default", [route(*one) for one in routes])


def run_until_idle(layer: ScriptedLayer, *routes: Any, **options: Any) -> Worker:
    """Run a worker until its client has nothing more, then stop it; return it."""
    worker = Worker(wrap(layer, *routes), signal_handlers=False, **options)
    layer.client.when_idle = worker.request_stop
    worker.run()
    return worker


__all__ = [
    "Answer",
    "Clock",
    "CountedWorker",
    "Frame",
    "GiveBack",
    "GroupSend",
    "LayerUnavailable",
    "PlainLayer",
    "ScriptedClient",
    "ScriptedLayer",
    "Send",
    "run_until_idle",
    "wrap",
]
