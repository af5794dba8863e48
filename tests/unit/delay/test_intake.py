"""Where the delay worker's messages come from: frames, or the plain interface."""

from __future__ import annotations

import pytest

from channels.delay.intake import FrameIntake, PlainIntake
from channels.exceptions import LayerUnavailable
from channels.layers.clients import Answer, Frame, GiveBack
from tests.unit.worker.scripted import ScriptedClient, ScriptedLayer


class Client(ScriptedClient):
    """Takes for a given time, up to two frames at once."""

    def __init__(self, *frames):
        super().__init__(*frames)
        self.waits = []

    def take(self, longest=None):
        self.waits.append(longest)
        return [*super().take(), *super().take()]


def frame(n, receipt=None):
    return Frame("asgi.delay", [{"n": n}], receipt)


@pytest.fixture
def intake():
    layer = ScriptedLayer()
    layer.client = Client()
    made = FrameIntake(layer)
    made.client = layer.client
    return made


class TestFrames:
    def test_the_face_is_opened_for_the_one_channel_and_started_by_the_first_look(self, intake):
        assert intake.interruptible
        assert (intake.client.channels, intake.client.started) == (["asgi.delay"], 0)

        intake.next(1)
        intake.next(1)

        assert intake.client.started == 1

    def test_a_face_that_could_not_start_is_started_again(self, intake):
        intake.client.outages.append(LayerUnavailable("gone"))

        with pytest.raises(LayerUnavailable):
            intake.next(1)
        intake.next(1)

        assert intake.client.started == 2

    @pytest.mark.parametrize("longest", [0, -1])
    def test_without_time_to_wait_it_only_looks(self, intake, longest):
        intake.client.frames.append(frame(1))

        assert intake.next(longest) == frame(1)
        assert intake.next(longest) is None

        assert (intake.client.waits, intake.client.exchanges) == ([], [[], []])

    def test_what_came_together_is_given_out_one_by_one(self, intake):
        intake.client.frames.extend([frame(1), frame(2)])

        assert [intake.next(0.5), intake.next(0.5), intake.next(0.25)] == [frame(1), frame(2), None]

        assert intake.client.waits == [0.5, 0.25]

    def test_receipts_are_held_until_they_are_answered(self, intake):
        intake.client.frames.extend([frame(1, b"one"), frame(2)])
        first, second = intake.next(1), intake.next(1)
        assert intake.client.held() == (b"one",)

        intake.client.frames.append(frame(3))
        intake.done(first)
        intake.done(second)

        assert intake.client.held() == ()
        assert intake.client.exchanges == [[Answer(b"one")]]
        # What it answers with must not take what nobody would look at.
        assert len(intake.client.frames) == 1

    @pytest.mark.parametrize("receipt", [b"one", None])
    def test_what_is_given_back_goes_ahead_of_all_others_and_is_held_no_longer(
        self, intake, receipt
    ):
        intake.client.frames.append(frame(1, receipt))
        taken = intake.next(1)

        intake.give_back(taken)

        assert intake.client.exchanges == [[GiveBack(taken, at_head=True)]]
        assert intake.client.held() == ()

    def test_stopping_ends_the_wait_also_while_the_layer_is_down(self, intake):
        intake.stop()
        assert intake.client.unblocked == 1

        def unblock():
            raise LayerUnavailable("gone")

        intake.client.unblock = unblock
        intake.stop()

    def test_what_was_not_looked_at_is_given_back_in_its_order(self, intake):
        intake.client.frames.extend([frame(1), frame(2)])
        intake.client.frames.append(frame(3))
        intake.next(1)
        intake._ready.append(frame(4))

        intake.close()

        # Each goes to the head: the last one first.
        assert intake.client.done == [GiveBack(frame(4)), GiveBack(frame(2))]
        assert intake.client.closed == 1

    def test_a_face_that_never_started_is_not_closed(self, intake):
        intake.close()

        assert intake.client.closed == 0


class Plain:
    """A layer with the synchronous interface only."""

    def __init__(self, *waiting):
        self.waiting = list(waiting)
        self.sent = []

    def receive(self, channels, block):
        assert (channels, block) == (["asgi.delay"], False)
        return ("asgi.delay", self.waiting.pop(0)) if self.waiting else (None, None)

    def send(self, channel, message):
        self.sent.append((channel, message))


class TestPlain:
    def test_messages_are_received_one_by_one_without_a_pause(self):
        pauses = []
        intake = PlainIntake(Plain({"n": 1}, {"n": 2}), sleep=pauses.append)

        assert [intake.next(1).messages, intake.next(1).messages] == [[{"n": 1}], [{"n": 2}]]

        assert pauses == []
        assert not intake.interruptible

    def test_after_nothing_it_pauses_shortly_unless_it_is_in_a_hurry(self):
        pauses = []
        intake = PlainIntake(Plain(), sleep=pauses.append)

        assert [intake.next(longest) for longest in (-1, 0, 0.03, 60)] == [None] * 4

        assert pauses == [0.03, 0.1]

    def test_what_is_given_back_is_sent_again(self):
        layer = Plain({"n": 1})
        intake = PlainIntake(layer)

        intake.give_back(intake.next(1))

        assert layer.sent == [("asgi.delay", {"n": 1})]
