"""From a message to a consumer and its keyword arguments (docs/channels1.md#routing).

Pure: no layer, no worker, no I/O.  An application's ``routing.py`` imports
:func:`route`, :func:`route_class` and :func:`include` from here.
"""

from __future__ import annotations

from channels.routing.includes import Include
from channels.routing.router import Router, connect_consumer, null_consumer
from channels.routing.routes import Route, RouteClass

route = Route
route_class = RouteClass
include = Include

__all__ = [
    "Include",
    "Route",
    "RouteClass",
    "Router",
    "connect_consumer",
    "include",
    "null_consumer",
    "route",
    "route_class",
]
