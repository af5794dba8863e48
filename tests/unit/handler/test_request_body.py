"""How long and for what a request's body is waited for."""

from __future__ import annotations

from io import BytesIO

import pytest

from channels.exceptions import LayerUnavailable, RequestAborted, RequestTimeout
from channels.handler.request import receive_body
from tests.support.clock import Clock


class ScriptedLayer:
    """Answers each receive with the next of its answers."""

    def __init__(self, clock, *answers, takes=0.0):
        self.clock = clock
        self.answers = list(answers)
        self.takes = takes
        self.asked = []

    def receive(self, channels, block=False):
        self.asked.append((list(channels), block))
        self.clock.now += self.takes
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return (None, None) if answer is None else ("body?x", answer)


def read(layer, clock, start=b"", timeout=60.0, memory_limit=100):
    return receive_body(
        start, "body?x", layer, timeout=timeout, memory_limit=memory_limit, clock=clock,
        sleep=clock.sleep,
    )  # fmt: skip


def test_a_body_without_a_channel_is_taken_as_it_is():
    stream, size = receive_body(b"abc", None, None, timeout=1, memory_limit=1)

    assert isinstance(stream, BytesIO)
    assert (stream.read(), size) == (b"abc", 3)


def test_it_waits_for_what_is_not_there_yet():
    clock = Clock()
    layer = ScriptedLayer(clock, None, None, {"content": b"late"})

    stream, size = read(layer, clock, b"start ")

    assert stream.read() == b"start late"
    assert size == 10
    assert layer.asked == [(["body?x"], True)] * 3
    stream.close()


def test_a_layer_that_does_not_wait_is_not_asked_in_a_busy_loop():
    clock = Clock()

    with pytest.raises(RequestTimeout):
        read(ScriptedLayer(clock), clock, timeout=1)

    assert len(clock.slept) == pytest.approx(100, abs=1)


def test_a_layer_that_waits_is_asked_again_at_once():
    clock = Clock()

    with pytest.raises(RequestTimeout):
        read(ScriptedLayer(clock, takes=0.25), clock, timeout=1)

    assert sum(clock.slept) == 0


def test_a_body_that_keeps_coming_still_has_to_end_in_time():
    clock = Clock()
    layer = ScriptedLayer(clock, *[{"content": b"x", "more_content": True}] * 10, takes=1.0)

    with pytest.raises(RequestTimeout, match="within 5 seconds"):
        read(layer, clock, timeout=5)

    assert len(layer.asked) == 5


def test_a_chunk_without_content_is_empty():
    clock = Clock()
    layer = ScriptedLayer(clock, {"more_content": True}, {})

    stream, size = read(layer, clock)

    assert size == 0
    stream.close()


def test_a_chunk_of_text_is_refused():
    clock = Clock()

    with pytest.raises(AssertionError):
        read(ScriptedLayer(clock, {"content": "text"}), clock)


def test_a_layer_that_fails_ends_it_because_a_chunk_may_be_lost():
    clock = Clock()
    layer = ScriptedLayer(clock, {"content": b"a", "more_content": True}, LayerUnavailable("gone"))

    with pytest.raises(LayerUnavailable):
        read(layer, clock)


def test_a_server_that_died_sends_no_more_of_it():
    clock = Clock()
    layer = ScriptedLayer(clock, {"content": b"a", "more_content": True}, takes=5)

    with pytest.raises(RequestAborted):
        receive_body(
            b"", "body?x", layer, timeout=60, memory_limit=100, gone=lambda: clock.now > 1010,
            clock=clock, sleep=clock.sleep,
        )  # fmt: skip

    assert len(layer.asked) == 3
