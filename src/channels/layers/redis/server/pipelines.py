"""Commands of an interface server: collected in one turn of the event loop, sent at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from channels.exceptions import LayerUnavailable
from channels.layers.redis.server.connections import AsyncPlaces
from channels.layers.redis.server.lanes import Handler, Lane
from channels.layers.redis.wire.scripts import Command


class Pipelines:
    """Sends commands through lanes, one pipeline a turn for each.

    Args:
        places: Where to.
        mailbox: Name of the process, where commands go by default.
        mail_key: Key of its mailbox.
    """

    def __init__(self, places: AsyncPlaces, mailbox: str, mail_key: str) -> None:
        self.places = places
        self._mailbox = mailbox
        self._mail_key = mail_key
        self._scheduled = False

    @property
    def own_lane(self) -> Lane:
        """The lane to where the mailbox lives."""
        return self.places.lane(self._mailbox, self._mail_key)

    def schedule(self) -> None:
        """Send what waits in the lanes at the end of this turn."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send what waits in the lanes now."""
        self._scheduled = False
        for lane in self.places:
            lane.flush()

    def call(
        self, command: Command, handler: Handler | None = None, lane: Lane | None = None
    ) -> None:
        """Send a command with the next pipeline, by default to where the mailbox lives."""
        (lane or self.own_lane).call(command, handler)
        self.schedule()

    async def ask(self, command: Command, name: str = "", key: str = "") -> Any:
        """Return the answer to a command, an exception if Redis refused it.

        Args:
            command: What to send, in order with everything else.
            name: What it is about, by default the mailbox; see :meth:`AsyncPlaces.lane`.
            key: Its key.

        Raises:
            LayerUnavailable: It may or may not have been carried out.
        """
        lane = self.places.lane(name or self._mailbox, key or self._mail_key)
        (answer,) = await self.execute(lane, [command])
        return answer

    async def execute(self, lane: Lane, commands: Sequence[Command]) -> list[Any]:
        """Return the answers to commands, errors among them as exceptions.

        Raises:
            LayerUnavailable: They may or may not have been carried out.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answers: list[Any] = []

        def answered(answer: Any, error: LayerUnavailable | None) -> None:
            answers.append(answer)
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            elif len(answers) == len(commands):
                future.set_result(None)

        for command in commands:
            lane.call(command, answered)
        self.schedule()
        await future
        return answers

    async def settle(self) -> None:
        """Return once everything that was asked for was answered.

        Raises:
            LayerUnavailable: A connection ended.
        """
        while True:
            self.flush()
            if all(lane.idle for lane in self.places):
                return
            for lane in self.places:
                if lane.link is not None and not lane.idle:
                    await lane.link.execute([("PING",)])
