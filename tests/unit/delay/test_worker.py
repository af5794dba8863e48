"""What the delay worker stores and sends, turn by turn; the classic suite's observables first."""

import contextlib
import logging
import signal
import threading
import time
from datetime import timedelta
from unittest import mock

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import OperationalError
from django.utils import timezone

from channels import Channel, channel_layers, process_signals
from channels.asgi import ChannelLayerWrapper
from channels.delay import worker as worker_module
from channels.delay.models import DelayedMessage, DelayedMessageQuerySet
from channels.delay.worker import Worker
from channels.exceptions import ChannelFull, LayerUnavailable
from channels.layers.clients import Answer, Frame, GiveBack
from channels.layers.inmemory import InMemoryChannelLayer
from channels.layers.plain import PlainWorkerClient
from tests.support.recording import RecordingLayer
from tests.support.scripted import Clock, ScriptedClient, ScriptedLayer

pytestmark = pytest.mark.django_db


class CountedWorker(Worker):
    """Runs as many turns as ``termed`` is set to, like the classic suite's."""

    turns = 0

    def _get(self):
        if not self.turns:
            return True
        self.turns -= 1
        return False

    def _set(self, turns):
        self.turns = turns

    termed = property(_get, _set)


class ForeignLayer(RecordingLayer):
    """Has the synchronous interface only, and fails on demand."""

    def __init__(self):
        super().__init__()
        self.waiting = []
        self.errors = []

    def receive(self, channels, block=False):
        assert channels == ["asgi.delay"]
        assert not block
        if self.errors:
            raise self.errors.pop(0)
        return ("asgi.delay", self.waiting.pop(0)) if self.waiting else (None, None)


