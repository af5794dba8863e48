"""What tests of the server's client share: a listener, and a Redis that can swallow answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from channels.layers.clients import GroupMessage, Joined, SendOptions
from channels.layers.redis.wire.processes import read_entry
from tests.support.waiting import until

#: Longest wait for anything, in seconds.
PATIENCE = 20.0


class Listener:
    """Keeps what a server is told, outages included."""

    def __init__(self):
        self.items = []
        self.told = []

    def deliver(self, items):
        self.items.extend(items)

    def layer_lost(self, error):
        self.told.append(error)

    def layer_back(self):
        self.told.append("back")

    def messages(self):
        """What was delivered, without the notices of joins."""
        return [item for item in self.items if not isinstance(item, Joined)]

    def group_members(self):
        """The members of each group message."""
        return [list(item.members) for item in self.items if isinstance(item, GroupMessage)]


def registered(client, kind):
    """Return the entry of the one process of that kind in the process registry, if there is one."""
    for key in client.scan_iter("*:entry"):
        entry = read_entry("", client.hgetall(key))
        if entry is not None and entry.kind == kind:
            return entry
    return None


async def back(listener, patience=PATIENCE):
    """Wait until the last that was told is that the layer is back."""
    await until(lambda: listener.told[-1:] == ["back"], "the layer is back", patience)


def run(test):
    """Run the body of a test in an event loop, for a bounded time."""

    async def bounded():
        await asyncio.wait_for(test, 4 * PATIENCE)

    asyncio.run(bounded())


@contextlib.asynccontextmanager
async def serving(layer, mailbox="web.test!", **options):
    """Start a server, and stop it at the end."""
    server_client = layer.open_server(mailbox)
    listener = Listener()
    await server_client.start(listener, {"version": "test"})
    try:
        yield server_client, listener
    finally:
        await asyncio.wait_for(server_client.stop(), PATIENCE)


async def sent(server_client, channel, *messages, receipt=0, **options):
    """Send a frame and return its outcome."""
    outcome = asyncio.get_running_loop().create_future()
    server_client.send(channel, messages, receipt, outcome.set_result, SendOptions(**options))
    return await asyncio.wait_for(outcome, PATIENCE)


class Swallower:
    """Stands between a client and Redis: does what it is asked, then loses an answer.

    Args:
        port: Where Redis listens.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._pattern: bytes | None = None
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closed = False
        self.swallowed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def swallow(self, pattern: bytes) -> None:
        """Lose the answer to the next request that holds ``pattern``, and hang up."""
        with self._lock:
            self._pattern = pattern

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            doomed = threading.Event()
            for target, arguments in (
                (self._requests, (client, server, doomed)),
                (self._answers, (client, server, doomed)),
            ):
                threading.Thread(target=target, args=arguments, daemon=True).start()

    def _requests(self, client, server, doomed):
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 20):
                with self._lock:
                    if self._pattern is not None and self._pattern in data:
                        self._pattern = None
                        doomed.set()
                server.sendall(data)
        for each in (client, server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _answers(self, client, server, doomed):
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 20):
                if doomed.is_set():
                    self.swallowed += 1
                    break
                client.sendall(data)
        for each in (client, server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        """Stop accepting."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def swallower(port: int) -> Iterator[Swallower]:
    """Stand between for a while."""
    proxy = Swallower(port)
    try:
        yield proxy
    finally:
        proxy.close()
