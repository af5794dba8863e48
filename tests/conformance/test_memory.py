"""The in-memory layer keeps every rule, and a few that only it can."""

import pytest

from channels.layers.conformance import (
    LayerConformance,
    ServerFaceConformance,
    WorkerFaceConformance,
)
from channels.layers.inmemory import InMemoryChannelLayer


class FakeClock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def advance(self, seconds):
        self.now += seconds


class InMemory:
    @pytest.fixture
    def clock(self):
        return FakeClock()

    @pytest.fixture
    def make_layer(self, clock):
        def make(**options):
            return InMemoryChannelLayer(clock=lambda: clock.now, **options)

        return make


class TestInMemoryLayer(InMemory, LayerConformance):
    pass


class TestInMemoryWorkerFace(InMemory, WorkerFaceConformance):
    pass


class TestInMemoryServerFace(InMemory, ServerFaceConformance):
    pass
