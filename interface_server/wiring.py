"""Puts a bridge between a layer and the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from channels.interface_server.config import Config

if TYPE_CHECKING:
    from channels.interface_server.bridge.hub import Hub

#: Start of a mailbox's name.  The one of old, because ``channel_capacity`` of a
#: legacy project may match on it.
MAILBOX_KIND = "daphne.response"


def make_bridge(layer: Any, config: Config, info: Mapping[str, Any] | None = None) -> Hub:
    """Return the bridge for a layer; call it in the event loop that the server runs in.

    Args:
        layer: Where messages go.
        config: What the server was told.
        info: More to show on the register; what can be called is, at each heartbeat.
    """
    from channels.interface_server.bridge.hub import Hub, open_client
    from channels.interface_server.settings import BridgeSettings

    settings = BridgeSettings(
        expiry=getattr(layer, "expiry", BridgeSettings.expiry),
        group_expiry=getattr(layer, "group_expiry", BridgeSettings.group_expiry),
        stall_timeout=config.stall_timeout,
        on_lost_message="close" if config.on_lost_message == "close" else "skip",
        spool_limit=config.spool_limit,
        worker_wait=config.worker_wait,
    )
    return Hub(open_client(layer, MAILBOX_KIND), settings, info=info)
