"""What Redis must do in one step: pushes with their capacity, and changes of membership.

The texts are in ``lua/``, one file a script: what it does, its KEYS and ARGV, and what it
returns stand at its head.  Each :class:`Script` turns keys and arguments to a command for a
pipeline (``EVALSHA``); the connection answers ``NOSCRIPT`` by loading the text and
repeating that one call.  All keys of one call share a tag, so everything runs on a
Redis Cluster too; where a script makes up key names itself, the part in front is
passed as a key.

Fields of ``meta``, the counters of a mailbox:

=============== ==================================================================
``pm`` ``pb``   messages and bytes ever pushed (not control items); never reset
``tm`` ``tb``   the same of the last item that the reader took, written by the reader
``number``      changes of membership
``cap`` ``capb``  capacity in messages and bytes, written by an interface server
``full``        messages refused because the mailbox was full
``skipped``     group messages skipped for the same reason
``dropped``     messages dropped: full, and the process has no heartbeat
``expired``     messages that were not taken in time, as far as scripts saw them
=============== ==================================================================

What waits is ``pm - tm``, but never more than the list is long.  Times are Redis
milliseconds, and every script reads the clock once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files

Argument = str | bytes | int | float
Command = tuple[Argument, ...]

#: How long counters of one queue, and those of all queues of a host, are kept after
#: their last change, in seconds (docs/channels1.md#redis-layer).
CHANNEL_STATISTICS_EXPIRY = 3600
GLOBAL_STATISTICS_EXPIRY = 86400

#: The same of a channel with one reader, in seconds.  Each large request body has one of its
#: own, so an hour would pile up a key for each upload.
BRIEF_STATISTICS_EXPIRY = 60

#: How much longer than its last frame a queue lives, in milliseconds: a worker that comes in
#: that time answers the receipts of frames that expired.
GRACE_MS = 60_000

#: Class of an item for :data:`PUSH_MAILBOX`: refused when full; skipped when full;
#: never refused.
MESSAGE, GROUP, CONTROL = b"m", b"g", b"c"

_FOLDER = files("channels.layers.redis.wire") / "lua"


class Script:
    """One Lua script, put together of files in ``lua/``: what it uses, then itself.

    It knows ``constants`` by these names.
    """

    def __init__(self, *names: str, **constants: int) -> None:
        known = "".join(f"local {name} = {value}\n" for name, value in constants.items())
        parts = (_FOLDER.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
        self.text = known + "".join(parts)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], *arguments: Argument) -> Command:
        """Return the command that runs it."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)

    def load(self) -> Command:
        """Return the command that loads it."""
        return ("SCRIPT", "LOAD", self.text)


PUSH_QUEUE = Script(
    "clock",
    "keep",
    "push_queue",
    GRACE_MS=GRACE_MS,
    CHANNEL_STATISTICS_EXPIRY=CHANNEL_STATISTICS_EXPIRY,
    GLOBAL_STATISTICS_EXPIRY=GLOBAL_STATISTICS_EXPIRY,
    BRIEF_STATISTICS_EXPIRY=BRIEF_STATISTICS_EXPIRY,
)
TAKE = Script("take")
GIVE_BACK = Script("clock", "keep", "put_back", "give_back", GRACE_MS=GRACE_MS)
CLAIM_HAND = Script("clock", "keep", "put_back", "claim_hand", GRACE_MS=GRACE_MS)
PUSH_MAILBOX = Script("clock", "keep", "push_mailbox")
JOIN = Script("clock", "keep", "short", "change", "join")
LEAVE = Script("clock", "keep", "short", "change", "leave")
SNAPSHOT = Script("snapshot")
RESTORE = Script("restore")
POP_MAILBOX = Script("clock", "keep", "short", "pop_mailbox")
SEND_BODY = Script("clock", "keep", "send_body")
FIND_RECEIPTS = Script("find_receipts")

#: All of them, to be loaded first thing on a new connection.
ALL = (
    PUSH_QUEUE,
    TAKE,
    GIVE_BACK,
    CLAIM_HAND,
    PUSH_MAILBOX,
    JOIN,
    LEAVE,
    SNAPSHOT,
    RESTORE,
    POP_MAILBOX,
    SEND_BODY,
    FIND_RECEIPTS,
)

BY_SHA = {script.sha: script for script in ALL}
