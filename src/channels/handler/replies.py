"""The replies to one HTTP request, each sent as early as it helps the client, while it is there.

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
from channels.backoff import Backoff
from channels.exceptions import LayerUnavailable
from channels.layers.base import DEFAULT_EXPIRY, Presence, is_customised
from channels.layers.clients import HEARTBEAT_INTERVAL, Send
from channels.names import is_process_local
from channels.outbox import count_dropped, pending_message_store

logger = logging.getLogger("django.channels")

#: Bytes of a response's content that may go through the server's mailbox.
MAILBOX_SHARE = 1024 * 1024

#: How often the layer is asked at most, in seconds.
LOOK_INTERVAL = 0.5

#: How long an interface server may be without a heartbeat before it counts as dead, in seconds:
#: after an outage of the layer all of them are, until they write the next one.
SILENCE = 2 * HEARTBEAT_INTERVAL + 1

BodySend = Callable[[str, Mapping[str, Any]], None]


class ClientMonitor:
    """Tells whether the client of a request is still there.  Not thread-safe.

    The interface server marks the reply channel of a request that ended before its response was
    complete: the client went away, or its time was up.  Streaming asks now and then, so an
    endless response ends with its client; a response complete in one message asks nothing.

    Args:
        reply_channel: The request's; ``None`` if there is none.
        clock: Monotonic time, in seconds.
    """

    def __init__(self, reply_channel: Any, *, clock: Callable[[], float] = time.monotonic) -> None:
        layer = getattr(reply_channel, "channel_layer", None)
        self._presence: Callable[[str], Presence] | None = getattr(layer, "presence", None)
        self._channel = str(reply_channel)
        self._clock = clock
        # The first look is due at once: the request may have waited longer than its client.
        self._looked = clock() - LOOK_INTERVAL
        self._silent_since: float | None = None
        self._gone = False

    def gone(self) -> bool:
        """Return True once the client does not wait for the response any more.

        False while that is not known: the layer does not answer, or is one that can't tell.
        """
        if self._gone or self._presence is None:
            return self._gone
        now = self._clock()
        if now - self._looked < LOOK_INTERVAL:
            return False
        self._looked = now
        try:
            presence = self._presence(self._channel)
        except LayerUnavailable:
            return False
        if presence is not Presence.SILENT:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
        self._gone = presence is Presence.GONE or (
            self._silent_since is not None and now - self._silent_since >= SILENCE
        )
        return self._gone


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
        self._client = ClientMonitor(reply_channel, clock=clock)
        self._leaves = leaves
        self._sent = 0
        self._body_send: BodySend | None = None

    def send(self, reply: dict[str, Any]) -> bool:
        """Send a reply, or have it sent first when the consumer ends.

        While there is no room for it, it waits: until a message would have
        expired (docs/channels1.md#replies-that-find-no-room).
        Then it is logged, counted and dropped.  A reply whose
        client is gone is just dropped.

        Returns:
            Whether the response may go on; False once a reply was dropped.

        Raises:
            LayerUnavailable: It may or may not have been sent.
        """
        whole = "status" in reply and not reply.get("more_content")
        channel = self._channel
        operation = Send(channel.name, reply)
        if whole and pending_message_store.keep(channel.channel_layer, operation, first=True):
            return True
        if not whole and self._client.gone():
            logger.debug("Nobody waits at %s any more", self._channel.name)
            return False
        size = len(reply.get("content", b""))
        # The first reply, which has the status, always takes the common way;
        # behind the first that did not, all others must follow.
        if self._body_send is None and self._sent and self._sent + size > MAILBOX_SHARE:
            self._body_send = _find_body_send(self._channel)
        self._sent += size
        return self._send_patiently(reply)

    def _send_patiently(self, reply: dict[str, Any]) -> bool:
        layer = self._channel.channel_layer
        full = (exceptions.ChannelFull, getattr(layer, "ChannelFull", exceptions.ChannelFull))
        backoff = Backoff(0.05, 0.5, growth=1.5, spread=0)
        deadline = None
        while True:
            try:
                if self._body_send is None:
                    self._channel.send(reply, immediately=True)
                else:
                    self._body_send(self._channel.name, reply)
            except full:
                now = self._clock()
                if deadline is None:
                    deadline = now + getattr(layer, "expiry", DEFAULT_EXPIRY)
                if now >= deadline:
                    break
                if self._client.gone() or (self._leaves is not None and self._leaves()):
                    return False
                self._sleep(min(backoff.pause(), deadline - now))
            else:
                return True
        logger.error("Dropped the rest of a response: %s stays full", self._channel.name)
        count_dropped("full")
        return False


def _find_body_send(channel: Any) -> BodySend | None:
    """Return the layer's way for long bodies; None if it has none or wants to see each send."""
    layer = channel.channel_layer
    if is_customised(layer) or not is_process_local(str(channel.name)):
        return None
    layer = getattr(layer, "channel_layer", layer)
    found: BodySend | None = getattr(layer, "send_body", None)
    return found