@pytest.fixture
def layer():
    wrapper = ChannelLayerWrapper(InMemoryChannelLayer(), "default", [])
    before = channel_layers.set("default", wrapper)
    yield wrapper
    channel_layers.set("default", before)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Failures are followed by no pause to speak of."""
    monkeypatch.setattr(worker_module, "FIRST_PAUSE", 0.001)


@pytest.fixture
def log(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("django.channels"), "propagate", True)
    return caplog


def run(layer, turns=1, **options):
    worker = CountedWorker(layer, signal_handlers=False, **options)
    worker.termed = turns
    worker.run()
    return worker


def delay(channel="test", milliseconds=1000, **content):
    Channel("asgi.delay").send(
        {"channel": channel, "delay": milliseconds, "content": content}, immediately=True
    )


def later(**difference):
    return mock.patch(
        "django.utils.timezone.now", return_value=timezone.now() + timedelta(**difference)
    )


def test_a_message_is_stored_and_sent_when_it_is_due(layer):
    delay(milliseconds=1000, value=1)
    worker = run(layer)
    assert DelayedMessage.objects.count() == 1
    assert layer.receive(["test"]) == (None, None)

    with later(milliseconds=1001):
        worker.termed = 1
        worker.run()

    assert DelayedMessage.objects.count() == 0
    assert layer.receive(["test"]) == ("test", {"value": 1})


def test_the_first_turn_always_looks_whatever_an_earlier_run_waited_for(layer):
    delay(milliseconds=60000, value=1)
    worker = run(layer, database_sleep_duration=60)

    with later(seconds=61):
        worker.termed = 1
        worker.run()

    assert layer.receive(["test"]) == ("test", {"value": 1})


def test_one_turn_stores_a_message_and_sends_it_if_it_is_due_at_once(layer):
    delay(milliseconds=0, value=1)

    run(layer)

    assert layer.receive(["test"]) == ("test", {"value": 1})


def test_a_full_channel_puts_the_message_off_for_a_second(layer):
    for n in range(11):
        DelayedMessage(channel_name="test", content=f'{{"n": {n}}}', delay=-11 + n).save()

    run(layer)

    left = DelayedMessage.objects.get()
    assert left.content == '{"n": 10}'
    assert timedelta() < left.due_date - timezone.now() <= timedelta(seconds=1)
    assert [layer.receive(["test"])[1]["n"] for _ in range(10)] == list(range(10))


@pytest.mark.parametrize(
    "content",
    [
        {"test": "value"},
        {"channel": "test", "content": {}},
        {"channel": "test", "content": {"data": b"bytes"}, "delay": 1},
        {"channel": "test", "content": {}, "delay": "soon"},
        {"channel": "test", "content": {}, "delay": float("nan")},
        {"channel": "test", "content": {}, "delay": 10**18},
        {"channel": "test", "content": "text", "delay": 1},
        {"channel": None, "content": {}, "delay": 1},
        {"channel": 5, "content": {}, "delay": 1},
        {"channel": "", "content": {}, "delay": 1},
        {"channel": "x" * 513, "content": {}, "delay": 1},
    ],
)
def test_an_invalid_message_is_logged_and_the_next_one_is_stored(layer, log, content):
    layer.send("asgi.delay", content)
    delay(value=1)

    run(layer, turns=2)

    assert [row.content for row in DelayedMessage.objects.all()] == ['{"value": 1}']
    [record] = [record for record in log.records if record.levelname == "ERROR"]
    assert "Invalid message on asgi.delay" in record.getMessage()


@pytest.mark.parametrize(
    ("channel", "content"), [("not a name", "{}"), ("test", "no JSON"), ("test", "[]")]
)
def test_a_message_that_cannot_be_sent_is_logged_and_the_next_one_goes(
    layer, log, channel, content
):
    DelayedMessage(channel_name=channel, content=content, delay=-2).save()
    DelayedMessage(channel_name="test", content='{"n": 1}', delay=-1).save()

    run(layer)

    assert layer.receive(["test"]) == ("test", {"n": 1})
    assert DelayedMessage.objects.count() == 0
    assert "can't be sent" in log.text


def test_a_long_list_is_sent_in_batches_between_which_messages_are_taken(layer, monkeypatch):
    monkeypatch.setattr(worker_module, "BATCH", 3)
    for n in range(7):
        DelayedMessage(channel_name="test", content=f'{{"n": {n}}}', delay=-7 + n).save()
    delay(milliseconds=10**6, value=1)
    delay(milliseconds=10**6, value=2)

    run(layer, turns=2)

    assert [layer.receive(["test"])[1]["n"] for _ in range(6)] == list(range(6))
    assert DelayedMessage.objects.is_due().count() == 1
    assert DelayedMessage.objects.count() == 3


def test_it_waits_for_the_next_due_time_and_no_longer(layer):
    delay(milliseconds=150, value=1)
    worker = Worker(layer, signal_handlers=False, database_sleep_duration=60)
    real, sent = layer.channel_layer.send, []

    def send(channel, message):
        real(channel, message)
        sent.append(time.monotonic() - started)
        worker.termed = True

    layer.send = send
    started = time.monotonic()
    worker.run()

    assert layer.receive(["test"]) == ("test", {"value": 1})
    assert 0.1 < sent[0] < 4


def test_it_looks_once_a_second_unless_told(layer):
    looks = []

    class Watched(Worker):
        def _turn(self, client):
            super()._turn(client)
            looks.append(self._look_at - time.monotonic())
            self.termed = True

    for options in ({}, {"database_sleep_duration": 30}):
        worker = Watched(layer, signal_handlers=False, **options)
        assert worker.database_sleep_duration == options.get("database_sleep_duration", 1)
        worker.run()

    assert 0 < looks[0] <= 1
    assert 20 < looks[1] <= 30


def test_what_others_put_into_the_table_is_found_at_the_next_look(layer):
    worker = Worker(layer, signal_handlers=False, database_sleep_duration=0.05)
    taken = []
    real = DelayedMessageQuerySet.claim_due

    def claim_due(self, most):
        if not taken:
            DelayedMessage(channel_name="test", content="{}", delay=0).save()
        else:
            worker.termed = True
        taken.append(list(real(self, 0)))
        return real(self, most) if len(taken) > 1 else iter(())

    with mock.patch.object(DelayedMessageQuerySet, "claim_due", claim_due):
        worker.run()

    assert layer.receive(["test"]) == ("test", {})


def test_a_database_that_fails_gives_the_message_back_to_the_layer(layer, log):
    delay(milliseconds=10**6, value=1)
    real, failures = DelayedMessage.save, [OperationalError("gone"), OperationalError("gone")]

    def save(self, *args, **kwargs):
        if failures:
            raise failures.pop()
        real(self, *args, **kwargs)

    with mock.patch.object(DelayedMessage, "save", save):
        run(layer, turns=3)

    assert [row.content for row in DelayedMessage.objects.all()] == ['{"value": 1}']
    assert log.text.count("Delaying messages failed; trying again") == 2


def test_a_layer_that_fails_leaves_the_due_messages_in_the_table(log):
    DelayedMessage(channel_name="test", content="{}", delay=-1).save()
    foreign = ForeignLayer()
    foreign.errors = [LayerUnavailable("gone"), OSError("gone")]
    layer = ChannelLayerWrapper(foreign, "default", [])

    run(layer, turns=2)
    assert DelayedMessage.objects.count() == 1
    assert not foreign.sent

    run(layer)
    assert foreign.sent == [("test", {})]


def test_pauses_after_failures_grow_to_five_seconds_and_begin_anew_after_an_answer(monkeypatch):
    clock = Clock(0.0)
    monkeypatch.setattr(worker_module.time, "monotonic", clock)
    monkeypatch.setattr(worker_module.time, "sleep", clock.sleep)
    monkeypatch.setattr(worker_module, "FIRST_PAUSE", 0.1)
    foreign = ForeignLayer()
    worker = Worker(ChannelLayerWrapper(foreign, "default", []), signal_handlers=False)
    client = PlainWorkerClient(worker.channel_layer, ["asgi.delay"], sleep=clock.sleep)

    def turn(error=None):
        foreign.errors = [error] if error else []
        before = clock.now
        worker._turn(client)
        return round(clock.now - before, 3)

    outage = [turn(LayerUnavailable("gone")) for _ in range(4)] + [
        turn(OSError()) for _ in range(4)
    ]
    turn()

    assert outage == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert turn(LayerUnavailable("gone")) == 0.1
    assert max(clock.slept) <= 0.1  # so that it notices soon that it is to stop
    worker._stopping = True
    assert turn(LayerUnavailable("gone")) == 0


def test_a_send_whose_outcome_is_unknown_is_not_repeated(layer, log):
    for n in range(2):
        DelayedMessage(channel_name="test", content=f'{{"n": {n}}}', delay=-2 + n).save()
    real, sent = layer.channel_layer.send, []

    def send(channel, message):
        real(channel, message)
        sent.append(message)
        if len(sent) == 1:
            raise LayerUnavailable("no answer")

    layer.send = send
    worker = run(layer)

    assert sent == [{"n": 0}]
    assert "its outcome is unknown" in log.text
    # The other one is not pushed at a layer that does not answer; it goes in the next turn.
    worker.termed = 1
    worker.run()
    assert sent == [{"n": 0}, {"n": 1}]


def test_whoever_wants_to_know_is_told_once_a_message_is_stored():
    class Client(ScriptedClient):
        def exchange(self, operations, *, take=True, **options):
            stored.append(DelayedMessage.objects.count())
            return super().exchange(operations, take=take)

    stored = []
    content = {"channel": "test", "content": {}, "delay": 60000}
    scripted = ScriptedLayer()
    scripted.client = Client(
        Frame("asgi.delay", [content, {**content, "delay": 70000}], b"receipt")
    )

    run(ChannelLayerWrapper(scripted, "default", []))

    assert scripted.client.done == [Answer(b"receipt")]
    assert stored == [2]


def test_a_foreign_layer_is_received_from_one_by_one(log):
    foreign = ForeignLayer()
    foreign.waiting = [{"channel": "test", "delay": 0, "content": {"n": n}} for n in range(2)]

    run(ChannelLayerWrapper(foreign, "default", []), turns=2)

    assert foreign.sent == [("test", {"n": 0}), ("test", {"n": 1})]


class TwoAtOnce(ScriptedClient):
    """Takes up to two frames at once."""

    def take(self, longest=None, **options):
        return [*super().take(), *super().take()]


def scripted(*frames):
    """A layer whose client takes two at once, and its wrapper."""
    layer = ScriptedLayer()
    layer.client = TwoAtOnce(*frames)
    return layer.client, ChannelLayerWrapper(layer, "default", [])


def stored_later(n, receipt=None):
    return Frame("asgi.delay", [{"channel": "test", "content": {"n": n}, "delay": 60000}], receipt)


def test_what_came_together_is_stored_one_by_one_and_shown_in_hand_until_then():
    client, wrapper = scripted(stored_later(1, b"one"), stored_later(2, b"two"))
    shown = []
    client.outcome = lambda operation: shown.append(client.held())

    run(wrapper, turns=2)

    assert client.done == [Answer(b"one"), Answer(b"two")]
    assert shown == [(b"one", b"two"), (b"two",)]
    assert client.held() == ()


def test_what_was_not_looked_at_is_given_back_in_its_order_at_the_end():
    client, wrapper = scripted(*(stored_later(n) for n in range(3)))
    client.take = lambda longest=None: [client.frames.popleft() for _ in list(client.frames)]

    run(wrapper)

    # Each goes to the head: the last one first.
    assert client.done == [GiveBack(stored_later(2)), GiveBack(stored_later(1))]
    assert client.closed == 1


def test_a_client_that_could_not_start_is_started_again_and_closed_only_if_it_did(log):
    client, wrapper = scripted()
    client.outages.append(LayerUnavailable("gone"))

    run(wrapper)
    assert (client.started, client.closed) == (1, 0)

    run(wrapper)
    assert (client.started, client.closed) == (2, 1)


def test_a_foreign_layer_that_has_no_room_for_what_comes_back_is_told_of(monkeypatch, log):
    foreign = ForeignLayer()
    foreign.waiting = [{"channel": "test", "delay": 0, "content": {}}]
    monkeypatch.setattr(foreign, "send", mock.Mock(side_effect=ChannelFull("asgi.delay")))
    monkeypatch.setattr(DelayedMessage, "save", mock.Mock(side_effect=OperationalError("away")))

    run(ChannelLayerWrapper(foreign, "default", []))

    assert "Delaying messages failed" in log.text
    assert "ChannelFull" in log.text


@pytest.fixture
def signals_as_before():
    before = {
        signo: signal.getsignal(signo)
        for signo in process_signals.heeded(*process_signals.STOP_SIGNALS)
    }
    yield
    for signo, handler in before.items():
        signal.signal(signo, handler)


class TestStopping:
    def stopped_by(self, worker, moment):
        """Call the signal handler from another thread at a moment; return how long run() took."""
        stopper = threading.Thread(target=lambda: (moment(), worker.sigterm_handler(None, None)))
        stopper.start()
        started = time.monotonic()
        worker.run()
        stopper.join()
        return time.monotonic() - started

    def test_an_idle_worker_stops_at_once(self, layer):
        worker = Worker(layer, signal_handlers=False, database_sleep_duration=60)

        def idle():
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                if worker._look_at > time.monotonic() + 30 and not worker.in_job:
                    return

        assert self.stopped_by(worker, idle) < 4

    def test_a_signal_ends_the_wait_for_frames(self):
        class Client(ScriptedClient):
            def take(self, longest=None, **options):
                worker.sigterm_handler(None, None)
                return super().take()

        scripted = ScriptedLayer()
        scripted.client = Client()
        worker = Worker(ChannelLayerWrapper(scripted, "default", []), signal_handlers=False)
        worker.run()

        assert (scripted.client.unblocked, scripted.client.closed) == (1, 1)

    def test_an_idle_worker_on_a_foreign_layer_leaves_from_within_the_receive(self):
        class Waiting(ForeignLayer):
            def receive(self, channels, block=False):
                worker.sigterm_handler(None, None)

        worker = Worker(ChannelLayerWrapper(Waiting(), "default", []), signal_handlers=False)

        with pytest.raises(SystemExit) as caught:
            worker.run()

        assert caught.value.code == 0
        assert worker.in_job is False

    def test_a_busy_worker_ends_after_the_message_in_hand(self, layer):
        for n in range(3):
            DelayedMessage(channel_name="test", content=f'{{"n": {n}}}', delay=-3 + n).save()
        worker = Worker(layer, signal_handlers=False)
        real = layer.channel_layer.send

        def send(channel, message):
            assert worker.in_job
            worker.sigterm_handler(None, None)
            real(channel, message)

        layer.send = send
        worker.run()

        assert DelayedMessage.objects.count() == 2

    def test_an_idle_worker_on_a_foreign_layer_leaves_the_process(self):
        worker = Worker(ChannelLayerWrapper(ForeignLayer(), "default", []))

        with pytest.raises(SystemExit):
            worker.sigterm_handler(None, None)

    @pytest.mark.parametrize(("later", "deaths"), [(1.5, [signal.SIGINT]), (0.5, [])])
    def test_a_second_signal_ends_it_at_once_unless_it_is_the_same_wish(
        self, layer, monkeypatch, signals_as_before, later, deaths
    ):
        now, died = [1000.0], []
        monkeypatch.setattr(process_signals, "die_by", died.append)
        worker = Worker(layer)
        worker._signals = process_signals.SignalHandlers(lambda: now[0])
        worker.in_job = True
        worker.install_signal_handler()

        signal.raise_signal(signal.SIGTERM)
        assert (worker.termed, died) == (True, [])
        now[0] += later
        signal.raise_signal(signal.SIGINT)

        assert died == deaths

    def test_signals_are_taken_unless_told_otherwise(self, layer):
        before = signal.getsignal(signal.SIGTERM)
        handlers = []

        class Watched(CountedWorker):
            def _turn(self, client):
                handlers.append(signal.getsignal(signal.SIGTERM))

        for options in ({}, {"signal_handlers": False}):
            worker = Watched(layer, **options)
            worker.termed = 1
            worker.run()

        assert handlers[0] != before
        assert handlers[1] == before

    def test_signal_handlers_are_put_back(self, layer):
        before = [signal.getsignal(signo) for signo in (signal.SIGTERM, signal.SIGINT)]

        worker = CountedWorker(layer)
        worker.termed = 1
        worker.run()

        assert [signal.getsignal(signo) for signo in (signal.SIGTERM, signal.SIGINT)] == before


class TestCommand:
    def test_an_in_memory_layer_is_refused(self, layer):
        with pytest.raises(CommandError, match="in-memory"):
            call_command("rundelay")

    def test_an_unknown_alias_is_refused(self):
        with pytest.raises(CommandError, match="nobody"):
            call_command("rundelay", "--layer", "nobody")

    @pytest.mark.parametrize("sleep", ["0", "-1", "nan", "often"])
    def test_a_sleep_that_is_no_duration_is_refused(self, sleep):
        with pytest.raises(CommandError, match="--sleep"):
            call_command("rundelay", "--sleep", sleep)

    def test_it_looks_once_a_second_on_the_default_layer_and_in_the_language_of_the_settings(self):
        command = load_command_class("channels.delay", "rundelay")
        options = vars(command.create_parser("manage.py", "rundelay").parse_args([]))

        assert (options["layer"], options["sleep"]) == ("default", 1.0)
        assert command.leave_locale_alone

    def test_its_options_reach_the_worker(self):
        wrapper = ChannelLayerWrapper(ForeignLayer(), "default", [])
        before = channel_layers.set("default", wrapper)
        with contextlib.ExitStack() as stack:
            stack.callback(channel_layers.set, "default", before)
            made = stack.enter_context(
                mock.patch("channels.delay.management.commands.rundelay.Worker")
            )
            call_command("rundelay", "--sleep", "0.5")

        made.assert_called_once_with(channel_layer=wrapper, database_sleep_duration=0.5)
        made.return_value.run.assert_called_once_with()
