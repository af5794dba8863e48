"""The stacks that are measured: how each is started, and which processes it has."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import peers, processes
from benchmarks.peers import ROOT

OURS = "channels-classic"
OURS_TWICE = "channels-classic, 2 servers, 2 workers"
UVICORN = "Channels 4, uvicorn"
UVICORN_TWICE = "Channels 4, uvicorn, 2 processes"
SYNC = "Channels 4, uvicorn, sync consumers"
DAPHNE = "Channels 4, Daphne"
OWN_WORKER = "Channels 4, uvicorn, own worker"
GUNICORN = "gunicorn, 1 sync worker"
FLOOR = "Autobahn alone"

#: Longest time for a process to be ready, in seconds.
START_TIMEOUT = 30.0

Command = Callable[[int], list[str]]


class StartError(Exception):
    """A stack did not start; the text has what it said last."""


@dataclass(frozen=True)
class Stack:
    """One way of serving the application.

    Attributes:
        name: Shown in the tables.
        servers: Command lines of the processes that own the sockets, given a port each.
        workers: Command lines of the processes behind them.
        environment: Variables for all of them.
        measures: What is measured on it.
    """

    name: str
    servers: tuple[Command, ...]
    measures: tuple[str, ...]
    workers: tuple[list[str], ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def ours() -> list[Stack]:
    """Return our stacks."""
    environment = {"DJANGO_SETTINGS_MODULE": "benchmarks.apps.classic.settings"}
    worker = [sys.executable, "-m", "django", "runworker", "-v", "0"]
    every = ("echo", "session", "slow", "broadcast", "storm", "http", "idle", "open", "group_send")
    twice = ("echo", "slow", "broadcast", "storm")
    return [
        Stack(OURS, (_interface_server,), every, (worker,), environment),
        Stack(OURS_TWICE, (_interface_server,) * 2, twice, (worker,) * 2, environment),
    ]


def channels4() -> list[Stack]:
    """Return the stacks with Channels 4."""

    def stack(name: str, server: Command, *measures: str, consumers: str = "async") -> Stack:
        environment = {
            "DJANGO_SETTINGS_MODULE": "benchmarks.apps.channels4.settings",
            "BENCHMARK_CONSUMERS": consumers,
        }
        worker = [peers.PYTHON, "-m", "django", "runworker", "-v", "0", "echo"]
        workers = (worker,) if consumers == "worker" else ()
        return Stack(name, (server,), measures, workers, environment)

    every = ("echo", "broadcast", "storm", "http", "idle")
    return [
        stack(UVICORN, _uvicorn, *every, "slow"),
        stack(UVICORN_TWICE, lambda port: [*_uvicorn(port), "--workers", "2"], "echo"),
        stack(SYNC, _uvicorn, "session", "slow", consumers="sync"),
        stack(DAPHNE, _daphne, *every),
        stack(OWN_WORKER, _uvicorn, "echo", consumers="worker"),
    ]


def gunicorn() -> list[Stack]:
    """Return the stack with gunicorn."""
    command = [sys.executable, "-m", "gunicorn", "--workers", "1", "--log-level", "error"]
    return [
        Stack(
            GUNICORN,
            (lambda port: [*command, "-b", f"127.0.0.1:{port}", "benchmarks.apps.wsgi"],),
            ("http",),
        )
    ]


def floor() -> list[Stack]:
    """Return Autobahn without anything."""
    return [
        Stack(
            FLOOR,
            (lambda port: [sys.executable, "-m", "benchmarks.apps.floor", str(port)],),
            ("echo", "broadcast", "storm", "idle"),
        )
    ]


def _interface_server(port: int) -> list[str]:
    program = Path(sys.executable).parent / "interface-server"
    options = ["-b", "127.0.0.1", "-p", str(port), "-v", "0"]
    return [str(program), *options, os.environ["REDIS_URL"]]


def _uvicorn(port: int) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    application = "benchmarks.apps.channels4.asgi:application"
    return [peers.PYTHON, "-m", "uvicorn", *options, "--no-access-log", application]


def _daphne(port: int) -> list[str]:
    options = ["-b", "127.0.0.1", "-p", str(port), "-v", "0", "--no-server-name"]
    application = "benchmarks.apps.channels4.asgi:application"
    return [peers.PYTHON, "-m", "daphne", *options, application]


@dataclass
class Running:
    """A started stack: its ports, and the processes of each kind with their children."""

    ports: list[int]
    pids: dict[str, list[int]]


@contextlib.contextmanager
def running(stack: Stack) -> Iterator[Running]:
    """Start a stack with a Redis of its own, wait until it answers, and stop it at the end.

    Raises:
        StartError: It did not start.
    """
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **stack.environment}

        def start(command: list[str]) -> subprocess.Popen[bytes]:
            log = folder / f"{len(list(folder.iterdir()))}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    command, env=environment, cwd=ROOT, stdout=output, stderr=output
                )
            cleanup.callback(processes.end, process)
            started[process.pid] = process, log
            return process

        started: dict[int, tuple[subprocess.Popen[bytes], Path]] = {}
        port = free_port()
        redis = start([redis_program(), *_redis_options(port, folder)])
        os.environ["REDIS_URL"] = environment["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
        _wait(lambda: _listens(port), started)
        ports = [free_port() for _ in stack.servers]
        commands = [command(port) for command, port in zip(stack.servers, ports, strict=True)]
        servers = [start(command) for command in commands]
        workers = [start(command) for command in stack.workers]
        for port in ports:
            _wait(lambda port=port: _answers(port), started)  # type: ignore[misc]
        yield Running(
            ports,
            {
                "server": [pid for process in servers for pid in processes.family(process.pid)],
                "worker": [pid for process in workers for pid in processes.family(process.pid)],
                "redis": [redis.pid],
            },
        )
        for process, log in started.values():
            if process.poll() is not None:
                raise StartError(_ended(process, log))


@contextlib.contextmanager
def database() -> Iterator[str]:
    """Make the database with a logged-in user; provide the session's cookie."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCHMARK_DATABASE"] = str(Path(folder, "bench.sqlite3"))
        environment = {
            **os.environ,
            **ours()[0].environment,
            "PYTHONPATH": str(ROOT),
            "REDIS_URL": "redis://127.0.0.1:1/0",  # named in the settings, not used
        }
        seed = [sys.executable, "-m", "benchmarks.apps.seed"]
        key = subprocess.check_output(seed, env=environment, cwd=ROOT, text=True).strip()
        yield f"sessionid={key}"


