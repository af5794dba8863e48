"""``runworker``: what it builds, what it refuses, in one sentence each."""

from __future__ import annotations

import io
import logging
import os
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError

import channels.log
from channels import channel_layers
from channels.exceptions import LayerUnavailable
from channels.layers.inmemory import InMemoryChannelLayer
from channels.management.commands import runworker
from channels.signals import worker_process_ready
from channels.worker.pool import ENVIRONMENT

COMMAND = "channels.management.commands.runworker"


class OtherProcessesLayer(InMemoryChannelLayer):
    """Counts as reachable by other processes: its module is not the in-memory layer's."""


class DeadLayer(OtherProcessesLayer):
    def receive(self, channels, block=False):
        raise LayerUnavailable("redis://joe:secret@cache:6379/0 refused the connection")

    def __str__(self):
        return "DeadLayer(hosts=['redis://joe:secret@cache:6379/0'])"


@pytest.fixture(autouse=True)
def _layers(settings):
    here = __name__
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels.layers.inmemory.InMemoryChannelLayer",
            "ROUTING": [],
        },
        "other": {"BACKEND": f"{here}.OtherProcessesLayer", "ROUTING": []},
        "dead": {"BACKEND": f"{here}.DeadLayer", "ROUTING": []},
        "broken": {"BACKEND": "no.such.Layer", "ROUTING": []},
    }
    old = dict(channel_layers.backends)
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()
    channel_layers.backends.update(old)


@pytest.fixture(autouse=True)
def written(monkeypatch):
    """What the command logs."""
    logger = logging.getLogger("django.channels")
    before = (logger.level, logger.propagate, list(logger.handlers))
    stream = io.StringIO()
    monkeypatch.setattr(channels.log, "handler", logging.StreamHandler(stream))
    yield stream
    logger.level, logger.propagate = before[0], before[1]
    logger.handlers[:] = before[2]


@pytest.fixture
def worker_class():
    with mock.patch(f"{COMMAND}.Worker") as worker_class:
        yield worker_class


@pytest.fixture
def group_class():
    with mock.patch(f"{COMMAND}.WorkerGroup") as group_class:
        yield group_class


def layer():
    return channel_layers["other"]


def test_a_worker_is_made_with_these_arguments_and_no_others(worker_class):
    call_command("runworker", "--layer", "other")

    worker_class.assert_called_once_with(
        channel_layer=layer(), callback=None, only_channels=None, exclude_channels=None
    )
    worker = worker_class.return_value
    assert [call[0] for call in worker.method_calls] == ["ready", "run"]


def test_filters_are_passed_on(worker_class):
    call_command(
        "runworker", "--layer=other", "--only-channels=a.*", "--only-channels=b", "--exclude=c"
    )

    assert worker_class.call_args.kwargs["only_channels"] == ["a.*", "b"]
    assert worker_class.call_args.kwargs["exclude_channels"] == ["c"]


def test_only_a_talkative_worker_logs_each_message(worker_class, written):
    call_command("runworker", "--layer", "other", "--verbosity", "2")
    callback = worker_class.call_args.kwargs["callback"]
    assert isinstance(callback.__self__, runworker.Command)
    written.truncate(0)

    callback("http.request", mock.Mock())

    assert written.getvalue().endswith(
        f" DEBUG worker[{os.getpid()}] django.channels: http.request\n"
    )


@pytest.mark.parametrize("verbosity", ["0", "1"])
def test_others_call_nobody_back(worker_class, verbosity):
    call_command("runworker", "--layer", "other", "--verbosity", verbosity)

    assert worker_class.call_args.kwargs["callback"] is None


@pytest.mark.parametrize(
    ("options", "says"),
    [([], "Running worker against"), (["--threads=2"], "Running worker with 2 threads against")],
)
def test_the_log_tells_which_layer_it_works_for(worker_class, group_class, written, options, says):
    call_command("runworker", "--layer", "other", *options)

    assert channels.log.handler in logging.getLogger("django.channels").handlers
    text = written.getvalue()
    assert f" INFO worker[{os.getpid()}] django.channels: {says} channel layer other (" in text
    assert "OtherProcessesLayer)" in text


