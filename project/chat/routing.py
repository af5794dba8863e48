from channels import route
from chat import consumers

ROOM = r"^/(?P<room>[-a-zA-Z0-9_]{1,50})/$"

channel_routing = [
    route("websocket.connect", consumers.connect, path=ROOM),
    route("websocket.receive", consumers.receive, path=ROOM),
    route("websocket.disconnect", consumers.disconnect, path=ROOM),
]
