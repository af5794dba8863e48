"""What legacy suites do: workers and consumers inside Django's test cases, mocks by name.

Everything here runs under Django's test runner too.
"""

from __future__ import annotations

import logging
import re
from io import StringIO
from unittest import mock

from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.test import TestCase, override_settings

from channels import Channel, Group, channel_layers, log, route
from channels.exceptions import ConsumeLater
from channels.layers.inmemory import InMemoryChannelLayer
from channels.management.commands import runserver
from channels.staticfiles import StaticFilesConsumer
from channels.test import ChannelTestCase
from channels.worker import Worker


class FakeChannelLayer(InMemoryChannelLayer):
    """Not taken for local, as its module has no "inmemory" in its name."""


LAYERS = {
    "default": {
        "BACKEND": "channels.layers.inmemory.InMemoryChannelLayer",
        "ROUTING": [],
    },
    "fake_channel": {
        "BACKEND": "tests.unit.contract.test_suites.FakeChannelLayer",
        "ROUTING": [],
    },
}


class PatchedWorker(Worker):
    """Takes as many turns as its ``termed`` is set to."""

    def get_termed(self):
        if not self._turns:
            return True
        self._turns -= 1
        return False

    def set_termed(self, turns):
        self._turns = turns

    termed = property(get_termed, set_termed)


class TestWorkers(ChannelTestCase):
    def setUp(self):
        self.layer = channel_layers["default"]
        self.worker = PatchedWorker(self.layer)

    def consume(self, turns, consumer):
        self.layer.router.add_route(route("test", consumer))
        self.layer.send = mock.Mock(side_effect=self.layer.send)
        self.worker.termed = turns
        self.worker.run()

    def test_a_consumer_is_called_once(self):
        Channel("test").send({"test": "test"}, immediately=True)
        consumer = mock.Mock()

        self.consume(2, consumer)

        assert consumer.call_count == 1
        assert self.layer.send.call_count == 0

    def test_a_message_comes_again_through_one_send_each_time(self):
        Channel("test").send({"test": "test"}, immediately=True)
        consumer = mock.Mock(side_effect=ConsumeLater)

        self.consume(2, consumer)

        assert consumer.call_count == 2
        assert self.layer.send.call_count == 2

    def test_replies_are_counted_on_the_layer_and_found_by_the_case(self):
        Channel("test").send({"reply_channel": "back"}, immediately=True)
        Group("all").add("member")

        def consumer(message):
            message.reply_channel.send({"text": "one"})
            Group("all").send({"text": "all"})

        self.consume(1, consumer)

        assert self.layer.send.call_args_list == [mock.call("back", {"text": "one"})]
        assert self.get_next_message("back", require=True)["text"] == "one"
        assert self.get_next_message("member", require=True)["text"] == "all"
        assert self.get_next_message("back") is None

    def test_queries_of_several_messages_can_be_counted(self):
        for _ in range(3):
            Channel("test").send({}, immediately=True)

        with self.assertNumQueries(3):
            self.consume(3, lambda message: ContentType.objects.count())


def leave_loggers_alone(case):
    """Give a test a log of its own, and put back what the commands set up."""
    for patched in (
        mock.patch.object(log, "handler", logging.StreamHandler(StringIO())),
        mock.patch.dict(log._given),
    ):
        patched.start()
        case.addCleanup(patched.stop)
    for name in ("django.channels", *log._COMPANIONS):
        logger = logging.getLogger(name)
        case.addCleanup(setattr, logger, "handlers", logger.handlers[:])
        case.addCleanup(setattr, logger, "propagate", logger.propagate)
        case.addCleanup(logger.setLevel, logger.level)


