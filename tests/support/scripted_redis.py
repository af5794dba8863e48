"""A Redis without a socket: it gets the bytes that connections write, and answers by a script."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import hiredis

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.asynchronous import AsyncConnection
from channels.layers.redis.wire import scripts

#: Redis time, in milliseconds.
NOW = 1_000_000

Command = list[bytes]


def stamped(item: bytes, *, pushed: int = 0, number: int = 0, expiry: int = NOW + 1000) -> bytes:
    """An item of a mailbox as the scripts store it."""
    return struct.pack(">QQQQ", expiry, pushed, 0, number) + item


def encoded(answer: Any) -> bytes:
    """An answer as Redis sends it."""
    if answer is None:
        return b"*-1\r\n"
    if isinstance(answer, int):
        return b":%d\r\n" % answer
    if isinstance(answer, bytes):
        return b"$%d\r\n%s\r\n" % (len(answer), answer)
    if isinstance(answer, str):
        return b"+%s\r\n" % answer.encode()
    if isinstance(answer, Exception):
        return b"-%s\r\n" % str(answer).encode()
    return b"*%d\r\n" % len(answer) + b"".join(map(encoded, answer))


class ScriptedRedis:
    """One server with one mailbox.

    Attributes:
        away: Whether connecting fails.
        epoch: What tells its memory from another.
        snapshot: Number and memberships that the mailbox's script of that name answers with.
        answers: For the first word of a command, or a script's text: what to answer instead.
        asked: Every command, in order.
        connections: All that were made, in order.
    """

    def __init__(self) -> None:
        self.away = False
        self.epoch = b"first"
        self.snapshot: list[Any] = [0]
        self.answers: dict[str, Any] = {}
        self.asked: list[Command] = []
        self.connections: list[AsyncConnection] = []
        self.mailbox: list[bytes] = []
        self._waiting: list[_Transport] = []

    async def open(
        self,
        target: object,
        *,
        timeout: float,
        on_lost: Callable[[LayerUnavailable], None] | None = None,
    ) -> AsyncConnection:
        """Stands for :func:`~channels.layers.redis.net.asynchronous.open_connection`."""
        if self.away:
            raise LayerUnavailable("it is away")
        transport = _Transport(self)
        writer = SimpleNamespace(transport=transport)
        made = AsyncConnection(SimpleNamespace(_writer=writer, _reader=None), target, timeout)
        made.on_lost = on_lost
        self.connections.append(made)
        made.client_id = len(self.connections)
        return made

    def put(self, *items: bytes) -> None:
        """Put items into the mailbox; a take that waits gets them in one answer."""
        self.mailbox += items
        if self._waiting and self.mailbox:
            taken, self.mailbox = self.mailbox, []
            self._waiting.pop(0).say([b"mailbox", taken])

    def words(self, word: str) -> list[Command]:
        """The commands that were asked with this first word, or of the script of this name."""
        return [one for one in self.asked if self.name(one) == word]

    @staticmethod
    def name(command: Command) -> str:
        """What a command is called: its first word, or the name of its script."""
        if command[0] != b"EVALSHA":
            return command[0].decode()
        (name,) = [
            name
            for name, one in vars(scripts).items()
            if isinstance(one, scripts.Script) and one.sha == command[1].decode()
        ]
        return name

    def hear(self, transport: _Transport, command: Command) -> None:
        """Answer a command, now or later."""
        self.asked.append(command)
        name = self.name(command)
        if name in self.answers:
            answer = self.answers[name]
            transport.say(answer(command) if callable(answer) else answer)
        elif name == "BLMPOP":
            self._waiting.append(transport)
            self.put()
        elif name == "CLIENT":  # UNBLOCK
            transport.say(len(self._waiting))
            for waiting in self._waiting:
                waiting.say(None)
            self._waiting.clear()
        elif name == "LPOP":
            taken, self.mailbox = self.mailbox, []
            transport.say(taken or None)
        elif name == "PUSH_MAILBOX":
            transport.say([1, 0, 0])
            self.put(*(stamped(item) for item in command[12::2]))
        elif name == "PUSH_QUEUE":
            transport.say([len(command) - 8])
        else:
            known = {
                "TIME": [b"%d" % (NOW // 1000), b"0"],
                "GET": self.epoch,
                "INFO": b"run_id:one\r\n",
                "SNAPSHOT": self.snapshot,
            }
            transport.say(known.get(name, 1))


class _Transport:
    """Takes what a connection writes."""

    def __init__(self, redis: ScriptedRedis) -> None:
        self._redis = redis
        self._reader = hiredis.Reader()
        self._protocol: Any = None

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._reader.feed(data)
        while (command := self._reader.gets()) is not False:
            self._redis.hear(self, command)

    def say(self, answer: Any) -> None:
        asyncio.get_running_loop().call_soon(self._protocol.data_received, encoded(answer))

    def abort(self) -> None:
        pass
