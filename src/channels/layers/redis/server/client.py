"""What an interface server uses of the Redis layer: :class:`~channels.layers.clients.ServerClient`.

Sends return at once: what is asked for in one turn of the event loop leaves in one
pipeline at its end (:mod:`~channels.layers.redis.server.pipeline`), and what became of it is
told when the answer comes.  Connections, outages and the mailbox are the session's
(:mod:`~channels.layers.redis.server.session`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, cast

import msgpack

from channels import names
from channels.exceptions import LayerError, LayerUnavailable, MessageTooLarge
from channels.layers.clients import (
    GONE_EXPIRY,
    HEARTBEAT_TTL,
    PLAIN,
    Done,
    MailboxHandler,
    Message,
    ProcessEntry,
    SendOptions,
    SocketEntry,
)
from channels.layers.redis.server.pipeline import call_done
from channels.layers.redis.server.session import Session
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items, scripts
from channels.layers.redis.wire.codec import Undecodable
from channels.layers.redis.wire.processes import read_entry, read_index


class RedisServerClient:
    """An interface server's connection to Redis.

    Args:
        store: Of the layer.
        mailbox: Name of the process; ends in ``!``.
    """

    def __init__(self, store: Store, mailbox: str) -> None:
        names.check_channel_name(mailbox, receive=True)
        self.mailbox = mailbox
        self._store = store
        self._keys = store.keys
        self._codec = store.codec
        self._commands = store.commands
        self._session = Session(store, mailbox)
        self._connections = self._session.connections
        self._memberships = self._session.memberships
        self._awaited = self._session.mailbox.decoder.awaited
        self._sockets_key = store.keys.sockets(mailbox)
        self._receipt_head = items.receipt_for(mailbox, 0)[:-8]
        self._checked: set[str] = set()

    @property
    def settled_since(self) -> float:
        return self._session.settled_since

    def now(self) -> float:
        return self._session.clock.now_ms() / 1000

    def counters(self) -> dict[str, int]:
        """Return what is worth knowing about the mailbox, as its heartbeat shows it."""
        return self._session.mailbox.decoder.counters()

    async def start(self, handler: MailboxHandler, info: Mapping[str, Any]) -> None:
        await self._session.start(handler, info)

    async def mark(self) -> None:
        await self._session.mailbox.mark()

    async def stop(self) -> None:
        await self._session.stop()

    # -- sending ------------------------------------------------------------------------------

    def send(
        self,
        channel: str,
        messages: Sequence[Mapping[str, Any]],
        receipt: int = 0,
        done: Done | None = None,
        options: SendOptions = PLAIN,
    ) -> None:
        if not self._session.up:
            self._refuse(done, LayerUnavailable("there is no connection to Redis"))
            return
        codec = self._codec
        try:
            if channel not in self._checked:
                self._check_name(channel)
            payload = codec.payload(channel, *messages)
        except (TypeError, MessageTooLarge) as error:
            self._refuse(done, error)
            return
        ttl_ms = self._commands.ttl_ms
        if options.expiry is not None:
            ttl_ms = max(1, round(options.expiry * 1000))
        if receipt:
            self._awaited.add(receipt)
            flags = codec.flags | items.ORDERED
            if options.redelivered:
                flags |= items.REDELIVERED
            frame = items.frame(
                payload,
                ttl_ms,
                flags=flags,
                receipt=self._receipt_head + receipt.to_bytes(8, "big"),
            )
        else:
            frame = items.frame(payload, ttl_ms, flags=codec.flags)
        if options is not PLAIN:
            done = self._note_socket(options.opens, options.closes, done)
        pipeline = self._connections.pipeline_for(channel)
        pipeline.push(channel, options.past_capacity, ttl_ms, frame, done)
        self._connections.schedule()

    def _check_name(self, channel: str) -> None:
        names.check_channel_name(channel)
        if "!" in channel:
            raise TypeError(f"an interface server sends to shared channels only, not {channel!r}")
        if "?" not in channel:  # there are few of the others
            self._checked.add(channel)

    def _refuse(self, done: Done | None, error: Exception) -> None:
        if done is not None:
            asyncio.get_running_loop().call_soon(call_done, done, error)

    def _note_socket(
        self, opens: SocketEntry | None, closes: str | None, done: Done | None
    ) -> Done:
        """Write a socket down, or take it off, with a frame; return the frame's ``done``."""
        sockets = self._session.sockets
        if opens is not None:
            entry = cast(bytes, msgpack.packb([opens.path, opens.connected_at]))
            sockets[opens.local] = entry
            self._connections.call(("HSET", self._sockets_key, opens.local, entry))
        if closes is not None:
            self._connections.call(("HDEL", self._sockets_key, closes))

        def outcome(error: Exception | None) -> None:
            if error is None:
                if closes is not None:
                    sockets.pop(closes, None)
            elif not isinstance(error, LayerUnavailable):
                if closes is not None and closes in sockets:
                    self._connections.call(("HSET", self._sockets_key, closes, sockets[closes]))
                if opens is not None:
                    # The caller hears of it once what is written down is right again.
                    sockets.pop(opens.local, None)
                    then = partial(_tell, done, error)
                    self._connections.call(("HDEL", self._sockets_key, opens.local), then)
                    return
            if done is not None:
                done(error)

        return outcome

    # -- memberships ----------------------------------------------------------------------------

    def forget(self, memberships: Sequence[tuple[str, str]]) -> None:
        for group, local in memberships:
            # Until Redis has confirmed it: leaving is safe to repeat.
            self._session.forgotten[group, local] = None
            if self._session.up:
                command = self._commands.leave(self.mailbox, local, group)
                self._connections.call(command, partial(self._forgot, (group, local)))

    def _forgot(
        self, membership: tuple[str, str], answer: Any, error: LayerUnavailable | None
    ) -> None:
        if error is None and not isinstance(answer, Exception):
            self._session.forgotten.pop(membership, None)

    def memberships(self, local: str) -> Collection[str]:
        return self._memberships.memberships(local)

    def keep(self, locals_: Collection[str]) -> None:
        if not self._session.up:
            return  # they are written back, or kept the next time
        ttl_ms = self._commands.group_ttl_ms
        expiry_ms = self._session.clock.now_ms() + ttl_ms
        renewed: dict[str, list[str]] = {}
        for local in locals_:
            for group in self._memberships.renew(local, expiry_ms / 1000):
                renewed.setdefault(group, []).append(local)
        for group, members in renewed.items():
            key = self._keys.members(self.mailbox, group)
            scored = [part for local in members for part in (expiry_ms, local)]
            self._connections.call(("ZADD", key, "XX", "GT", *scored))
            self._connections.call(("PEXPIRE", key, ttl_ms))
            pipeline = self._connections.pipeline(group, self._keys.group(group))
            for command in self._commands.enlist(group, self.mailbox, self._session.clock.now_ms()):
                self._connections.call(command, None, pipeline)
        if renewed:
            self._connections.call(("PEXPIRE", self._keys.groups(self.mailbox), ttl_ms))

    # -- what nobody is there for ---------------------------------------------------------------

    def gone(self, local: str) -> None:
        if self._session.up:
            mark = self._keys.gone(self.mailbox, local)
            self._connections.call(("SET", mark, 1, "PX", round(GONE_EXPIRY * 1000)))
            self._connections.call(("DEL", self._keys.body(self.mailbox, local)))

    # -- questions --------------------------------------------------------------------------------

    async def read_body(self, local: str, limit: int) -> list[Message]:
        key = self._keys.body(self.mailbox, local)
        # A chunk is two entries of the list: its stamp and its payload.
        popped = await self._connections.ask(("LPOP", key, 2 * limit))
        if isinstance(popped, Exception):
            raise LayerUnavailable(f"a response cannot be read: {popped}") from popped
        chunks: list[Message] = []
        for payload in (popped or ())[1::2]:
            try:
                chunks += self._codec.messages(payload, self._store.limits.group_expiry)
            except Undecodable as error:
                # Going on without it would give the client something else than was sent.
                raise LayerError(f"a part of it cannot be read: {error}") from error
        return chunks

    async def processes(self) -> list[ProcessEntry]:
        keys, ask = self._keys, self._connections.ask
        listed = await ask(read_index(keys, self.now()), keys.processes, keys.processes)
        if isinstance(listed, Exception):
            raise LayerUnavailable(f"the register cannot be read: {listed}") from listed
        known = [name.decode() for name in listed]
        answers = await asyncio.gather(
            *(ask(("HGETALL", keys.entry(name)), name, keys.entry(name)) for name in known)
        )
        oldest = self.now() - HEARTBEAT_TTL
        entries = (
            read_entry(name, answer)
            for name, answer in zip(known, answers, strict=True)
            if not isinstance(answer, Exception)
        )
        return [entry for entry in entries if entry is not None and entry.seen >= oldest]

    async def queued(self, channel: str, receipts: Collection[int]) -> set[int]:
        if not receipts:
            return set()
        command = scripts.FIND_RECEIPTS.call(
            (self._keys.queue(channel),), *(self.receipt_bytes(number) for number in receipts)
        )
        execute = self._connections.execute
        found: set[int] = set()
        pipelines = self._connections.pipelines(channel)
        for (answer,) in await asyncio.gather(*(execute(one, [command]) for one in pipelines)):
            if isinstance(answer, Exception):
                raise LayerUnavailable(f"a queue cannot be searched: {answer}") from answer
            found.update(items.read_receipt(receipt)[1] for receipt in answer)
        return found

    def receipt_bytes(self, receipt: int) -> bytes:
        return items.receipt_for(self.mailbox, receipt)


def _tell(done: Done | None, outcome: Exception, *_: object) -> None:
    if done is not None:
        call_done(done, outcome)