@contextlib.contextmanager
def holding(port: int, count: int, path: str) -> Iterator[None]:
    """Hold so many open sockets for the length of a block.

    Raises:
        ConnectionError: They could not be opened.
    """
    options = {"measure": "hold", "ports": [port], "connections": count, "path": path}
    holder = subprocess.Popen(
        load_command(options), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        if holder.stdout.readline() != b"open\n":
            raise ConnectionError(f"{count:,} sockets could not be opened")
        yield
    finally:
        holder.stdin.close()
        holder.wait(60)
        holder.stdout.close()


def load_command(options: dict[str, object]) -> list[str]:
    """Return the command line of the load generator."""
    return [sys.executable, "-m", "benchmarks.load", json.dumps(options)]


def redis_program() -> str:
    """Return where the Redis server is.

    Raises:
        SystemExit: It is not installed.
    """
    found = shutil.which("redis-server")
    if found is None:
        raise SystemExit("redis-server is not installed: run 'make services' first")
    return found


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _redis_options(port: int, folder: Path) -> list[str]:
    return ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello/you/", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        # Autobahn alone knows no pages.  Our server says 503 until a worker is there.
        return error.code not in (502, 503, 504)
    except OSError:
        return False


def _wait(
    ready: Callable[[], bool], started: dict[int, tuple[subprocess.Popen[bytes], Path]]
) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not ready():
        for process, log in started.values():
            if process.poll() is not None:
                raise StartError(_ended(process, log))
        if time.monotonic() > deadline:
            raise StartError(f"not ready {START_TIMEOUT:.0f} s after its start")
        time.sleep(0.05)


def _ended(process: subprocess.Popen[bytes], log: Path) -> str:
    said = log.read_text(errors="replace").strip().splitlines() or ["nothing was said"]
    assert isinstance(process.args, list)
    name = " ".join(map(str, process.args[:4]))
    return f"{name} … ended with status {process.returncode}: {said[-1]}"
