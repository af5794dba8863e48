"""What becomes of a message once its consumer has returned or raised.

===================================  ================================================
the consumer                         then
===================================  ================================================
returns                              done
raises ``DenyConnection``            ``{"close": True}`` behind what it queued; on any
                                     other channel than ``websocket.connect`` an error
raises a ``ChannelSocketException``  its ``run(message)``; what that raises is an error
raises ``ConsumeLater``              back to its channel, until its retries are used up
raises anything else                 an error
===================================  ================================================

An error is logged and the message counts as done: its receipt is answered.  A client that still
waits for its first answer gets one (:func:`rescue`, docs/channels1.md#handshakes).
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from channels import conf
from channels.exceptions import (
    ChannelFull,
    ChannelSocketException,
    ConsumeLater,
    DenyConnection,
    LayerUnavailable,
)
from channels.layers.clients import Operation, Send
from channels.message import Message
from channels.names import CONSUMER, FAILED
from channels.outbox import pending_message_store
from channels.replies import problem_when_open
from channels.utils import name_that_thing

logger = logging.getLogger("django.channels")

#: Keys of a reply that decide a handshake: any of them accepts or refuses it.
_DECIDES_HANDSHAKE = frozenset({"accept", "close", "text", "bytes"})

#: Channels of messages whose reply channel is a socket's.
_OF_SOCKETS = frozenset({"websocket.connect", "websocket.receive", "websocket.disconnect"})

#: Ends the wait for a response, or the response if one has begun already.
_ERROR_REPLY: dict[str, Any] = {
    "status": 500,
    "headers": [(b"Content-Type", b"text/plain")],
    "content": b"Internal Server Error",
    "more_content": False,
    FAILED: True,
}


def accept_if_asked(message: Message) -> None:
    """Accept a socket whose consumer has returned without deciding, if the settings ask for it.

    The acceptance goes first: before 1.0 a socket was open when its consumer ran.
    """
    reply = message.reply_channel
    if (
        message.channel.name == "websocket.connect"
        and reply is not None
        and conf.implicit_accept()
        and not any(
            isinstance(sent, Send)
            and sent.channel == reply.name
            and ("accept" in sent.message or sent.message.get("close"))
            for _, sent in pending_message_store.kept()
        )
    ):
        accept = Send(reply.name, {"accept": True})
        pending_message_store.keep(reply.channel_layer, accept, first=True)


def judge(error: BaseException, message: Message, consumer: object, retries: int) -> str:
    """Act on what a consumer raised, while its sends are still being collected.

    Returns:
        ``"done"``, ``"later"`` (put it back) or ``"failed"`` (see :func:`rescue`).
    """
    if isinstance(error, ConsumeLater):
        return _count_retry(message, retries, consumer)
    if isinstance(error, DenyConnection) and message.channel.name == "websocket.connect":
        if message.reply_channel is not None:
            message.reply_channel.send({"close": True})
            return "done"
    elif isinstance(error, ChannelSocketException):
        try:
            error.run(message)
        except BaseException as second:
            error = second
        else:
            return "done"
    log_error(error, consumer)
    return "failed"


def log_error(error: BaseException, consumer: object) -> None:
    """Log what user code raised, with its traceback."""
    logger.error(
        "Error processing message with consumer %s:", name_that_thing(consumer), exc_info=error
    )


def _count_retry(message: Message, retries: int, consumer: object) -> str:
    content = message.content
    before = content.get("__retries__", 0)
    content["__retries__"] = count = before + 1 if isinstance(before, int) else 1
    if count <= retries:
        return "later"
    logger.warning(
        "Exceeded number of retries for message with consumer %s: %.100r",
        name_that_thing(consumer),
        content,
    )
    return "failed"


def rescue(message: Message, sends: list[Operation]) -> None:
    """Refuse a handshake that was not decided, answer a request that was not begun with a 500.

    Only what was queued is known here: what accepts at once and then fails is closed.
    """
    reply = message.reply_channel
    if reply is None:
        return
    channel = message.channel.name
    if channel == "websocket.connect" and not _answered(sends, reply.name, _DECIDES_HANDSHAKE):
        sends.append(Send(reply.name, {"close": True}))
    elif channel == "http.request" and not _answered(sends, reply.name, frozenset({"status"})):
        sends.append(Send(reply.name, dict(_ERROR_REPLY)))


def sign_malformed(send: Send, message: Message, consumer: object) -> Send:
    """Return a reply with the consumer's name on it if the server will find it malformed.

    Only the server sees what a reply does, and only here is it known whose it is.
    """
    if "!" not in send.channel:
        return send  # not a server's: what reads there would find a key that was not sent
    content, channel = send.message, message.channel.name
    if channel == "http.request":
        malformed = "status" not in content  # or a later part of a response: no matter
    else:
        malformed = channel in _OF_SOCKETS and problem_when_open(content) is not None
    if not malformed or FAILED in content:
        return send
    return Send(send.channel, {**content, CONSUMER: name_that_thing(consumer)})


def last_word(
    channel: str, content: Mapping[str, Any], refused: Iterable[tuple[Operation, Exception]]
) -> list[Operation]:
    """Return what ends the wait of a client whose reply cannot travel, as it is too large or odd.

    Through a full mailbox, or while the layer is away, a further message would fare no better.
    """
    reply = content.get("reply_channel")
    spoilt = any(
        isinstance(send, Send)
        and send.channel == reply
        and not isinstance(error, ChannelFull | LayerUnavailable)
        for send, error in refused
    )
    if spoilt and channel == "http.request":
        return [Send(str(reply), dict(_ERROR_REPLY))]
    if spoilt and channel in ("websocket.connect", "websocket.receive"):
        return [Send(str(reply), {FAILED: True})]
    return []


def _answered(sends: list[Operation], reply: str, keys: frozenset[str]) -> bool:
    return any(
        isinstance(send, Send) and send.channel == reply and not keys.isdisjoint(send.message)
        for send in sends
    )


def is_real_interrupt(error: BaseException) -> bool:
    """Whether this is Ctrl-C that a person pressed, not ``KeyboardInterrupt`` raised by user code.

    A worker with signal handlers never sees one: its handler takes the signal.
    """
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