def test_threads_make_a_group(worker_class, group_class):
    call_command("runworker", "--layer", "other", "--threads", "3")

    worker_class.assert_not_called()
    group_class.assert_called_once_with(
        channel_layer=layer(),
        callback=None,
        only_channels=None,
        exclude_channels=None,
        n_threads=3,
    )


def test_a_group_may_be_told_to_stop_without_grace(group_class):
    call_command("runworker", "--layer=other", "--threads=2", "--disable-graceful-stop")

    assert group_class.call_args.kwargs["stop_gracefully"] is False


def test_django_views_take_the_requests_that_no_route_takes(worker_class):
    call_command("runworker", "--layer", "other")

    assert layer().router.channels == {
        "http.request",
        "websocket.connect",
        "websocket.receive",
        "websocket.disconnect",
    }


def test_static_files_are_served_in_development_only(worker_class, settings):
    from channels.staticfiles import StaticFilesConsumer

    settings.DEBUG = True

    call_command("runworker", "--layer", "other")

    consumer = layer().router.root.routing[0].consumer
    assert isinstance(consumer, StaticFilesConsumer)


def test_and_not_in_production(worker_class, settings):
    from channels.handler import ViewConsumer

    settings.DEBUG = False

    call_command("runworker", "--layer", "other")

    assert type(layer().router.root.routing[0].consumer) is ViewConsumer


def test_without_staticfiles_no_static_url_is_needed(worker_class, settings):
    settings.DEBUG = True
    settings.STATIC_URL = None
    settings.INSTALLED_APPS = ["channels"]

    call_command("runworker", "--layer", "other")

    assert worker_class.call_count == 1


def test_its_process_is_announced_before_the_worker_is_ready(worker_class):
    order = []

    def receiver(sender, **kwargs):
        order.append(("process", sender))

    worker = worker_class.return_value
    worker.ready.side_effect = lambda: order.append("ready")
    worker_process_ready.connect(receiver)
    try:
        call_command("runworker", "--layer", "other")
    finally:
        worker_process_ready.disconnect(receiver)

    assert order == [("process", worker), "ready"]


def test_ctrl_c_ends_it_without_a_traceback(worker_class):
    """Shown by nothing being raised."""
    worker_class.return_value.run.side_effect = KeyboardInterrupt

    call_command("runworker", "--layer", "other")


@pytest.mark.parametrize(
    ("alias", "says"),
    [
        ("default", "in-memory layer"),
        ("missing", 'CHANNEL_LAYERS\\["missing"\\] is not configured'),
        ("broken", "no.such.Layer"),
    ],
)
def test_a_layer_that_no_worker_can_use_is_refused(worker_class, alias, says):
    with pytest.raises(CommandError, match=says):
        call_command("runworker", "--layer", alias)

    worker_class.assert_not_called()


def test_a_layer_that_does_not_answer_is_named_without_its_password(worker_class):
    with pytest.raises(CommandError) as caught:
        call_command("runworker", "--layer", "dead")

    text = str(caught.value)
    assert 'CHANNEL_LAYERS["dead"]' in text
    assert "redis://***@cache:6379/0" in text
    assert "secret" not in text
    assert "\n" not in text


def test_processes_need_a_command_line(worker_class):
    with pytest.raises(CommandError, match="call_command"):
        call_command("runworker", "--layer", "other", "--processes", "2")


@pytest.mark.parametrize("option", ["--threads", "--processes"])
@pytest.mark.parametrize(("value", "said"), [("0", "at least 1"), ("x", "a number, not 'x'")])
def test_what_is_no_number_from_one_up_is_refused(option, value, said):
    with pytest.raises(CommandError, match=said):
        call_command("runworker", option, value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_process_of_a_pool_leaves_warnings_to_its_parent_and_fails_on_errors(
    settings, monkeypatch
):
    old = {"BACKEND": "asgiref.inmemory.ChannelLayer", "ROUTING": []}
    settings.CHANNEL_LAYERS = {"default": old}

    def check():
        command = runworker.Command(stderr=io.StringIO(), no_color=True)
        command.check(tags=["channels"])
        return command.stderr.getvalue()

    assert "channels.W002" in check()
    monkeypatch.setenv(ENVIRONMENT, "3")
    assert check() == ""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "nowhere.Layer", "ROUTING": []}}
    with pytest.raises(SystemCheckError, match=r"channels\.E002"):
        check()
