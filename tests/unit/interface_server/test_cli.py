"""The command line; servers are made but not run."""

from __future__ import annotations

import logging
import sys

import pytest

from channels import __version__
from channels.interface_server.cli import CommandLineInterface, LayerNotFound, load_layer
from channels.interface_server.server import Server, StartError

LAYER = "tests.unit.interface_server.test_cli:layer"
layer = {}


class Holder:
    class Inner:
        layer = {"inner": True}


@pytest.fixture(autouse=True)
def _logging_as_it_was(monkeypatch):
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def run(monkeypatch):
    """Returns the server that a command line makes; it is not run."""
    monkeypatch.setattr(Server, "run", lambda self: None)

    def run(*args):
        command = CommandLineInterface()
        assert command.run([*args, LAYER]) == 0
        return command.server

    return run


@pytest.mark.parametrize(
    ("args", "endpoints"),
    [
        ([], ["tcp:port=8000:interface=127.0.0.1"]),
        (["-p", "123"], ["tcp:port=123:interface=127.0.0.1"]),
        (["-b", "[200a::1]"], [r"tcp:port=8000:interface=200a\:\:1"]),
        (["--bind", "0.0.0.0", "--port", "80"], ["tcp:port=80:interface=0.0.0.0"]),
        (["-u", "/a"], ["unix:/a"]),
        (["--unix_socket", "/a"], ["unix:/a"]),
        (["--fd", "5"], ["fd:fileno=5"]),
        (["-e", "imap:", "-e", "b:"], ["b:", "imap:"]),
        (
            ["-p", "1", "-u", "/a", "--fd", "3"],
            ["fd:fileno=3", "tcp:port=1:interface=127.0.0.1", "unix:/a"],
        ),
    ],
)
def test_endpoints_follow_from_the_options(run, args, endpoints):
    assert run(*args).endpoints == endpoints


def test_the_layer_is_found_and_given_to_the_server(run):
    assert run().channel_layer is layer


def test_defaults_of_the_command(run):
    server = run()

    assert server.http_timeout == 120
    assert server.websocket_timeout == 86400
    assert server.websocket_connect_timeout == 5
    assert (server.ping_interval, server.ping_timeout) == (20, 30)
    assert server.drain == 10
    assert server.ws_protocols is None
    assert server.signal_handlers is True


@pytest.mark.parametrize(
    ("args", "attribute", "value"),
    [
        (["-t", "5"], "http_timeout", 5),
        (["--http-timeout", "5"], "http_timeout", 5),
        (["--http_timeout", "1.5"], "http_timeout", 1.5),
        (["--websocket_timeout", "-1"], "websocket_timeout", -1),
        (["--websocket-timeout", "9"], "websocket_timeout", 9),
        (["--websocket_connect_timeout", "-1"], "websocket_connect_timeout", -1),
        (["--ping-interval", "1"], "ping_interval", 1),
        (["--ping-timeout", "2"], "ping_timeout", 2),
        (["--drain", "0"], "drain", 0),
        (["--root-path", "/a%20b"], "root_path", "/a b"),
        (["--proxy-headers"], "proxy_forwarded_address_header", "X-Forwarded-For"),
        (["--proxy-headers"], "proxy_forwarded_port_header", "X-Forwarded-Port"),
        (["--proxy-headers"], "proxy_forwarded_proto_header", "X-Forwarded-Proto"),
        (["--force-sync"], "force_sync", True),
    ],
)
def test_options_reach_the_server(run, args, attribute, value):
    assert getattr(run(*args), attribute) == value


@pytest.mark.parametrize(
    ("args", "field", "value"),
    [
        (["--max-body", "5"], "max_body", 5),
        (["--max-message", "0"], "max_message", 0),
        (["--send-buffer", "7"], "send_buffer", 7),
        (["--stall-timeout", "3"], "stall_timeout", 3),
        (["--spool-limit", "4"], "spool_limit", 4),
        (["--on-lost-message", "close"], "on_lost_message", "close"),
        (["--worker-wait", "-1"], "worker_wait", -1),
        (["--compression"], "compression", True),
        (["--trusted-proxies", "2"], "trusted_proxies", 2),
        (["--keep-alive-timeout", "5"], "keep_alive_timeout", 5),
        (["--allow-missing-host"], "require_host", False),
        (["--trust-root-path-header"], "trust_root_path_header", True),
    ],
)
def test_our_own_options_reach_the_configuration(run, args, field, value):
    assert getattr(run(*args).settings, field) == value


@pytest.mark.parametrize(
    "args",
    [
        ["--ws-protocol", "a", "b", "--", LAYER],
        ["--ws-protocol", "a", "b", "-p", "8000", LAYER],
        ["--ws-protocol", "a", "--ws-protocol", "b", LAYER],
        ["--ws-protocol", "a", "b", LAYER],
        [LAYER, "--ws-protocol", "a", "b"],
    ],
)
def test_subprotocols_do_not_swallow_the_layer(monkeypatch, args):
    monkeypatch.setattr(Server, "run", lambda self: None)
    command = CommandLineInterface()
    command.run(args)

    assert command.server.ws_protocols == ["a", "b"]
    assert command.server.channel_layer is layer


