from channels import route
from chat import consumers

ROOM = r"^/(?P<room>[-\w]{1,50})/$"

channel_routing = [
    route("websocket.connect", consumers.connect, path=ROOM),
    route("websocket.receive", consumers.receive, path=ROOM),
    route("websocket.disconnect", consumers.disconnect, path=ROOM),
]
