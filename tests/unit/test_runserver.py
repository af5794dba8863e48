"""The runserver command, with a server that only notes how it was made."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time

import django
import pytest
from django.contrib.staticfiles.management.commands.runserver import Command as StaticRunserver
from django.core.management import call_command, load_command_class
from django.core.management.base import CommandError
from django.core.management.commands.runserver import Command as DjangoRunserver

from channels import channel_layers
from channels.asgi import ChannelLayerManager
from channels.handler import ViewConsumer
from channels.interface_server.server import Server, StartError
from channels.management.commands import runserver
from channels.management.commands.runserver import Command, WorkerThread
from channels.routing import Route
from channels.staticfiles import StaticFilesConsumer

pytestmark = pytest.mark.django_db


class FakeServer:
    """Notes its arguments; ``run`` does what the test says."""

    made: list[FakeServer]
    error: BaseException | None

    def __init__(self, **arguments):
        self.arguments = arguments
        self.ran = False
        type(self).made.append(self)

    def run(self):
        self.ran = True
        if self.error is not None:
            raise self.error


class FakeWorker:
    """Notes its arguments; ``run`` returns at once."""

    made: list[FakeWorker]

    def __init__(self, **arguments):
        self.arguments = arguments
        self.calls = []
        self.stopped = False
        type(self).made.append(self)

    def ready(self):
        self.calls.append("ready")

    def run(self):
        self.calls.append("run")

    def request_stop(self):
        self.stopped = True

    def pause(self, seconds):
        return not self.stopped


@pytest.fixture
def server(monkeypatch):
    class Fresh(FakeServer):
        made = []
        error = None

    monkeypatch.setattr(Command, "server_cls", Fresh)
    return Fresh


@pytest.fixture
def worker(monkeypatch):
    class Fresh(FakeWorker):
        made = []

    monkeypatch.setattr(runserver, "Worker", Fresh)
    return Fresh


@pytest.fixture(autouse=True)
def _fresh_layer():
    old = channel_layers.set("default", None)
    yield
    channel_layers.set("default", old)


@pytest.fixture(autouse=True)
def _loggers_as_before():
    loggers = [
        logging.getLogger(name)
        for name in (
            "django.channels",
            "channels",
            "daphne.ws_protocol",
            "daphne.http_protocol",
            "daphne.server",
        )
    ]
    before = [(logger, logger.level, logger.propagate, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, propagate, handlers in before:
        logger.level, logger.propagate, logger.handlers = level, propagate, handlers


def run(*arguments, **options):
    out = io.StringIO()
    call_command("runserver", *arguments, "--noreload", stdout=out, **options)
    return out.getvalue()


@pytest.mark.usefixtures("worker")
class TestTheServer:
    def test_it_gets_exactly_these_arguments(self, server):
        run()

        (made,) = server.made
        assert made.ran
        log_action = made.arguments.pop("action_logger")
        assert log_action.__func__ is Command.log_action
        assert made.arguments == {
            "channel_layer": channel_layers["default"],
            "endpoints": ["tcp:port=8000:interface=127.0.0.1"],
            "signal_handlers": True,
            "http_timeout": 60,
            "ws_protocols": None,
            "root_path": "",
            "websocket_handshake_timeout": 5,
        }

    @pytest.mark.parametrize(
        ("addrport", "endpoint"),
        [
            ("8001", "tcp:port=8001:interface=127.0.0.1"),
            ("localhost:8001", "tcp:port=8001:interface=localhost"),
            ("0:8001", "tcp:port=8001:interface=0.0.0.0"),
            ("0.0.0.0:80", "tcp:port=80:interface=0.0.0.0"),
            ("[::1]:8001", r"tcp:port=8001:interface=\:\:1"),
        ],
    )
    def test_the_address_becomes_an_endpoint(self, server, addrport, endpoint):
        run(addrport)

        assert server.made[0].arguments["endpoints"] == [endpoint]

    def test_ipv6_has_a_default_address(self, server):
        run("--ipv6")

        assert server.made[0].arguments["endpoints"] == [r"tcp:port=8000:interface=\:\:1"]

    def test_a_name_is_looked_up_for_ipv6_which_the_server_would_not_do(self, server, monkeypatch):
        asked = []

        def getaddrinfo(host, port, family, kind):
            asked.append((host, family))
            return [(family, kind, 6, "", ("::7", 0, 0, 0))]

        monkeypatch.setattr(runserver.socket, "getaddrinfo", getaddrinfo)

        run("localhost:8001", "--ipv6")
        run("[::1]:8001", "--ipv6")

        endpoints = [made.arguments["endpoints"] for made in server.made]
        assert endpoints == [[r"tcp:port=8001:interface=\:\:7"], [r"tcp:port=8001:interface=\:\:1"]]
        assert asked == [("localhost", socket.AF_INET6)]

    def test_options_and_settings_reach_it(self, server, settings):
        settings.CHANNELS_WS_PROTOCOLS = ["graphql-ws"]
        settings.FORCE_SCRIPT_NAME = "/app"

        run("--http_timeout=7", "--websocket_handshake_timeout", "9", "--trust-root-path-header")

        arguments = server.made[0].arguments
        assert arguments["http_timeout"] == 7
        assert arguments["websocket_handshake_timeout"] == 9
        assert arguments["trust_root_path_header"] is True
        assert arguments["ws_protocols"] == ["graphql-ws"]
        assert arguments["root_path"] == "/app"

    def test_the_documented_spelling_of_the_option_works_too(self, server):
        run("--http-timeout=7")

        assert server.made[0].arguments["http_timeout"] == 7

    def test_under_the_reloader_it_takes_no_signals(self, server, monkeypatch):
        def run_at_once(function, **options):
            function(**options)

        monkeypatch.setattr("django.utils.autoreload.run_with_reloader", run_at_once)

        call_command("runserver", stdout=io.StringIO())

        assert server.made[0].arguments["signal_handlers"] is False

    def test_the_class_is_looked_up_late_and_can_be_overridden(self, monkeypatch):
        class Own(Command):
            server_cls = FakeServer

        assert Command.server_cls is Server
        assert Command().server_cls is Server
        assert Own.server_cls is Own().server_cls is FakeServer
        monkeypatch.setattr(Command, "server_cls", FakeServer)
        assert StaticRunserver().server_cls is FakeServer

    def test_one_that_cannot_start_is_a_command_error(self, server):
        server.error = StartError("could not listen on tcp:port=8000")

        with pytest.raises(CommandError, match="could not listen"):
            run()

    def test_an_interrupt_ends_it_with_the_message_if_there_is_one(self, server):
        server.error = KeyboardInterrupt()

        assert "Goodbye" in run(shutdown_message="Goodbye")
        assert "Goodbye" not in run()

    def test_the_banner_tells_address_and_layer(self, server):
        out = run("localhost:8001")

        assert "http://localhost:8001/" in out
        assert "default (channels.layers.inmemory.InMemoryChannelLayer)" in out
        assert "tests.settings" in out

    def test_the_project_is_checked_unless_told_not_to(self, server):
        assert "Performing system checks" in run(skip_checks=False)
        assert "Performing system checks" not in run(skip_checks=True)

    def test_the_banner_is_like_djangos(self, server):
        lines = run("[::1]:8001").splitlines()

        assert lines[-4:] == [
            f"Django version {django.get_version()}, using settings 'tests.settings'",
            "Starting Channels development server at http://[::1]:8001/",
            "Channel layer default (channels.layers.inmemory.InMemoryChannelLayer)",
            "Quit the server with CONTROL-C.",
        ]

    def test_under_the_reloader_a_wrong_layer_is_told_and_a_change_of_code_waited_for(
        self, server, settings
    ):
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "no.such.Layer", "ROUTING": []}}
        err = io.StringIO()
        command = Command(stdout=io.StringIO(), stderr=err, no_color=True)

        thread = threading.Thread(target=command.inner_run)  # the reloader's has the project
        thread.start()
        thread.join(10)

        assert err.getvalue().startswith('Error: CHANNEL_LAYERS["default"]["BACKEND"]')
        assert server.made == []

    def test_the_banner_shows_the_protocol_of_the_class(self, server):
        class Tls(Command):
            protocol = "https"

        out = io.StringIO()
        call_command(Tls(), "--noreload", stdout=out)

        assert "https://127.0.0.1:8000/" in out.getvalue()

    def test_migrations_are_checked_before_it_starts(self, server, monkeypatch):
        made = []
        monkeypatch.setattr(Command, "check_migrations", lambda self: made.append(len(server.made)))

        run()

        assert made == [0]

    def test_a_project_with_errors_is_not_served(self, server, settings):
        settings.ROOT_URLCONF = "no.such.urls"

        with pytest.raises(ModuleNotFoundError, match="no"):
            run(skip_checks=False)

        assert server.made == []

    def test_what_went_wrong_while_django_loaded_is_told_here(self, server, monkeypatch):
        error = ValueError("an application with a bug")
        monkeypatch.setattr("django.utils.autoreload._exception", (ValueError, error, None))

        with pytest.raises(ValueError, match="an application with a bug"):
            run()

        assert server.made == []

    def test_the_command_knows_its_time_outs_and_has_a_log(self, server):
        command = Command()

        call_command(command, "--noreload", "--http_timeout=7", verbosity=2, stdout=io.StringIO())

        assert (command.http_timeout, command.websocket_handshake_timeout) == (7, 5)
        assert command.logger is logging.getLogger("django.channels")
        assert command.logger.level == logging.DEBUG

    def test_without_the_layer_django_serves(self, server, monkeypatch):
        ran = []
        monkeypatch.setattr(
            DjangoRunserver, "inner_run", lambda self, *a, **o: ran.append(self.server_cls)
        )

        run("--noasgi")

        assert ran == [DjangoRunserver.server_cls]
        assert server.made == []

    def test_a_layer_of_another_name_is_none(self, server, monkeypatch, settings):
        ran = []
        monkeypatch.setattr(DjangoRunserver, "inner_run", lambda self, *a, **o: ran.append(o))
        settings.CHANNEL_LAYERS = {"other": settings.CHANNEL_LAYERS["default"]}

        run("--noworker")

        assert server.made == []
        # What Django's own has to know is passed on.
        assert (ran[0]["run_worker"], ran[0]["use_reloader"]) == (False, False)

    def test_an_empty_setting_of_layers_is_taken_at_its_word(self, server, monkeypatch, settings):
        ran = []
        monkeypatch.setattr(DjangoRunserver, "inner_run", lambda self, *a, **o: ran.append(1))
        settings.CHANNEL_LAYERS = {}

        run()

        assert ran == [1]
        assert server.made == []

    def test_without_the_setting_there_is_a_layer_in_memory(self, server, monkeypatch, settings):
        del settings.CHANNEL_LAYERS
        monkeypatch.setattr(runserver, "channel_layers", ChannelLayerManager())

        run()

        assert server.made[0].arguments["channel_layer"].local_only()


@pytest.mark.usefixtures("server")
class TestTheWorkers:
    @pytest.mark.parametrize(
        ("options", "number"), [([], 4), (["--nothreading"], 1), (["--noworker"], 0)]
    )
    def test_as_many_as_the_options_say(self, worker, options, number):
        run(*options)

        assert len(worker.made) == number
        for made in worker.made:
            assert made.arguments == {
                "channel_layer": channel_layers["default"],
                "signal_handlers": False,
            }
            assert made.calls == ["ready", "run"]

    def test_they_are_made_of_the_module_s_class_with_layer_and_log(self, monkeypatch):
        made = []

        class Own(WorkerThread):
            def __init__(self, *arguments, **named):
                super().__init__(*arguments, **named)
                made.append((arguments, named))

            def run(self):
                pass

        monkeypatch.setattr(runserver, "WorkerThread", Own)

        run("--nothreading")

        logger = logging.getLogger("django.channels")
        assert made == [((channel_layers["default"], logger), {})]

    def test_real_ones_end_with_the_server(self):
        before = set(threading.enumerate())

        run()

        assert set(threading.enumerate()) <= before


class Pauses:
    """Backoff that counts, and never makes anybody wait."""

    def __init__(self):
        self.asked = 0

    def pause(self):
        self.asked += 1
        return 0.0


class TestAWorkerThread:
    def test_one_that_dies_is_logged_and_started_again(self, monkeypatch, caplog):
        class Dying(FakeWorker):
            made = []

            def run(self):
                super().run()
                if self.calls.count("run") < 3:
                    raise OSError("the layer is gone")

        monkeypatch.setattr(runserver, "Worker", Dying)
        logger = logging.getLogger("test.runserver")
        pauses = Pauses()
        thread = WorkerThread(channel_layers["default"], logger, pauses)

        with caplog.at_level(logging.ERROR, "test.runserver"):
            thread.run()

        (worker,) = Dying.made
        assert worker.calls == ["ready", "run"] * 3
        assert pauses.asked == 2
        assert [record.exc_info[0] for record in caplog.records] == [OSError, OSError]

    def test_one_that_is_to_stop_is_not_started_again(self, monkeypatch):
        class Dying(FakeWorker):
            made = []

            def run(self):
                super().run()
                self.request_stop()
                raise OSError("died while stopping")

        monkeypatch.setattr(runserver, "Worker", Dying)
        thread = WorkerThread(channel_layers["default"], logging.getLogger("test"), Pauses())

        thread.run()

        assert Dying.made[0].calls == ["ready", "run"]

    def test_a_stop_before_its_start_is_kept(self):
        thread = WorkerThread(channel_layers["default"], logging.getLogger("test"))

        thread.worker.request_stop()
        thread.start()
        thread.join(10)

        assert not thread.is_alive()

    def test_it_never_keeps_the_process(self):
        assert WorkerThread(channel_layers["default"], logging.getLogger("test")).daemon


class TestTheConsumer:
    def consumer(self, *arguments, installed=True):
        command = load_command_class("channels", "runserver")
        parser = command.create_parser("manage.py", "runserver")
        return command.get_consumer(**vars(parser.parse_args(list(arguments))))

    def test_static_files_are_served_in_debug(self, settings):
        settings.DEBUG = True

        assert isinstance(self.consumer(), StaticFilesConsumer)

    def test_or_if_asked_for(self, settings):
        settings.DEBUG = False

        assert isinstance(self.consumer("--insecure"), StaticFilesConsumer)
        assert type(self.consumer()) is ViewConsumer

    def test_but_not_if_unwanted(self, settings):
        settings.DEBUG = True

        assert type(self.consumer("--nostatic")) is ViewConsumer

    def test_nor_without_their_application(self, settings):
        settings.INSTALLED_APPS = ["channels"]
        settings.STATIC_URL = None
        settings.DEBUG = True

        assert type(self.consumer()) is ViewConsumer
        assert type(Command().get_consumer()) is ViewConsumer

    def test_asked_without_options_it_goes_by_the_settings(self, settings):
        assert type(Command().get_consumer()) is ViewConsumer

        settings.DEBUG = True
        assert isinstance(Command().get_consumer(), StaticFilesConsumer)

    @pytest.mark.usefixtures("server", "worker")
    def test_a_command_of_ones_own_may_make_it(self):
        asked = []

        class Own(Command):
            def get_consumer(self, *args, **options):
                asked.append(options["use_reloader"])
                return print

        call_command(Own(), "--noreload", stdout=io.StringIO())

        assert asked == [False]
        assert channel_layers["default"].router.root.routing[0].consumer is print

    @pytest.mark.usefixtures("server", "worker")
    def test_it_is_tried_after_the_projects_routes(self, settings):
        own = Route("http.request", print, path="^/own/")
        settings.CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "channels.layers.inmemory.InMemoryChannelLayer",
                "ROUTING": [own],
            }
        }

        run()

        routing = channel_layers["default"].router.root.routing
        assert routing[0] is own
        assert isinstance(routing[1].consumer, ViewConsumer)


class TestWithStaticfiles:
    def test_its_command_has_ours_below_it(self, server, worker):
        command = load_command_class("django.contrib.staticfiles", "runserver")
        assert isinstance(command, Command)

        call_command(command, "--noreload", "--nostatic", stdout=io.StringIO())

        assert server.made[0].ran

    def test_both_commands_have_the_same_options(self):
        options = [
            {
                option
                for action in load_command_class(app, "runserver")
                .create_parser("manage.py", "runserver")
                ._actions
                for option in action.option_strings
            }
            for app in ("channels", "django.contrib.staticfiles")
        ]

        assert options[0] == options[1]
        assert {"--nostatic", "--insecure", "--noworker", "--noasgi"} <= options[0]


def test_time_is_not_wasted_on_threads_that_are_gone():
    started = time.monotonic()

    runserver._end([])

    assert time.monotonic() - started < 1


@pytest.mark.parametrize("app", ["channels", "django.contrib.staticfiles"])
def test_the_help_speaks_of_what_the_command_does_with_channels(app):
    """Whichever of the two apps the command is taken from."""
    told = load_command_class(app, "runserver").create_parser("manage.py", "runserver")

    shown = " ".join(told.format_help().split())
    assert "HTTP, WebSocket and the workers in one process" in shown
    assert "Tells Django" not in shown