@pytest.mark.parametrize(
    ("verbosity", "level"),
    [
        (-1, logging.WARNING),
        (0, logging.WARNING),
        (1, logging.INFO),
        (2, logging.DEBUG),
        (3, logging.DEBUG),
        (99, logging.DEBUG),
    ],
)
def test_every_verbosity_is_one_of_three(run, verbosity, level):
    run("-v", str(verbosity))

    assert logging.getLogger().level == level


def test_logging_is_set_up_only_once(run):
    run()
    before = len(logging.getLogger().handlers)
    run()

    assert len(logging.getLogger().handlers) == before


def test_the_access_log_goes_to_stdout_unless_told_otherwise(run, tmp_path):
    assert run().action_logger.stream is sys.stdout
    assert run("-v", "0").action_logger is None
    assert run("-v", "0", "--access-log", "-").action_logger.stream is sys.stdout
    path = tmp_path / "access.log"
    path.write_text("before\n")
    stream = run("--access-log", str(path)).action_logger.stream
    assert stream.closed
    assert path.read_text() == "before\n"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("nothing", "does not say where the layer is"),
        ("no.such.module:layer", "could not import 'no.such.module': ModuleNotFoundError"),
        ("sys:nothing.at.all", "'sys' has no attribute 'nothing.at.all'"),
    ],
)
def test_a_layer_that_is_not_there_is_explained_in_one_sentence(source, problem):
    with pytest.raises(LayerNotFound, match=problem):
        load_layer(source)


@pytest.mark.parametrize(
    "source",
    [
        "reds://:sekret@127.0.0.1:1/0",
        "redis:/:sekret@127.0.0.1:1/0",
        "redis://:sekret/x@127.0.0.1:1/0",
        "redis://:sekret#x@127.0.0.1:1/0",
        "redis://:sekret?x@127.0.0.1:1/0",
        "redis://127.0.0.1:1/sekret",
        "redis+cluster://:sekret/x@127.0.0.1:1",
        "redis+sentinel://:sekret/x@127.0.0.1:1/mymaster",
    ],
)
def test_a_url_that_is_wrong_is_explained_without_its_password(capsys, caplog, source):
    with pytest.raises(SystemExit) as caught:
        CommandLineInterface().run(["-v", "2", source])

    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.count("interface-server: error: ") == 1
    assert "sek" not in error + caplog.text


def test_a_layer_may_be_an_attribute_of_an_attribute():
    assert load_layer("tests.unit.interface_server.test_cli:Holder.Inner.layer") == {"inner": True}


def test_the_current_folder_is_searched_first():
    load_layer(LAYER)

    assert sys.path[0] == "."


def test_a_url_is_a_redis_layer_without_django():
    found = load_layer("redis://127.0.0.1:1/0")

    assert type(found).__name__ == "RedisChannelLayer"


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--port", "x", LAYER],
        ["--max-body", "-1", LAYER],
        ["--max-body", "1k", LAYER],
        ["--http-timeout", "soon", LAYER],
        ["--http-timeout", "nan", LAYER],
        ["--drain", "inf", LAYER],
        ["--trusted-proxies", "-1", LAYER],
        ["--health-path", "health", LAYER],
        ["no.such:layer"],
        ["--access-log", "/nowhere/at/all", LAYER],
        ["--on-lost-message", "cry", LAYER],
    ],
)
def test_bad_arguments_are_one_line_and_status_2(capsys, args):
    with pytest.raises(SystemExit) as caught:
        CommandLineInterface().run(args)

    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("interface-server: error: ")
    assert error.count("\n") == 1
    assert " _" not in error  # no name of a function


def test_a_server_that_can_not_start_is_status_1(monkeypatch):
    def fail(self):
        raise StartError("could not listen")

    monkeypatch.setattr(Server, "run", fail)

    assert CommandLineInterface().run([LAYER]) == 1


def test_the_command_exits_with_the_status(monkeypatch):
    monkeypatch.setattr(Server, "run", lambda self: None)
    monkeypatch.setattr(sys, "argv", ["interface-server", LAYER])

    with pytest.raises(SystemExit) as caught:
        CommandLineInterface.entrypoint()

    assert caught.value.code == 0


def test_help_tells_defaults_examples_and_exit_statuses(capsys):
    with pytest.raises(SystemExit) as caught:
        CommandLineInterface().run(["--help"])

    assert caught.value.code == 0
    text = capsys.readouterr().out
    for expected in ("default: 120", "--max-message BYTES", "examples:", "exit status: 0"):
        assert expected in text


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        CommandLineInterface().run(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"channels-classic {__version__}\n"
