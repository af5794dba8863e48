"""Hosts of the layer: one server, the master of a Sentinel service wherever it is, or a Cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.cluster import ClusterNode
from redis.crc import key_slot
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.address import BLOCK_TIMEOUT, Target
from channels.layers.redis.net.blocking import Connection
from channels.layers.redis.net.errors import RedisUnavailable, cannot_serve, code_of, unavailable
from channels.layers.redis.net.protocol import Packable, RedisClock, pack
from channels.layers.redis.wire.scripts import Command

#: How long an answer of a Sentinel is used if ``sentinel_refresh_interval`` is 0, in
#: seconds: asking before each command would double what every command costs, and
#: a master that steps down closes its connections anyway.
SENTINEL_PATIENCE = 1.0

#: How long a Sentinel may take to answer before the next one is asked, in seconds.
SENTINEL_TIMEOUT = 1.0

#: How often a command is run again that its node would not run because the slot is moving,
#: and the pause after TRYAGAIN in seconds.
TRIES = 5
PAUSE = 0.05


class Host:
    """One server, which stays where it is.  Safe in threads, each of which is lent a connection.

    ``timeout`` is how long an answer may take, in seconds; None for what the target says.

    Attributes:
        clock: Redis time of this host.
        clustered: Whether keys of different tags must not be in one command.
        suspected: See :class:`~channels.layers.redis.net.blocking.Destination`.
    """

    clustered = False

    def __init__(self, target: Target, timeout: float | None = None) -> None:
        self.clock = RedisClock()
        self.suspected = float("-inf")
        self._target = target
        self._timeout = timeout
        self._idle: list[Connection] = []
        #: Those that may wait inside Redis, by where they lead.
        self._waiting: dict[str, list[Connection]] = {}
        self._client: tuple[Target, Any] | None = None

    def __str__(self) -> str:
        return self._target.url

    def execute(self, commands: Sequence[Packable]) -> list[Any]:
        """Run commands in order and return their answers, errors in place."""
        if not commands:
            return []
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.connection("")
        try:
            connection.send(commands)
            return connection.read()
        finally:
            self._idle.append(connection)

    @contextmanager
    def waiting(self, key: str) -> Iterator[Connection]:
        """Lend a connection that may wait inside Redis for ``key`` to hold something."""
        idle = self._waiting.setdefault(str(self.target(key)), [])
        try:
            connection = idle.pop()
        except IndexError:
            connection = self.connection(key, BLOCK_TIMEOUT)
        try:
            yield connection
        finally:
            idle.append(connection)

    def pack(self, command: Command) -> Packable:
        """Return a command in the form that costs least to run again and again."""
        return pack(command)

    def connection(self, key: str, timeout: float | None = None) -> Connection:
        """Return a new connection of the caller's own to where ``key`` lives."""
        return Connection(self, key, timeout or self._timeout)

    def target(self, key: str = "") -> Target:
        """Return where ``key`` lives; may ask others, and raise ``LayerUnavailable``."""
        return self._target

    def suspect(self) -> None:
        """Forget where things are: a connection failed, or could not be made."""

    def masters(self) -> list[Target]:
        """Return every server that holds keys; may raise ``LayerUnavailable``."""
        return [self.target()]

    def client(self) -> Any:
        """Return an ordinary redis-py client of this host, to look behind the layer's back."""
        target = self.target()
        if self._client is None or self._client[0] != target:
            if self._client is not None:
                self._client[1].close()
            self._client = (target, self._make_client(target))
        return self._client[1]

    def _make_client(self, target: Target) -> Any:
        return target.client()

    def close(self) -> None:
        """Disconnect what is idle."""
        for idle in (self._idle, *self._waiting.values()):
            while idle:
                idle.pop().close()
        if self._client is not None:
            self._client[1].close()
            self._client = None


