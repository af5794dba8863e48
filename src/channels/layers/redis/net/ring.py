"""Which of the layer's hosts has what, for both worlds, and commands that block run there.

Mailboxes, ``?`` channels, groups and processes have one host each, by the hash of their
names.  Shared channels live on all hosts: senders walk the ring.
"""

from __future__ import annotations

import binascii
import itertools
import random
from collections.abc import Sequence
from typing import Any

from channels import names
from channels.layers.redis.net.barrier import Barrier
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.net.hosts import Host
from channels.layers.redis.net.protocol import Packable


def ring_index(name: str, size: int) -> int:
    """Return which of ``size`` hosts has a ``!`` or ``?`` channel (pass the mailbox) or a group."""
    if size == 1:
        return 0
    return (binascii.crc32(name.encode()) & 0xFFF) * size // 0x1000


class Ring:
    """The hosts of one user of the layer, in the order of its settings.  Safe in threads.

    Its commands go behind what ``barrier`` has, if there is one.
    """

    def __init__(self, hosts: Sequence[Host], barrier: Barrier | None = None) -> None:
        self.hosts = list(hosts)
        self._barrier = barrier
        # Each process begins somewhere else.
        self._turns = itertools.count(random.randrange(len(self.hosts)))

    def index(self, name: str) -> int:
        """Return which host has a mailbox, a ``?`` channel, a group or a process."""
        return ring_index(name, len(self.hosts))

    def next_index(self) -> int:
        """Return the host whose turn it is to get a message of a shared channel."""
        return next(self._turns) % len(self.hosts)

    def index_for(self, channel: str) -> int:
        """Return which host a message for a shared or single-reader channel goes to now."""
        if len(self.hosts) == 1:
            return 0
        if names.is_on_one_host(channel):
            return ring_index(names.non_local_name(channel), len(self.hosts))
        return self.next_index()

    def execute(self, index: int, commands: Sequence[Packable]) -> list[Any]:
        """Run commands on a host in order and return their answers, errors in place."""
        barrier = self._barrier
        if barrier is not None and barrier.waiting:
            answers = barrier.pass_behind(self, index, commands)
            if answers is not None:
                return answers
        return self.hosts[index].execute(commands)

    def run(self, index: int, commands: Sequence[Packable]) -> list[Any]:
        """Run commands on a host and return their answers; an error among them is raised."""
        answers = self.execute(index, commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise refusal(answer)
        return answers

    def ask(self, name: str, *commands: Packable) -> list[Any]:
        """Run commands where a mailbox, a ``?`` channel, a group or a process lives."""
        return self.run(self.index(name), commands)

    def now_ms(self, index: int) -> int:
        """Return Redis time of a host, in milliseconds; asks if it was not measured lately."""
        clock = self.hosts[index].clock
        if not clock.fresh:
            asked = clock.monotonic()
            clock.measure(self.run(index, [("TIME",)])[0], asked)
        return clock.now_ms()

    def close(self) -> None:
        """Disconnect what is idle."""
        for host in self.hosts:
            host.close()
