"""Where an interface server's keys live: one lane for each Redis server that holds some.

A host of the layer is one server (direct, or the master that Sentinel names) or a
whole Cluster.  Finding out may mean to ask others with blocking calls, which are made
in a thread.  All lanes are opened together and thrown away together: one that is lost
is an outage of the layer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from channels.exceptions import LayerUnavailable
from channels.layers.redis.net.address import DEFAULT_TIMEOUT, Target
from channels.layers.redis.net.asynchronous import AsyncConnection, open_connection
from channels.layers.redis.net.ring import Ring
from channels.layers.redis.server.lanes import Lane


class AsyncPlaces:
    """The lanes of one interface server.

    Args:
        ring: Says which of the layer's hosts has what.
        make_lane: Makes a lane.
        timeout: Seconds that an answer may take; None for the default.

    Attributes:
        single: The only lane, if there is only one.
    """

    def __init__(self, ring: Ring, make_lane: Callable[[], Lane], timeout: float | None) -> None:
        self._ring = ring
        self._hosts = hosts = ring.hosts
        self._make_lane = make_lane
        self._timeout = timeout or DEFAULT_TIMEOUT
        self._lanes: list[dict[str, Lane]] = [{} for _ in hosts]
        #: The lane of each host that has only one.
        self._only: list[Lane | None] = [None for _ in hosts]
        self.single: Lane | None = None

    async def open(self, on_lost: Callable[[LayerUnavailable], None]) -> None:
        """Connect to every server.

        Args:
            on_lost: Called for each connection that ends by itself later.

        Raises:
            LayerUnavailable: One of them cannot be reached; none is connected.
        """
        loop = asyncio.get_running_loop()
        try:
            for index, host in enumerate(self._hosts):
                targets = await loop.run_in_executor(None, host.masters)
                lanes = {str(target): self._make_lane() for target in targets}
                self._lanes[index] = lanes
                self._only[index] = next(iter(lanes.values())) if len(lanes) == 1 else None
                for target, lane in zip(targets, lanes.values(), strict=True):
                    lane.link = await open_connection(
                        target, timeout=self._timeout, on_lost=on_lost
                    )
        except BaseException:
            self.close()
            raise
        self.single = self._only[0] if len(self._only) == 1 else None
        self.raise_if_lost()

    async def find(self, name: str, key: str) -> Target:
        """Return where something lives that has one place; asks whoever knows.

        Raises:
            LayerUnavailable: Nobody could tell.
        """
        host = self._hosts[self._ring.index(name)]
        return await asyncio.get_running_loop().run_in_executor(None, host.target, key)

    @staticmethod
    async def open_blocking(
        target: Target, timeout: float, on_lost: Callable[[LayerUnavailable], None]
    ) -> AsyncConnection:
        """Return a connection that may wait inside Redis.

        Raises:
            LayerUnavailable: It cannot be reached.
        """
        return await open_connection(target, timeout=timeout, on_lost=on_lost)

    def raise_if_lost(self) -> None:
        """Raise why a connection has ended, if one has."""
        for lane in self:
            if lane.link is not None and lane.link.error is not None:
                raise lane.link.error

    def close(self) -> None:
        """Disconnect; what is unanswered or waits is answered with ``LayerUnavailable``."""
        for lane in self:
            link, lane.link = lane.link, None
            if link is not None:
                link.close()
            lane.flush()
        for host in self._hosts:
            host.suspect()

    def __iter__(self) -> Iterator[Lane]:
        return iter([lane for lanes in self._lanes for lane in lanes.values()])

    def of_host(self, index: int) -> list[Lane]:
        """Return the lanes of a host: one, or those of all masters of a Cluster."""
        return list(self._lanes[index].values())

    def lane(self, name: str, key: str) -> Lane:
        """Return the lane of something that lives in one place.

        Args:
            name: Mailbox, ``?`` channel, group or process: decides the host.
            key: Its key: decides the server, in a Cluster.
        """
        return self._at(self._ring.index(name), key)

    def next_lane(self, key: str) -> Lane:
        """Return a lane for a channel that lives on every host, the next one in turn."""
        return self._at(self._ring.next_index(), key)

    def every_lane(self, key: str) -> list[Lane]:
        """Return the lanes of a channel that lives on every host."""
        return [self._at(index, key) for index in range(len(self._hosts))]

    def _at(self, index: int, key: str) -> Lane:
        only = self._only[index]
        if only is not None:
            return only
        lanes = self._lanes[index]
        try:
            return lanes[str(self._hosts[index].target(key))]
        except (KeyError, LayerUnavailable) as error:
            # Never connected, or a node that came later: then all are opened anew.
            lost = LayerUnavailable(f"the servers of the layer have changed: {error}")
            for lane in lanes.values():
                if lane.link is not None:
                    lane.link.lose(lost)
            # What is sent to it is answered with LayerUnavailable.
            return lanes.setdefault("", self._make_lane())
