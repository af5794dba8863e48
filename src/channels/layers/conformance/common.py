"""What the classes of :mod:`channels.layers.conformance` share."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

import pytest

from channels.layers.clients import Frame, WorkerClient

#: Whatever offers the interface: layers need not inherit from anything of ours.
Layer = Any

MakeLayer = Callable[..., Layer]

#: Messages that may wait on a channel of the fixture ``layer``.
CAPACITY = 3


class Clock(Protocol):
    """Lets time pass for a layer."""

    def advance(self, seconds: float) -> None:
        """Return when that much time has passed."""
        ...


class WaitingClock:
    """For layers whose time can't be set: really waits."""

    def advance(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class Conformance:
    """Knobs, fixtures and helpers; see :mod:`channels.layers.conformance`."""

    expiry: float = 1
    group_expiry: float = 2
    margin: float = 0.1
    receive_tries: int = 1
    patience: float = 20.0

    @pytest.fixture
    def layer(self, make_layer: MakeLayer) -> Layer:
        """A layer with capacity 3 on which nothing expires during a test."""
        return make_layer(capacity=CAPACITY)

    @pytest.fixture
    def short_lived(self, make_layer: MakeLayer) -> Layer:
        """A layer with capacity 3 on which things expire soon."""
        return make_layer(capacity=CAPACITY, expiry=self.expiry, group_expiry=self.group_expiry)

    def receive(self, layer: Layer, *channels: str) -> tuple[str | None, dict[str, Any] | None]:
        """Receive without waiting, as often as it may take to find something."""
        for _ in range(self.receive_tries):
            channel, message = layer.receive(list(channels))
            if channel is not None:
                return channel, message
        return None, None

    def receive_all(self, layer: Layer, *channels: str) -> list[tuple[str, dict[str, Any]]]:
        """Receive until there is nothing left."""
        received: list[tuple[str, dict[str, Any]]] = []
        while True:
            channel, message = self.receive(layer, *channels)
            if channel is None or message is None:
                return received
            received.append((channel, message))

    @contextlib.contextmanager
    def working(
        self, layer: Layer, *channels: str, held: Collection[bytes] = ()
    ) -> Iterator[WorkerClient]:
        """Open a worker's client, and close it at the end."""
        worker: WorkerClient = layer.open_worker(list(channels), held=lambda: held)
        worker.start()
        try:
            yield worker
        finally:
            worker.close()

    def take(self, worker: WorkerClient) -> Frame:
        """Take one frame that must be there."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            frames = worker.take()
            assert len(frames) <= 1
            for frame in map(worker.open, frames):
                if frame is not None:
                    return frame
        raise AssertionError("no frame came")

    def take_now(self, worker: WorkerClient) -> Frame | None:
        """Take a frame if there is one, without waiting."""
        for _ in range(self.receive_tries):
            while frames := worker.exchange([])[1]:
                if (frame := worker.open(frames[0])) is not None:
                    return frame
        return None

    def send_or_drop(self, layer: Layer, channel: str) -> None:
        """Send, and swallow ChannelFull."""
        with contextlib.suppress(layer.ChannelFull):
            layer.send(channel, {})

    def run_threads(self, *targets: Callable[[], object]) -> None:
        """Run functions at the same time, and wait for them."""
        threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * self.patience)
            assert not thread.is_alive()
