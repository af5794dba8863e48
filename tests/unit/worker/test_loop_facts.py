"""What apps, their signal receivers and their log see of the loop, fact by fact."""

from __future__ import annotations

import logging
import os
import signal
import threading
from unittest import mock

import pytest
from django.db import connection, connections

from channels import route
from channels.exceptions import ConsumeLater, DenyConnection
from channels.message import Message
from channels.signals import consumer_finished, consumer_started, worker_ready
from channels.worker import Worker, WorkerGroup
from tests.support.scripted import (
    Answer,
    CountedWorker,
    Frame,
    PlainLayer,
    ScriptedClient,
    ScriptedLayer,
    run_until_idle,
    wrap,
)

EVERYTHING = {
    "callback": len,
    "message_retries": 3,
    "signal_handlers": False,
    "only_channels": ["a.*"],
    "exclude_channels": ["a.b"],
}


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.DEBUG, "django.channels")


@pytest.fixture
def signals_as_before():
    before = {signo: signal.getsignal(signo) for signo in (signal.SIGTERM, signal.SIGINT)}
    yield
    for signo, handler in before.items():
        signal.signal(signo, handler)


def run(layer, turns, *routes, worker_class=CountedWorker, **options):
    worker = worker_class(wrap(layer, *routes), signal_handlers=False, **options)
    worker.termed = turns
    worker.run()
    return worker


def levels(caplog, text):
    return [one.levelname for one in caplog.records if text in one.getMessage()]


class TestArguments:
    def test_each_is_the_attribute_of_its_name(self):
        worker = Worker("layer", **EVERYTHING)

        assert worker.channel_layer == "layer"
        assert {name: getattr(worker, name) for name in EVERYTHING} == EVERYTHING

    def test_they_come_in_this_order(self):
        worker = Worker("layer", *EVERYTHING.values())

        assert {name: getattr(worker, name) for name in EVERYTHING} == EVERYTHING

    def test_a_group_gives_them_to_each_of_its_workers(self):
        group = WorkerGroup("layer", **{**EVERYTHING, "signal_handlers": True}, n_threads=3)

        assert group.signal_handlers is True
        assert len(group.workers) == 2
        for worker in group.workers:
            assert worker.channel_layer == "layer"
            assert {name: getattr(worker, name) for name in EVERYTHING} == EVERYTHING

    def test_a_group_has_a_thread_for_each_processor(self):
        assert len(WorkerGroup(None).workers) == (os.cpu_count() or 1) - 1

    def test_a_group_of_one_has_no_other_worker(self):
        assert WorkerGroup(None, n_threads=1).workers == []

    def test_a_group_is_a_worker(self):
        assert issubclass(WorkerGroup, Worker)


class TestWhatItListensOn:
    def test_the_filters_are_asked_once_and_their_answer_is_received_on(self, caplog):
        asked, received = [], []

        class Filtering(CountedWorker):
            def apply_channel_filters(self, channels):
                asked.append(set(channels))
                return ["b", "a"]

        class Listening(PlainLayer):
            def receive(self, channels, block=False):
                received.append((list(channels), block))
                return None, None

        run(Listening(), 2, ("a", len), ("b", len), ("c", len), worker_class=Filtering)

        assert asked == [{"a", "b", "c"}]
        assert received == [(["b", "a"], True)] * 2
        assert levels(caplog, "a, b") == ["INFO"]

    def test_a_layer_with_frames_is_asked_for_the_same(self):
        layer = ScriptedLayer()

        run_until_idle(layer, ("yes.1", len), ("no.1", len), only_channels=["yes.*"])

        assert list(layer.client.channels) == ["yes.1"]

    def test_a_worker_whom_the_filters_leave_nothing_says_so(self, caplog):
        run(PlainLayer(), 1, ("a", len), only_channels=["typo.*"])

        assert levels(caplog, "no channel") == ["WARNING"]

    def test_capitals_matter_and_empty_lists_are_no_filter(self):
        channels = ["a", "A"]

        assert Worker(None, only_channels=["a"]).apply_channel_filters(channels) == ["a"]
        assert Worker(None, exclude_channels=["a"]).apply_channel_filters(channels) == ["A"]
        assert Worker(None, [], 10, True, [], []).apply_channel_filters(channels) == channels

    def test_a_filtered_set_comes_as_a_list(self):
        assert Worker(None, only_channels=["a"]).apply_channel_filters({"a", "b"}) == ["a"]


