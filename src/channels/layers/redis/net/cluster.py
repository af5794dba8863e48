"""A Redis Cluster, as one host of the layer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import redis
from redis.cluster import ClusterNode
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, ResponseError, TryAgainError

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.blocking import Connection, Doubt, Packable, Pool, RedisClock, Target
from channels.layers.redis.net.errors import RedisUnavailable, cannot_serve
from channels.layers.redis.wire.scripts import Command

#: How often a command is run again that its node would not run because the slot is moving,
#: and the pause after TRYAGAIN in seconds.
TRIES = 5
PAUSE = 0.05


class ClusterHost:
    """A Redis Cluster, as one host: each command goes to the node that owns its key.

    Correct, not fast: the commands of one call go to one node after the other.
    The clocks of the nodes must agree.

    Args:
        startup: Some of its nodes.
        timeout: Seconds that an answer may take; None for what the targets say.
    """

    clustered = True

    def __init__(self, startup: Sequence[Target], timeout: float | None = None) -> None:
        self.clock = RedisClock()
        self._startup = list(startup)
        self._timeout = timeout
        self._slots: list[tuple[int, int, Target]] = []
        self._nodes: dict[str, Pool] = {}
        self._doubt = Doubt()
        self._client: redis.RedisCluster | None = None

    def __str__(self) -> str:
        return "cluster:" + ",".join(str(target) for target in self._startup)

    def execute(self, commands: Sequence[Packable]) -> list[Any]:
        """See :class:`Host`."""
        parts: dict[str, tuple[Target, list[int]]] = {}
        everywhere = []
        for index, command in enumerate(commands):
            if command[0] == "INFO":
                everywhere.append(index)
                continue
            target = self.target(_key_of(command))
            parts.setdefault(str(target), (target, []))[1].append(index)
        answers: list[Any] = [None] * len(commands)
        for target, indexes in parts.values():
            found = self._run(target, [commands[index] for index in indexes])
            for index, answer in zip(indexes, found, strict=True):
                if isinstance(answer, ResponseError):
                    answer = self._follow(target, commands[index], answer)
                answers[index] = answer
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
                continue  # whoever needs it finds out
        return b"\n".join(answer for answer in found if isinstance(answer, bytes))

    def pack(self, command: Command) -> Packable:
        """See :class:`Host`; unpacked, because the key decides where it goes."""
        return command

    def connection(self, key: str, timeout: float | None = None) -> Connection:
        """See :class:`Host`."""
        return self._connection(lambda: self.target(key), timeout)

    def target(self, key: str | None = None) -> Target:
        """See :class:`Host`."""
        if not self._slots:
            self._discover()
        if key is None:
            return self._slots[0][2]
        slot = key_slot(key.encode())
        for first, last, target in self._slots:
            if first <= slot <= last:
                return target
        raise RedisUnavailable(f"no node of the cluster has slot {slot}")

    def is_current(self, link: Connection) -> bool:
        """See :class:`Host`; a node that lost a slot says so itself."""
        return True

    def suspect(self) -> None:
        """See :class:`Host`."""
        self._slots = []

    def masters(self) -> list[Target]:
        """See :class:`Host`."""
        self.target()
        return list({str(target): target for _, _, target in self._slots}.values())

    def client(self) -> redis.RedisCluster:
        """See :class:`Host`."""
        if self._client is None:
            nodes = [
                ClusterNode(  # type: ignore[no-untyped-call]  # redis-py has no types here
                    target.options.get("host", "localhost"), target.options.get("port", 6379)
                )
                for target in self.masters()
            ]
            options = {
                name: value
                for name, value in self._startup[0].options.items()
                if name not in ("host", "port", "db")
            }
            self._client = redis.RedisCluster(
                startup_nodes=nodes, ssl=self._startup[0].kind == "tls", **options
            )
        return self._client

    def close(self) -> None:
        """See :class:`Host`."""
        for pool in self._nodes.values():
            pool.close()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _run(self, target: Target, commands: Sequence[Packable]) -> list[Any]:
        try:
            answers = self._pool(target).execute(commands)
        except LayerUnavailable:
            self.suspect()
            raise
        if any(map(cannot_serve, answers)):
            self.suspect()
        return answers

    def _follow(self, target: Target, command: Packable, answer: Any) -> Any:
        """Run one command again that was not run, because its slot is elsewhere or on its way."""
        for _ in range(TRIES):
            if isinstance(answer, MovedError | AskError):
                answer = self._redirect(answer, command)
            elif isinstance(answer, TryAgainError):
                time.sleep(PAUSE)
                answer = self._run(target, [command])[0]
            else:
                break
        return answer

    def _redirect(self, answer: MovedError | AskError, command: Packable) -> Any:
        """Run one command where its node said; it was not run before."""
        target = self._startup[0].at(answer.host, answer.port)
        if isinstance(answer, MovedError):
            self.suspect()
            return self._run(target, [command])[0]
        return self._run(target, [("ASKING",), command])[1]

    def _pool(self, target: Target) -> Pool:
        name = str(target)
        if name not in self._nodes:
            self._nodes[name] = Pool(lambda: self._connection(lambda: target))
        return self._nodes[name]

    def _connection(self, locate: Callable[[], Target], timeout: float | None = None) -> Connection:
        return Connection(locate, self.clock, timeout=timeout or self._timeout, doubt=self._doubt)

    def _discover(self) -> None:
        reasons = []
        for target in self._startup:
            try:
                (answer,) = self._pool(target).execute([("CLUSTER", "SLOTS")])
            except LayerUnavailable as error:
                reasons.append(str(error))
                continue
            if isinstance(answer, ResponseError):
                reasons.append(f"{target} said: {answer}")
                continue
            self._slots = list(self._read_slots(target, answer))
            if self._slots:
                self._remember_nodes()
                return
            reasons.append(f"{target} knows of no slots")
        raise RedisUnavailable(f"no node of the cluster could tell: {'; '.join(reasons)}")

    def _remember_nodes(self) -> None:
        """Ask any of them next time: those that we were given may be gone by then."""
        known = {str(target) for target in self._startup}
        for _, _, target in self._slots:
            if str(target) not in known:
                known.add(str(target))
                self._startup.append(target)

    @staticmethod
    def _read_slots(asked: Target, answer: Any) -> Iterable[tuple[int, int, Target]]:
        for first, last, (host, port, *_), *_ in answer:
            # An empty address stands for the one that was asked.
            name = host.decode() if host else asked.options.get("host", "localhost")
            yield first, last, asked.at(name, port)


def _key_of(command: Packable) -> str | None:
    assert isinstance(command, tuple)
    name = command[0]
    at = {"EVALSHA": 3, "LMPOP": 2, "BLMPOP": 3, "TIME": None}.get(str(name), 1)
    return str(command[at]) if at is not None else None
