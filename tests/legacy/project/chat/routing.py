from channels import route

from .consumers import (
    chat_join,
    chat_leave,
    chat_send,
    ws_connect,
    ws_disconnect,
    ws_receive,
)

# There's no path matching on these routes; we just rely on the matching from
# the top-level routing.
websocket_routing = [
    route("websocket.connect", ws_connect),
    route("websocket.receive", ws_receive),
    route("websocket.disconnect", ws_disconnect),
]

# A second set of routes, for our own channel, split up by the command the
# client has sent us.
custom_routing = [
    route("chat.receive", chat_join, command="^join$"),
    route("chat.receive", chat_leave, command="^leave$"),
    route("chat.receive", chat_send, command="^send$"),
]
