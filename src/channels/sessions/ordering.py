"""``enforce_ordering``: a connection's messages one after the other.

Our interface server has one unanswered frame of a connection at a time, and says so
(:attr:`Message.ordered <channels.message.Message.ordered>`): such messages simply run.
The rest of this module is for everything else: other servers, other layers, tests.

There the channel session holds the number of the message whose turn it is.  One that
comes early is *parked* (:mod:`channels.sessions.parking`); the end of a turn puts all
parked ones back on their own channels.  Nothing stops a connection for good
(docs/channels1.md#strict-ordering):

=================================  ====================================================
the message whose turn it is       then
=================================  ====================================================
raises                             the turn passes on all the same (``ConsumeLater``
                                   keeps it: the message comes back)
never comes                        it is given up once it must have expired, by the worker
                                   that parked another, or by the next message that comes
comes after it was given up        it runs, out of turn: late is better than lost
=================================  ====================================================
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload

from django.contrib.sessions.backends.base import UpdateError

from channels.exceptions import ConsumeLater
from channels.message import Message
from channels.sessions.parking import NEXT_ORDER, Parked
from channels.sessions.scopes import SKIP, Consumer, channel_session_scope, wrap

logger = logging.getLogger("django.channels")

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
        slight: Deprecated.  It ensured that nothing is received before the connection was
            accepted, which is always so: the consumer only gets the channel session.
    """
    if slight:
        warn_of_slight_ordering("enforce_ordering(slight=True)")

    def decorate(consumer: Consumer) -> Consumer:
        scope = channel_session_scope if slight else in_turn_scope
        return wrap(consumer, scope, "enforce_ordering", returns=False)

    return decorate if func is None else decorate(func)


def warn_of_slight_ordering(what: str, stacklevel: int = 3) -> None:
    """Warn that legacy code asks for what is always so.

    Args:
        what: What asks for it.
        stacklevel: As of :func:`warnings.warn`, from here.
    """
    warnings.warn(
        f"{what} is no longer needed: nothing is received before the connection was accepted, and"
        " the interface server keeps the order of all messages. Remove it, or ask for strict"
        " ordering where messages also come from elsewhere.",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


def order_as_declared(handler: Consumer, owner: Any, name: str) -> Consumer:
    """Return a handler with the ordering that the attributes of its class ask for.

    Args:
        handler: What handles a message.
        owner: The class, or an instance of it, with ``strict_ordering`` and ``slight_ordering``.
        name: The class's dotted name; it is warned of once.
    """
    if owner.slight_ordering and name not in _warned:
        _warned.add(name)
        warn_of_slight_ordering(f"{name}.slight_ordering = True")
    if owner.strict_ordering:
        return enforce_ordering(handler)
    if owner.slight_ordering:
        return wrap(handler, channel_session_scope, "channel_session")
    return handler


_warned: set[str] = set()


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
            Parked(message).park(message, order)
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
    session, parked = message.channel_session, Parked(message)
    session[NEXT_ORDER] = turn
    try:
        session.save()
    except UpdateError:
        # Someone else ended the session meanwhile.  What was in it stays deleted.
        parked.set_turn(turn)
    session.modified = False
    if parked.put_back():
        parked.forget_gap()