@mock.patch("channels.management.commands.runworker.Worker")
@override_settings(CHANNEL_LAYERS=LAYERS)
class TestRunworker(TestCase):
    def setUp(self):
        leave_loggers_alone(self)
        for alias in LAYERS:
            before = channel_layers.set(alias, None)
            self.addCleanup(channel_layers.set, alias, before)

    def call(self, *options):
        call_command("runworker", "--layer", "fake_channel", *options)

    def test_a_layer_of_one_process_is_refused(self, worker):
        try:
            call_command("runworker")
        except CommandError:
            assert not worker.called
        else:
            self.fail("it ran")

    def test_static_files_are_served_in_debug(self, worker):
        with self.settings(DEBUG=True, STATIC_URL="/static/"):
            self.call()

        worker.assert_called_once_with(
            channel_layer=mock.ANY, callback=None, only_channels=None, exclude_channels=None
        )
        router = worker.call_args[1]["channel_layer"].router
        assert isinstance(router.root.routing[0].consumer, StaticFilesConsumer)

    def test_without_staticfiles_there_need_be_no_url(self, worker):
        without = {"remove": ["django.contrib.staticfiles"]}
        with (
            self.modify_settings(INSTALLED_APPS=without),
            self.settings(DEBUG=True, STATIC_URL=None),
        ):
            self.call()

        router = worker.call_args[1]["channel_layer"].router
        assert not isinstance(router.root.routing[0].consumer, StaticFilesConsumer)

    def test_a_talkative_worker_calls_back(self, worker):
        self.call("--verbosity", "2")

        worker.assert_called_once_with(
            channel_layer=mock.ANY, callback=mock.ANY, only_channels=None, exclude_channels=None
        )
        assert callable(worker.call_args[1]["callback"])


@mock.patch("channels.management.commands.runserver.sys.stdout", new_callable=StringIO)
@mock.patch("channels.management.commands.runserver.Command.server_cls")
@mock.patch("channels.management.commands.runserver.Worker")
@override_settings(CHANNEL_LAYERS=LAYERS)
class TestRunserver(TestCase):
    setUp = TestRunworker.setUp

    def arguments(self, **changed):
        return {
            "channel_layer": mock.ANY,
            "endpoints": ["tcp:port=8000:interface=127.0.0.1"],
            "signal_handlers": True,
            "action_logger": mock.ANY,
            "http_timeout": 60,
            "ws_protocols": None,
            "root_path": "",
            "websocket_handshake_timeout": 5,
            **changed,
        }

    def test_the_server_gets_these_arguments(self, worker, server, stdout):
        call_command("runserver", "--noreload")

        server.assert_called_once_with(**self.arguments())
        server.return_value.run.assert_called_once_with()
        assert "http://127.0.0.1:8000/" in stdout.getvalue()

    @override_settings(DEBUG=True, STATIC_URL="/static/", FORCE_SCRIPT_NAME="/below")
    def test_address_and_settings_change_them(self, worker, server, stdout):
        call_command("runserver", "--noreload", "localhost:8001", "--http_timeout", "7")

        server.assert_called_once_with(
            **self.arguments(
                endpoints=["tcp:port=8001:interface=localhost"], http_timeout=7, root_path="/below"
            )
        )

    def test_workers_are_started_unless_they_are_unwanted(self, worker, server, stdout):
        call_command("runserver", "--noreload", "--noworker")
        assert not worker.called

        call_command("runserver", "--noreload")
        worker.assert_called_with(channel_layer=mock.ANY, signal_handlers=False)


class TestTheServersLog(TestCase):
    @mock.patch("sys.stderr", new_callable=StringIO)
    def test_actions_are_lines_on_standard_error(self, stderr):
        details = {
            "method": "GET",
            "path": "/a-path/",
            "time_taken": 0.12345,
            "client": "a-client",
        }
        for status, protocol, action, expected in [
            (100, "http", "complete", "HTTP GET /a-path/ 100 [0.12, a-client]\n"),
            (200, "http", "complete", "HTTP GET /a-path/ 200 [0.12, a-client]\n"),
            (304, "http", "complete", "HTTP GET /a-path/ 304 [0.12, a-client]\n"),
            (404, "http", "complete", "HTTP GET /a-path/ 404 [0.12, a-client]\n"),
            (500, "http", "complete", "HTTP GET /a-path/ 500 [0.12, a-client]\n"),
            (None, "websocket", "connected", "WebSocket CONNECT /a-path/ [a-client]\n"),
            (None, "websocket", "disconnected", "WebSocket DISCONNECT /a-path/ [a-client]\n"),
            (None, "websocket", "connecting", "WebSocket HANDSHAKING /a-path/ [a-client]\n"),
            (None, "websocket", "rejected", "WebSocket REJECT /a-path/ [a-client]\n"),
            (None, "websocket", "something", ""),
            (None, "protocol", "complete", ""),
        ]:
            runserver.Command(no_color=True).log_action(
                protocol, action, {**details, "status": status}
            )
            written = stderr.getvalue()
            with self.subTest(protocol=protocol, action=action, status=status):
                assert re.fullmatch(
                    r"\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\] " + re.escape(expected), written
                )
            stderr.seek(0)
            stderr.truncate()
