"""Real processes for tests: started, waited for, and always ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

#: Put before a command: runs it as ``nohup`` and the background of a script do.
IGNORING = ("sh", "-c", 'trap "" HUP INT; exec "$@"', "sh")


def die_with_parent() -> None:
    """Have the calling process killed when its parent ends, however that does; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on.

    Below the range that outgoing connections take theirs from: a port from there could be
    gone again by the time a server binds it.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


_HEED = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def heeding_signals(command: Sequence[str | Path]) -> list[str]:
    """Return a command that heeds signals also where the tests were started to ignore them.

    A shell lets what it starts in the background ignore SIGINT and SIGQUIT, and ``nohup`` what is
    to outlive its terminal SIGHUP; whatever is started from there inherits that, and would go on
    when it is told to stop.
    """
    parts = [str(part) for part in command]
    signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    if all(signal.getsignal(number) is not signal.SIG_IGN for number in signals):
        return parts
    return [sys.executable, "-I", "-S", "-c", _HEED, *parts]


class Process:
    """A child process in a group of its own, with its output in a file."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.command = [str(part) for part in command]
        self.cwd = cwd
        handle, name = tempfile.mkstemp(prefix="output-")
        os.close(handle)
        # Appended to: what supervisor opens anew as /dev/stdout must not write over the rest.
        self._output = open(name, "ab")  # noqa: SIM115 (closed in end)
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        environment.update(env or {})
        self.popen = subprocess.Popen(
            heeding_signals(self.command),
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> str:
        return Path(self._output.name).read_text(errors="replace")

    def running(self) -> bool:
        return self.popen.poll() is None

    def wait_for_output(self, text: str, patience: float = PATIENCE) -> None:
        """Wait until the process has printed the text."""
        self.wait_until(lambda: text in self.output, f"{text!r} in the output", patience)

    def wait_for_port(self, port: int, patience: float = PATIENCE) -> None:
        """Wait until something listens on the port."""
        self.wait_until(lambda: listens(port), f"listening on port {port}", patience)

    def wait_until(
        self, condition: Callable[[], object], what: str, patience: float = PATIENCE
    ) -> None:
        """Wait for a condition; fail with the output if it does not come or the process ends."""

        def checked() -> object:
            if condition():
                return True
            assert self.running(), (
                f"{self.command} ended with {self.popen.returncode}:\n{self.output}"
            )
            return False

        try:
            wait_until(checked, what, patience)
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- output of {self.command}\n{self.output}") from None

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for the end and return the exit status."""
        try:
            return self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} did not end:\n{self.output}") from None

    def end(self, patience: float = PATIENCE) -> None:
        """Ask the process to end, then make its whole group end."""
        if self.running():
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self._output.close()
        Path(self._output.name).unlink(missing_ok=True)


@contextlib.contextmanager
def running(
    *command: str | Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Iterator[Process]:
    """Run a process for the length of a block."""
    process = Process(command, env=env, cwd=cwd)
    try:
        yield process
    finally:
        process.end()


def listens(port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def fetch(url: str, patience: float = PATIENCE) -> str:
    """Return a page, trying again while nothing answers or the answer is 5xx."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                if error.code < 500 or time.monotonic() > deadline:
                    raise
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