class Sentinels:
    """The Sentinels of one installation, asked through redis-py.  Safe in threads."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        # It knows neither our time-outs nor that nothing is tried again.
        self._sentinel = Sentinel([])  # type: ignore[no-untyped-call]  # redis-py
        self._sentinel.sentinels = [target.client(SENTINEL_TIMEOUT) for target in targets]
        self._lock = threading.Lock()
        self._answered = False

    def master(self, service: str) -> tuple[str, int]:
        """Return the address of a master: what the first Sentinel says that knows it."""
        with self._lock:
            while True:
                try:
                    host, port = self._sentinel.discover_master(service)  # type: ignore[no-untyped-call]
                except RedisError as error:
                    # A connection from before may be dead: once more, through new ones.
                    again, self._answered = self._answered, False
                    if not again:
                        raise RedisUnavailable(f"no Sentinel could tell: {error}") from error
                else:
                    self._answered = True
                    return str(host), int(port)

    def services(self) -> list[str]:
        """Return the sorted names of all masters that the first Sentinel which answers knows."""
        reasons = []
        for target, client in zip(self._targets, self._sentinel.sentinels, strict=True):
            try:
                names = sorted(map(str, client.sentinel_masters()))
            except RedisError as error:
                reasons.append(str(unavailable(error, target)))
                continue
            if names:
                return names
            reasons.append(f"{target} watches no master")
        raise RedisUnavailable(f"no Sentinel could tell: {'; '.join(reasons)}")

    def close(self) -> None:
        """Disconnect."""
        with self._lock:
            self._sentinel.close()


class SentinelHost(Host):
    """The master of one service, wherever it is now.

    ``target`` says how to connect and names the service; its address is replaced.  An answer
    is used for ``refresh`` seconds; 0 for :data:`SENTINEL_PATIENCE`.
    """

    def __init__(
        self, sentinels: Sentinels, target: Target, refresh: float, timeout: float | None
    ) -> None:
        super().__init__(target, timeout)
        self._sentinels = sentinels
        self._refresh = refresh or SENTINEL_PATIENCE
        self._found = False
        self._asked = float("-inf")

    def __str__(self) -> str:
        return f"sentinel:{self._target.service}"

    def target(self, key: str = "") -> Target:
        if time.monotonic() - self._asked > self._refresh:
            try:
                target = self._target.at(*self._sentinels.master(self._target.service))
            except RedisUnavailable:
                if not self._found:
                    raise
                # Without Sentinels there is no failover either: stay where we are.
            else:
                self._found = True
                if target != self._target:
                    self._target = target
            self._asked = time.monotonic()
        return self._target

    def suspect(self) -> None:
        self._asked = float("-inf")

    def close(self) -> None:
        super().close()
        self._sentinels.close()


class ClusterHost(Host):
    """A Redis Cluster: each command goes to the node that owns its key, ``INFO`` to all masters.

    Correct, not fast: the commands of one call go to one node after the other.
    The clocks of the nodes must agree.  ``startup`` are some of its nodes.
    """

    clustered = True

    def __init__(self, startup: Sequence[Target], timeout: float | None = None) -> None:
        super().__init__(startup[0], timeout)
        self._startup = {str(target): target for target in startup}
        self._slots: list[tuple[int, int, Target]] = []
        self._nodes: dict[str, Host] = {}

    def __str__(self) -> str:
        return "cluster:" + ",".join(self._startup)

    def execute(self, commands: Sequence[Packable]) -> list[Any]:
        parts: dict[str, tuple[Target, list[int]]] = {}
        answers: list[Any] = [None] * len(commands)
        everywhere = []
        for index, command in enumerate(commands):
            if command[0] == "INFO":
                everywhere.append(index)
                continue
            target = self.target(_key_of(command))
            parts.setdefault(str(target), (target, []))[1].append(index)
        for target, indexes in parts.values():
            found = self._run(target, [commands[index] for index in indexes])
            for index, answer in zip(indexes, found, strict=True):
                answers[index] = self._follow(target, commands[index], answer)
        for index in everywhere:
            answers[index] = self._ask_everywhere(commands[index])
        return answers

    def _ask_everywhere(self, command: Packable) -> bytes:
        """Return what the masters that are in reach answer, one after the other."""
        found = []
        for target in self.masters():
            try:
                found += self._run(target, [command])
            except LayerUnavailable:
                continue  # a command that needs it will say so
        return b"\n".join(answer for answer in found if isinstance(answer, bytes))

    def pack(self, command: Command) -> Packable:
        return command  # its key decides where it goes

    def target(self, key: str = "") -> Target:
        if not self._slots:
            self._discover()
        if not key:
            return self._slots[0][2]
        slot = key_slot(key.encode())
        for first, last, target in self._slots:
            if first <= slot <= last:
                return target
        raise RedisUnavailable(f"no node of the cluster has slot {slot}")

    def suspect(self) -> None:
        self._slots = []

    def masters(self) -> list[Target]:
        self.target()
        return list({str(target): target for _, _, target in self._slots}.values())

    def _make_client(self, target: Target) -> redis.RedisCluster:
        nodes = []
        for node in self.masters():
            host, port = node.options.get("host", "localhost"), node.options.get("port", 6379)
            nodes.append(ClusterNode(host, port))  # type: ignore[no-untyped-call]  # redis-py
        options = {k: v for k, v in target.options.items() if k not in ("host", "port", "db")}
        return redis.RedisCluster(startup_nodes=nodes, ssl=target.kind == "tls", **options)

    def close(self) -> None:
        super().close()
        for node in self._nodes.values():
            node.close()

    def _run(self, target: Target, commands: Sequence[Packable]) -> list[Any]:
        try:
            answers = self._node(target).execute(commands)
        except LayerUnavailable:
            self.suspect()
            raise
        if any(map(cannot_serve, answers)):
            self.suspect()
        return answers

    def _follow(self, target: Target, command: Packable, answer: Any) -> Any:
        """Run one command again that was not run, because its slot is elsewhere or on its way."""
        for _ in range(TRIES):
            code = code_of(answer)
            if code == "TRYAGAIN":
                time.sleep(PAUSE)
                answer = self._run(target, [command])[0]
            elif code in ("MOVED", "ASK"):
                _, _, address = str(answer).split(" ")
                host, _, port = address.rpartition(":")
                asking: list[Packable] = [("ASKING",)] if code == "ASK" else []
                answer = self._run(self._target.at(host, int(port)), [*asking, command])[-1]
            else:
                break
        return answer

    def _node(self, target: Target) -> Host:
        node = self._nodes.get(str(target))
        if node is None:
            node = self._nodes[str(target)] = Host(target, self._timeout)
            node.clock = self.clock
        return node

    def _discover(self) -> None:
        reasons = []
        for target in list(self._startup.values()):
            try:
                (answer,) = self._node(target).execute([("CLUSTER", "SLOTS")])
            except LayerUnavailable as error:
                reasons.append(str(error))
                continue
            if isinstance(answer, Exception):
                reasons.append(f"{target} said: {answer}")
                continue
            self._slots = list(self._read_slots(target, answer))
            if self._slots:
                # Ask any of them next time: those that we were given may be gone by then.
                for _, _, node in self._slots:
                    self._startup.setdefault(str(node), node)
                return
            reasons.append(f"{target} knows of no slots")
        raise RedisUnavailable(f"no node of the cluster could tell: {'; '.join(reasons)}")

    @staticmethod
    def _read_slots(asked: Target, answer: Any) -> Iterable[tuple[int, int, Target]]:
        for first, last, (host, port, *_), *_ in answer:
            # An empty address stands for the one that was asked.
            name = host.decode() if host else asked.options.get("host", "localhost")
            yield first, last, asked.at(name, port)


def _key_of(command: Packable) -> str:
    """Return the key that decides where a command goes; ``""`` if it may go anywhere."""
    assert isinstance(command, tuple)
    name = command[0]
    if name == "TIME":
        return ""
    return str(command[{"EVALSHA": 3, "LMPOP": 2, "BLMPOP": 3}.get(str(name), 1)])
