from channels import route, route_class

from .consumers import (
    Decorated,
    LaterConsumer,
    PresenceConsumer,
    ShoutingConsumer,
    http_whoami,
    ordered_connect,
    ordered_disconnect,
    ordered_receive,
)

channel_routing = [
    PresenceConsumer.as_route(path=r"^/presence/(?P<room>\w+)/$"),
    route_class(Decorated, path=b"^/decorated/$"),
    LaterConsumer.as_route(),
    route("websocket.connect", ordered_connect, path=r"^/ordered/"),
    route("websocket.receive", ordered_receive, path=r"^/ordered/"),
    route("websocket.disconnect", ordered_disconnect, path=r"^/ordered/"),
    route("http.request", http_whoami, path=r"^/whoami/$"),
    route("http.request", ShoutingConsumer(), path=r"^/liveblog/shout"),
]
