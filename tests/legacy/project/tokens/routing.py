from channels import include, route

from . import consumers

http_routing = [
    route("http.request", consumers.http_status, path=r"^/status/$", method=r"^(?:GET|POST)$"),
    route("http.request", consumers.http_numbers, path=r"^/numbers/(?P<count>\d+)/$"),
    route("http.request", consumers.http_broken, path=r"^/broken/$"),
    route("http.request", consumers.http_gone, path=r"^/v1/"),
]

device_routing = [
    route("websocket.connect", consumers.ws_connect, path=r"^/(?P<client_id>\d+)?$"),
    route("websocket.receive", consumers.ws_receive, path=r"^/(?P<client_id>\d+)?$"),
    route("websocket.disconnect", consumers.ws_disconnect, path=r"^/(?P<client_id>\d+)?$"),
]

channel_routing = [
    include(http_routing, path=r"^/api"),
    include(device_routing, path=r"^/devices"),
]
