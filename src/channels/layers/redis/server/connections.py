"""An interface server's connections to Redis, but for that of its mailbox.

One :class:`~channels.layers.redis.server.pipeline.Pipeline` for each Redis server that holds
keys: a host of the layer is one server (direct, or the master that Sentinel names) or a
whole Cluster.  All are opened together and thrown away together: one that is lost is an
outage of the layer.  What is asked for in one turn of the event loop leaves at its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from channels import names
from channels.exceptions import LayerUnavailable
from channels.layers.clients import EXPIRED
from channels.layers.redis.net.address import DEFAULT_TIMEOUT
from channels.layers.redis.net.asynchronous import open_connection
from channels.layers.redis.server.pipeline import Handler, Pipeline
from channels.layers.redis.store import Store
from channels.layers.redis.wire.scripts import Command


class Connections:
    """Sends commands to where their keys live.

    Args:
        store: With hosts that nothing else uses.
        mailbox: Name of the process: commands are about it by default.
    """

    def __init__(self, store: Store, mailbox: str) -> None:
        self.timeout = store.timeout or DEFAULT_TIMEOUT
        self._store = store
        self._mailbox = mailbox
        self._mail_key = store.keys.mail(mailbox)
        self._by_host: list[dict[str, Pipeline]] = [{} for _ in store.ring.hosts]
        self._all: list[Pipeline] = []
        #: The only pipeline, if the layer has just one Redis server.
        self._single: Pipeline | None = None
        self._scheduled = False

    # -- made and ended ------------------------------------------------------------------

    async def open(self, on_lost: Callable[[LayerUnavailable], None]) -> None:
        """Connect to every server.

        Args:
            on_lost: Called for each connection that ends by itself later.

        Raises:
            LayerUnavailable: One of them cannot be reached; none is connected.
        """
        loop = asyncio.get_running_loop()
        self._by_host = [{} for _ in self._store.ring.hosts]
        self._all = []
        self._single = None
        try:
            for number, host in enumerate(self._store.ring.hosts):
                # May ask others with blocking calls.
                targets = await loop.run_in_executor(None, host.masters)
                self._by_host[number].clear()
                for target in targets:
                    pipeline = self._by_host[number][str(target)] = self._new_pipeline()
                    pipeline.connection = await open_connection(
                        target, timeout=self.timeout, on_lost=on_lost
                    )
        except BaseException:
            self.close()
            raise
        if len(self._by_host) == len(self._by_host[0]) == 1:
            (self._single,) = self._by_host[0].values()
        self.raise_if_lost()

    def _new_pipeline(self) -> Pipeline:
        store = self._store
        pipeline = Pipeline(store.commands, store.limits.get_capacity, self._answer_expired)
        self._all.append(pipeline)
        return pipeline

    def close(self) -> None:
        """Disconnect; what is unanswered or waits is answered with ``LayerUnavailable``."""
        for pipeline in self._all:
            connection, pipeline.connection = pipeline.connection, None
            if connection is not None:
                connection.close()
            pipeline.flush()
        for host in self._store.ring.hosts:
            host.suspect()

    def raise_if_lost(self) -> None:
        """Raise why a connection has ended, if one has."""
        for pipeline in self._all:
            if pipeline.connection is not None and pipeline.connection.error is not None:
                raise pipeline.connection.error

    # -- which pipeline --------------------------------------------------------------------

    @property
    def own(self) -> Pipeline:
        """The pipeline to where the mailbox lives."""
        return self._single or self.pipeline(self._mailbox, self._mail_key)

    def pipeline(self, name: str, key: str) -> Pipeline:
        """Return the pipeline to what lives on one host.

        Args:
            name: Mailbox, ``?`` channel, group or process: decides the host.
            key: Its key: decides the server, in a Cluster.
        """
        return self._at(self._store.ring.index(name), key)

    def pipeline_for(self, channel: str) -> Pipeline:
        """Return the pipeline for the next frame of a channel: hosts take turns if all have it."""
        if self._single is not None:
            return self._single
        key = self._store.keys.queue(channel)
        if names.is_on_one_host(channel):
            return self.pipeline(channel, key)
        return self._at(self._store.ring.next_index(), key)

    def pipelines(self, channel: str) -> list[Pipeline]:
        """Return the pipelines to everything that holds frames of a channel."""
        key = self._store.keys.queue(channel)
        return [self._at(number, key) for number in self._store.hosts_of(channel)]

    def of_host(self, number: int, key: str) -> list[Pipeline]:
        """Return the pipelines to all servers of a host, that of ``key`` first."""
        first = self._at(number, key)
        return [first, *(other for other in self._by_host[number].values() if other is not first)]

    def _at(self, number: int, key: str) -> Pipeline:
        pipelines = self._by_host[number]
        try:
            if len(pipelines) == 1:
                return next(iter(pipelines.values()))
            return pipelines[str(self._store.ring.hosts[number].target(key))]
        except (KeyError, LayerUnavailable) as error:
            # Never connected, or a node that came later: then all are opened anew.
            lost = LayerUnavailable(f"the servers of the layer have changed: {error}")
            for pipeline in pipelines.values():
                if pipeline.connection is not None:
                    pipeline.connection.lose(lost)
            # What is sent to it is answered with LayerUnavailable.
            return pipelines.get("") or pipelines.setdefault("", self._new_pipeline())

    # -- sending ---------------------------------------------------------------------------

    def schedule(self) -> None:
        """Send what waits at the end of this turn."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send what waits now."""
        self._scheduled = False
        for pipeline in self._all:
            pipeline.flush()

    def keep_alive(self) -> None:
        """Have silent servers noticed: ask all that nothing else is asked of."""
        for pipeline in self._all:
            if pipeline.idle:
                pipeline.call(("PING",))
        self.schedule()

    def call(
        self, command: Command, handler: Handler | None = None, pipeline: Pipeline | None = None
    ) -> None:
        """Send a command at the end of this turn, by default to where the mailbox lives."""
        (pipeline or self.own).call(command, handler)
        self.schedule()

    async def ask(self, command: Command, name: str = "", key: str = "") -> Any:
        """Return the answer to a command, an exception if Redis refused it.

        Args:
            command: What to send, in order with everything else.
            name: What it is about, by default the mailbox; see :meth:`pipeline`.
            key: Its key.

        Raises:
            LayerUnavailable: It may or may not have been carried out.
        """
        pipeline = self.pipeline(name, key) if name else self.own
        (answer,) = await self.execute(pipeline, [command])
        return answer

    async def execute(self, pipeline: Pipeline, commands: Sequence[Command]) -> list[Any]:
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
            pipeline.call(command, answered)
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
            busy = [pipeline for pipeline in self._all if not pipeline.idle]
            if not busy:
                return
            for pipeline in busy:
                if pipeline.connection is not None:
                    await pipeline.connection.execute([("PING",)])

    def _answer_expired(self, receipts: list[bytes]) -> None:
        """Tell the senders of frames that expired."""
        for receipt in receipts:
            answer = self._store.commands.answer(receipt, EXPIRED)
            if answer is not None:  # else nobody can be told: a broken frame
                mailbox, command = answer
                key = self._store.keys.mail(mailbox)
                self.call(command, None, self.pipeline(mailbox, key))
