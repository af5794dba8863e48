from channels import route
from liveblog import consumers

PAGE = r"^/(?P<slug>[-a-zA-Z0-9_]+)/$"

channel_routing = [
    route("websocket.connect", consumers.connect, path=PAGE),
    route("websocket.disconnect", consumers.disconnect, path=PAGE),
]
