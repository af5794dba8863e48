"""What becomes of bytes that were taken from a queue: a frame, or a refusal.  No I/O."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from channels.layers.faces import Frame
from channels.layers.redis import items, scripts
from channels.layers.redis.commands import Commands
from channels.layers.redis.items import Codec, Undecodable
from channels.layers.redis.scripts import Command

logger = logging.getLogger("channels.layers.redis")


@dataclass(slots=True)
class Refused:
    """A frame that was taken and must not run.

    Attributes:
        channel: Where it was taken from.
        counter: Which counter of the channel it adds to.
        receipt: What its sender waits for, if anything.
    """

    channel: str
    counter: str
    receipt: bytes | None


def open_frame(channel: str, raw: bytes, codec: Codec, now_ms: int) -> Frame | Refused:
    """Return the frame in ``raw``, or why there is none; says so in the log."""
    try:
        head = items.read_frame_head(raw)
        if head.expiry_ms <= now_ms:
            logger.info(
                "dropped a frame of channel %s: nobody took it within %g s",
                channel,
                head.ttl_ms / 1000,
            )
            return Refused(channel, "expired_count", head.receipt)
        return items.read_frame(channel, raw, head, codec)
    except Undecodable as error:
        logger.warning("dropped a frame of channel %s that cannot be read: %s", channel, error)
        return Refused(channel, "undecodable_count", error.receipt)


def answer(commands: Commands, receipt: bytes | None) -> tuple[str, Command] | None:
    """Return the mailbox that waits for a receipt and the command that answers it.

    ``None`` if there is no receipt, or it names no mailbox.
    """
    if receipt is None:
        return None
    try:
        mailbox, item = items.answer_for(receipt)
    except ValueError:
        return None
    if not mailbox.endswith("!"):
        return None
    return mailbox, commands.post(mailbox, (scripts.CONTROL, item))
