"""From the mailbox to sockets and requests, in the order of the mailbox."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from channels.interface_server.bridge.groups import fan_out
from channels.interface_server.bridge.http import HttpExchange
from channels.interface_server.bridge.state import Core
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

    def __init__(self, core: Core) -> None:
        self._core = core

    def deliver(self, items: Sequence[Item]) -> None:
        """Carry out the items, in order."""
        core = self._core
        links = core.links
        in_flight = core.in_flight
        strangers: list[tuple[str, str]] = []
        for item in items:
            try:
                if type(item) is Reply:
                    link = links.get(item.local)
                    if link is not None:
                        link.reply(item.message)
                    else:
                        self._to_nobody(item)
                elif type(item) is Receipt:
                    owner = in_flight.pop(item.number, None)
                    if owner is None:
                        self._other_receipt(item.number)
                        continue
                    channel = owner.channel
                    core.ran.add(channel)
                    owner.answered(item.number)
                    if core.lines.by_channel:
                        core.lines.room(channel)
                elif type(item) is GroupMessage:
                    fan_out(core, item)
                elif type(item) is Joined:
                    if item.local not in links:
                        strangers.append((item.group, item.local))
                elif type(item) is MoreBody:
                    self._more_body(item.local)
                elif type(item) is NotRun:
                    core.give_up(item.number, item.cause)
                elif type(item) is Unread:
                    link = links.get(item.local)
                    if link is not None:
                        link.unread(item.cause)
            except Exception:
                self._broken(item)
        if strangers:
            core.layer.forget(strangers)

    def _other_receipt(self, number: int) -> None:
        core = self._core
        owner = core.farewells.pop(number, None) or core.chunks.pop(number, None)
        if owner is None:
            core.counters.late_receipts += 1
        else:
            channel = owner.channel
            owner.answered(number)
            core.lines.room(channel)

    def _to_nobody(self, reply: Reply) -> None:
        core = self._core
        core.counters.unknown += 1
        log.debug("a reply to %s, who is gone, is dropped", reply.local)
        message = reply.message
        if isinstance(message, Mapping) and message.get("more_content"):
            core.layer.gone(reply.local)  # its sender has not heard, or forgotten

    def _more_body(self, local: str) -> None:
        link = self._core.links.get(local)
        if isinstance(link, HttpExchange):
            link.more_body()
        elif link is None:
            self._core.layer.gone(local)

    def _broken(self, item: Item) -> None:
        """End the one socket or request that an item of the mailbox broke."""
        link = self._core.links.get(getattr(item, "local", ""))
        if link is not None:
            self._core.broken(link)
        else:
            log.exception("%s: could not be delivered", type(item).__name__)
