"""``enforce_ordering``: a connection's messages one after the other.

Our interface server has one unanswered frame of a connection at a time, and says so
(:attr:`Message.ordered <channels.message.Message.ordered>`): such messages simply run.
The rest of this module is for everything else: other servers, other layers, tests.

There the channel session holds the number of the message whose turn it is.  One that
comes early is *parked* on the connection's wait channel; whoever ends a turn puts all
parked ones back on their own channels.  Nothing stops a connection for good
(known-flaws.md F-10):

=================================  ====================================================
the message whose turn it is       then
=================================  ====================================================
raises                             the turn passes on all the same (``ConsumeLater``
                                   keeps it: the message comes back)
never comes                        the first message that comes :data:`GAP_TIMEOUT` after
                                   the first one was parked gives it up
comes after it was given up        it runs, out of turn: late is better than lost
=================================  ====================================================
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload

from django.contrib.sessions.backends.base import UpdateError

from channels import exceptions
from channels.channel import Channel
from channels.exceptions import ConsumeLater
from channels.message import Message
from channels.sessions.scopes import channel_session_scope
from channels.sessions.stores import channel_session_store
from channels.sessions.wrapping import SKIP, Consumer, wrap

logger = logging.getLogger("django.channels")

#: Key in the channel session: the number of the message whose turn it is.
NEXT_ORDER = "__channels_next_order"

#: How long parked messages wait for one that does not come, in seconds.  Half of the
#: time that a message lives by default, so that they are still there afterwards.
GAP_TIMEOUT = 30.0

_GAP = "__channels_gap"

_T = TypeVar("_T", bound=Callable[..., Any])


@overload
def enforce_ordering(func: Consumer) -> Consumer: ...
@overload
def enforce_ordering(func: None = None, slight: bool = False) -> Callable[[_T], _T]: ...
def enforce_ordering(func: Any = None, slight: bool = False) -> Any:
    """Run a connection's messages in the order in which they were sent; implies channel_session.

    With this project's interface server they are in order anyway, and this costs nothing.
    The consumer's result is dropped.  It raises ``ValueError`` for a message that has
    no ``order``.

    Args:
        func: The consumer.
        slight: Not supported: a connection is accepted before its first message is
            received, which is all that it ensured.

    Raises:
        ValueError: ``slight`` was asked for.
    """
    if slight:
        raise ValueError(
            "slight ordering is no longer an option: receive messages always come after connect"
            " was accepted. Leave the argument out, or use enforce_ordering without it."
        )

    def decorate(consumer: Consumer) -> Consumer:
        return wrap(consumer, in_turn_scope, "enforce_ordering", returns=False)

    return decorate if func is None else decorate(func)


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
    _requeue(message)


@contextlib.contextmanager
def in_turn_scope(message: Message) -> Iterator[object]:
    """Open the channel session, and yield once it is the message's turn, or ``SKIP``.

    Raises:
        ValueError: The message has no ``order``, or no channel session.
        ChannelFull: There is no room to park it, or to put parked ones back.
    """
    with channel_session_scope(message) as session:
        if message.ordered:
            yield None
            return
        if "order" not in message:
            raise ValueError(
                f"a message on channel {message.channel.name!r} has no order: enforce_ordering"
                " is for the messages of a WebSocket"
            )
        order = int(message["order"])
        turn = session.get(NEXT_ORDER, 0)
        if order > turn:
            _park(message, order)
            yield SKIP
        elif order < turn:
            logger.warning("Message %d of %s comes late", order, message.reply_channel.name)
            yield None
        else:
            with _passing_on(message, order + 1):
                yield None


@contextlib.contextmanager
def _passing_on(message: Message, turn: int) -> Iterator[None]:
    """Pass the turn on at the end, unless the message will come again."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, ConsumeLater) or message.__doomed__:
            try:
                _pass_on(message, turn)
            except Exception:
                logger.exception("Could not pass on the turn after a consumer failed")
        raise
    _pass_on(message, turn)


