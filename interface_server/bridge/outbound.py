"""From the mailbox to sockets and requests, in the order of the mailbox."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from channels.interface_server.bridge.groups import fan_out
from channels.interface_server.bridge.http import HttpExchange
from channels.interface_server.bridge.state import BridgeState
from channels.layers.clients import (
    GroupMessage,
    Item,
    Joined,
    MoreBody,
    NotRun,
    Receipt,
    Reply,
    Unread,
)

log = logging.getLogger(__name__)


class Outbound:
    """Hands each item to whom it is for; nothing that one of them raises stops the others."""

    def __init__(self, state: BridgeState) -> None:
        self._state = state

    def deliver(self, items: Sequence[Item]) -> None:
        """Carry out the items, in order."""
        state = self._state
        recipients = state.recipients
        in_flight = state.in_flight
        strangers: list[tuple[str, str]] = []
        for item in items:
            try:
                if type(item) is Reply:
                    recipient = recipients.get(item.local)
                    if recipient is not None:
                        recipient.reply(item.message)
                    else:
                        self._to_nobody(item)
                elif type(item) is Receipt:
                    owner = in_flight.pop(item.number, None)
                    if owner is None:
                        self._other_receipt(item.number)
                        continue
                    channel = owner.channel
                    state.ran.add(channel)
                    owner.answered(item.number)
                    if state.waitlists.by_channel:
                        state.waitlists.room(channel)
                elif type(item) is GroupMessage:
                    fan_out(state, item)
                elif type(item) is Joined:
                    if item.local not in recipients:
                        strangers.append((item.group, item.local))
                elif type(item) is MoreBody:
                    self._more_body(item.local)
                elif type(item) is NotRun:
                    state.give_up(item.number, item.cause)
                elif type(item) is Unread:
                    recipient = recipients.get(item.local)
                    if recipient is not None:
                        recipient.unread(item.cause)
            except Exception:
                self._broken(item)
        if strangers:
            state.layer.forget(strangers)

    def _other_receipt(self, number: int) -> None:
        state = self._state
        owner = state.disconnects.pop(number, None) or state.chunks.pop(number, None)
        if owner is None:
            state.counters.late_receipts += 1
        else:
            channel = owner.channel
            owner.answered(number)
            state.waitlists.room(channel)

    def _to_nobody(self, reply: Reply) -> None:
        state = self._state
        state.counters.unknown += 1
        log.debug("a reply to %s, who is gone, is dropped", reply.local)
        message = reply.message
        if isinstance(message, Mapping) and message.get("more_content"):
            state.layer.gone(reply.local)  # its sender has not heard, or forgotten

    def _more_body(self, local: str) -> None:
        recipient = self._state.recipients.get(local)
        if isinstance(recipient, HttpExchange):
            recipient.more_body()
        elif recipient is None:
            self._state.layer.gone(local)

    def _broken(self, item: Item) -> None:
        """End the one socket or request that an item of the mailbox broke."""
        recipient = self._state.recipients.get(getattr(item, "local", ""))
        if recipient is not None:
            self._state.broken(recipient)
        else:
            log.exception("%s: could not be delivered", type(item).__name__)
