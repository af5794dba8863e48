"""Reading the mailbox of an interface server, for as long as there is a connection.

One connection blocks on the list and delivers what it takes in the turn of the loop in which
it arrives.  Nothing polls, cancels the blocking take or wraps a time-out round it: it ends by
itself after some seconds, or by ``CLIENT UNBLOCK``, and its answer is always handled.  The next
take is sent when all of the last one was delivered, and a little later by a process that
waits for many answers: so a busy one takes more at once, not more often.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from channels.exceptions import LayerUnavailable
from channels.layers.clients import MailboxHandler
from channels.layers.redis.net.address import BLOCK_SECONDS
from channels.layers.redis.net.asynchronous import AsyncConnection
from channels.layers.redis.net.protocol import RedisClock
from channels.layers.redis.server.connections import Connections
from channels.layers.redis.server.decoder import FIRST_MARK, MailboxDecoder
from channels.layers.redis.server.memberships import Drift, Memberships
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items, scripts
from channels.layers.redis.wire.commands import MAILBOX_BYTES, SERVER_CAPACITY

logger = logging.getLogger("channels.layers.redis")

#: Items that one take may bring: many, so that a busy mailbox costs little, but not so many
#: that sockets wait while they are delivered.
TAKE = 100

#: What was taken is reported when one part in so many of the mailbox's capacity is
#: unreported: until then senders believe that it waits (unless they see an empty mailbox).
UNREPORTED = 16

#: A process that waits for so many receipts lets the mailbox fill for so many seconds before
#: it takes again: each take costs a wake-up here and in Redis.  100 echoing sockets cost half
#: the processor time for it, and get their answers sooner; 10, whose worker then has nothing
#: to do meanwhile, would get theirs in twice the time.
BUSY = 32
GATHER = 0.001

#: Seconds between tries to end a blocking take that had not begun when it was told to end.
UNBLOCK_INTERVAL = 0.02

#: What was never reported.
_NOTHING = (-1, -1)


class Mailbox:
    """Takes, decodes and delivers.

    Args:
        name: Name of the process; ends in ``!``.
        store: Names of keys, commands, codec and limits.
        clock: Redis time of its host.
        memberships: Of the process.
        connections: Send all commands but those that take.
        authority_lost: Called when the memberships show that Redis lost its memory.

    Attributes:
        decoder: Reads what is taken.
        handler: Gets what was read; set before the first take.
        last_client: What Redis calls the last connection: if that is lost, Redis may still
            try to give it something.
    """

    handler: MailboxHandler

    def __init__(
        self,
        name: str,
        store: Store,
        clock: RedisClock,
        memberships: Memberships,
        connections: Connections,
        authority_lost: Callable[[], None],
    ) -> None:
        keys, limits = store.keys, store.limits
        self.decoder = MailboxDecoder(
            memberships, store.codec, clock, lifetime=limits.expiry, marked=self._mark_passed
        )
        self.last_client = 0
        self._name = name
        self._key = keys.mail(name)
        self._meta = keys.meta(name)
        self._snapshot = scripts.SNAPSHOT.call(
            (self._meta, keys.groups(name), keys.members(name, ""))
        )
        self._commands = store.commands
        self._memberships = memberships
        self._connections = connections
        self._authority_lost = authority_lost
        capacity = limits.configured_capacity(name)
        self._report_after = (
            (SERVER_CAPACITY if capacity is None else capacity) // UNREPORTED,
            MAILBOX_BYTES // UNREPORTED,
        )
        self._reported = _NOTHING
        self._overdue: frozenset[int] = frozenset()
        self._connection: AsyncConnection | None = None
        self._taking = False
        self._ending: asyncio.Future[None] | None = None
        self._marks: dict[int, asyncio.Future[None]] = {}
        #: Seconds that a mark may take while nothing else comes either.
        self._patience = connections.timeout
        #: Takes that brought something.
        self._brought = 0
        self._last_mark = FIRST_MARK - 1

    # -- the connection --------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a connection that has not been lost."""
        return self._connection is not None and self._connection.error is None

    def open(self, connection: AsyncConnection) -> None:
        """Read through this connection from now on."""
        self._connection = connection
        self.last_client = connection.client_id
        self.resume()

    def resume(self) -> None:
        """Go on: first with what was taken already, then with what comes."""
        self._reported = _NOTHING
        if self.decoder.waiting:
            self._read()
        else:
            self._take()

    def interrupt(self, error: LayerUnavailable) -> None:
        """Fail the marks: commands get no answers.  What is taken is delivered all the same."""
        marks, self._marks = self._marks, {}
        for mark in marks.values():
            if not mark.done():
                mark.set_exception(error)

    def close(self, error: LayerUnavailable) -> None:
        """Stop reading.  A take that waits may have got something: it is lost."""
        connection, self._connection = self._connection, None
        self._taking = False
        if connection is not None:
            connection.close()
        self.interrupt(error)
        self._end()

    def raise_if_lost(self) -> None:
        """Raise why the connection has ended, if it has."""
        if self._connection is not None and self._connection.error is not None:
            raise self._connection.error

    def _fail(self, what: str, answer: Exception) -> None:
        if self._connection is not None:
            error = LayerUnavailable(f"{what}: {answer}")
            error.__cause__ = answer
            self._connection.lose(error)

    # -- taking and delivering ---------------------------------------------------------

    def _take(self) -> None:
        if self._taking or self._connection is None or self._end():
            return
        self._taking = True
        command = ("BLMPOP", BLOCK_SECONDS, 1, self._key, "LEFT", "COUNT", TAKE)
        self._connection.submit([command], self._arrived)

    def _arrived(self, answers: list[Any] | None, error: LayerUnavailable | None) -> None:
        self._taking = False
        if answers is None:
            return  # the connection is lost, and tells so itself
        (answer,) = answers
        if isinstance(answer, Exception):
            self._fail("Redis refused to give the mailbox", answer)
        elif answer is None:
            self._take()
        else:
            self._brought += 1
            self._read(answer[1])

    def _read(self, raw: Sequence[bytes] = ()) -> None:
        """Deliver what came and take more; if memberships are missing, once they are known."""
        while True:
            delivered, drift = self.decoder.read(raw)
            if delivered:
                try:
                    self.handler.deliver(delivered)
                except Exception:
                    logger.exception("the listener failed to take %d items", len(delivered))
            if drift is not Drift.RESTARTED:
                break
            raw = ()
            self._memberships.authority_lost()
            self._authority_lost()
        if drift is Drift.MISSED:
            self._connections.call(self._snapshot, self._read_on)
            return
        if self._is_due():
            self.report()
            self._connections.schedule()
        if len(self.decoder.awaited) < BUSY:
            self._take()
        else:
            asyncio.get_running_loop().call_later(GATHER, self._take)

    def settle(self) -> None:
        """Stop waiting for receipts that were missing at the last call, too.

        Their frames were refused or lost, or are with consumers that take their time.
        """
        awaited = self.decoder.awaited
        awaited -= self._overdue
        self._overdue = frozenset(awaited)

    def _is_due(self) -> bool:
        decoder, reported, most = self.decoder, self._reported, self._report_after
        messages, size = decoder.taken - reported[0], decoder.taken_bytes - reported[1]
        # Below zero: Redis lost its memory, and counts anew.
        return messages > most[0] or size > most[1] or messages < 0

    def report(self) -> None:
        """Add what was taken to the next pipeline."""
        counts = (self.decoder.taken, self.decoder.taken_bytes)
        if counts != self._reported and self._connection is not None:
            self._reported = counts
            self._connections.own.call(("HSET", self._meta, "tm", counts[0], "tb", counts[1]))

    # -- memberships -----------------------------------------------------------------------

    async def rebuild(self) -> None:
        """Read the memberships of the process from Redis.

        Raises:
            LayerUnavailable: There is no answer.
        """
        answer = await self._connections.ask(self._snapshot)
        if isinstance(answer, Exception):
            raise LayerUnavailable(f"memberships cannot be read: {answer}") from answer
        self._rebuilt(answer)

    def _read_on(self, answer: Any, error: LayerUnavailable | None) -> None:
        if error is not None:
            return  # what waits is read when there is a connection again
        if isinstance(answer, Exception):
            self._fail("memberships cannot be read", answer)
            return
        self._rebuilt(answer)
        self._read()

    def _rebuilt(self, answer: Sequence[Any]) -> None:
        number, *pairs = answer
        memberships = [
            (group.decode(), scored[at].decode(), float(scored[at + 1]) / 1000)
            for group, scored in zip(pairs[::2], pairs[1::2], strict=True)
            for at in range(0, len(scored), 2)
        ]
        if self._memberships.rebuild(number, memberships) is Drift.RESTARTED:
            self._authority_lost()

    # -- marks -------------------------------------------------------------------------

    async def mark(self) -> None:
        """Return when everything that is in the mailbox now was delivered.

        A connection that brings nothing although something waits there is given up: it has
        gone silent, or leads to where the mailbox was before.

        Raises:
            LayerUnavailable: The connection ended before.
        """
        self.raise_if_lost()
        self._last_mark = number = self._last_mark + 1
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._marks[number] = passed

        waits = False

        def pushed(answer: Any, error: LayerUnavailable | None) -> None:
            nonlocal waits
            waits = True
            if isinstance(answer, Exception):
                error = LayerUnavailable(f"Redis refused a mark: {answer}")
            if error is not None and not passed.done():
                passed.set_exception(error)

        item = items.receipt_item(number)
        post = self._commands.post(self._name)
        self._connections.call((*post, scripts.CONTROL, item), pushed)
        try:
            while not passed.done():
                before = waits, self._brought
                await asyncio.wait([passed], timeout=self._patience)
                if not passed.done() and before == (True, self._brought):
                    self._fall_silent()
            await passed
        finally:
            self._marks.pop(number, None)

    def _fall_silent(self) -> None:
        error = LayerUnavailable(
            f"the mailbox brought nothing for {self._patience:g} s, though something waits there"
        )
        if self._connection is not None:
            self._connection.lose(error)
        self.interrupt(error)

    def _mark_passed(self, number: int) -> None:
        def release() -> None:
            passed = self._marks.get(number)
            if passed is not None and not passed.done():
                passed.set_result(None)

        # In the next turn: what came before it in this take is delivered first.
        asyncio.get_running_loop().call_soon(release)

    # -- the end -------------------------------------------------------------------------

    async def drain(self) -> None:
        """Take and deliver what waits, and nothing after that.

        Raises:
            LayerUnavailable: The connection ended before.
        """
        self._ending = asyncio.get_running_loop().create_future()
        if self._taking:
            while not self._ending.done() and self._connection is not None:
                # Redis may not have begun to block yet, then this does nothing.
                await self._connections.ask(("CLIENT", "UNBLOCK", self._connection.client_id))
                await asyncio.wait([self._ending], timeout=UNBLOCK_INTERVAL)
        while self._connection is not None:
            (taken,) = await self._connection.execute([("LPOP", self._key, TAKE)])
            if not taken or isinstance(taken, Exception):
                break
            self._read(taken)
            while self.decoder.waiting:  # for memberships
                self.raise_if_lost()
                await self._connections.settle()
        self.report()

    def _end(self) -> bool:
        """Whether the taking has come to its end, which :meth:`drain` waits for."""
        if self._ending is None:
            return False
        if not self._ending.done():
            self._ending.set_result(None)
        return True