def _pass_on(message: Message, turn: int) -> None:
    session = message.channel_session
    session[NEXT_ORDER] = turn
    try:
        session.save()
    except UpdateError:
        # Someone else ended the session meanwhile.  What was in it stays deleted.
        _set_turn(message, turn)
    session.modified = False
    if _requeue(message):
        _gap_note(message).delete()


def _set_turn(message: Message, turn: int) -> None:
    session = channel_session_store(message.reply_channel.name)
    session[NEXT_ORDER] = turn
    session.save()


# -- parking -------------------------------------------------------------------------


def _park(message: Message, order: int) -> None:
    layer = message.channel.channel_layer
    wait_channel = wait_channel_name(message.reply_channel.name)
    message["original_channel"] = message.channel.name
    try:
        _send(layer, wait_channel, message.content)
    except _full(layer) as error:
        raise layer.ChannelFull(
            f"message {order} of {message.reply_channel.name} came early and is lost: its wait"
            f" channel {wait_channel} is full. The messages before it are stuck or slow."
        ) from error
    # Read again: its turn may have come before it was parked, and then nobody else
    # knows of it.
    turn = message.channel_session.load().get(NEXT_ORDER, 0)
    if turn >= order:
        requeue_messages(message)
    elif _waits_too_long(message, turn):
        _skip_gap(message, turn)


def _requeue(message: Message) -> int:
    """Put parked messages back and return how many there were."""
    layer = message.channel.channel_layer
    wait_channel = wait_channel_name(message.reply_channel.name)
    count = 0
    for content in _take_parked(layer, wait_channel):
        count += 1
        _send_back(layer, wait_channel, content)
    return count


def _take_parked(layer: Any, wait_channel: str) -> Iterator[dict[str, Any]]:
    while True:
        channel, content = layer.receive([wait_channel], block=False)
        if channel is None:
            return
        yield content


def _send_back(layer: Any, wait_channel: str, content: dict[str, Any]) -> None:
    original = content.pop("original_channel")
    try:
        _send(layer, original, content)
    except _full(layer) as error:
        with contextlib.suppress(*_full(layer)):
            _send(layer, wait_channel, {**content, "original_channel": original})
        raise layer.ChannelFull(
            f"channel {original} is full: messages that had waited for their turn on"
            f" {wait_channel} can't be put back and wait on"
        ) from error


def _send(layer: Any, channel: str, content: dict[str, Any]) -> None:
    Channel(channel, channel_layer=layer).send(content, immediately=True)


def _full(layer: Any) -> tuple[type[BaseException], ...]:
    return (layer.ChannelFull, exceptions.ChannelFull)


# -- giving up on a message that does not come -----------------------------------------


def _gap_note(message: Message) -> Any:
    """Return the session in which parkers note since when which message is missing.

    Not the connection's own: the consumer in turn is saving that one.
    """
    return channel_session_store(wait_channel_name(message.reply_channel.name))


def _waits_too_long(message: Message, turn: int) -> bool:
    """Whether the message in turn is missing for too long; notes since when it is."""
    now = time.time()
    note = _gap_note(message)
    missing, since = note.get(_GAP, (None, now))
    if missing == turn:
        return bool(now - since > GAP_TIMEOUT)
    note[_GAP] = (turn, now)
    note.save()
    return False


def _skip_gap(message: Message, turn: int) -> None:
    """Give the turn to the first of the parked messages, and put them all back."""
    layer = message.channel.channel_layer
    wait_channel = wait_channel_name(message.reply_channel.name)
    parked = list(_take_parked(layer, wait_channel))
    if not parked:
        return  # someone else is about to put them back
    parked.sort(key=lambda content: int(content["order"]))
    first = int(parked[0]["order"])
    logger.error(
        "Messages %d to %d of %s did not come; going on without them",
        turn,
        first - 1,
        message.reply_channel.name,
    )
    _set_turn(message, first)
    for content in parked:
        _send_back(layer, wait_channel, content)
    _gap_note(message).delete()
