"""Threads and signals: who is stopped how, and what a second signal means."""

from __future__ import annotations

import signal
import threading
from types import SimpleNamespace
from unittest import mock

import pytest

from channels.process_signals import STOP_SIGNALS, heeded
from channels.worker import Worker, WorkerGroup
from tests.support.scripted import (
    Clock,
    CountedWorker,
    Frame,
    PlainLayer,
    ScriptedClient,
    ScriptedLayer,
    wrap,
)


class ManyClients(ScriptedLayer):
    """A layer that opens a client of its own for each worker, as a real one does."""

    def __init__(self, *clients):
        super().__init__()
        self.clients = list(clients)
        self.opened = []
        self._lock = threading.Lock()

    def open_worker(self, channels, *, held):
        with self._lock:
            self.opened.append(self.clients.pop(0))
        return self.opened[-1]


class TestGroup:
    def test_threads_have_clients_of_their_own_and_all_end_on_a_stop(self):
        ran = []
        both = threading.Barrier(2, timeout=10)

        def consumer(message):
            both.wait()  # both threads are in a consumer at the same time
            ran.append(message["n"])
            group.request_stop()

        clients = [ScriptedClient(Frame("test", [{"n": n}])) for n in range(2)]
        layer = ManyClients(*clients)
        group = WorkerGroup(wrap(layer, ("test", consumer)), n_threads=2, signal_handlers=False)

        group.run()

        assert sorted(ran) == [0, 1]
        assert [client.closed for client in layer.opened] == [1, 1]
        assert not any(thread.is_alive() for thread in group.threads)

    def test_a_thread_that_ends_closes_its_own_database_connections(self):
        closed = []
        group = WorkerGroup(wrap(ScriptedLayer()), n_threads=2, signal_handlers=False)
        group.workers[0].run = lambda: None

        with (
            mock.patch.object(Worker, "run"),
            mock.patch(
                "django.db.connections.close_all",
                side_effect=lambda: closed.append(threading.current_thread()),
            ),
        ):
            group.run()

        assert closed == group.threads  # and not of the calling thread, which may be a test's

    def test_a_thread_whose_worker_broke_is_started_again(self, caplog):
        ran = threading.Event()
        group = WorkerGroup(wrap(ScriptedLayer()), n_threads=2, signal_handlers=False)
        inner = mock.Mock(side_effect=[SystemExit(1), MemoryError(), ran.set()])
        group.workers[0].run = inner
        group.workers[0].pause = lambda seconds: True

        with mock.patch.object(Worker, "run", side_effect=lambda: ran.wait(10)):
            group.run()

        assert inner.call_count == 3
        assert caplog.text.count("is started again") == 2

    def test_a_graceful_signal_leaves_an_idle_receive_that_nothing_can_unblock(self, caplog):
        caplog.set_level("INFO", "django.channels")
        waited = []

        class Idle(PlainLayer):
            def receive(self, channels, block=False):
                if threading.current_thread() is threading.main_thread():
                    group.sigterm_handler(15, None)
                    waited.append("on")
                return None, None

        group = WorkerGroup(wrap(Idle(), ("test", len)), n_threads=2, signal_handlers=False)

        group.run()

        assert waited == []
        assert not any(thread.is_alive() for thread in group.threads)
        assert "waiting for its threads" in caplog.text

    def test_a_graceful_signal_lets_a_consumer_end_and_takes_nothing_more(self):
        done, received = [], []

        class Busy(PlainLayer):
            def receive(self, channels, block=False):
                if threading.current_thread() is not threading.main_thread():
                    return None, None
                received.append(1)
                return "test", {}

        def consumer(message):
            group.sigterm_handler(15, None)
            assert [worker.termed for worker in (group, *group.workers)] == [True, True]
            done.append("to its end")

        group = WorkerGroup(wrap(Busy(), ("test", consumer)), n_threads=2, signal_handlers=False)

        group.run()

        assert done == ["to its end"]
        assert received == [1]

    def test_a_graceful_signal_only_ends_a_take_that_can_be_ended(self):
        waited = []
        both_take = threading.Event()  # a worker that is stopped before has no client to leave

        class Idle(ScriptedClient):
            def take(self, **options):
                if threading.current_thread() is threading.main_thread():
                    assert both_take.wait(5)
                    group.sigterm_handler(15, None)
                    waited.append("on")
                else:
                    both_take.set()
                return super().take()

        layer = ManyClients(Idle(), Idle())
        group = WorkerGroup(wrap(layer, ("test", len)), n_threads=2, signal_handlers=False)

        group.run()

        assert waited == ["on"]
        assert [client.closed for client in layer.opened] == [1, 1]

    def test_ctrl_c_ends_the_other_threads_too(self):
        class Interrupted(PlainLayer):
            def receive(self, channels, block=False):
                if threading.current_thread() is threading.main_thread():
                    raise KeyboardInterrupt
                return None, None

        group = WorkerGroup(wrap(Interrupted(), ("test", len)), n_threads=3, signal_handlers=False)

        with pytest.raises(KeyboardInterrupt):
            group.run()

        assert [thread.is_alive() for thread in group.threads] == [False, False]

    def test_without_grace_nobody_waits_for_a_thread_that_is_busy(self):
        busy, over = threading.Event(), threading.Event()

        class OneIsBusy(PlainLayer):
            def receive(self, channels, block=False):
                if threading.current_thread() is threading.main_thread():
                    assert busy.wait(10)
                    group.sigterm_handler(15, None)
                return ("test", {}) if not busy.is_set() else (None, None)

        def consumer(message):
            busy.set()
            assert over.wait(10)

        group = WorkerGroup(
            wrap(OneIsBusy(), ("test", consumer)),
            n_threads=2,
            signal_handlers=False,
            stop_gracefully=False,
        )
        try:
            with pytest.raises(SystemExit):
                group.run()
            assert [thread.is_alive() for thread in group.threads] == [True]
        finally:
            group.request_stop()
            over.set()
            for thread in group.threads:
                thread.join(10)

    def test_without_grace_the_process_ends_at_once(self):
        class Idle(PlainLayer):
            def receive(self, channels, block=False):
                if threading.current_thread() is threading.main_thread():
                    group.sigterm_handler(15, None)
                return None, None

        group = WorkerGroup(
            wrap(Idle(), ("test", len)), n_threads=2, signal_handlers=False, stop_gracefully=False
        )

        with pytest.raises(SystemExit):
            group.run()
        group.request_stop()
        for thread in group.threads:
            thread.join(10)