@pytest.mark.parametrize("frames", [True, False])
def test_termed_is_set_when_made_and_read_once_for_each_turn(frames):
    """Suites of old put a counter in its place: one more look would cost them a turn."""
    touched = []

    class Watched(Worker):
        @property
        def termed(self):
            touched.append("read")
            return touched.count("read") > 3

        @termed.setter
        def termed(self, value):
            touched.append(value)

    def again(message):
        message.reply_channel.send({"text": "x"})
        raise ConsumeLater

    content = {"reply_channel": "web.a!x"}
    if frames:
        layer = ScriptedLayer(Frame("test", [dict(content)], b"r1"), Frame("test", [{}]))
    else:
        layer = PlainLayer(("test", dict(content)), (None, None), ("nowhere", {}))
    worker = Watched(wrap(layer, ("test", again)), signal_handlers=False)
    assert touched == [False]

    worker.run()

    assert touched == [False, "read", "read", "read", "read"]


class TestOneMessage:
    def test_it_is_in_hand_while_its_consumer_runs_and_not_while_one_is_waited_for(self):
        seen = []

        class Watched(PlainLayer):
            def receive(self, channels, block=False):
                seen.append(worker.in_job)
                return super().receive(channels, block)

        worker = CountedWorker(
            wrap(Watched(("test", {})), ("test", lambda message: seen.append(worker.in_job))),
            signal_handlers=False,
        )
        worker.termed = 2
        worker.run()

        assert seen == [False, True, False]
        assert worker.in_job is False

    def test_the_consumer_gets_the_message_and_what_its_route_matched(self):
        got = []

        def consumer(message, **kwargs):
            got.append((message, kwargs))
            return "nobody looks at this"

        layer = PlainLayer(("test", {"path": "/room/5"}))
        wrapper = wrap(layer)
        wrapper.router.add_route(route("test", consumer, path=r"^/room/(?P<room>\d+)"))
        worker = CountedWorker(wrapper, signal_handlers=False)
        worker.termed = 1
        worker.run()

        ((message, kwargs),) = got
        assert isinstance(message, Message)
        assert (message.channel.name, message.content) == ("test", {"path": "/room/5"})
        assert message.channel_layer is wrapper
        assert kwargs == {"room": "5"}

    def test_without_a_route_it_is_an_error_in_the_log_and_nothing_else(self, caplog):
        callback = mock.Mock()

        run(PlainLayer(("nowhere", {})), 1, ("test", len), callback=callback)

        assert levels(caplog, "nowhere") == ["ERROR"]
        assert callback.mock_calls == []

    @pytest.mark.parametrize("error", [None, ValueError(), ConsumeLater(), DenyConnection()])
    def test_both_signals_are_sent_whatever_the_consumer_does(self, error):
        seen = []

        def started(**kwargs):
            kwargs.pop("signal")
            seen.append(("started", kwargs))

        def finished(**kwargs):
            kwargs.pop("signal")
            seen.append(("finished", kwargs))

        consumer_started.connect(started)
        consumer_finished.connect(finished)
        try:
            run(PlainLayer(("test", {})), 1, ("test", mock.Mock(side_effect=error)))
        finally:
            consumer_started.disconnect(started)
            consumer_finished.disconnect(finished)

        assert seen == [
            ("started", {"sender": CountedWorker, "environ": {}}),
            ("finished", {"sender": CountedWorker}),
        ]

    def test_an_error_is_in_the_log_with_consumer_and_traceback(self, caplog):
        def broken(message):
            raise ValueError("a bug")

        run(PlainLayer(("test", {})), 1, ("test", broken))

        (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
        assert record.getMessage() == (
            "Error processing message with consumer tests.unit.worker.test_loop_facts.broken:"
        )
        assert record.exc_info[0] is ValueError
        assert record.name == "django.channels"


class TestConsumeLater:
    def put_back(self, **options):
        """Run a message until it does not come back; return what each run saw of it."""
        runs = []

        class Returning(PlainLayer):
            def send(self, channel, message):
                self.received.append((channel, dict(message)))

        def consumer(message):
            runs.append((message.content.get("__retries__"), message.__doomed__))
            raise ConsumeLater

        turns = options.get("message_retries", 10) + 2
        run(Returning(("test", {"text": "x" * 500})), turns, ("test", consumer), **options)
        return runs

    def test_a_message_runs_eleven_times_and_knows_its_last(self):
        assert self.put_back() == [
            (None, False),
            *((n, False) for n in range(1, 10)),
            (10, True),
        ]

    def test_without_retries_the_first_run_is_the_last(self):
        assert self.put_back(message_retries=0) == [(None, True)]

    def test_giving_up_is_a_warning_with_the_start_of_the_content(self, caplog):
        self.put_back(message_retries=1)

        (text,) = [
            one.getMessage() for one in caplog.records if "number of retries" in one.getMessage()
        ]
        assert levels(caplog, "number of retries") == ["WARNING"]
        assert "{'text': 'xxx" in text
        assert 0 < text.count("x" * 10) * 10 <= 100


@pytest.mark.usefixtures("signals_as_before")
class TestSignals:
    @pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
    def test_a_subclass_that_handles_them_itself_is_told_number_and_frame(self, signo):
        told = []

        class Own(Worker):
            def sigterm_handler(self, number, frame):
                told.append((number, frame is not None))

        Own(None).install_signal_handler()

        signal.raise_signal(signo)

        assert told == [(signo, True)]

    def test_running_installs_them_only_if_asked(self):
        installed = []

        class Watched(CountedWorker):
            def install_signal_handler(self):
                installed.append(self.signal_handlers)

        run(PlainLayer(), 1, worker_class=Watched)
        assert installed == []

        worker = Watched(wrap(PlainLayer()))
        worker.termed = 1
        worker.run()
        assert installed == [True]

    def test_what_handled_them_before_does_so_after_the_run(self):
        def mine(signo, frame):
            pass

        signal.signal(signal.SIGTERM, mine)
        worker = CountedWorker(wrap(PlainLayer()))
        worker.termed = 1

        worker.run()

        assert signal.getsignal(signal.SIGTERM) is mine

    def test_an_idle_worker_that_takes_frames_says_so_and_lets_its_loop_end(self, caplog):
        layer = ScriptedLayer()
        worker = Worker(wrap(layer, ("test", len)), signal_handlers=False)
        layer.client.when_idle = lambda: worker.sigterm_handler(signal.SIGTERM, None)

        worker.run()

        assert levels(caplog, "received while idle") == ["INFO"]
        assert levels(caplog, "terminating immediately") == []
        with pytest.raises(SystemExit):  # it does not run any more
            worker.sigterm_handler(signal.SIGTERM, None)

    def test_one_that_receives_one_by_one_leaves_from_where_it_waits(self):
        class Signalled(PlainLayer):
            def receive(self, channels, block=False):
                worker.sigterm_handler(signal.SIGTERM, None)

        worker = Worker(wrap(Signalled(), ("test", len)), signal_handlers=False)

        with pytest.raises(SystemExit) as caught:
            worker.run()

        assert caught.value.code == 0

    @pytest.mark.parametrize(
        ("busy", "says"),
        [(True, "busy, waiting for loop termination"), (False, "idle, terminating immediately")],
    )
    def test_the_log_tells_what_a_signal_does(self, caplog, busy, says):
        worker = Worker(None)
        worker.in_job = busy

        if busy:
            worker.sigterm_handler(signal.SIGTERM, None)
        else:
            with pytest.raises(SystemExit):
                worker.sigterm_handler(signal.SIGTERM, None)

        assert levels(caplog, says) == ["INFO"]

    def test_a_group_that_has_no_time_says_so(self, caplog):
        group = WorkerGroup(None, n_threads=2, stop_gracefully=False)

        with pytest.raises(SystemExit) as caught:
            group.sigterm_handler(signal.SIGTERM, None)

        assert caught.value.code == 0
        assert levels(caplog, "WorkerGroup, terminating immediately") == ["INFO"]


class TestNothingEndsTheLoop:
    def test_a_flush_that_breaks_is_logged_and_the_next_message_runs(self, caplog):
        """Its receipt is answered with the next exchange: a socket must not wait for ever."""
        layer = ScriptedLayer(
            Frame("test", [{"reply_channel": "web.a!x"}], b"r1"),
            Frame("test", [{"reply_channel": "web.a!y"}], b"r2"),
        )
        layer.client.outages.extend([None, None, ValueError("a bug of the layer")])
        ran = []

        def consumer(message):
            ran.append(message.reply_channel.name)
            message.reply_channel.send({"text": "x"})

        run_until_idle(layer, ("test", consumer))

        assert ran == ["web.a!x", "web.a!y"]
        assert levels(caplog, "Flushing what a consumer sent failed") == ["ERROR"]
        assert [Answer(b"r1") in one for one in layer.client.exchanges] == [True, True, False]
        assert list(layer.client.held()) == []

    def test_a_layer_that_breaks_at_the_end_does_not_keep_the_signals(self, caplog):
        class Broken(ScriptedClient):
            def close(self):
                raise ValueError("a bug of the layer")

        layer = ScriptedLayer()
        layer.client = Broken()

        worker = run_until_idle(layer, ("test", len))

        assert levels(caplog, "could not end cleanly") == ["ERROR"]
        assert worker.in_job is False

    def test_ctrl_c_in_a_consumer_leaves_nothing_in_hand(self, monkeypatch):
        monkeypatch.setattr("signal.getsignal", lambda signo: signal.default_int_handler)
        consumer = mock.Mock(side_effect=KeyboardInterrupt)
        worker = Worker(wrap(PlainLayer(("test", {})), ("test", consumer)), signal_handlers=False)

        with pytest.raises(KeyboardInterrupt):
            worker.run()

        assert worker.in_job is False

    def test_an_interrupted_worker_has_nothing_in_hand_and_can_run_again(self):
        class Interrupted(PlainLayer):
            def receive(self, channels, block=False):
                if not self.received:
                    raise KeyboardInterrupt
                return super().receive(channels, block)

        layer = Interrupted(("test", {}))
        consumer = mock.Mock()
        worker = Worker(wrap(layer, ("test", consumer)), signal_handlers=False)

        for runs in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                worker.run()
            assert (consumer.call_count, worker.in_job) == (runs, False)
            layer.received.append(("test", {}))

    def test_ctrl_c_in_the_callback_waits_for_the_message(self, monkeypatch):
        monkeypatch.setattr("signal.getsignal", lambda signo: signal.default_int_handler)
        consumer = mock.Mock()
        worker = Worker(
            wrap(PlainLayer(("test", {})), ("test", consumer)),
            callback=mock.Mock(side_effect=KeyboardInterrupt),
            signal_handlers=False,
        )

        with pytest.raises(KeyboardInterrupt):
            worker.run()

        assert consumer.call_count == 1

    def test_what_fails_in_the_callback_is_blamed_on_the_callback(self, caplog):
        def nosy(channel, message):
            raise ValueError("a bug")

        run(PlainLayer(("test", {})), 1, ("test", mock.Mock()), callback=nosy)

        assert levels(caplog, "test_loop_facts.nosy") == ["ERROR"]


class TestTheDatabase:
    @pytest.mark.django_db
    def test_connections_that_idled_too_long_are_closed_round_each_consumer(self, monkeypatch):
        order = []
        connection.ensure_connection()
        one = connections["default"]
        monkeypatch.setattr(one, "close_if_unusable_or_obsolete", lambda: order.append("closed"))

        def started(**kwargs):
            order.append("started")

        consumer_started.connect(started)
        try:
            run(PlainLayer(("test", {})), 1, ("test", lambda message: order.append("ran")))
        finally:
            consumer_started.disconnect(started)

        assert order == ["closed", "started", "ran", "closed"]

    @pytest.mark.django_db
    def test_the_queries_that_debug_keeps_are_those_of_one_message(self, settings):
        settings.DEBUG = True
        seen = []

        def consumer(message):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            seen.append(len(connection.queries))

        run(PlainLayer(("test", {}), ("test", {})), 2, ("test", consumer))

        assert seen == [1, 1]


def test_ready_is_told_with_the_worker_as_sender():
    senders = []

    def receiver(sender, **kwargs):
        senders.append(sender)

    worker_ready.connect(receiver)
    try:
        worker = Worker(None)
        worker.ready()
    finally:
        worker_ready.disconnect(receiver)

    assert senders == [worker]


def test_threads_of_a_group_never_keep_the_process():
    clients = [ScriptedClient(), ScriptedClient()]
    lock = threading.Lock()

    class TwoClients(ScriptedLayer):
        def open_worker(self, channels, *, held):
            with lock:
                client = clients.pop()
            client.when_idle = group.request_stop
            return client

    group = WorkerGroup(wrap(TwoClients(Frame("test", [{}])), ("test", len)), n_threads=2)
    group.signal_handlers = False

    group.run()

    assert [thread.daemon for thread in group.threads] == [True]
