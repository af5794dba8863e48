"""Django with WebSockets whose sockets outlive your deploys.

Importing this package imports nothing else: its public names are looked up on
first use (PEP 562), so it works without Django and before settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from channels.asgi import channel_layers
    from channels.channel import Channel, Group
    from channels.names import DEFAULT_CHANNEL_LAYER
    from channels.routing import include, route, route_class

__version__ = "0.1.0"

#: For code that looks it up by its old name; Django itself finds the one in ``apps``.
default_app_config = "channels.apps.ChannelsConfig"

_HOME = {
    "DEFAULT_CHANNEL_LAYER": "channels.names",
    "channel_layers": "channels.asgi",
    "Channel": "channels.channel",
    "Group": "channels.channel",
    "route": "channels.routing",
    "route_class": "channels.routing",
    "include": "channels.routing",
}

#: Modules that ``import channels`` alone has always made reachable.
_MODULES = {"asgi", "channel", "exceptions", "message", "routing", "signals", "utils"}

__all__ = [
    "DEFAULT_CHANNEL_LAYER",
    "Channel",
    "Group",
    "__version__",
    "channel_layers",
    "default_app_config",
    "include",
    "route",
    "route_class",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"channels.{name}")
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'channels' has no attribute {name!r}") from None
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
