"""Which of the layer's hosts has what, and commands run there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.blocking import BLOCK_TIMEOUT, Link, Links, Packable
from channels.layers.redis.net.errors import refusal
from channels.layers.redis.net.hosts import Host, ring_index


class Places:
    """The hosts of one user of the layer.  Safe in threads.

    Args:
        hosts: In the order of the ring.
    """

    def __init__(self, hosts: Sequence[Host]) -> None:
        self.hosts = list(hosts)
        self._waiting: dict[tuple[int, str], Links] = {}

    def index(self, name: str) -> int:
        """Return which host has a mailbox, a ``?`` channel or a group."""
        return ring_index(name, len(self.hosts))

    def run(self, index: int, commands: Sequence[Packable]) -> list[Any]:
        """Run commands on a host and return their answers.

        Raises:
            LayerUnavailable: There was no answer, or one of the answers is an error.
        """
        answers = self.hosts[index].execute(commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise refusal(answer) from answer
        return answers

    def now_ms(self, index: int) -> int:
        """Return Redis time of a host, in milliseconds.

        Raises:
            LayerUnavailable: It was not measured lately, and there is no answer now.
        """
        clock = self.hosts[index].clock
        if not clock.fresh:
            asked = clock.monotonic()
            clock.measure(self.run(index, [("TIME",)])[0], asked)
        return clock.now_ms()

    @contextmanager
    def waiting(self, index: int, key: str) -> Iterator[Link]:
        """Lend a connection that may wait inside Redis for ``key`` to hold something."""
        host = self.hosts[index]
        try:
            links = self._links(index, key)
            link = links.borrow()
            try:
                if not host.is_current(link):
                    link.close()
                yield link
            finally:
                links.give_back(link)
        except LayerUnavailable:
            host.suspect()
            raise

    def _links(self, index: int, key: str) -> Links:
        host = self.hosts[index]
        where = index, str(host.target(key))
        if where not in self._waiting:
            self._waiting[where] = Links(lambda: host.link(key, BLOCK_TIMEOUT))
        return self._waiting[where]

    def close(self) -> None:
        """Disconnect what is idle."""
        for host in self.hosts:
            host.close()
        for links in self._waiting.values():
            links.close()
