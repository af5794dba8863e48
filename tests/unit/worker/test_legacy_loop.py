"""The loop as suites written for Channels 1 drive it: counted turns, patched ``send``, mocks."""

from __future__ import annotations

from unittest import mock

import pytest

from channels import Channel, route
from channels.asgi import ChannelLayerWrapper
from channels.exceptions import ConsumeLater
from channels.layers.inmemory import InMemoryChannelLayer
from channels.signals import worker_ready
from channels.worker import Worker, WorkerGroup
from tests.support.scripted import CountedWorker


@pytest.fixture
def layer():
    return ChannelLayerWrapper(InMemoryChannelLayer(), "default", [])


def run(layer, turns, **options):
    worker = CountedWorker(layer, signal_handlers=False, **options)
    worker.termed = turns
    worker.run()
    return worker


def counted(layer):
    layer.send = mock.Mock(side_effect=layer.channel_layer.send)
    return layer.send


def test_a_message_is_run_once_and_nothing_is_sent(layer):
    consumer = mock.Mock()
    Channel("test", channel_layer=layer).send({"test": "test"}, immediately=True)
    layer.router.add_route(route("test", consumer))
    send = counted(layer)

    run(layer, 2)

    assert consumer.call_count == 1
    assert send.call_count == 0


def test_consume_later_sends_the_message_once_and_it_runs_again(layer):
    consumer = mock.Mock(side_effect=[ConsumeLater(), None])
    Channel("test", channel_layer=layer).send({"test": "test"}, immediately=True)
    layer.router.add_route(route("test", consumer))
    send = counted(layer)

    run(layer, 2)

    assert consumer.call_count == 2
    assert send.mock_calls == [mock.call("test", {"test": "test", "__retries__": 1})]


@pytest.mark.parametrize("patched", [True, False])
def test_a_message_runs_once_more_than_it_may_be_retried(layer, patched):
    doomed = []

    def consumer(message):
        doomed.append(message.__doomed__)
        raise ConsumeLater

    layer.send("test", {})
    layer.router.add_route(route("test", consumer))
    if patched:
        counted(layer)

    run(layer, 4, message_retries=3)

    assert doomed == [False, False, False, True]
    assert layer.channel_layer.receive(["test"]) == (None, None)


def test_without_retries_the_message_is_dropped_at_once(layer):
    layer.send("test", {})
    layer.router.add_route(route("test", mock.Mock(side_effect=ConsumeLater)))
    send = counted(layer)

    run(layer, 1, message_retries=0)

    assert send.call_count == 0


def test_turns_are_counted_by_message_also_without_a_patch(layer):
    consumer = mock.Mock()
    layer.router.add_route(route("test", consumer))
    for n in range(3):
        layer.send("test", {"n": n})

    run(layer, 2)

    assert [call.args[0]["n"] for call in consumer.call_args_list] == [0, 1]
    # The third was taken with the flush or not at all; either way it is back.
    assert layer.receive(["test"]) == ("test", {"n": 2})


def test_only_and_excluded_channels_are_globs_and_keep_the_order():
    def filtered(**options):
        worker = Worker(None, signal_handlers=False, **options)
        return worker.apply_channel_filters(["yes.1", "no.1", "maybe.2", "yes.2"])

    assert filtered(only_channels=["yes.*", "maybe.*"]) == ["yes.1", "maybe.2", "yes.2"]
    assert filtered(exclude_channels=["no.1", "maybe.*"]) == ["yes.1", "yes.2"]
    assert filtered(only_channels=["*.1"], exclude_channels=["no.*"]) == ["yes.1"]


def test_without_filters_the_same_channels_are_returned():
    channels = {"a", "b"}

    assert Worker(None).apply_channel_filters(channels) is channels


def test_arguments_become_attributes():
    worker = Worker(
        None, callback=len, message_retries=4, only_channels=["a"], exclude_channels=["b"]
    )

    assert (worker.channel_layer, worker.callback, worker.message_retries) == (None, len, 4)
    assert (worker.only_channels, worker.exclude_channels) == (["a"], ["b"])
    assert (worker.signal_handlers, worker.termed, worker.in_job) == (True, False, False)


def test_an_idle_worker_leaves_the_process_at_once(layer):
    worker = Worker(layer)

    with pytest.raises(SystemExit) as caught:
        worker.sigterm_handler(None, None)

    assert caught.value.code == 0
    assert worker.termed is True


def test_a_busy_worker_ends_its_loop_after_the_message(layer):
    worker = Worker(layer)
    worker.in_job = True

    worker.sigterm_handler(None, None)

    assert worker.termed is True


class TestWorkerGroup:
    def test_it_has_one_worker_less_than_threads_and_they_take_no_signals(self, layer):
        group = WorkerGroup(layer, n_threads=4)

        assert len(group.workers) == 3
        assert [worker.signal_handlers for worker in group.workers] == [False] * 3
        assert group.signal_handlers is True

    def test_each_worker_tells_that_it_is_ready(self, layer):
        senders = []

        def receiver(sender, **kwargs):
            senders.append(sender)

        worker_ready.connect(receiver)
        try:
            group = WorkerGroup(layer, n_threads=4)
            group.ready()
        finally:
            worker_ready.disconnect(receiver)

        assert senders == [group, *group.workers]

    @pytest.mark.parametrize("gracefully", [True, False])
    def test_a_group_that_does_not_run_leaves_at_once(self, layer, gracefully):
        group = WorkerGroup(layer, n_threads=2, stop_gracefully=gracefully)

        with pytest.raises(SystemExit):
            group.sigterm_handler(None, None)

    def test_running_it_runs_every_worker(self, layer):
        group = WorkerGroup(layer, n_threads=4, signal_handlers=False)

        with mock.patch.object(Worker, "run") as run:
            group.run()

        assert run.call_count == 4
        assert len(group.threads) == 3
