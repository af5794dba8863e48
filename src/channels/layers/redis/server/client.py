"""What an interface server uses of the Redis layer: :class:`~channels.layers.clients.ServerClient`.

Sends return at once: what is asked for in one turn of the event loop leaves in one
pipeline at its end (:mod:`~channels.layers.redis.server.lanes`), and what became of it is
told when the answer comes.  Connections, outages and the mailbox are the session's
(:mod:`~channels.layers.redis.server.session`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, cast

import msgpack

from channels import names
from channels.exceptions import LayerError, LayerUnavailable, MessageTooLarge
from channels.layers.clients import (
    GONE_EXPIRY,
    HEARTBEAT_TTL,
    Done,
    MailboxListener,
    Message,
    ProcessEntry,
    SocketEntry,
)
from channels.layers.redis.server.lanes import Lane, call_done
from channels.layers.redis.server.memberships import GroupRegistry
from channels.layers.redis.server.session import Session
from channels.layers.redis.store import Store
from channels.layers.redis.wire import items, scripts
from channels.layers.redis.wire.codec import Undecodable
from channels.layers.redis.wire.processes import read_entry, read_index


class RedisServerClient:
    """An interface server's connection to Redis; see :class:`channels.layers.clients.ServerClient`.

    Args:
        store: Of the layer.
        mailbox: Name of the process; ends in ``!``.
        jitter: Returns a number from 0 to 1.
    """

    def __init__(
        self, store: Store, mailbox: str, *, jitter: Callable[[], float] = random.random
    ) -> None:
        names.check_channel_name(mailbox, receive=True)
        self.mailbox = mailbox
        self._store = store
        self._keys = store.keys
        self._codec = store.codec
        self._commands = store.commands
        self._session = Session(store, mailbox, jitter)
        self._pipelines = self._session.pipelines
        self._places = self._session.places
        self._sockets_key = store.keys.sockets(mailbox)
        self._receipt_head = items.receipt_for(mailbox, 0)[:-8]
        self._checked: set[str] = set()

    @property
    def settled_since(self) -> float:
        """See :class:`ServerClient`."""
        return self._session.settled_since

    @property
    def registry(self) -> GroupRegistry:
        """The copy of the memberships of this process."""
        return self._session.registry

    def now(self) -> float:
        """See :class:`ServerClient`."""
        return self._session.clock.now_ms() / 1000

    def counters(self) -> dict[str, int]:
        """Return what is worth knowing about the mailbox; also shown on the register."""
        return self._session.mailbox.intake.counters()

    def lanes(self) -> list[Lane]:
        """Return the connections that sends go out on, one for each Redis server."""
        return list(self._places)

    async def start(self, listener: MailboxListener, info: Mapping[str, Any]) -> None:
        """See :class:`ServerClient`."""
        await self._session.start(listener, info)

    async def mark(self) -> None:
        """See :class:`ServerClient`."""
        await self._session.mailbox.mark()

    async def stop(self) -> None:
        """See :class:`ServerClient`."""
        await self._session.stop()

    # -- sending ------------------------------------------------------------------------------

    def send(
        self,
        channel: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        receipt: int = 0,
        done: Done | None = None,
        expiry: float | None = None,
        past_capacity: bool = False,
        opens: SocketEntry | None = None,
        closes: str | None = None,
    ) -> None:
        """See :class:`ServerClient`."""
        if not self._session.up:
            self._refuse(done, LayerUnavailable("there is no connection to Redis"))
            return
        codec = self._codec
        try:
            if channel not in self._checked:
                self._check_name(channel)
            if len(messages) == 1:
                payload = codec.payload(channel, messages[0])
            else:
                payload = codec.seal(b"".join([codec.pack(channel, m) for m in messages]))
        except (TypeError, MessageTooLarge) as error:
            self._refuse(done, error)
            return
        ttl_ms = self._commands.ttl_ms if expiry is None else max(1, round(expiry * 1000))
        if receipt:
            self._session.mailbox.intake.awaited.add(receipt)
            frame = items.frame(
                payload,
                ttl_ms,
                flags=codec.flags | items.ORDERED,
                receipt=self._receipt_head + receipt.to_bytes(8, "big"),
            )
        else:
            frame = items.frame(payload, ttl_ms, flags=codec.flags)
        if opens is not None or closes is not None:
            done = self._note_socket(opens, closes, done)
        lane = self._places.single or self._lane_for(channel)
        lane.push(channel, past_capacity, ttl_ms, frame, done)
        self._pipelines.schedule()

    def _lane_for(self, channel: str) -> Lane:
        key = self._keys.queue(channel)
        if names.is_on_one_host(channel):
            return self._places.lane(channel, key)
        return self._places.next_lane(key)

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
            self._pipelines.call(("HSET", self._sockets_key, opens.local, entry))
        if closes is not None:
            self._pipelines.call(("HDEL", self._sockets_key, closes))

        def outcome(error: Exception | None) -> None:
            if error is None:
                if closes is not None:
                    sockets.pop(closes, None)
            elif not isinstance(error, LayerUnavailable):
                if closes is not None and closes in sockets:
                    self._pipelines.call(("HSET", self._sockets_key, closes, sockets[closes]))
                if opens is not None:
                    # The caller hears of it once the register is right again.
                    sockets.pop(opens.local, None)
                    then = partial(_tell, done, error)
                    self._pipelines.call(("HDEL", self._sockets_key, opens.local), then)
                    return
            if done is not None:
                done(error)

        return outcome

    # -- memberships ----------------------------------------------------------------------------

    def forget(self, memberships: Sequence[tuple[str, str]]) -> None:
        """See :class:`ServerClient`."""
        for group, local in memberships:
            # Until Redis has confirmed it: leaving is safe to repeat.
            self._session.forgotten[group, local] = None
            if self._session.up:
                command = self._commands.leave(self.mailbox, local, group)
                self._pipelines.call(command, partial(self._forgot, (group, local)))

    def _forgot(
        self, membership: tuple[str, str], answer: Any, error: LayerUnavailable | None
    ) -> None:
        if error is None and not isinstance(answer, Exception):
            self._session.forgotten.pop(membership, None)

    def memberships(self, local: str) -> Collection[str]:
        """See :class:`ServerClient`."""
        return self.registry.memberships(local)

    def keep(self, locals_: Collection[str]) -> None:
        """See :class:`ServerClient`."""
        if not self._session.up:
            return  # they are written back, or kept the next time
        ttl_ms = self._commands.group_ttl_ms
        expiry_ms = self._session.clock.now_ms() + ttl_ms
        renewed: dict[str, list[str]] = {}
        for local in locals_:
            for group in self.registry.renew(local, expiry_ms / 1000):
                renewed.setdefault(group, []).append(local)
        for group, members in renewed.items():
            key = self._keys.members(self.mailbox, group)
            scored = [part for local in members for part in (expiry_ms, local)]
            self._pipelines.call(("ZADD", key, "XX", "GT", *scored))
            self._pipelines.call(("PEXPIRE", key, ttl_ms))
            lane = self._places.lane(group, self._keys.group(group))
            for command in self._commands.enlist(group, self.mailbox, self._session.clock.now_ms()):
                self._pipelines.call(command, None, lane)
        if renewed:
            self._pipelines.call(("PEXPIRE", self._keys.groups(self.mailbox), ttl_ms))

    # -- what nobody is there for ---------------------------------------------------------------

    def gone(self, local: str) -> None:
        """See :class:`ServerClient`."""
        if self._session.up:
            mark = self._keys.gone(self.mailbox, local)
            self._pipelines.call(("SET", mark, 1, "PX", round(GONE_EXPIRY * 1000)))
            self._pipelines.call(("DEL", self._keys.body(self.mailbox, local)))

    # -- questions --------------------------------------------------------------------------------

    async def read_body(self, local: str, limit: int) -> list[Message]:
        """See :class:`ServerClient`."""
        key = self._keys.body(self.mailbox, local)
        # A chunk is two entries of the list: its stamp and its payload.
        popped = await self._pipelines.ask(("LPOP", key, 2 * limit))
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
        """See :class:`ServerClient`."""
        keys, ask = self._keys, self._pipelines.ask
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
        """See :class:`ServerClient`."""
        if not receipts:
            return set()
        key = self._keys.queue(channel)
        command = scripts.FIND_RECEIPTS.call((key,), *(self.receipt_bytes(n) for n in receipts))
        if names.is_on_one_host(channel):
            lanes = [self._places.lane(channel, key)]
        else:
            lanes = self._places.every_lane(key)
        execute = self._pipelines.execute
        found: set[int] = set()
        for (answer,) in await asyncio.gather(*(execute(lane, [command]) for lane in lanes)):
            if isinstance(answer, Exception):
                raise LayerUnavailable(f"a queue cannot be searched: {answer}") from answer
            found.update(items.read_receipt(receipt)[1] for receipt in answer)
        return found

    def receipt_bytes(self, receipt: int) -> bytes:
        """See :class:`ServerClient`."""
        return items.receipt_for(self.mailbox, receipt)


def _tell(done: Done | None, outcome: Exception, *_: object) -> None:
    if done is not None:
        call_done(done, outcome)