@pytest.fixture
def signals_as_before():
    before = {signo: signal.getsignal(signo) for signo in heeded(*STOP_SIGNALS)}
    yield
    for signo, handler in before.items():
        signal.signal(signo, handler)


def test_a_running_worker_is_stopped_by_a_real_signal(signals_as_before):
    layer = ScriptedLayer()
    worker = Worker(wrap(layer, ("test", len)))
    layer.client.when_idle = lambda: signal.raise_signal(signal.SIGTERM)

    worker.run()

    assert worker.termed is True
    assert (layer.client.unblocked, layer.client.closed) == (1, 1)


def test_a_worker_that_listens_nowhere_waits_without_a_client():
    class Nowhere(ScriptedLayer):
        def open_worker(self, channels, *, held):
            raise AssertionError("a take from no channel would never end")

        def receive(self, channels, block=False):
            asked.append((list(channels), block))
            worker.request_stop()
            return None, None

    asked = []
    wrapper = wrap(Nowhere(), ("test", len))
    worker = Worker(wrapper, signal_handlers=False, only_channels=["nothing.*"])

    worker.run()

    assert asked == [([], True)]


@pytest.mark.parametrize("layer_class", [ScriptedLayer, PlainLayer])
def test_a_pool_is_told_once_that_a_worker_takes_messages(layer_class):
    told = []

    layer = layer_class()
    worker = CountedWorker(wrap(layer, ("test", len)), signal_handlers=False)
    worker.listening = lambda: told.append(worker.in_job)
    worker.termed = 3

    worker.run()

    assert told == [False]


def test_a_pause_lasts_as_long_as_it_was_meant_to_and_looks_up_in_between(monkeypatch):
    clock = Clock(0.0)
    time = SimpleNamespace(monotonic=clock, sleep=clock.sleep)
    monkeypatch.setattr("channels.worker.loop.time", time)

    assert Worker(None).pause(0.25) is True

    assert clock.slept == pytest.approx([0.1, 0.1, 0.05])


def test_a_pause_ends_when_the_worker_is_told_to_stop():
    worker = Worker(None)
    threading.Timer(0.05, worker.request_stop).start()

    assert worker.pause(60.0) is False
