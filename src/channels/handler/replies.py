"""Sends the replies to one HTTP request, each as early as it helps the client.

A response that is complete in one reply leaves first in the consumer's flush,
in one round trip with everything else.  The replies of a longer one leave at
once.  Past :data:`MAILBOX_SHARE` they leave through the layer's list for response bodies, so
that one slow client does not fill the mailbox that it shares with the others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from channels import exceptions
from channels.asgi import ChannelLayerWrapper
from channels.handler.presence import ClientWatch
from channels.layers.base import DEFAULT_EXPIRY, is_customised
from channels.names import is_process_local
from channels.outbox import count_dropped, pending_message_store

logger = logging.getLogger("django.channels")

#: Bytes of a response's content that may go through the server's mailbox.
MAILBOX_SHARE = 1024 * 1024

#: First pause between two tries while there is no room and the longest, in
#: seconds; each is half as long again.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5

BodySend = Callable[[str, Mapping[str, Any]], None]


class ReplySender:
    """Sends the replies to one request, in order.

    Args:
        reply_channel: The request's.
        leaves: Whether the worker waits no longer for the response.
        clock: Monotonic time, in seconds.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        reply_channel: Any,
        leaves: Callable[[], bool] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._channel = reply_channel
        self._clock = clock
        self._sleep = sleep
        self._watch = ClientWatch(reply_channel, clock=clock)
        self._leaves = leaves
        self._sent = 0
        self._body_send: BodySend | None = None

    def send(self, reply: dict[str, Any]) -> bool:
        """Send a reply, or have it sent first when the consumer ends.

        While there is no room for it, it waits: until a message would have
        expired (docs/channels1.md#replies-that-find-no-room).
        Then it is logged, counted and dropped.  A reply that
        nobody waits for any more is just dropped.

        Returns:
            Whether the response may go on; False once a reply was dropped.

        Raises:
            LayerUnavailable: It may or may not have been sent.
        """
        if self._is_whole(reply) and pending_message_store.keep_first(self._channel, reply):
            return True
        if not self._is_whole(reply) and self._watch.gone():
            logger.debug("Nobody waits at %s any more", self._channel.name)
            return False
        size = len(reply.get("content", b""))
        # The first reply, which has the status, always takes the common way;
        # behind the first that did not, all others must follow.
        if self._body_send is None and self._sent and self._sent + size > MAILBOX_SHARE:
            self._body_send = _find_body_send(self._channel)
        self._sent += size
        return self._send_patiently(reply)

    @staticmethod
    def _is_whole(reply: Mapping[str, Any]) -> bool:
        return "status" in reply and not reply.get("more_content")

    def _send_patiently(self, reply: dict[str, Any]) -> bool:
        layer = self._channel.channel_layer
        full = (exceptions.ChannelFull, getattr(layer, "ChannelFull", exceptions.ChannelFull))
        pause = FIRST_PAUSE
        deadline = None
        while True:
            try:
                self._send_once(reply)
            except full:
                now = self._clock()
                if deadline is None:
                    deadline = now + getattr(layer, "expiry", DEFAULT_EXPIRY)
                if now >= deadline:
                    break
                if self._watch.gone() or (self._leaves is not None and self._leaves()):
                    return False
                self._sleep(min(pause, deadline - now))
                pause = min(pause * 1.5, LONGEST_PAUSE)
            else:
                return True
        logger.error("Dropped the rest of a response: %s stays full", self._channel.name)
        count_dropped("full")
        return False

    def _send_once(self, reply: dict[str, Any]) -> None:
        if self._body_send is None:
            self._channel.send(reply, immediately=True)
        else:
            self._body_send(self._channel.name, reply)


def _find_body_send(channel: Any) -> BodySend | None:
    """Return the layer's way for long bodies; None if it has none or wants to see each send."""
    layer = channel.channel_layer
    if isinstance(layer, ChannelLayerWrapper):
        if layer.replaced_methods():
            return None
        layer = layer.channel_layer
    if is_customised(layer) or not is_process_local(str(channel.name)):
        return None
    found: BodySend | None = getattr(layer, "send_body", None)
    return found
