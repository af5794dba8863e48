"""One worker process of a pool, and the lifeline between it and its parent.

The lifeline is a pair of sockets.  The worker process writes one byte into its end once it takes
messages, and reads from it only to notice that the parent is gone: then it stops gracefully,
because nothing would replace it or forward a signal to it any more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

#: Holds the number of the file descriptor of the lifeline, in worker processes only.
ENVIRONMENT = "CHANNELS_WORKER_LIFELINE"

_LISTENING = b"L"


class Lifeline:
    """A worker process's end of its lifeline."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @classmethod
    def from_environment(cls) -> Lifeline | None:
        """Return this process's end; ``None`` if no pool has started it.

        The variable is taken away: processes that a consumer starts are no children
        of the pool.
        """
        number = os.environ.pop(ENVIRONMENT, "")
        if not number:
            return None
        return cls(socket.socket(fileno=int(number)))

    def tell_listening(self) -> None:
        """Tell the parent that this process takes messages."""
        with contextlib.suppress(OSError):  # the parent is gone, which stop_with_parent() notices
            self._sock.sendall(_LISTENING)

    def stop_with_parent(self) -> None:
        """From now on, stop this process by SIGTERM when the parent is gone."""
        threading.Thread(target=self._wait_for_end, name="lifeline", daemon=True).start()

    def _wait_for_end(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)


class ChildProcess:
    """A worker process, from the parent's end."""

    def __init__(self, command: list[str]) -> None:
        self._sock, theirs = socket.socketpair()
        with theirs:
            # In a session of its own: Ctrl-C in a terminal goes to the parent alone,
            # which forwards it once.
            self._popen = subprocess.Popen(
                command,
                env={**os.environ, ENVIRONMENT: str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._sock.setblocking(False)
        self._listens = False
        self._settled = False
        self.pid = self._popen.pid

    def ended(self) -> int | None:
        """Return the exit status, ``None`` while it runs."""
        status = self._popen.poll()
        if status is not None:
            self._settled = True
            self._sock.close()
        return status

    def listens(self) -> bool:
        """Whether it has told that it takes messages."""
        if self.lifeline is not None:
            with contextlib.suppress(BlockingIOError):
                self._listens = self.lifeline.recv(1) == _LISTENING
                self._settled = True
        return self._listens

    @property
    def lifeline(self) -> socket.socket | None:
        """What becomes readable when :meth:`listens` may have changed; ``None`` if it will not."""
        return None if self._settled else self._sock

    def stop(self) -> None:
        """Ask it to finish the message in hand and leave."""
        if self._popen.poll() is None:
            self._popen.terminate()


def same_command() -> list[str]:
    """Return the command line that this process was started with, interpreter options included."""
    return [sys.executable, *sys.orig_argv[1:]]
