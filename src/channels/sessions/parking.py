"""Early messages of a connection: parked, and put back on the channels that they came from.

They wait on the connection's *wait channel*.  The end of a turn puts them back
(:func:`requeue_messages`); the first whose turn it is runs, the others are parked again.

If the message in turn never comes, nobody ends its turn.  It is given up once it must
have expired: after the layer's ``expiry``.  So the worker that parks a message puts it back
a few times before that, which also renews its own life; and as it stops, for another worker
to look after.  Without a worker (tests, loops of one's own) only the next early message
looks.

A consumer that runs for longer than ``expiry`` can't be told from a message that was lost:
it is overtaken.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from channels import exceptions
from channels.channel import Channel
from channels.message import Message
from channels.sessions.stores import channel_session_store

logger = logging.getLogger("django.channels")

#: Key in the channel session: the number of the message whose turn it is.
NEXT_ORDER = "__channels_next_order"

#: How long messages live on a layer that does not tell, in seconds.
DEFAULT_EXPIRY = 60.0

#: How often a worker puts back what it has parked while that would live.  An idle one may
#: be a few seconds late.
LOOKS = 3

#: How much later it does so, in seconds: the last look comes after the note of a gap has
#: grown old enough, whichever clock it was written by.
GRACE = 1.0

_GAP = "__channels_gap"


def wait_channel_name(reply_channel: str) -> str:
    """Return the channel on which a connection's early messages wait.

    >>> wait_channel_name("web.Zk81!Qx3f")
    '__wait__.web.Zk81?Qx3f'
    """
    # A "?" name: any process may read it, not only the one that owns the connection.
    return f"__wait__.{reply_channel.replace('!', '?')}"


def requeue_messages(message: Message) -> None:
    """Put all parked messages of a connection back on the channels that they came from.

    Raises:
        ChannelFull: One of them has no room there; it and the rest stay parked.
    """
    Parked(message).put_back()


class Parked:
    """The parked messages of one connection.

    Args:
        message: Any message of the connection.
    """

    def __init__(self, message: Message) -> None:
        self._layer = message.channel.channel_layer
        self._name = message.reply_channel.name
        self._wait_channel = wait_channel_name(self._name)

    def park(self, message: Message, order: int) -> None:
        """Let a message wait for its turn.

        Raises:
            ChannelFull: There is no room to wait; or its turn has come meanwhile, and
                there is no room to put the parked ones back.
        """
        message["original_channel"] = message.channel.name
        try:
            self._send(self._wait_channel, message.content)
        except self._full as error:
            raise self._layer.ChannelFull(
                f"message {order} of {self._name} came early and is lost: its wait channel"
                f" {self._wait_channel} is full. The messages before it are stuck or slow."
            ) from error
        if message.worker_timers is not None:
            due = time.time() + self._expiry() / LOOKS + GRACE
            message.worker_timers.set((Parked, self._name), due, self.look_after)
        # Read again: its turn may have come before it was parked, and then nobody else
        # knows of it.
        turn = message.channel_session.load().get(NEXT_ORDER, 0)
        if turn >= order:
            requeue_messages(message)
        elif self._waits_too_long(turn):
            self._skip_to_first(turn)

    def put_back(self) -> int:
        """Put all of them back and return how many there were.

        Raises:
            ChannelFull: As of :func:`requeue_messages`.
        """
        count = 0
        for content in self._take():
            count += 1
            self._send_back([content])
        return count

    def look_after(self, stopping: bool) -> None:
        """Put back what still waits, without the message in turn if that is missing for too long.

        Args:
            stopping: The worker ends, and only wants others to look after them.

        Raises:
            ChannelFull: Some have no room; these stay parked.
        """
        if not stopping:
            turn = channel_session_store(self._name).get(NEXT_ORDER, 0)
            missing, since = self._gap_note().get(_GAP, (None, 0))
            if missing == turn and self._too_long(since):
                self._skip_to_first(turn)
                return
        self.put_back()

    def set_turn(self, turn: int) -> None:
        """Say whose turn it is, whatever else is in the channel session."""
        session = channel_session_store(self._name)
        session[NEXT_ORDER] = turn
        session.save()

    def forget_gap(self) -> None:
        """Forget since when a message is missing."""
        self._gap_note().delete()

    # -- giving up on a message that does not come ---------------------------------------

    def _gap_note(self) -> Any:
        """Return the session in which parkers note since when which message is missing.

        Not the connection's own: the consumer in turn is saving that one.
        """
        return channel_session_store(self._wait_channel)

    def _expiry(self) -> float:
        return float(getattr(self._layer, "expiry", DEFAULT_EXPIRY))

    def _too_long(self, since: float) -> bool:
        return time.time() - since > self._expiry()

    def _waits_too_long(self, turn: int) -> bool:
        """Whether the message in turn is missing for too long; notes since when it is."""
        note = self._gap_note()
        missing, since = note.get(_GAP, (None, 0))
        if missing == turn:
            return self._too_long(since)
        note[_GAP] = (turn, time.time())
        note.save()
        return False

    def _skip_to_first(self, turn: int) -> None:
        """Give the turn to the first of the parked messages, and put them all back."""
        parked = list(self._take())  # all at once: another worker that does the same gets none
        if not parked:
            return
        parked.sort(key=lambda content: int(content["order"]))
        first = int(parked[0]["order"])
        if first > turn:  # else a turn has just ended
            logger.error(
                "Messages %d to %d of %s did not come; going on without them",
                turn,
                first - 1,
                self._name,
            )
            try:
                self.set_turn(first)
            except BaseException:
                self._park_again(parked)
                raise
        self._send_back(parked)
        self.forget_gap()

    # -- moving them ---------------------------------------------------------------------

    def _take(self) -> Iterator[dict[str, Any]]:
        while True:
            channel, content = self._layer.receive([self._wait_channel], block=False)
            if channel is None:
                return
            yield content

    def _send_back(self, parked: Sequence[dict[str, Any]]) -> None:
        for position, content in enumerate(parked):
            original = content.pop("original_channel")
            try:
                self._send(original, content)
            except self._full as error:
                content["original_channel"] = original
                self._park_again(parked[position:])
                raise self._layer.ChannelFull(
                    f"channel {original} is full: messages that had waited for their turn on"
                    f" {self._wait_channel} can't be put back and wait on"
                ) from error
            except BaseException:  # this one may have arrived; the others have not
                self._park_again(parked[position + 1 :])
                raise

    def _park_again(self, parked: Sequence[dict[str, Any]]) -> None:
        for content in parked:
            try:
                self._send(self._wait_channel, content)
            except Exception:
                logger.exception(
                    "Lost message %s of %s, which had waited for its turn: it can be neither"
                    " put back nor parked again",
                    content.get("order"),
                    self._name,
                )

    def _send(self, channel: str, content: dict[str, Any]) -> None:
        Channel(channel, channel_layer=self._layer).send(content, immediately=True)

    @property
    def _full(self) -> tuple[type[BaseException], ...]:
        return (self._layer.ChannelFull, exceptions.ChannelFull)
