"""A Redis Cluster, as one host of the layer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import redis
from redis.cluster import ClusterNode
from redis.crc import key_slot

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.address import Target
from channels.layers.redis.net.errors import RedisUnavailable, cannot_serve, code_of
from channels.layers.redis.net.hosts import Host
from channels.layers.redis.net.protocol import Packable
from channels.layers.redis.wire.scripts import Command

#: How often a command is run again that its node would not run because the slot is moving,
#: and the pause after TRYAGAIN in seconds.
TRIES = 5
PAUSE = 0.05


class ClusterHost(Host):
    """A Redis Cluster, as one host: each command goes to the node that owns its key.

    Correct, not fast: the commands of one call go to one node after the other.
    The clocks of the nodes must agree.

    Args:
        startup: Some of its nodes.
        timeout: Seconds that an answer may take; None for what the targets say.
    """

    clustered = True

    def __init__(self, startup: Sequence[Target], timeout: float | None = None) -> None:
        super().__init__(startup[0], timeout)
        self._startup = list(startup)
        self._slots: list[tuple[int, int, Target]] = []
        self._nodes: dict[str, Host] = {}

    def __str__(self) -> str:
        return "cluster:" + ",".join(str(target) for target in self._startup)

    def execute(self, commands: Sequence[Packable]) -> list[Any]:
        """Run each command at the node that has its key, ``INFO`` at all masters."""
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
        """Return the command as it is, because the key decides where it goes."""
        return command

    def target(self, key: str = "") -> Target:
        """Return the node that owns the slot of a key; ``""`` for any node."""
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
        """Look up all nodes at the next command."""
        self._slots = []

    def masters(self) -> list[Target]:
        """Return every node that owns slots."""
        self.target()
        return list({str(target): target for _, _, target in self._slots}.values())

    def _make_client(self, target: Target) -> redis.RedisCluster:
        nodes = [
            ClusterNode(  # type: ignore[no-untyped-call]  # redis-py has no types here
                node.options.get("host", "localhost"), node.options.get("port", 6379)
            )
            for node in self.masters()
        ]
        options = {
            name: value
            for name, value in target.options.items()
            if name not in ("host", "port", "db")
        }
        return redis.RedisCluster(startup_nodes=nodes, ssl=target.kind == "tls", **options)

    def close(self) -> None:
        """Disconnect what is idle, from all nodes."""
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
        for target in self._startup:
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


def _key_of(command: Packable) -> str:
    """Return the key that decides where a command goes; ``""`` if it may go anywhere."""
    assert isinstance(command, tuple)
    name = command[0]
    if name == "TIME":
        return ""
    return str(command[{"EVALSHA": 3, "LMPOP": 2, "BLMPOP": 3}.get(str(name), 1)])
