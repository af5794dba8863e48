"""The stacks that are measured: how each is started, and which processes it has."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Channels 4 claims the same import name, so it lives in an environment of its own.
#: channels_redis 4.3 reads wrongly on redis-py 8, hence the pin.
PEER_ENVIRONMENT = ROOT / "benchmarks" / ".env-channels4"
PEER_PACKAGES = [
    "django>=5.2,<5.3",
    "channels>=4.3,<5",
    "channels_redis>=4.3,<4.4",
    "redis>=6.4,<6.5",
    "hiredis",
    "daphne>=4.2,<5",
    "uvicorn[standard]>=0.30",
]

Command = Callable[[int], list[str]]


@dataclass(frozen=True)
class Stack:
    """One way of serving the application.

    Attributes:
        name: Shown in the table.
        server: Command line of the process that owns the sockets, given a port.
        workers: Command lines of the processes behind it.
        environment: Variables for all of them.
        measures: What is measured on it.
    """

    name: str
    server: Command
    workers: tuple[list[str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    measures: tuple[str, ...] = ("echo", "broadcast", "storm", "http", "idle")


def _ours() -> Stack:
    bin_ = Path(sys.executable).parent
    settings = ("DJANGO_SETTINGS_MODULE", "benchmarks.apps.classic.settings")
    return Stack(
        name="channels-classic",
        server=lambda port: [
            str(bin_ / "interface-server"),
            *("-b", "127.0.0.1", "-p", str(port), "-v", "0"),
            os.environ["BENCHMARK_REDIS_URL"],
        ],
        workers=([sys.executable, "-m", "django", "runworker", "-v", "0"],),
        environment=(settings,),
    )


def _channels4(name: str, server: Command, worker: bool = False) -> Stack:
    python = str(PEER_ENVIRONMENT / "bin" / "python")
    environment = [("DJANGO_SETTINGS_MODULE", "benchmarks.apps.channels4.settings")]
    workers: tuple[list[str], ...] = ()
    if worker:
        environment.append(("BENCHMARK_WORKER", "1"))
        workers = ([python, "-m", "django", "runworker", "-v", "0", "echo"],)
    return Stack(
        name=name,
        server=lambda port: [python, "-m", *server(port)],
        workers=workers,
        environment=tuple(environment),
        measures=("echo",) if worker else Stack.measures,
    )


def _uvicorn(port: int) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    return ["uvicorn", *options, "--no-access-log", "benchmarks.apps.channels4.asgi:application"]


def _daphne(port: int) -> list[str]:
    options = ["-b", "127.0.0.1", "-p", str(port), "-v", "0", "--no-server-name"]
    return ["daphne", *options, "benchmarks.apps.channels4.asgi:application"]


def all_stacks() -> list[Stack]:
    """Return every stack, ours first."""
    return [
        _ours(),
        _channels4("Channels 4, uvicorn, in process", _uvicorn),
        _channels4("Channels 4, Daphne, in process", _daphne),
        _channels4("Channels 4, uvicorn, own worker", _uvicorn, worker=True),
    ]


def prepare_peers() -> None:
    """Make the peers' environment once."""
    python = PEER_ENVIRONMENT / "bin" / "python"
    if python.exists():
        return
    print("Making an environment for Channels 4 (once, about a minute)", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(PEER_ENVIRONMENT)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis of our own and provide its URL."""
    executable = shutil.which("redis-server")
    if executable is None:
        raise SystemExit("redis-server is not installed: run 'make services' first")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen([executable, *options], stdout=subprocess.DEVNULL)
        try:
            _wait_for_port(port, process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            _end(process)


@dataclass
class Running:
    """A started stack."""

    port: int
    server: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextlib.contextmanager
def running(stack: Stack, redis_url: str) -> Iterator[Running]:
    """Start a stack, wait until it answers, and stop it at the end."""
    port = free_port()
    os.environ["BENCHMARK_REDIS_URL"] = redis_url
    environment = dict(os.environ, PYTHONPATH=str(ROOT), REDIS_URL=redis_url)
    environment.update(stack.environment)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in [stack.server(port), *stack.workers]:
            processes.append(subprocess.Popen(command, env=environment, cwd=ROOT))
        _wait_for_port(port, processes[0])
        _wait_for_answer(port)
        yield Running(port, processes[0], processes[1:])
    finally:
        for process in processes:
            _end(process)


@contextlib.contextmanager
def holding(port: int, count: int, path: str) -> Iterator[None]:
    """Hold so many open sockets for the length of a block."""
    command = [sys.executable, "-m", "benchmarks.loadgen", "hold", "127.0.0.1", str(port)]
    holder = subprocess.Popen(
        [*command, str(count), path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        if holder.stdout.readline() != b"open\n":
            raise SystemExit(f"{count} sockets could not be opened")
        yield
    finally:
        holder.stdin.close()
        holder.wait(60)
        holder.stdout.close()


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with status {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"{process.args!r} does not listen on port {port}")


def _wait_for_answer(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/hello/", timeout=5),
        ):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing answers on port {port}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
