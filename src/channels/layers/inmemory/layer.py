"""The in-memory layer: one process, for development and tests.

Semantics are those of the Redis layer, so that development finds what production
would: the same values are refused, sizes are measured on the packed message, and
nothing that the sender or a receiver does to a message afterwards is seen by anyone
else.  Better than there: what expires unread takes its channel out of its groups,
and tuples stay tuples.

Thread-safe.  ``channels.asgi`` tells by the module's name of its class that a layer is for
one process only, so it must keep ``inmemory`` in it.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from channels import names
from channels.layers.base import (
    DEFAULT_EXPIRY,
    DEFAULT_GROUP_EXPIRY,
    DEFAULT_MAX_MESSAGE_SIZE,
    BaseChannelLayer,
    ChannelCapacity,
    Presence,
)
from channels.layers.clients import SocketEntry
from channels.layers.inmemory.clients import InMemoryServerClient, InMemoryWorkerClient
from channels.layers.inmemory.store import MemoryStore
from channels.layers.inmemory.waiting import Waiter
from channels.layers.values import packed_copy

#: How many messages may wait on one channel: small, so that tests and development
#: meet a full channel early (docs/channels1.md#capacity-and-expiry).
DEFAULT_CAPACITY = 10

#: Longest wait of a blocking ``receive``, in real seconds.
BLOCK_TIMEOUT = 1.0

#: Letters behind the ``?`` of a new channel.
_NEW_CHANNEL_LETTERS = 12


class InMemoryChannelLayer(BaseChannelLayer):
    """A channel layer in the memory of this process.

    Args:
        expiry: Seconds that an unread message lives.
        group_expiry: Seconds that a membership lives after its last
            ``group_add``.
        capacity: Messages that may wait on one channel, or in one mailbox that no
            interface server of ours reads (those take 10,000 messages and 32 MiB unless
            ``channel_capacity`` says otherwise).
        channel_capacity: Capacities for some channels; see :class:`BaseChannelLayer`.
        max_message_size: Bytes that one packed message may have.
        clock: Returns the time in seconds; never goes backwards.
    """

    # Where it is imported from: settings, banners and logs name it so.
    __module__ = "channels.layers.inmemory"

    extensions = ["groups", "flush", "statistics"]

    def __init__(
        self,
        expiry: float = DEFAULT_EXPIRY,
        group_expiry: float = DEFAULT_GROUP_EXPIRY,
        capacity: int = DEFAULT_CAPACITY,
        channel_capacity: ChannelCapacity | None = None,
        max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(expiry, group_expiry, capacity, channel_capacity, max_message_size)
        self._store = MemoryStore(self, clock)

    def __str__(self) -> str:
        return f"{type(self).__name__}()"

    # -- messages ------------------------------------------------------------------

    def send(self, channel: str, message: Mapping[str, Any]) -> None:
        """Store a copy of a message; see :meth:`BaseChannelLayer.send`."""
        names.check_channel_name(channel)
        copied, size = packed_copy(message, channel, self.max_message_size)
        self._store.push(channel, [copied], size)

    def receive(
        self, channels: Iterable[str], block: bool = False
    ) -> tuple[str, dict[str, Any]] | tuple[None, None]:
        """Return the oldest message of one of the channels that have any, by chance.

        Args:
            channels: Names to look at; a process-local name must end at its ``!``.
            block: Wait for a message, at most :data:`BLOCK_TIMEOUT` real seconds.

        Raises:
            TypeError: One of the names is invalid.
        """
        order = [names.check_channel_name(name, receive=True) for name in channels]
        random.shuffle(order)
        if block and order:
            found = self._store.waiters.wait(
                order, lambda: self._store.pop_message(order), Waiter(), BLOCK_TIMEOUT
            )
        else:
            found = self._store.pop_message(order)
        return (None, None) if found is None else found

    def new_channel(self, pattern: str) -> str:
        """Return an unused name that starts with ``pattern``.

        Raises:
            AssertionError: The pattern does not end in ``?``.
            TypeError: The name would be invalid.
        """
        if not isinstance(pattern, str) or not pattern.endswith("?"):
            raise AssertionError(f"a pattern for a new channel must end in '?': {pattern!r}")
        while True:
            name = pattern + names.random_part(_NEW_CHANNEL_LETTERS)
            names.check_channel_name(name)
            if not self._store.is_used(name):
                return name

    def send_body(self, channel: str, message: Mapping[str, Any]) -> None:
        """Append a chunk to a response body; see :meth:`BaseChannelLayer.send_body`."""
        names.check_channel_name(channel)
        copied, size = packed_copy(message, channel, self.max_message_size)
        if not self._store.push_body(channel, copied, size):
            # A test client, say: it reads the mailbox and knows of no lists.
            self._store.push(channel, [copied], size)

    def presence(self, channel: str) -> Presence:
        """See :meth:`BaseChannelLayer.presence`; nobody is silent in one process."""
        names.check_channel_name(channel)
        return Presence.GONE if self._store.processes.is_gone(channel) else Presence.HERE

    def listened_on(self) -> frozenset[str]:
        """See :meth:`BaseChannelLayer.listened_on`."""
        entries = self._store.processes.entries()
        return frozenset().union(*(entry.channels for entry in entries))

    # -- groups --------------------------------------------------------------------

    def group_add(self, group: str, channel: str) -> None:
        """Add a channel to a group, or renew its membership for ``group_expiry`` seconds."""
        names.check_group_name(group)
        names.check_channel_name(channel)
        self._store.join(group, channel)

    def group_discard(self, group: str, channel: str) -> None:
        """Remove a channel from a group, if it is in it."""
        names.check_group_name(group)
        names.check_channel_name(channel)
        self._store.leave(group, channel)

    def group_channels(self, group: str) -> list[str]:
        """Return the members of a group, in the order in which they joined."""
        names.check_group_name(group)
        return self._store.members(group)

    def send_group(self, group: str, message: Mapping[str, Any]) -> None:
        """Send a message to every member; full ones are skipped and counted.

        Raises:
            TypeError, AssertionError, MessageTooLarge: As in :meth:`send`.
        """
        names.check_group_name(group)
        copied, size = packed_copy(message, group, self.max_message_size)
        self._store.push_group(group, copied, size)

    # -- legacy private names ----------------------------------------------------------

    @property
    def _channels(self) -> Mapping[str, Sequence[tuple[float, dict[str, Any]]]]:
        """What waits on each channel or mailbox: a copy, to be read.  Warns."""
        _warn("_channels", "channel_statistics(channel)['messages_pending'] or receive(channels)")
        return MappingProxyType({name: tuple(q) for name, q in self._store.contents().items()})

    @property
    def _groups(self) -> Mapping[str, Mapping[str, float]]:
        """The members of each group: a copy, to be read.  Warns."""
        _warn("_groups", "group_channels(group)")
        contents = self._store.group_contents()
        return MappingProxyType({name: MappingProxyType(found) for name, found in contents.items()})

    # -- flush and statistics --------------------------------------------------------

    def flush(self) -> None:
        """Drop all messages, memberships and counters."""
        self._store.flush()

    def global_statistics(self) -> dict[str, int]:
        """Return ``messages_count`` and ``channel_full_count`` of the whole layer."""
        return self._store.total_statistics()

    def channel_statistics(self, channel: str) -> dict[str, int]:
        """Return the counters of a channel (or mailbox), and what waits there.

        The keys are ``messages_count``, ``messages_pending``, ``messages_max_age``
        (whole seconds) and ``channel_full_count``.
        """
        names.check_channel_name(channel)
        return self._store.channel_statistics(channel)

    # -- our own processes -----------------------------------------------------------

    def open_worker(
        self, channels: Collection[str], *, held: Callable[[], Collection[bytes]]
    ) -> InMemoryWorkerClient:
        """Return what a worker thread takes frames with."""
        for name in channels:
            names.check_channel_name(name, receive=True)
        return InMemoryWorkerClient(self._store, channels, held)

    def open_server(self, mailbox: str) -> InMemoryServerClient:
        """Return an interface server's side."""
        return InMemoryServerClient(self._store, mailbox)

    def open_sockets(self, mailbox: str) -> list[SocketEntry]:
        """Return the sockets that an interface server has written down."""
        return self._store.processes.sockets(mailbox)


def _warn(old: str, new: str) -> None:
    warnings.warn(
        f"{old} of the in-memory layer is a private name of asgiref that will go; use {new}",
        DeprecationWarning,
        stacklevel=3,
    )
