"""What becomes of bytes that were taken from a queue: a frame, or a refusal.  No I/O."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from channels.layers.clients import EXPIRED, UNREADABLE, Frame
from channels.layers.redis.wire import items, scripts
from channels.layers.redis.wire.commands import Commands
from channels.layers.redis.wire.items import Codec, Undecodable
from channels.layers.redis.wire.scripts import Command
from channels.seldom import Seldom

logger = logging.getLogger("channels.layers.redis")

_seldom = Seldom()


@dataclass(slots=True)
class Refused:
    """A frame that was taken and must not run.

    Attributes:
        channel: Where it was taken from.
        cause: ``EXPIRED`` or ``UNREADABLE``.
        receipt: What its sender waits for, if anything.
    """

    channel: str
    cause: str
    receipt: bytes | None

    @property
    def counter(self) -> str:
        """Which counter of the channel it adds to."""
        return "expired_count" if self.cause == EXPIRED else "undecodable_count"


def open_frame(channel: str, raw: bytes, codec: Codec, now_ms: int) -> Frame | Refused:
    """Return the frame in ``raw``, or why there is none; says so in the log."""
    try:
        head = items.read_frame_head(raw)
        if head.expiry_ms <= now_ms:
            if _seldom.due((EXPIRED, channel)):
                logger.warning(
                    "dropped a frame of channel %s, and maybe more: nobody took it within %g s."
                    " The workers are too few or too slow, or were away",
                    channel,
                    head.ttl_ms / 1000,
                )
            return Refused(channel, EXPIRED, head.receipt)
        return items.read_frame(channel, raw, head, codec)
    except Undecodable as error:
        logger.warning("dropped a frame of channel %s that cannot be read: %s", channel, error)
        return Refused(channel, UNREADABLE, error.receipt)


def answer(
    commands: Commands, receipt: bytes | None, cause: str = ""
) -> tuple[str, Command] | None:
    """Return the mailbox that waits for a receipt and the command that answers it.

    Args:
        commands: Builds the command.
        receipt: Of the frame.
        cause: Why it was dropped; nothing if it has run.

    Returns:
        ``None`` if there is no receipt, or it names no mailbox.
    """
    if receipt is None:
        return None
    try:
        mailbox, item = items.answer_for(receipt, cause)
    except ValueError:
        return None
    if not mailbox.endswith("!"):
        return None
    return mailbox, commands.post(mailbox, (scripts.CONTROL, item))
