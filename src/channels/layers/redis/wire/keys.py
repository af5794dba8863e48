"""Names of everything that the layer keeps in Redis.

Keys are tagged (the part in braces) by who owns them, because on a Redis Cluster
only keys with one tag can be used by one script, and a tag can't be changed later:
all shared queues of a host have one tag, everything of a process has the tag of
that process, group -> processes has the tag of the group.  With ``P`` for the
prefix and ``S`` for the prefix of statistics:

=========================== ====== ==============================================
``P{q}:<channel>``          LIST   frames that wait on a shared or ``?`` channel
``P{p!}:mail``              LIST   the mailbox of process ``p!``
``P{p!}:meta``              HASH   its counters, see :mod:`channels.layers.redis.wire.scripts`
``P{p!}:group:<group>``     ZSET   local part -> expiry, in Redis milliseconds
``P{p!}:groups``            SET    groups with members in this process
``P{p!}:sockets``           HASH   local part -> msgpack ``[path, connected_at]``
``P{p!}:body:<local>``      LIST   response chunks; stamp and payload in turn
``P{p!}:gone:<local>``      STRING what the channel led to is gone
``P{g:<group>}``            ZSET   ``p!`` or the name of a member -> expiry
``P{<name>}:entry``         HASH   a process in the registry
``P{q}:#hand#:<worker>``    LIST   number, queue and frames of the last take of a pool's worker
``Pprocesses``              ZSET   process -> Redis milliseconds of its heartbeat
``Pepoch``                  STRING random; made anew when Redis lost its memory
``S{q}:<channel>``          HASH   counters of a queue; ``#global#`` for all queues
``Smailboxes``              SET    mailboxes whose counters ``global_statistics`` adds
``channels-classic:tiers``  ZSET   settings of every process, whatever its prefix -> its time
=========================== ====== ==============================================
"""

from __future__ import annotations

#: Stands for all queues of a host in the statistics; no valid channel name.
GLOBAL_STATISTICS = "#global#"

#: Where all processes that share a Redis find each other, whatever their prefixes.
TIERS = "channels-classic:tiers"


class Keys:
    """Builds keys from a prefix that separates layers on one Redis, and the same for statistics.

    With ``""`` for the last part, ``members`` and ``body`` are what such keys start with.
    """

    def __init__(self, prefix: str = "asgi:", stats_prefix: str = "asgi-meta:") -> None:
        self.prefix = prefix
        self.stats_prefix = stats_prefix
        self._queue = f"{prefix}{{q}}:"
        self._statistics = f"{stats_prefix}{{q}}:"
        self.global_statistics = self._statistics + GLOBAL_STATISTICS
        self.processes = f"{prefix}processes"
        self.epoch = f"{prefix}epoch"
        self.mailboxes = f"{stats_prefix}mailboxes"

    def queue(self, channel: str) -> str:
        return self._queue + channel

    def channel(self, queue: str) -> str:
        """Return the channel that a queue's key belongs to."""
        return queue[len(self._queue) :]

    def hand(self, worker: str) -> str:
        return f"{self._queue}#hand#:{worker}"

    def statistics(self, channel: str) -> str:
        return self._statistics + channel

    def mail(self, mailbox: str) -> str:
        return f"{self.prefix}{{{mailbox}}}:mail"

    def meta(self, mailbox: str) -> str:
        return f"{self.prefix}{{{mailbox}}}:meta"

    def members(self, mailbox: str, group: str) -> str:
        return f"{self.prefix}{{{mailbox}}}:group:{group}"

    def groups(self, mailbox: str) -> str:
        return f"{self.prefix}{{{mailbox}}}:groups"

    def sockets(self, mailbox: str) -> str:
        return f"{self.prefix}{{{mailbox}}}:sockets"

    def body(self, mailbox: str, local: str) -> str:
        return f"{self.prefix}{{{mailbox}}}:body:{local}"

    def gone(self, mailbox: str, local: str) -> str:
        return f"{self.prefix}{{{mailbox}}}:gone:{local}"

    def group(self, group: str) -> str:
        return f"{self.prefix}{{g:{group}}}"

    def entry(self, name: str) -> str:
        return f"{self.prefix}{{{name}}}:entry"
